"""The server against the SDK's own Socket Mode client and Bolt."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from tests.bot.slack.server.slack import Slack


class Listener:
    """A bare client that notes what comes and acknowledges what it is told to."""

    def __init__(self, slack: Slack) -> None:
        web = WebClient(slack.bot_token, base_url=slack.url)
        self.client = SocketModeClient(slack.app_token, web_client=web, ping_interval=0.3)
        self.requests: queue.Queue[SocketModeRequest] = queue.Queue()
        self.acks = True
        self.payload: dict[str, Any] | None = None
        self.client.socket_mode_request_listeners.append(self._take)
        self.client.connect()

    def _take(self, client: Any, request: SocketModeRequest) -> None:
        if self.acks:
            client.send_socket_mode_response(
                SocketModeResponse(request.envelope_id, payload=self.payload)
            )
        self.requests.put(request)

    def close(self, slack: Slack) -> None:
        """Close; the client waits seconds for a server that keeps the line open, so cut it."""
        self.client.default_auto_reconnect_enabled = self.client.auto_reconnect_enabled = False
        slack.drop_sockets()
        self.client.close()

    def next(self) -> SocketModeRequest:
        return self.requests.get(timeout=20)


@pytest.fixture
def listener(slack: Slack) -> Iterator[Listener]:
    made = Listener(slack)
    slack.wait_for_sockets()
    yield made
    made.close(slack)


def test_a_mention_is_two_events_with_one_ts(slack: Slack, listener: Listener) -> None:
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    ts = slack.say(alice, general, f"<@{slack.bot_user}> hotel limit?")
    bodies = [listener.next().payload for _ in range(2)]
    assert {body["event"]["type"] for body in bodies} == {"app_mention", "message"}
    assert {body["event"]["ts"] for body in bodies} == {ts}
    assert len({body["event_id"] for body in bodies}) == 2
    message = next(b["event"] for b in bodies if b["event"]["type"] == "message")
    assert message["channel_type"] == "channel"
    assert message["user"] == alice
    slack.settle()
    assert [sent.attempts for sent in slack.events_sent] == [["ok"], ["ok"]]


def test_a_direct_message_is_one_event(slack: Slack, listener: Listener) -> None:
    alice = slack.add_user("alice")
    slack.say(alice, slack.dm(alice), "hello")
    body = listener.next().payload
    assert body["event"]["channel_type"] == "im"
    assert body["authorizations"][0]["user_id"] == slack.bot_user


def test_what_is_not_acknowledged_comes_again(slack: Slack, listener: Listener) -> None:
    slack.courier.ack_seconds = 0.2
    listener.acks = False
    alice = slack.add_user("alice")
    slack.say(alice, slack.dm(alice), "hello")
    first = listener.next()
    listener.acks = True
    second = listener.next()
    assert (first.retry_attempt, second.retry_attempt) == (0, 1)
    assert second.retry_reason == "http_timeout"
    assert first.payload["event_id"] == second.payload["event_id"]
    slack.settle()
    assert slack.events_sent[0].attempts == ["timeout", "ok"]


def test_a_command_shows_its_acknowledgement(slack: Slack, listener: Listener) -> None:
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    listener.payload = {"text": "looking"}
    run = slack.command(alice, general, "/ask", "hotel limit?")
    assert run.ack == {"text": "looking"}
    request = listener.next()
    assert request.type == "slash_commands"
    assert request.accepts_response_payload
    assert request.payload["text"] == "hotel limit?"
    assert [m.text for m in slack.ephemerals(general, alice)] == ["looking"]


def test_a_command_without_acknowledgement_times_out(slack: Slack, listener: Listener) -> None:
    slack.courier.ack_seconds = 0.1
    listener.acks = False
    alice = slack.add_user("alice")
    general = slack.add_channel("general", members=(alice,))
    assert slack.command(alice, general, "/ask", "x").error == "operation_timeout"


def test_sockets_share_the_events(slack: Slack, listener: Listener) -> None:
    other = Listener(slack)
    slack.wait_for_sockets(2)
    alice = slack.add_user("alice")
    for number in range(6):
        slack.say(alice, slack.dm(alice), str(number))
    slack.settle()
    assert listener.requests.qsize() == other.requests.qsize() == 3
    other.close(slack)


def test_a_renewed_socket_takes_over(slack: Slack, listener: Listener) -> None:
    slack.disconnect("refresh_requested")
    alice = slack.add_user("alice")
    slack.say(alice, slack.dm(alice), "still there?")
    assert listener.next().payload["event"]["text"] == "still there?"
    assert slack.courier.disconnects == ["refresh_requested"]


def test_a_cut_socket_loses_no_event(slack: Slack, listener: Listener) -> None:
    listener.acks = False
    alice = slack.add_user("alice")
    slack.say(alice, slack.dm(alice), "hello")
    listener.next()
    listener.acks = True
    slack.drop_sockets()
    assert listener.next().payload["event"]["text"] == "hello"
    slack.settle()
    assert slack.events_sent[0].attempts == ["connection_failed", "ok"]


def test_ten_sockets_and_no_more(slack: Slack) -> None:
    web = WebClient(slack.bot_token, base_url=slack.url)

    async def first_words() -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session:
            sockets = []
            for _ in range(11):
                url = web.apps_connections_open(app_token=slack.app_token)["url"]
                sockets.append(await session.ws_connect(url))
            words = [await socket.receive_json() for socket in sockets]
            for socket in sockets:
                await socket.close()
            return words

    words = asyncio.run(first_words())
    assert [word["type"] for word in words] == ["hello"] * 10 + ["disconnect"]
    assert words[9]["num_connections"] == 10
    assert words[10]["reason"] == "too_many_websockets"


def test_bolt_answers_in_the_thread(slack: Slack) -> None:
    app = App(client=WebClient(slack.bot_token, base_url=slack.url))

    @app.event("app_mention")
    def answer(event: dict[str, Any], say: Any) -> None:
        say(text="210 euros", thread_ts=event["ts"])

    @app.event("message")
    def other() -> None:
        pass

    handler = SocketModeHandler(app, slack.app_token)
    handler.connect()
    try:
        alice = slack.add_user("alice")
        general = slack.add_channel("general", members=(alice,))
        ts = slack.say(alice, general, f"<@{slack.bot_user}> hotel limit?")
        answers = slack.wait_for(lambda: slack.from_bot(general, ts), "an answer")
        assert answers[0].visible_text == "210 euros"
        assert slack.calls_of("chat.postMessage")[0].answer["ok"]
    finally:
        handler.close()


def test_a_modal_opens_and_closes(slack: Slack) -> None:
    app = App(client=WebClient(slack.bot_token, base_url=slack.url))
    submitted: queue.Queue[Any] = queue.Queue()
    modal = {
        "type": "modal",
        "callback_id": "why",
        "title": {"type": "plain_text", "text": "Why?"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": {"type": "plain_text", "text": "Reason"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            }
        ],
    }

    @app.action("down")
    def open_modal(ack: Any, body: Any, client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal)

    @app.view("why")
    def take(ack: Any, view: Any) -> None:
        words = view["state"]["values"]["reason"]["text"]["value"]
        if words == "bad":
            ack(response_action="errors", errors={"reason": "Say more."})
        else:
            ack()
            submitted.put(words)

    handler = SocketModeHandler(app, slack.app_token)
    handler.connect()
    try:
        alice = slack.add_user("alice")
        general = slack.add_channel("general", members=(alice,))
        button = {
            "type": "button",
            "action_id": "down",
            "text": {"type": "plain_text", "text": "No"},
        }
        app.client.chat_postMessage(
            channel=general, text="x", blocks=[{"type": "actions", "elements": [button]}]
        )
        slack.click(alice, slack.from_bot(general)[0], "down")
        view = slack.wait_for_view(alice, "why")
        answer = slack.submit(alice, view, {"reason": {"text": "bad"}})
        assert answer == {"response_action": "errors", "errors": {"reason": "Say more."}}
        assert view.open
        assert slack.submit(alice, view, {"reason": {"text": "outdated"}}) is None
        assert not view.open
        assert submitted.get(timeout=10) == "outdated"
    finally:
        handler.close()
