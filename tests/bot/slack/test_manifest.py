"""The manifests are what the code needs, and what Slack takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.slack.manifest import (
    EVENT_SCOPES,
    METHOD_SCOPES,
    bot_scopes,
    called_methods,
    heard,
    manifest,
    manifest_yaml,
)

ROOT = Path(__file__).parents[3]
HTTP = "https://nightshift.example.com"


@pytest.mark.parametrize(
    ("file", "url"), [("slack-manifest.yaml", ""), ("slack-manifest-http.yaml", HTTP)]
)
def test_the_files_are_what_the_code_needs(file: str, url: str) -> None:
    written = (ROOT / file).read_text(encoding="utf-8")
    assert written == manifest_yaml(url), f"make anew: nightshift manifest --http '{url}' > {file}"
    assert yaml.safe_load(written) == manifest(url)


def test_the_code_is_read() -> None:
    assert {"chat_postMessage", "users_info", "conversations_info"} <= called_methods()
    assert called_methods() <= METHOD_SCOPES.keys()
    assert {"app_mention", "message"} <= heard("event") <= EVENT_SCOPES.keys()
    assert "/ask" in heard("command")
    assert {"app_mentions:read", "chat:write", "users:read.email"} <= set(bot_scopes())


def test_limits_of_the_manifest() -> None:
    values = manifest()
    assert len(values["display_information"]["name"]) <= 35
    assert len(values["display_information"]["description"]) <= 140
    assert 174 <= len(values["display_information"]["long_description"]) <= 4000
    features: dict[str, Any] = values["features"]
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["agent_view"]["suggested_prompts"]) <= 4
    for command in features["slash_commands"]:
        assert len(command["command"]) <= 32
        assert len(command["description"]) <= 2000
    for shortcut in features["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["description"]) <= 150


def test_by_http_each_request_has_its_address() -> None:
    values = manifest(HTTP + "/")
    address = f"{HTTP}/slack/events"
    assert values["settings"]["event_subscriptions"]["request_url"] == address
    assert values["settings"]["interactivity"]["request_url"] == address
    assert {command["url"] for command in values["features"]["slash_commands"]} == {address}
    assert values["oauth_config"]["redirect_urls"] == [f"{HTTP}/slack/oauth_redirect"]
    assert not values["settings"]["socket_mode_enabled"]
    assert HTTP not in manifest_yaml()
