"""Messages, threads, streams, reactions and files through the real SDK."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.bot.slack.server.slack import Slack

Json = dict[str, Any]


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return WebClient(slack.bot_token, base_url=slack.url)


@pytest.fixture
def alice(slack: Slack) -> str:
    return slack.add_user("alice", email="alice@harbour.example")


@pytest.fixture
def general(slack: Slack, alice: str) -> str:
    return slack.add_channel("general", members=(alice,))


def error_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])


def events(slack: Slack) -> list[str]:
    """Return the events that the bot would hear, by type."""
    return [
        ".".join(filter(None, (body["event"]["type"], body["event"].get("subtype", ""))))
        for body in slack.service.held
    ]


def test_a_message_is_posted_changed_and_deleted(
    slack: Slack, client: WebClient, general: str
) -> None:
    with slack.holding():
        ts = client.chat_postMessage(channel=general, text="one")["ts"]
        client.chat_update(channel=general, ts=ts, text="two")
        message = slack.message(general, ts)
        assert message.visible_text == "two"
        assert [version.visible_text for version in message.edits] == ["one"]
        client.chat_delete(channel=general, ts=ts)
        assert message.deleted
        assert events(slack) == ["message", "message.message_changed", "message.message_deleted"]
        assert slack.service.held[0]["event"]["bot_id"] == slack.bot_id
    assert slack.from_bot(general) == []
    assert error_of(client.chat_update, channel=general, ts=ts, text="x") == "message_not_found"


def test_where_the_bot_may_not_write(slack: Slack, client: WebClient, alice: str) -> None:
    post = client.chat_postMessage
    elsewhere = slack.add_channel("elsewhere", members=(alice,), bot=False)
    secret = slack.add_channel("secret", private=True, members=(alice,), bot=False)
    old = slack.add_channel("old", members=(alice,))
    slack.channel(old).archived = True
    assert error_of(post, channel="C0NOWHERE", text="x") == "channel_not_found"
    assert error_of(post, channel=secret, text="x") == "channel_not_found"
    assert error_of(post, channel=elsewhere, text="x") == "not_in_channel"
    assert error_of(post, channel=old, text="x") == "is_archived"
    slack.scopes = {"chat:write", "chat:write.public"}
    assert post(channel="#elsewhere", text="x")["ok"]


def test_only_own_messages_are_changed(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    ts = slack.say(alice, general, "mine")
    assert error_of(client.chat_update, channel=general, ts=ts, text="x") == "cant_update_message"
    assert error_of(client.chat_delete, channel=general, ts=ts) == "cant_delete_message"


def test_a_thread_with_metadata_is_read_back(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    ts = slack.say(alice, general, "question")
    metadata = {"event_type": "answer", "event_payload": {"id": "7"}}
    client.chat_postMessage(channel=general, thread_ts=ts, text="answer", metadata=metadata)
    found = client.conversations_replies(channel=general, ts=ts, include_all_metadata=True)
    assert [m["text"] for m in found["messages"]] == ["question", "answer"]
    assert found["messages"][1]["metadata"] == metadata
    assert "metadata" not in client.conversations_replies(channel=general, ts=ts)["messages"][1]
    assert found["messages"][0]["reply_count"] == 1
    assert [m["text"] for m in client.conversations_history(channel=general)["messages"]] == [
        "question"
    ]
    lost = error_of(client.chat_postMessage, channel=general, thread_ts="1.2", text="x")
    assert lost == "thread_not_found"
    link = client.chat_getPermalink(channel=general, message_ts=found["messages"][1]["ts"])
    assert f"thread_ts={ts}" in link["permalink"]


def test_an_ephemeral_message_is_for_one(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    bob = slack.add_user("bob")
    ts = client.chat_postEphemeral(channel=general, user=alice, text="psst")["message_ts"]
    assert [m.text for m in slack.ephemerals(general, alice)] == ["psst"]
    assert slack.ephemerals(general, bob) == slack.from_bot(general) == []
    post = client.chat_postEphemeral
    assert error_of(post, channel=general, user=bob, text="x") == "user_not_in_channel"
    assert error_of(client.chat_update, channel=general, ts=ts, text="x") == "message_not_found"


def stream_in(slack: Slack, alice: str, general: str) -> Json:
    return {
        "channel": general,
        "thread_ts": slack.say(alice, general, "question"),
        "recipient_user_id": alice,
        "recipient_team_id": slack.team_id,
    }


def test_a_stream_by_the_sdk_ends_as_a_message(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    where = stream_in(slack, alice, general)
    stream = client.chat_stream(**where, buffer_size=4)
    stream.append(markdown_text="**210**")
    stream.append(markdown_text=" euros")
    message = slack.from_bot(general, where["thread_ts"])[0]
    assert message.streaming
    update = client.chat_update
    assert error_of(update, channel=general, ts=message.ts, text="x") == "streaming_state_conflict"
    button = {"text": {"type": "plain_text", "text": "Good"}, "value": "up"}
    vote = {
        "type": "feedback_buttons",
        "action_id": "vote",
        "positive_button": button,
        "negative_button": button | {"value": "down"},
    }
    stream.stop(blocks=[{"type": "context_actions", "elements": [vote]}])
    assert not message.streaming
    assert message.visible_text == "**210** euros\nGood\nGood"
    assert message.actions == ["vote"]
    assert update(channel=general, ts=message.ts, text="x")["ok"]


def test_a_stream_needs_a_thread_and_a_reader(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    start, where = client.chat_startStream, stream_in(slack, alice, general)
    assert error_of(start, **where | {"recipient_user_id": None}) == "missing_recipient_user_id"
    assert error_of(start, **where | {"recipient_team_id": None}) == "missing_recipient_team_id"
    assert error_of(start, **where | {"thread_ts": ""}) == "invalid_arguments"
    dm = slack.dm(alice)
    ts = slack.say(alice, dm, "question")
    assert start(channel=dm, thread_ts=ts)["ok"]


def test_streams_fail_by_name(slack: Slack, client: WebClient, alice: str, general: str) -> None:
    where = stream_in(slack, alice, general)
    append, stop = client.chat_appendStream, client.chat_stopStream
    ts = client.chat_startStream(**where, markdown_text="a")["ts"]
    at = {"channel": general, "ts": ts}
    chunks = [{"type": "markdown_text", "text": "b"}]
    assert error_of(append, **at, markdown_text="", chunks=chunks) == "streaming_mode_mismatch"
    assert error_of(append, **at, markdown_text="x" * 12_001) == "msg_too_long"
    assert error_of(append, **at, markdown_text="") == "markdown_text_or_chunks_required"
    slack.advance(301)
    assert error_of(append, **at, markdown_text="b") == "message_not_in_streaming_state"
    assert error_of(stop, **at) == "message_not_in_streaming_state"
    assert client.chat_update(**at, text="all of it")["ok"]


def test_a_stream_dies_at_a_size(slack: Slack, client: WebClient, alice: str, general: str) -> None:
    slack.workspace.stream_dies_at = 100
    stream = client.chat_stream(**stream_in(slack, alice, general), buffer_size=10)
    stream.append(markdown_text="x" * 90)
    assert error_of(stream.append, markdown_text="x" * 20) == "message_not_in_streaming_state"


def test_stop_ends_the_stream_for_good(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    where = stream_in(slack, alice, general)
    ts = client.chat_startStream(**where, markdown_text="a")["ts"]
    client.agents_sessions_setStatus(
        channel_id=general, thread_ts=where["thread_ts"], status="processing"
    )
    with slack.holding():
        assert slack.stop_button(alice, general, where["thread_ts"]) == [ts]
        assert slack.service.held[0]["event"]["streaming_message_ts"] == [ts]
    append = client.chat_appendStream
    assert error_of(append, channel=general, ts=ts, markdown_text="b") == "stopped_by_user"
    assert client.chat_update(channel=general, ts=ts, text="Stopped.")["ok"]


def test_reactions_are_heard_even_the_own_ones(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    ts = client.chat_postMessage(channel=general, text="x")["ts"]
    with slack.holding():
        client.reactions_add(channel=general, timestamp=ts, name="eyes")
        slack.react(alice, general, ts, "+1::skin-tone-3")
        slack.unreact(alice, general, ts, "+1::skin-tone-3")
        assert events(slack) == ["reaction_added", "reaction_added", "reaction_removed"]
        assert slack.service.held[0]["event"]["user"] == slack.bot_user
        assert slack.service.held[1]["event"]["item_user"] == slack.bot_user
    add = client.reactions_add
    assert error_of(add, channel=general, timestamp=ts, name="eyes") == "already_reacted"
    assert error_of(add, channel=general, timestamp=ts, name="a b") == "invalid_name"
    remove = client.reactions_remove
    assert error_of(remove, channel=general, timestamp=ts, name="wave") == "no_reaction"


def test_edits_and_deletions_of_people_are_heard(slack: Slack, alice: str, general: str) -> None:
    with slack.holding():
        ts = slack.say(alice, general, "hotel limit?")
        slack.edit(alice, general, ts, f"<@{slack.bot_user}> hotel limit?")
        slack.delete(alice, general, ts)
        assert events(slack) == [
            "message",
            "message.message_changed",
            "app_mention",
            "message.message_deleted",
        ]
        assert slack.service.held[1]["event"]["previous_message"]["text"] == "hotel limit?"


def test_a_deleted_question_with_answers_leaves_a_tombstone(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    ts = slack.say(alice, general, "question")
    client.chat_postMessage(channel=general, thread_ts=ts, text="answer")
    with slack.holding():
        slack.delete(alice, general, ts)
        assert slack.service.held[0]["event"]["message"]["subtype"] == "tombstone"


def fetch(url: str, token: str = "") -> tuple[bytes, str]:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        assert response.status == 200
        return response.read(), response.headers["Content-Type"]


def test_a_file_needs_the_token_or_is_a_login_page(
    slack: Slack, client: WebClient, alice: str, general: str
) -> None:
    with slack.holding():
        slack.say(alice, general, "see this", files=[("list.txt", b"one\ntwo\n")])
        shared = next(b["event"] for b in slack.service.held if b["event"]["type"] == "message")
    file = shared["files"][0]
    assert shared["subtype"] == "file_share"
    assert file["size"] == 8
    assert fetch(file["url_private_download"], slack.bot_token) == (b"one\ntwo\n", "text/plain")
    page, kind = fetch(file["url_private"])
    assert b"Sign in" in page
    assert kind.startswith("text/html")
    assert client.files_info(file=file["id"])["file"]["name"] == "list.txt"
    assert error_of(client.files_info, file="F0") == "file_not_found"


def test_a_file_is_uploaded(slack: Slack, client: WebClient, alice: str, general: str) -> None:
    ts = slack.say(alice, general, "chart?")
    client.files_upload_v2(
        channel=general, thread_ts=ts, filename="a.png", content=b"\x89PNG", initial_comment="here"
    )
    message = slack.from_bot(general, ts)[0]
    assert message.text == "here"
    assert slack.workspace.files[message.files[0]].content == b"\x89PNG"


def test_the_agent_surface(slack: Slack, client: WebClient, alice: str) -> None:
    dm = slack.dm(alice)
    ts = slack.say(alice, dm, "question")
    where = {"channel_id": dm, "thread_ts": ts}
    client.assistant_threads_setStatus(**where, status="is looking…")
    client.assistant_threads_setTitle(**where, title="Hotels")
    prompts = [{"title": "Leave", "message": "How much leave do I have?"}]
    client.assistant_threads_setSuggestedPrompts(**where, prompts=prompts)
    session = slack.session(dm, ts)
    assert (session.status, session.title, session.prompts) == ("is looking…", "Hotels", prompts)
    client.chat_postMessage(channel=dm, thread_ts=ts, text="answer")
    assert session.status == ""
    many = prompts * 5
    call = client.assistant_threads_setSuggestedPrompts
    assert error_of(call, **where, prompts=many) == "invalid_arguments"
    answer = client.agents_sessions_setStatus(**where, status="processing")
    assert "warning" not in answer.data
    slack.service.events.subscribed.remove("agent_session_stopped")
    answer = client.agents_sessions_setStatus(**where, status="active")
    assert answer["warning"] == "missing_agent_session_stopped_event_subscription"
