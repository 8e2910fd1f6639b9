"""People, rights, tokens, workspaces, views and faults through the real SDK."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.webhook import WebhookClient

from tests.bot.slack.server.slack import Slack


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return WebClient(slack.bot_token, base_url=slack.url, retry_handlers=[])


@pytest.fixture
def alice(slack: Slack) -> str:
    return slack.add_user("alice", email="alice@harbour.example", admin=True)


@pytest.fixture
def general(slack: Slack, alice: str) -> str:
    return slack.add_channel("general", members=(alice,))


def error_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])


def test_the_bot_knows_itself(slack: Slack, client: WebClient) -> None:
    me = client.auth_test()
    assert (me["user_id"], me["bot_id"], me["team_id"]) == (
        slack.bot_user,
        slack.bot_id,
        slack.team_id,
    )
    assert client.bots_info(bot=slack.bot_id)["bot"]["user_id"] == slack.bot_user
    assert client.team_info()["team"]["id"] == slack.team_id


def test_tokens_are_checked(slack: Slack, client: WebClient) -> None:
    wrong = WebClient("xoxb-wrong", base_url=slack.url)
    assert error_of(wrong.auth_test) == "invalid_auth"
    assert error_of(WebClient(base_url=slack.url).auth_test) == "not_authed"
    assert error_of(client.apps_connections_open, app_token="xapp-wrong") == "invalid_auth"
    slack.revoke()
    assert error_of(client.auth_test) == "token_revoked"


def test_people_as_the_bot_sees_them(slack: Slack, client: WebClient, alice: str) -> None:
    guest = slack.add_user("guest", guest=True)
    visitor = slack.add_user("visitor", single_channel_guest=True)
    gone = slack.add_user("gone", deleted=True)
    stranger = slack.add_user("stranger", other_team="T0OTHER000")
    slack.add_channel("shared", shared=True, members=(alice, stranger))

    def info(user: str) -> Any:
        return client.users_info(user=user)["user"]

    assert info(alice)["is_admin"]
    assert info(alice)["profile"]["email"] == "alice@harbour.example"
    assert info(guest)["is_restricted"]
    assert info(visitor)["is_ultra_restricted"]
    assert info(gone)["deleted"]
    assert info(slack.bot_user)["is_bot"]
    assert info(stranger)["is_stranger"]
    assert info(stranger)["team_id"] == "T0OTHER000"
    assert error_of(client.users_info, user="U0NOBODY") == "user_not_found"
    far = slack.add_user("far", other_team="T0FARAWAY0")
    assert error_of(client.users_info, user=far) == "user_not_visible"
    assert len(client.users_list(limit=2)["members"]) == 2


def test_emails_need_their_scope(slack: Slack, client: WebClient, alice: str) -> None:
    found = client.users_lookupByEmail(email="Alice@harbour.example")
    assert found["user"]["id"] == alice
    assert error_of(client.users_lookupByEmail, email="x@y.example") == "users_not_found"
    slack.scopes = {"users:read"}
    assert "email" not in client.users_info(user=alice)["user"]["profile"]
    with pytest.raises(SlackApiError) as caught:
        client.users_lookupByEmail(email="alice@harbour.example")
    answer = caught.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "users:read.email",
        "users:read",
    )


def test_scopes_depend_on_the_kind_of_channel(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    secret = slack.add_channel("secret", private=True, members=(alice,))
    slack.scopes = {"channels:read"}
    assert client.conversations_info(channel=general)["channel"]["is_private"] is False
    assert error_of(client.conversations_info, channel=secret) == "missing_scope"
    assert error_of(client.conversations_info, channel=slack.dm(alice)) == "missing_scope"


def test_channels_as_the_bot_sees_them(slack: Slack, client: WebClient, alice: str) -> None:
    shared = slack.add_channel("shared", shared=True, members=(alice,))
    secret = slack.add_channel("secret", private=True, members=(alice,))
    dm = client.conversations_open(users=alice)["channel"]["id"]
    assert dm == slack.dm(alice)
    info = client.conversations_info(channel=shared, include_num_members=True)["channel"]
    assert info["is_ext_shared"]
    assert info["num_members"] == 2
    assert client.conversations_info(channel=secret)["channel"]["is_private"]
    assert client.conversations_info(channel=dm)["channel"]["user"] == alice
    assert set(client.conversations_members(channel=secret)["members"]) == {alice, slack.bot_user}


def test_usergroups(slack: Slack, client: WebClient, alice: str) -> None:
    group = slack.add_usergroup("hr", [alice])
    listed = client.usergroups_list(include_users=True)["usergroups"]
    assert [(g["id"], g["handle"], g["users"]) for g in listed] == [(group, "hr", [alice])]
    assert client.usergroups_users_list(usergroup=group)["users"] == [alice]
    assert error_of(client.usergroups_users_list, usergroup="S0") == "no_such_subteam"


def test_a_second_workspace_installs_the_app(slack: Slack, general: str) -> None:
    team = slack.add_workspace("Quay")
    slack.add_user("quinn", team=team)
    code = slack.oauth_code(team)
    anyone = WebClient(base_url=slack.url)
    secrets = {"client_id": slack.client_id, "client_secret": slack.client_secret}
    granted = anyone.oauth_v2_access(**secrets, code=code)
    assert granted["team"]["id"] == team.id
    quay = WebClient(granted["access_token"], base_url=slack.url)
    assert quay.auth_test()["user_id"] == team.bot_user
    assert error_of(quay.chat_postMessage, channel=general, text="x") == "channel_not_found"
    assert error_of(anyone.oauth_v2_access, **secrets, code=code) == "invalid_code"
    wrong = secrets | {"client_secret": "x"}
    assert error_of(anyone.oauth_v2_access, **wrong, code="c") == "bad_client_secret"


def test_a_stranger_in_a_shared_channel_is_marked(slack: Slack, alice: str) -> None:
    stranger = slack.add_user("stranger", other_team="T0OTHER000")
    shared = slack.add_channel("shared", shared=True, members=(alice, stranger))
    with slack.holding() as held:
        slack.say(stranger, shared, f"<@{slack.bot_user}> hello")
        for body in held:
            assert body["is_ext_shared_channel"]
            assert body["event"]["user_team"] == body["team_id"] == "T0OTHER000"
            assert body["authorizations"][0]["team_id"] == slack.team_id


MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Why?"},
    "blocks": [{"type": "divider"}],
}


def test_triggers_are_short_lived_and_good_for_one_view(
    slack: Slack, client: WebClient, alice: str
) -> None:
    call = client.views_open
    assert error_of(call, trigger_id="1.2.3", view=MODAL) == "invalid_trigger_id"
    trigger = slack.workspace.new_trigger(alice, slack.team_id)
    assert call(trigger_id=trigger, view=MODAL)["ok"]
    assert error_of(call, trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    late = slack.workspace.new_trigger(alice, slack.team_id)
    slack.advance(3.1)
    assert error_of(call, trigger_id=late, view=MODAL) == "expired_trigger_id"


def test_views_are_stacked_and_guarded_by_their_hash(
    slack: Slack, client: WebClient, alice: str
) -> None:
    def trigger() -> str:
        return slack.workspace.new_trigger(alice, slack.team_id)

    first = client.views_open(trigger_id=trigger(), view=MODAL)["view"]
    client.views_push(trigger_id=trigger(), view=MODAL)
    client.views_push(trigger_id=trigger(), view=MODAL)
    assert error_of(client.views_push, trigger_id=trigger(), view=MODAL) == "push_limit_reached"
    update = client.views_update
    assert update(view_id=first["id"], hash=first["hash"], view=MODAL)["ok"]
    assert error_of(update, view_id=first["id"], hash=first["hash"], view=MODAL) == "hash_conflict"
    assert error_of(update, view_id="V0", view=MODAL) == "not_found"


def test_the_home_tab(slack: Slack, client: WebClient, alice: str) -> None:
    home = {"type": "home", "blocks": [{"type": "header", "text": MODAL["title"]}]}
    published = client.views_publish(user_id=alice, view=home)["view"]
    assert slack.home_of(alice).visible_text == "Why?"
    client.views_publish(user_id=alice, view=home, hash=published["hash"])
    call = client.views_publish
    assert error_of(call, user_id=alice, view=home, hash=published["hash"]) == "hash_conflict"
    with slack.holding() as held:
        slack.open_home(alice)
        assert held[0]["event"]["view"]["id"] == published["id"]


def test_faults_come_in_order_and_end(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    slack.faults.fail("chat.postMessage", error="channel_not_found", channel=general)
    assert client.chat_postMessage(channel=slack.dm(alice), text="x")["ok"]
    assert error_of(client.chat_postMessage, channel=general, text="x") == "channel_not_found"
    assert client.chat_postMessage(channel=general, text="x")["ok"]
    slack.faults.fail("chat.postMessage", drop=True, after=True)
    with pytest.raises((OSError, SlackApiError)):
        client.chat_postMessage(channel=general, text="heard, but not answered")
    assert slack.from_bot(general)[-1].text == "heard, but not answered"
    slack.without("chat.startStream")
    missing = client.chat_startStream
    assert error_of(missing, channel=general, thread_ts="1.2") == "unknown_method"


def test_the_sdk_waits_out_429_and_503(slack: Slack, general: str) -> None:
    handlers = [RateLimitErrorRetryHandler(2), ServerErrorRetryHandler(2)]
    client = WebClient(slack.bot_token, base_url=slack.url, retry_handlers=handlers)
    slack.faults.fail("chat.postMessage", status=429, retry_after=1)
    slack.faults.fail("chat.postMessage", status=503)
    assert client.chat_postMessage(channel=general, text="x")["ok"]
    assert [call.status for call in slack.calls_of("chat.postMessage")] == [429, 503, 200]


def test_a_channel_takes_a_post_a_second(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    slack.rate_limits.on(per_channel=1, burst=2)
    client.chat_postMessage(channel=general, text="1")
    client.chat_postMessage(channel=general, text="2")
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel=general, text="3")
    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) >= 1
    assert client.chat_postMessage(channel=slack.dm(alice), text="1")["ok"]
    slack.advance(2)
    assert client.chat_postMessage(channel=general, text="3")["ok"]


def test_a_response_url_serves_five_times_for_half_an_hour(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    room = slack.channel(general)
    url = slack.workspace.new_response_url(alice, room)
    hook = WebhookClient(url)
    assert hook.send(text="psst").body == "ok"
    assert [m.text for m in slack.ephemerals(general, alice)] == ["psst"]
    assert hook.send(text="all", response_type="in_channel").status_code == 200
    assert [m.text for m in slack.from_bot(general)] == ["all"]
    assert hook.send(text="").body == "no_text"
    for _ in range(3):
        hook.send(text="again")
    assert "used_url" in hook.send(text="sixth").body
    late = WebhookClient(slack.workspace.new_response_url(alice, room))
    slack.advance(1801)
    assert "expired_url" in late.send(text="late").body


def test_a_response_replaces_or_deletes_its_message(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    client.chat_postMessage(channel=general, text="one")
    message = slack.from_bot(general)[0]
    url = slack.workspace.new_response_url(alice, slack.channel(general), message)
    hook = WebhookClient(url)
    hook.send(text="two", replace_original=True)
    assert message.visible_text == "two"
    assert [v.text for v in message.edits] == ["one"]
    hook.send(delete_original=True)
    assert message.deleted


def test_arguments_may_come_as_a_form(slack: Slack, general: str) -> None:
    blocks = json.dumps([{"type": "divider"}])
    form = f"token={slack.bot_token}&channel={general}&text=x&blocks={blocks}".encode()

    def answer(method: str, body: bytes) -> Any:
        address = f"{slack.url}{method}"
        with urllib.request.urlopen(address, body, timeout=30) as response:  # noqa: S310
            return json.load(response)

    assert answer("chat.postMessage", form)["message"]["blocks"][0]["type"] == "divider"
    assert answer("no.such", b"")["error"] == "unknown_method"
