"""Reports on their way, against a real Slack server and both databases: none lost, none doubled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from bot.settings import SlackSettings
from bot.slack.blocks import Part, Reply
from bot.slack.clients import Clients
from bot.slack.notices import Notices
from bot.slack.outbox import Outbox
from bot.slack.progress import LiveMessage, Spot
from bot.tables import notices as table
from tests.bot.slack.server.slack import Slack
from training.database import reading, writing


def reply(*texts: str) -> Reply:
    return Reply(tuple(Part(text) for text in texts))


@pytest.fixture
def outbox(slack: Slack, database: Engine) -> Outbox:
    tokens = {"bot_token": slack.bot_token, "api_url": slack.url}
    return Outbox(Notices(database), Clients(SlackSettings.model_validate(tokens)))


@pytest.fixture
def channel(slack: Slack) -> str:
    return slack.add_channel("bot-admins", members=(slack.add_user("ada"),))


def make_due(database: Engine) -> None:
    """Let the time pass that a report waits for."""
    with writing(database) as connection:
        connection.execute(table.update().values(not_before=0.0))


def known_ts(database: Engine) -> str:
    """Return which message a report replaces."""
    with reading(database) as connection:
        return str(connection.execute(table.select()).one().ts)


def texts(slack: Slack, channel: str) -> list[str]:
    return [message.visible_text for message in slack.from_bot(channel)]


def test_a_report_is_posted_once_whoever_puts_it_in(
    slack: Slack, outbox: Outbox, channel: str
) -> None:
    for _ in range(2):
        outbox.put("night:1", slack.team_id, channel, reply("one", "two"))
    assert outbox.post_next()
    assert not outbox.post_next()
    outbox.put("night:1", slack.team_id, channel, reply("one", "two"))
    assert not outbox.post_next()
    assert texts(slack, channel) == ["one", "two"]
    assert outbox.notices.waiting() == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_post_whose_answer_is_lost_is_not_posted_twice(
    slack: Slack, outbox: Outbox, channel: str, database: Engine, lost: int, after: bool
) -> None:
    outbox.put("night:1", slack.team_id, channel, reply("one", "two", "three"))
    for _ in range(lost):
        slack.faults.fail("chat.postMessage", drop=True, after=after)
        assert outbox.post_next()
        assert outbox.notices.waiting() == 1
        make_due(database)
    assert outbox.post_next()
    assert texts(slack, channel) == ["one", "two", "three"]
    assert outbox.notices.waiting() == 0


def test_it_waits_as_long_as_slack_asks(
    slack: Slack, outbox: Outbox, channel: str, database: Engine
) -> None:
    slack.faults.fail("chat.postMessage", status=429, retry_after=900)
    outbox.put("night:1", slack.team_id, channel, reply("one"))
    outbox.post_next()
    with writing(database) as connection:
        row = connection.execute(table.select()).one()
    assert row.not_before - datetime.now(UTC).timestamp() > 800
    assert not outbox.post_next()
    make_due(database)
    outbox.post_next()
    assert texts(slack, channel) == ["one"]


def test_a_channel_that_refuses_is_tried_for_a_week(
    slack: Slack, outbox: Outbox, channel: str, database: Engine
) -> None:
    outbox.put("night:1", slack.team_id, "C0NOTHERE", reply("one"))
    outbox.put("night:2", slack.team_id, channel, reply("two"))
    assert outbox.post_next()
    assert outbox.post_next()  # the other report isn't held up
    assert texts(slack, channel) == ["two"]
    assert outbox.notices.waiting() == 1
    make_due(database)
    with writing(database) as connection:
        long_ago = datetime.now(UTC) - timedelta(days=8)
        connection.execute(table.update().values(created_at=long_ago))
    assert outbox.post_next()
    assert outbox.notices.waiting() == 0


def test_two_processes_post_a_report_once(
    slack: Slack, outbox: Outbox, channel: str, database: Engine
) -> None:
    outbox.put("night:1", slack.team_id, channel, reply("one"))
    mine = outbox.notices.take(60)
    assert mine is not None
    assert not outbox.post_next()  # another one has it
    make_due(database)  # and died, or was slow
    assert outbox.post_next()
    assert not outbox.notices.save(mine, ("1.1",), 60)
    outbox.notices.finish(replace(mine, attempts=1))
    assert texts(slack, channel) == ["one"]


def test_a_live_message_ends_as_its_report(slack: Slack, outbox: Outbox, channel: str) -> None:
    live = LiveMessage(outbox, outbox._clients, Spot("run:1", "", channel), reply("interrupted"))
    live.show("0%")
    slack.wait_for(lambda: texts(slack, channel) == ["0%"])
    live.finish(reply("done", "more"))
    while outbox.post_next():
        pass
    assert texts(slack, channel) == ["done", "more"]
    assert [version.visible_text for version in slack.from_bot(channel)[0].edits] == ["0%"]


@pytest.mark.parametrize("lost", [{"status": 503}, {"drop": True}])
def test_a_live_message_whose_answer_was_lost_is_found_again(
    slack: Slack, outbox: Outbox, channel: str, lost: dict[str, Any]
) -> None:
    slack.faults.fail("chat.postMessage", after=True, **lost)
    live = LiveMessage(outbox, outbox._clients, Spot("run:1", "", channel), reply("interrupted"))
    live.show("0%")
    slack.wait_for(lambda: slack.calls_of("conversations.history"), "a look")
    live.show("50%")
    slack.wait_for(lambda: texts(slack, channel) == ["50%"])
    live.finish(reply("done"))
    assert outbox.post_next()
    assert texts(slack, channel) == ["done"]


def test_a_run_whose_process_died_says_so(
    slack: Slack, outbox: Outbox, channel: str, database: Engine
) -> None:
    live = LiveMessage(outbox, outbox._clients, Spot("run:1", "", channel), reply("interrupted"))
    live.show("20%")
    slack.wait_for(lambda: known_ts(database) != "")
    assert not outbox.post_next()
    make_due(database)  # nobody held it any longer
    assert outbox.post_next()
    assert texts(slack, channel) == ["interrupted"]
    # It wasn't dead after all, only asleep: its report has the last word.
    live.finish(reply("done"))
    assert outbox.post_next()
    assert texts(slack, channel) == ["done"]


def test_a_deleted_live_message_is_followed_by_a_new_one(
    slack: Slack, outbox: Outbox, channel: str
) -> None:
    slack.faults.fail("chat.update", error="message_not_found")
    outbox.settle("run:1", slack.team_id, channel, "1700000000.000001", reply("done"))
    assert outbox.post_next()
    assert texts(slack, channel) == ["done"]


def test_old_reports_are_forgotten(
    slack: Slack, outbox: Outbox, channel: str, database: Engine
) -> None:
    outbox.put("night:1", slack.team_id, channel, reply("one"))
    outbox.post_next()
    with writing(database) as connection:
        connection.execute(table.update().values(done_at=datetime.now(UTC) - timedelta(days=31)))
    outbox.notices.forget()
    with writing(database) as connection:
        assert connection.execute(table.select()).first() is None
