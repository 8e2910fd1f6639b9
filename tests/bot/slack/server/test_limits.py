"""Each documented limit, by the name that Slack gives to its breach, through the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.bot.slack.server.slack import Slack, slack_workspace

Json = dict[str, Any]


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    with slack_workspace() as server:
        yield server


@pytest.fixture(scope="module")
def client(slack: Slack) -> WebClient:
    return WebClient(slack.bot_token, base_url=slack.url)


@pytest.fixture(scope="module")
def channel(slack: Slack) -> str:
    return slack.add_channel("general", members=(slack.add_user("alice"),))


def words(text: str, kind: str = "plain_text") -> Json:
    return {"type": kind, "text": text}


def section(text: str) -> Json:
    return {"type": "section", "text": words(text, "mrkdwn")}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def button(**changes: Any) -> Json:
    return {"type": "button", "text": words("Go"), "action_id": "go"} | changes


def menu(*options: Json, kind: str = "static_select") -> Json:
    return {"type": kind, "action_id": "menu", "options": list(options)}


def option(text: str = "a", value: str = "a") -> Json:
    return {"text": words(text), "value": value}


def feedback(value: str = "up", text: str = "Good") -> Json:
    pressed = {"text": words(text), "value": value}
    other = {"text": words("Bad"), "value": "down"}
    element = {"type": "feedback_buttons", "action_id": "vote"}
    return {
        "type": "context_actions",
        "elements": [element | {"positive_button": pressed, "negative_button": other}],
    }


def refused(client: WebClient, channel: str, **message: Any) -> Json:
    with pytest.raises(SlackApiError) as caught:
        # Not chat_postMessage: it warns of what is missed here on purpose.
        client.api_call("chat.postMessage", json={"channel": channel, **message})
    return dict(caught.value.response.data)  # type: ignore[arg-type]


FITS = [
    {"text": "x" * 40_000},
    {"text": "t", "blocks": [section("x" * 3_000)] * 4},
    {"text": "t", "blocks": [{"type": "header", "text": words("x" * 150)}]},
    {"text": "t", "blocks": [{"type": "markdown", "text": "x" * 12_000}]},
    {"text": "t", "blocks": [{"type": "divider"}] * 50},
    {"text": "t", "blocks": [actions(button(value="v" * 2_000, text=words("x" * 75)))]},
    {"text": "t", "blocks": [feedback("v" * 2_000, "x" * 75)]},
    {"text": "t", "blocks": [actions(menu(*[option("x" * 75, f"{n:0150}") for n in range(100)]))]},
    {"text": "t", "blocks": [{"type": "context", "elements": [words("x")] * 10}]},
    {"text": "t", "blocks": [actions(*[button(action_id=f"b{n}") for n in range(25)])]},
    {"text": "t", "attachments": [{"text": "x"}] * 100},
    {"markdown_text": "x" * 12_000},
]


@pytest.mark.parametrize("message", FITS, ids=lambda message: ",".join(message))
def test_what_just_fits_is_taken(message: Json, client: WebClient, channel: str) -> None:
    assert client.chat_postMessage(channel=channel, **message)["ok"]


TOO_MUCH = {
    "text": ({"text": "x" * 40_001}, "msg_too_long"),
    "nothing": ({}, "no_text"),
    "blank text": ({"text": "  "}, "no_text"),
    "markdown_text": ({"markdown_text": "x" * 12_001}, "msg_too_long"),
    "both texts": ({"markdown_text": "x", "text": "y"}, "markdown_text_conflict"),
    "attachments": ({"text": "t", "attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    "all blocks": ({"text": "t", "blocks": [section("x" * 2_700)] * 5}, "msg_blocks_too_long"),
    "51 blocks": ({"text": "t", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    "section": ({"blocks": [section("x" * 3_001)]}, "invalid_blocks"),
    "empty section": ({"blocks": [section("")]}, "invalid_blocks"),
    "fields": (
        {"blocks": [{"type": "section", "fields": [words("x")] * 11}]},
        "invalid_blocks",
    ),
    "field": ({"blocks": [{"type": "section", "fields": [words("x" * 2_001)]}]}, "invalid_blocks"),
    "header": ({"blocks": [{"type": "header", "text": words("x" * 151)}]}, "invalid_blocks"),
    "markdown": ({"blocks": [{"type": "markdown", "text": "x" * 6_001}] * 2}, "invalid_blocks"),
    "button": ({"blocks": [actions(button(text=words("x" * 76)))]}, "invalid_blocks"),
    "button markup": (
        {"blocks": [actions(button(text=words("x", "mrkdwn")))]},
        "invalid_blocks",
    ),
    "button value": ({"blocks": [actions(button(value="v" * 2_001))]}, "invalid_blocks"),
    "button url": (
        {"blocks": [actions(button(url="https://a.b/" + "u" * 3_000))]},
        "invalid_blocks",
    ),
    "button style": ({"blocks": [actions(button(style="green"))]}, "invalid_blocks"),
    "action id": ({"blocks": [actions(button(action_id="a" * 256))]}, "invalid_blocks"),
    "same action id": ({"blocks": [actions(button(), button())]}, "invalid_blocks"),
    "feedback value": ({"blocks": [feedback("v" * 2_001)]}, "invalid_blocks"),
    "feedback text": ({"blocks": [feedback("v", "x" * 76)]}, "invalid_blocks"),
    "feedback in actions": ({"blocks": [actions(feedback()["elements"][0])]}, "invalid_blocks"),
    "option": ({"blocks": [actions(menu(option("x" * 76)))]}, "invalid_blocks"),
    "option value": ({"blocks": [actions(menu(option("x", "v" * 151)))]}, "invalid_blocks"),
    "options": ({"blocks": [actions(menu(*[option()] * 101))]}, "invalid_blocks"),
    "no options": ({"blocks": [actions(menu())]}, "invalid_blocks"),
    "overflow": ({"blocks": [actions(menu(*[option()] * 6, kind="overflow"))]}, "invalid_blocks"),
    "actions": (
        {"blocks": [actions(*[button(action_id=f"b{n}") for n in range(26)])]},
        "invalid_blocks",
    ),
    "no actions": ({"blocks": [actions()]}, "invalid_blocks"),
    "context": ({"blocks": [{"type": "context", "elements": [words("x")] * 11}]}, "invalid_blocks"),
    "block id": ({"blocks": [{"type": "divider", "block_id": "b" * 256}]}, "invalid_blocks"),
    "same block id": (
        {"blocks": [{"type": "divider", "block_id": "b"}] * 2},
        "invalid_blocks",
    ),
    "unknown block": ({"blocks": [{"type": "marquee"}]}, "invalid_blocks"),
    "image alt text": (
        {"blocks": [{"type": "image", "image_url": "https://a.b/c.png", "alt_text": ""}]},
        "invalid_blocks",
    ),
    "no list": ({"blocks": "{"}, "invalid_blocks_format"),
    "metadata": (
        {
            "text": "t",
            "metadata": {"event_type": "x", "event_payload": {"a": "x" * 8_000}},
        },
        "metadata_too_large",
    ),
    "metadata without type": (
        {"text": "t", "metadata": {"event_payload": {}}},
        "invalid_metadata_schema",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused_by_name(name: str, client: WebClient, channel: str) -> None:
    message, error = TOO_MUCH[name]
    answer = refused(client, channel, **message)
    assert answer["error"] == error
    if error == "invalid_blocks":
        assert "/blocks" in answer["response_metadata"]["messages"][0]


def test_an_update_takes_4000_characters_of_text(client: WebClient, channel: str) -> None:
    ts = client.chat_postMessage(channel=channel, text="x")["ts"]
    assert client.chat_update(channel=channel, ts=ts, text="x" * 4_000)["ok"]
    with pytest.raises(SlackApiError, match="msg_too_long"):
        client.chat_update(channel=channel, ts=ts, text="x" * 4_001)


def modal(**changes: Any) -> Json:
    return {"type": "modal", "title": words("Why?"), "blocks": [section("x")]} | changes


INPUT = {
    "type": "input",
    "label": words("Why"),
    "element": {"type": "plain_text_input", "action_id": "t"},
}

BAD_VIEWS = {
    "title": modal(title=words("x" * 25)),
    "no title": {k: v for k, v in modal().items() if k != "title"},
    "submit": modal(submit=words("x" * 25)),
    "input without submit": modal(blocks=[INPUT]),
    "private metadata": modal(private_metadata="x" * 3_001),
    "callback id": modal(callback_id="x" * 256),
    "101 blocks": modal(blocks=[{"type": "divider"}] * 101),
    "feedback in a view": modal(blocks=[feedback()]),
    "label": modal(blocks=[INPUT | {"label": words("x" * 2_001)}], submit=words("Send")),
    "type": modal(type="window"),
}


@pytest.mark.parametrize("name", BAD_VIEWS)
def test_views_have_limits(name: str, slack: Slack, client: WebClient) -> None:
    alice = next(p.id for p in slack.workspace.people.values() if p.name == "alice")
    trigger = slack.workspace.new_trigger(alice, slack.team_id)
    with pytest.raises(SlackApiError) as caught:
        client.views_open(trigger_id=trigger, view=BAD_VIEWS[name])
    assert caught.value.response["error"] == "invalid_arguments"


def test_a_view_that_just_fits_opens(slack: Slack, client: WebClient) -> None:
    alice = next(p.id for p in slack.workspace.people.values() if p.name == "alice")
    trigger = slack.workspace.new_trigger(alice, slack.team_id)
    view = modal(
        title=words("x" * 24),
        blocks=[section("x" * 3_000)] * 100,
        private_metadata="x" * 3_000,
        callback_id="x" * 255,
    )
    assert client.views_open(trigger_id=trigger, view=view)["view"]["root_view_id"]
