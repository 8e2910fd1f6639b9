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
from bot.slack.app import SlackBot, build_app
from bot.slack.clients import Clients
from bot.slack.parts import Parts, build_parts
from tests.bot.slack.slack_server import (
    BOT_USER,
    DIRECT,
    PRIVATE_CHANNEL,
    PUBLIC,
    SlackServer,
    slack_server,
)
from training.nights import NightRecord
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


@pytest.fixture
def parts(slack: SlackServer, tmp_path: Path) -> Iterator[Parts]:
    nightshift = Nightshift(Settings(data_dir=tmp_path / "data", slack=settings_for(slack)))
    yield parts_of(nightshift)
    nightshift.close()


def parts_of(nightshift: Nightshift) -> Parts:
    def no_night(_dry_run: bool) -> NightRecord:
        raise AssertionError("no night is asked for here")

    return build_parts(nightshift, Clients(nightshift.settings.slack), no_night)


def drained(parts: Parts) -> list[str]:
    """Return the questions that wait."""
    waiting = []
    while (task := parts.queue.take()) is not None:
        waiting.append(str(task.request["text"]))
    return waiting


def test_each_question_is_taken_once(parts: Parts) -> None:
    app = build_app(parts)
    first = event_body(f"<@{BOT_USER}> room?")
    as_message = event_body(f"<@{BOT_USER}> room?", type="message", channel_type="channel")
    as_message["event"] |= {"ts": first["event"]["ts"]}
    again = direct_message("hello?")
    for body in (first, first, as_message, again, again):
        assert dispatch(app, body) == 200
    assert sorted(drained(parts)) == ["hello?", "room?"]


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
def test_what_nobody_asks_is_not_taken(changes: dict[str, Any], parts: Parts) -> None:
    assert dispatch(build_app(parts), event_body("hello", **changes)) == 200
    assert drained(parts) == []


def test_edits_are_acknowledged_and_not_taken(parts: Parts) -> None:
    edit = direct_message("x", subtype="message_changed", message={"text": "y", "user": "U0"})
    del edit["event"]["user"], edit["event"]["text"]
    assert dispatch(build_app(parts), edit) == 200
    assert drained(parts) == []


def test_a_refused_token_is_told_without_the_token(slack: SlackServer, parts: Parts) -> None:
    slack.refuse_token = True
    with pytest.raises(SettingsError, match="bot's token") as caught:
        build_app(parts)
    assert "1234567890" not in caught.value.problem


@pytest.mark.slow
def test_questions_are_answered(slack: SlackServer, indexed: Path) -> None:
    nightshift = Nightshift(Settings(data_dir=indexed, slack=settings_for(slack)))
    bot = SlackBot(parts_of(nightshift))
    bot.start(connect=False)
    try:
        mention = event_body(f"<@{BOT_USER}> how much may a room in amsterdam cost")
        slack.faults += [429, 503]
        dispatch(bot.app, mention)
        dispatch(bot.app, mention)
        placeholder, first = slack.wait_for_posts(2)
        assert placeholder["channel"] == first["channel"] == PUBLIC
        assert placeholder["thread_ts"] == mention["event"]["ts"]
        assert "€210" in first["text"]

        dispatch(bot.app, direct_message("when is the siren test at the harbour depot"))
        alarm = slack.wait_for_posts(4)[3]
        assert alarm["channel"] == DIRECT
        assert "&lt;!channel&gt;" in alarm["text"]
        assert "<" not in alarm["text"]

        dispatch(bot.app, direct_message("what did the board decide in september"))
        assert "board-minutes" not in slack.wait_for_posts(6)[5]["text"]

        dispatch(bot.app, event_body("parental leave?", channel=PRIVATE_CHANNEL))
        slack.wait_for_posts(8)
        dispatch(bot.app, direct_message("🙂"))
        assert "no words" in slack.wait_for_posts(10)[9]["text"]
        outside = event_body("how much may a room cost")
        outside["is_ext_shared_channel"] = True
        dispatch(bot.app, outside)
        assert "another company" in slack.wait_for_posts(12)[11]["text"]
        assert audiences(nightshift.feedback.recent("U0ALICE000")) == {
            PUBLIC: Audience.PUBLIC,
            DIRECT: Audience.PRIVATE,
            PRIVATE_CHANNEL: Audience.PRIVATE,
        }
    finally:
        bot.stop()
        nightshift.close()
    assert len(slack.posts) == 12


def audiences(records: list[AnswerRecord]) -> dict[str, Audience]:
    return {record.conversation.split(":")[1]: record.audience for record in records}
