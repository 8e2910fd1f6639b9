"""A question that its author changes is answered as it stands, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from bot.slack import pacing, worker
from tests.bot.slack.harbour import Harbour, harbour
from tests.bot.slack.server.model import Json, Message

LEAVE = "How many days of leave do I get?"
BOAT = "Who won the boat race?"


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "_OUTAGE_SECONDS", (0.2, 0.4))
        patch.setattr(pacing, "_PAUSES", (0.01, 0.02, 0.03))
        with harbour(tmp_path_factory.mktemp("bot"), answering=True, workers=1) as running:
            yield running


def mention(bot: Harbour, text: str) -> str:
    return bot.slack.say(bot.alice, bot.general, named(bot, text))


def named(bot: Harbour, text: str) -> str:
    return f"<@{bot.slack.bot_user}> {text}"


def quiet(bot: Harbour) -> None:
    """Wait until nothing is to be done."""
    bot.slack.settle()
    bot.slack.wait_for(lambda: not any(bot.parts.queue.counts().values()), "nothing to do")


def said(bot: Harbour, asked: str, channel: str = "") -> list[Message]:
    """Return what stands below a question in the end."""
    quiet(bot)
    return bot.slack.from_bot(channel or bot.general, asked)


def deliver(bot: Harbour, held: Sequence[Json]) -> None:
    for body in held:
        assert bot.slack.deliver(body).done.wait(20)


@contextmanager
def unable_to_post(bot: Harbour) -> Iterator[None]:
    """Let Slack take no message inside; what is asked stays open."""
    quiet(bot)
    for method in ("chat.postMessage", "chat.startStream"):
        bot.slack.faults.fail(method, status=503, times=100_000)
    yield
    bot.slack.settle()
    bot.slack.faults.clear()


def test_a_question_that_waits_is_answered_as_it_stands_now(bot: Harbour) -> None:
    with unable_to_post(bot):
        asked = mention(bot, BOAT)
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    (answer,) = said(bot, asked)
    assert "25 days" in answer.visible_text


def test_an_answer_under_way_makes_room_for_the_new_one(bot: Harbour) -> None:
    bot.slack.faults.fail("chat.postMessage", drop=True, after=True, channel=bot.general)
    with unable_to_post(bot):
        asked = mention(bot, BOAT)
        bot.slack.wait_for(lambda: bot.slack.from_bot(bot.general, asked), "the first answer")
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    (answer,) = said(bot, asked)
    assert "25 days" in answer.visible_text


def test_an_answered_question_is_answered_anew_once(bot: Harbour) -> None:
    asked = mention(bot, BOAT)
    (first,) = said(bot, asked)
    with bot.slack.holding() as held:
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    assert [body["event"]["type"] for body in held] == ["message", "app_mention"]
    deliver(bot, [*held, *reversed(held)])
    old, answer = said(bot, asked)
    assert old.ts == first.ts
    assert "25 days" in answer.visible_text
    bot.slack.edit(bot.alice, bot.general, asked, named(bot, f"{LEAVE} "))
    assert len(said(bot, asked)) == 2


def test_of_two_changes_the_last_one_counts_in_whatever_order_they_come(bot: Harbour) -> None:
    with bot.slack.holding() as held:
        asked = mention(bot, "Hello?")
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, BOAT))
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    deliver(bot, list(reversed(held)))
    (answer,) = said(bot, asked)
    assert "25 days" in answer.visible_text


def test_who_names_the_bot_only_now_is_answered_once(bot: Harbour) -> None:
    asked = bot.slack.say(bot.alice, bot.general, LEAVE)
    assert said(bot, asked) == []
    bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    (answer,) = said(bot, asked)
    assert "25 days" in answer.visible_text


def test_who_names_the_bot_no_more_gets_no_answer(bot: Harbour) -> None:
    with unable_to_post(bot):
        asked = mention(bot, LEAVE)
        bot.slack.settle()
        bot.slack.edit(bot.alice, bot.general, asked, f"<@{bot.bob}> {LEAVE}")
    assert said(bot, asked) == []


def test_a_direct_message_is_answered_as_it_stands_now(bot: Harbour) -> None:
    direct = bot.slack.dm(bot.alice)
    asked = bot.slack.say(bot.alice, direct, BOAT)
    assert len(said(bot, asked, direct)) == 1
    bot.slack.edit(bot.alice, direct, asked, LEAVE)
    _, answer = said(bot, asked, direct)
    assert "25 days" in answer.visible_text


def test_what_slack_changes_itself_asks_nothing(bot: Harbour) -> None:
    asked = mention(bot, LEAVE)
    bot.slack.preview(bot.general, asked)
    assert len(said(bot, asked)) == 1
    bot.slack.edit(bot.alice, bot.general, asked, named(bot, BOAT))
    assert len(said(bot, asked)) == 2
    bot.slack.preview(bot.general, asked)
    assert len(said(bot, asked)) == 2


def test_a_change_that_comes_after_the_deletion_asks_nothing(bot: Harbour) -> None:
    asked = mention(bot, BOAT)
    assert len(said(bot, asked)) == 1
    with bot.slack.holding() as held:
        bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
        bot.slack.delete(bot.alice, bot.general, asked)
    deliver(bot, list(reversed(held)))
    assert len(said(bot, asked)) == 1


def test_a_question_of_yesterday_is_left_alone(bot: Harbour) -> None:
    asked = mention(bot, BOAT)
    assert len(said(bot, asked)) == 1
    bot.slack.advance(86_400)
    bot.slack.edit(bot.alice, bot.general, asked, named(bot, LEAVE))
    assert len(said(bot, asked)) == 1
