"""Delivery by HTTP, to a real Bolt app behind the standard library's server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient

from tests.bot.slack.server.slack import Slack


class Receiver:
    """An app on a port of its own."""

    def __init__(self, slack: Slack) -> None:
        client = WebClient(slack.bot_token, base_url=slack.url)
        self.app = App(client=client, signing_secret=slack.signing_secret)
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.slow = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/slack/events"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        headers = dict(handler.headers.items())
        self.headers.append(headers)
        time.sleep(self.slow)
        if self.statuses:
            handler.send_response(self.statuses.pop(0))
            handler.end_headers()
            return
        reply = self.app.dispatch(BoltRequest(body=body, headers=headers))
        handler.send_response(reply.status)
        for name, value in reply.first_headers_without_set_cookie().items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):  # Slack hung up
            handler.wfile.write(reply.body.encode())


@pytest.fixture
def receiver(slack: Slack) -> Iterator[Receiver]:
    made = Receiver(slack)
    slack.use_http(made.url)
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def alice(slack: Slack) -> str:
    return slack.add_user("alice")


def test_signed_events_are_taken_and_others_are_not(
    slack: Slack, receiver: Receiver, alice: str
) -> None:
    heard: list[str] = []
    receiver.app.event("message")(lambda event: heard.append(event["text"]))
    slack.say(alice, slack.dm(alice), "größe & <b>")
    slack.settle()
    slack.wait_for(lambda: heard, "the event")
    assert heard == ["größe & <b>"]
    assert slack.events_sent[0].attempts == ["ok"]
    assert slack.post("{}", secret="wrong")[0] == 401
    assert slack.post("{}", at=time.time() - 600)[0] == 401
    assert slack.verify_url() == (200, '{"challenge": "3eZbrw1a"}')
    assert slack.check_ssl()[0] == 200


def test_a_failed_event_is_sent_again_with_its_number(
    slack: Slack, receiver: Receiver, alice: str
) -> None:
    slack.courier.retry_delays = (0.01, 0.02, 0.03)
    receiver.app.event("message")(lambda: None)
    receiver.statuses = [500, 502]
    slack.say(alice, slack.dm(alice), "hello")
    slack.settle()
    assert slack.events_sent[0].attempts == ["http_error", "http_error", "ok"]
    numbers = [h.get("X-Slack-Retry-Num") for h in receiver.headers]
    assert numbers == [None, "1", "2"]
    assert receiver.headers[1]["X-Slack-Retry-Reason"] == "http_error"


def test_three_retries_and_no_more(slack: Slack, receiver: Receiver, alice: str) -> None:
    slack.courier.retry_delays = (0.01, 0.02, 0.03)
    slack.courier.ack_seconds = 0.1
    receiver.slow = 0.3
    slack.say(alice, slack.dm(alice), "hello")
    slack.settle()
    assert slack.events_sent[0].attempts == ["timeout"] * 4
    assert receiver.headers[3]["X-Slack-Retry-Reason"] == "http_timeout"


def test_a_command_is_acknowledged_in_three_seconds_or_fails(
    slack: Slack, receiver: Receiver, alice: str
) -> None:
    general = slack.add_channel("general", members=(alice,))

    @receiver.app.command("/ask")
    def ask(ack: Any, respond: Any) -> None:
        ack("looking")
        respond("210 euros")

    run = slack.command(alice, general, "/ask", "hotel limit?")
    assert run.ack == {"text": "looking"}
    assert run.wait_for_responses(1)[0]["text"] == "210 euros"
    # Whichever comes first: Bolt answers the request while the handler still runs.
    assert {m.text for m in slack.ephemerals(general, alice)} == {"looking", "210 euros"}
    slack.courier.ack_seconds, receiver.slow = 0.1, 0.3
    assert slack.command(alice, general, "/ask").error == "operation_timeout"


def test_feedback_comes_with_what_was_pressed(slack: Slack, receiver: Receiver, alice: str) -> None:
    general = slack.add_channel("general", members=(alice,))
    pressed: list[dict[str, Any]] = []

    @receiver.app.action("vote")
    def vote(ack: Any, body: dict[str, Any], respond: Any) -> None:
        ack()
        pressed.append(body)
        respond("Thank you.")

    def side(value: str) -> dict[str, Any]:
        return {"text": {"type": "plain_text", "text": value.title()}, "value": value}

    element = {"type": "feedback_buttons", "action_id": "vote"}
    element |= {"positive_button": side("up"), "negative_button": side("down")}
    blocks = [{"type": "context_actions", "elements": [element]}]
    receiver.app.client.chat_postMessage(channel=general, text="answer", blocks=blocks)
    run = slack.click(alice, slack.from_bot(general)[0], "vote", "negative")
    assert run.wait_for_responses(1)[0]["text"] == "Thank you."
    action = pressed[0]["actions"][0]
    assert (action["type"], action["value"]) == ("feedback_buttons", "down")
    assert pressed[0]["container"]["message_ts"] == slack.from_bot(general)[0].ts
    with pytest.raises(AssertionError, match="nothing to press"):
        slack.click(alice, slack.from_bot(general)[0], "other")


def test_choices_and_shortcuts(slack: Slack, receiver: Receiver, alice: str) -> None:
    general = slack.add_channel("general", members=(alice,))
    got: list[Any] = []

    @receiver.app.action("mode")
    def mode(ack: Any, action: dict[str, Any]) -> None:
        ack()
        got.append(action["selected_option"]["value"])

    @receiver.app.shortcut("ask_about_this")
    def about(ack: Any, shortcut: dict[str, Any]) -> None:
        ack()
        got.append((shortcut["type"], shortcut["message"]["text"]))

    options = [
        {"text": {"type": "plain_text", "text": word}, "value": word} for word in ("on", "off")
    ]
    menu = {"type": "static_select", "action_id": "mode", "options": options}
    blocks = [{"type": "actions", "elements": [menu]}]
    receiver.app.client.chat_postMessage(channel=general, text="x", blocks=blocks)
    message = slack.from_bot(general)[0]
    assert slack.choose(alice, message, "mode", "off").ack == {}
    assert slack.shortcut(alice, "ask_about_this", message).ack == {}
    slack.wait_for(lambda: len(got) == 2, "both")
    assert got == ["off", ("message_action", "x")]
