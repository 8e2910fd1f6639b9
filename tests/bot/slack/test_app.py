"""The bot against a real HTTP server, with events as Slack sends them through Socket Mode."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import BoltRequest

from bot.assembly import Nightshift
from bot.errors import SettingsError
from bot.settings import Settings, SlackSettings
from bot.slack.app import SlackBot, build_app, open_client
from bot.slack.inbox import Inbox
from tests.bot.slack.slack_server import (
    BOT_USER,
    DIRECT,
    PRIVATE_CHANNEL,
    PUBLIC,
    SlackServer,
    slack_server,
)
from training.records import AnswerRecord, Audience

numbers = itertools.count(1)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with slack_server() as server:
        yield server


def settings_for(server: SlackServer) -> SlackSettings:
    tokens = {"bot_token": "xoxb-1234567890-a", "app_token": "xapp-1-A-1234567890"}
    return SlackSettings.model_validate(
        {**tokens, "api_url": server.url, "admin_channel": "#bot-admins"}
    )


def event_body(text: str, **changes: Any) -> dict[str, Any]:
    number = next(numbers)
    event = {
        "type": "app_mention",
        "user": "U0ALICE000",
        "text": text,
        "ts": f"1700000000.{number:06}",
        "channel": PUBLIC,
        "event_ts": f"1700000000.{number:06}",
        **changes,
    }
    return {
        "token": "t",
        "team_id": "T0TEAM0000",
        "api_app_id": "A0APP00000",
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{number}",
        "event_time": 1_700_000_000,
        "authorizations": [{"team_id": "T0TEAM0000", "user_id": BOT_USER, "is_bot": True}],
        "is_ext_shared_channel": False,
    }


def direct_message(text: str, **changes: Any) -> dict[str, Any]:
    return event_body(text, type="message", channel=DIRECT, channel_type="im", **changes)


def dispatch(app: Any, body: dict[str, Any]) -> int:
    return int(app.dispatch(BoltRequest(body=body, mode="socket_mode")).status)


def drained(inbox: Inbox, app: Any) -> list[str]:
    """Return the questions that wait, once the handlers are done."""
    app.listener_runner.listener_executor.shutdown(wait=True)
    waiting = []
    while not inbox._queue.empty():
        question = inbox.next()
        assert question is not None
        waiting.append(question.text)
    return waiting


def test_each_question_is_taken_once(slack: SlackServer) -> None:
    inbox = Inbox()
    app = build_app(open_client(settings_for(slack)), inbox)
    first = event_body(f"<@{BOT_USER}> room?")
    as_message = event_body("x", type="message", channel_type="channel")
    as_message["event"] |= {"ts": first["event"]["ts"], "text": first["event"]["text"]}
    again = direct_message("hello?")
    for body in (first, first, as_message, again, again):
        assert dispatch(app, body) == 200
    assert sorted(drained(inbox, app)) == ["hello?", "room?"]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "message", "channel_type": "channel"},
        {"type": "message", "channel_type": "im", "bot_id": "B0OTHER000"},
        {"type": "message", "channel_type": "im", "subtype": "channel_join"},
        {"type": "message", "channel_type": "im", "user": BOT_USER},
        {"type": "app_mention", "bot_id": "B0OTHER000"},
    ],
)
def test_what_nobody_asks_is_not_taken(changes: dict[str, Any], slack: SlackServer) -> None:
    inbox = Inbox()
    app = build_app(open_client(settings_for(slack)), inbox)
    assert dispatch(app, event_body("hello", **changes)) == 200
    assert drained(inbox, app) == []


def test_edits_are_acknowledged_and_not_taken(slack: SlackServer) -> None:
    inbox = Inbox()
    app = build_app(open_client(settings_for(slack)), inbox)
    edit = direct_message("x", subtype="message_changed", message={"text": "y", "user": "U0"})
    del edit["event"]["user"], edit["event"]["text"]
    assert dispatch(app, edit) == 200
    assert drained(inbox, app) == []


def test_a_refused_token_is_told_without_the_token(slack: SlackServer) -> None:
    slack.refuse_token = True
    with pytest.raises(SettingsError, match="bot's token") as caught:
        build_app(open_client(settings_for(slack)), Inbox())
    assert "1234567890" not in caught.value.problem


@pytest.mark.slow
def test_questions_are_answered(slack: SlackServer, indexed: Path) -> None:
    nightshift = Nightshift(Settings(data_dir=indexed, slack=settings_for(slack)))
    bot = SlackBot(nightshift.settings.slack, nightshift.ask)
    bot.start(connect=False)
    try:
        mention = event_body(f"<@{BOT_USER}> how much may a room in amsterdam cost")
        slack.faults += [429, 503]
        dispatch(bot.app, mention)
        dispatch(bot.app, mention)
        first = slack.wait_for_posts(1)[0]
        assert first["channel"] == PUBLIC
        assert first["thread_ts"] == mention["event"]["ts"]
        assert "€210" in first["text"]

        dispatch(bot.app, direct_message("when is the siren test at the harbour depot"))
        alarm = slack.wait_for_posts(2)[1]
        assert alarm["channel"] == DIRECT
        assert "thread_ts" not in alarm
        assert "&lt;!channel&gt;" in alarm["text"]
        assert "<" not in alarm["text"]

        dispatch(bot.app, direct_message("what did the board decide in september"))
        assert "board-minutes" not in slack.wait_for_posts(3)[2]["text"]

        dispatch(bot.app, event_body("parental leave?", channel=PRIVATE_CHANNEL))
        slack.wait_for_posts(4)
        dispatch(bot.app, direct_message("🙂"))
        assert "no words" in slack.wait_for_posts(5)[4]["text"]
        outside = event_body("how much may a room cost")
        outside["is_ext_shared_channel"] = True
        dispatch(bot.app, outside)
        assert "shared with another company" in slack.wait_for_posts(6)[5]["text"]
        bot.tell_admins("Night: kept <!here>")
        assert slack.wait_for_posts(7)[6]["text"] == "Night: kept &lt;!here&gt;"
        assert audiences(nightshift.feedback.recent("U0ALICE000")) == {
            PUBLIC: Audience.PUBLIC,
            DIRECT: Audience.PRIVATE,
            PRIVATE_CHANNEL: Audience.PRIVATE,
        }
    finally:
        bot.stop()
        nightshift.close()
    assert len(slack.posts) == 7


def audiences(records: list[AnswerRecord]) -> dict[str, Audience]:
    return {record.conversation.partition(":")[0]: record.audience for record in records}
