"""Calls of Slack's Web API: repeated where nothing can come twice."""

from __future__ import annotations

import ssl
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.settings import SlackSettings
from bot.slack.clients import OUTSIDE_ERRORS, kind_of, no_slack, open_client
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


REFUSED = SlackApiError("", {"ok": False, "error": "invalid_auth"})
UNTRUSTED = URLError(ssl.SSLCertVerificationError("self-signed"))
LOST = URLError(OSError("Tunnel to http://me:s3cret@proxy failed"))


@pytest.mark.parametrize(
    ("error", "kind", "mend"),
    [
        (REFUSED, "invalid_auth", "Check the token"),
        (UNTRUSTED, "URLError: SSLCertVerificationError", "SSL_CERT_FILE"),
        (ssl.SSLCertVerificationError("self-signed"), "SSLCertVerificationError", "SSL_CERT_FILE"),
        (LOST, "URLError: OSError", "HTTPS_PROXY"),
        (URLError("unknown url type: s3cret"), "URLError", "HTTPS_PROXY"),
        (HTTPException("s3cret"), "HTTPException", "HTTPS_PROXY"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_with_its_mend(
    error: Exception, kind: str, mend: str
) -> None:
    told = no_slack("the bot's token (xoxb-…)", error)
    assert kind_of(error) == kind
    assert kind in told.problem
    assert mend in told.mend
    assert ("token" in told.problem + told.mend) is (error is REFUSED)
    assert "s3cret" not in told.problem + told.mend
