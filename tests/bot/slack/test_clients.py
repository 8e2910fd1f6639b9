"""Calls of Slack's Web API: repeated where nothing can come twice."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk import WebClient

from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, open_client
from tests.bot.slack.server.slack import Slack


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return open_client(SlackSettings(api_url=slack.url), slack.bot_token)


@pytest.mark.parametrize("lost", [{"status": 503}, {"status": 500}, {"drop": True}])
def test_no_post_is_repeated_blindly(slack: Slack, client: WebClient, lost: dict[str, Any]) -> None:
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    for method in ("chat.postMessage", "chat.postEphemeral"):
        slack.faults.fail(method, after=True, **lost)
    with pytest.raises(OUTSIDE_ERRORS):
        client.chat_postMessage(channel=general, text="once")
    with pytest.raises(OUTSIDE_ERRORS):
        client.chat_postEphemeral(channel=general, user=alice, text="once, for Alice")
    assert len(slack.from_bot(general)) == len(slack.ephemerals(general, alice)) == 1


@pytest.mark.parametrize("lost", [{"status": 503}, {"status": 500}, {"drop": True}])
def test_what_may_come_twice_is_tried_again(
    slack: Slack, client: WebClient, lost: dict[str, Any]
) -> None:
    alice = slack.add_user("alice")
    slack.faults.fail("users.info", **lost)
    assert client.users_info(user=alice)["user"]["id"] == alice
    slack.faults.fail("chat.postMessage", status=429, retry_after=0)
    general = slack.add_channel("general", members=(alice,))
    client.chat_postMessage(channel=general, text="after the wait")
    assert len(slack.from_bot(general)) == 1
