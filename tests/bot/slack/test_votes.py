"""Thumbs, as people give them: one vote each, the last one counts, and all can see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import SlackSettings
from bot.slack import counter
from bot.slack.views_votes import (
    build_note_modal,
    build_thanks,
    build_why_modal,
    build_why_offer,
    given_in,
    problems_of,
    with_tally,
)
from bot.slack.voting import emoji_value, moment
from tests.bot.slack.harbour import Harbour, button, harbour
from tests.bot.slack.server.limits import check_message, check_view
from tests.bot.slack.server.model import Message
from training.records import PairStatus


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("votes"), up_emoji=["+1", ":tada:"]) as running:
        yield running


def test_reaction_and_button_are_one_vote(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.react(at.alice, at.general, message.ts, "+1::skin-tone-4")
    at.wait_for_text(message, "👍 1 · 👎 0")
    at.slack.click(at.alice, message, "nightshift_vote", "positive")
    at.whisper_to(at.alice, at.general, "Your 👍 counts")
    at.slack.react(at.bob, at.general, message.ts, "tada")
    at.wait_for_text(message, "👍 2 · 👎 0")
    at.slack.click(at.alice, message, "nightshift_vote", "negative")
    at.slack.close_view(at.alice, at.slack.wait_for_view(at.alice))
    at.wait_for_text(message, "👍 1 · 👎 1")
    at.slack.unreact(at.alice, at.general, message.ts, "+1::skin-tone-4")
    at.slack.unreact(at.bob, at.general, message.ts, "tada")
    at.wait_for_text(message, "👍 0 · 👎 1")
    assert at.votes(answer) == (0, 1)
    assert message.visible_text.count("👎 1") == 1
    assert "25 days" in message.visible_text


def test_taking_back_leaves_no_tally(at: Harbour) -> None:
    answer, message = at.answer()
    before = message.visible_text
    at.slack.click(at.bob, message, "nightshift_vote", "positive")
    thanks = at.whisper_to(at.bob, at.general, "Your 👍 counts")
    at.wait_for_votes(answer, 1, 0)
    at.slack.click(at.bob, thanks, "nightshift_vote_back")
    at.wait_for_votes(answer, 0, 0)
    at.slack.wait_for(lambda: message.visible_text == before, "the answer without a tally")
    at.slack.wait_for(lambda: thanks.visible_text == "Your vote is taken back.", "a word")


def test_late_and_repeated_events_change_nothing(at: Harbour) -> None:
    answer, message = at.answer()
    with at.slack.holding() as held:
        at.slack.react(at.alice, at.general, message.ts, "+1")
        at.slack.unreact(at.alice, at.general, message.ts, "+1")
        at.slack.react(at.alice, at.general, message.ts, "-1")
    for number in (2, 0, 2, 1, 0, 1):
        assert at.slack.deliver(held[number]).done.wait(20)
    at.wait_for_text(message, "👍 0 · 👎 1")
    at.slack.wait_for(lambda: not at.parts.ballots.waiting(), "all votes counted")
    assert at.votes(answer) == (0, 1)


def test_a_thumbs_down_says_why_and_what_is_right(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.click(at.alice, message, "nightshift_vote", "negative")
    view = at.slack.wait_for_view(at.alice, "nightshift_why_given")
    filled = {
        "reason": {"choice": "outdated"},
        "words": {"text": "That was last year."},
        "right": {"text": "It is 27 days."},
    }
    assert at.slack.submit(at.alice, view, filled) is None
    at.whisper_to(at.alice, at.general, "A person reviews your answer")
    feedback = at.parts.nightshift.feedback
    corrections = [each for each in feedback.corrections() if each.answer_id == answer]
    assert [(each.text, each.status) for each in corrections] == [
        ("It is 27 days.", PairStatus.PENDING)
    ]
    assert corrections[0].author == f"{at.slack.team_id}:{at.alice}"
    at.wait_for_votes(answer, 0, 1)


def test_a_reaction_down_is_asked_why_once(at: Harbour) -> None:
    _, message = at.answer()
    at.slack.react(at.bob, at.general, message.ts, "thumbsdown")
    offer = at.whisper_to(at.bob, at.general, "What was wrong")
    assert offer.thread_ts == message.thread_ts
    at.slack.unreact(at.bob, at.general, message.ts, "thumbsdown")
    at.slack.react(at.bob, at.general, message.ts, "-1")
    at.wait_for_text(message, "👎 1")
    offers = [m for m in at.slack.ephemerals(at.general, at.bob) if m.thread_ts == offer.thread_ts]
    assert len(offers) == 1
    at.slack.click(at.bob, offer, "nightshift_why")
    at.slack.wait_for_view(at.bob, "nightshift_why_given")


def test_a_vote_counts_though_no_window_opens(at: Harbour) -> None:
    answer, message = at.answer()
    at.slack.faults.fail("views.open", error="expired_trigger_id")
    at.slack.click(at.eve, message, "nightshift_vote", "negative")
    told = at.whisper_to(at.eve, at.general, "Your 👎 counts")
    at.wait_for_votes(answer, 0, 1)
    at.slack.click(at.eve, told, "nightshift_why")
    at.slack.close_view(at.eve, at.slack.wait_for_view(at.eve, "nightshift_why_given"))


def test_guests_bots_and_other_messages_have_no_vote(at: Harbour) -> None:
    answer, message = at.answer()
    robot = at.slack.add_user("robot", bot=True)
    at.slack.channel(at.general).members.append(robot)
    for user in (at.guest, robot):
        at.slack.react(user, at.general, message.ts, "+1")
    at.slack.react(at.bob, at.general, message.ts, "eyes")
    at.slack.react(at.bob, at.general, message.thread_ts, "+1")
    at.slack.click(at.guest, message, "nightshift_vote", "positive")
    at.whisper_to(at.guest, at.general, "members of this workspace only")
    at.slack.settle()
    at.slack.wait_for(lambda: not at.parts.ballots.waiting(), "all votes looked at")
    assert at.votes(answer) == (0, 0)


def newcomer(at: Harbour, channel: str) -> str:
    """Return somebody with no window open from before."""
    user = at.slack.add_user("mallory")
    at.slack.channel(channel).members.append(user)
    return user


def test_an_id_of_an_answer_that_one_never_saw_votes_for_nothing(
    at: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "_NO_POST", timedelta(0))
    answer, _ = at.answer()
    row = {"type": "actions", "elements": [button("Tell why", "nightshift_why", answer)]}
    planted = at.planted(answer, row)
    mallory = newcomer(at, planted.channel)
    for action, value in (("nightshift_vote", "negative"), ("nightshift_why", None)):
        at.slack.click(mallory, planted, action, value)
    at.slack.wait_for(lambda: len(at.slack.ephemerals(planted.channel, mallory)) == 2, "two words")
    for told in at.slack.ephemerals(planted.channel, mallory):
        assert "can't find this answer" in told.visible_text
    assert at.slack.view_of(mallory) is None
    at.slack.wait_for(lambda: not at.parts.ballots.waiting(), "all votes looked at")
    assert at.votes(answer) == (0, 0)
    at.slack.click(at.alice, planted, "nightshift_vote", "positive")  # her own, wherever she is
    at.wait_for_votes(answer, 1, 0)


def test_a_window_about_an_answer_that_one_never_saw_corrects_nothing(at: Harbour) -> None:
    seen, message = at.answer()
    mallory = newcomer(at, at.general)
    hidden, _ = at.answer(at.slack.dm(at.alice))
    at.slack.click(mallory, message, "nightshift_vote", "negative")
    view = at.slack.wait_for_view(mallory, "nightshift_why_given")
    view.payload["private_metadata"] = view.payload["private_metadata"].replace(seen, hidden)
    filled = {"reason": {"choice": "wrong"}, "right": {"text": "It is 99 days."}}
    done = at.slack.submit(mallory, view, filled)
    assert done and "can't find this answer" in str(done["view"])
    at.slack.wait_for(lambda: not at.parts.ballots.waiting(), "all votes looked at")
    assert at.votes(hidden) == (0, 0)
    assert [c for c in at.parts.nightshift.feedback.corrections() if c.answer_id == hidden] == []


def test_a_vote_on_an_answer_under_way_counts_later(at: Harbour) -> None:
    answer, message = at.answer(status="running", recorded=False)
    at.slack.react(at.bob, at.general, message.ts, "+1")
    at.slack.settle()
    at.slack.wait_for(lambda: len(at.parts.ballots.waiting()) == 1, "a vote that waits")
    assert at.votes(answer) == (0, 0)
    at.finish(answer)
    at.wait_for_text(message, "👍 1 · 👎 0")


def test_a_slack_without_the_new_blocks_shows_the_tally_too(at: Harbour) -> None:
    _, message = at.answer()
    at.slack.faults.fail("chat.update", error="invalid_blocks")
    at.slack.react(at.bob, at.general, message.ts, "+1")
    at.wait_for_text(message, "👍 1 · 👎 0")
    assert {block["type"] for block in message.blocks} == {"section", "actions", "context"}
    at.slack.click(at.alice, message, "nightshift_vote_down")
    at.slack.wait_for_view(at.alice, "nightshift_why_given")
    at.wait_for_text(message, "👍 1 · 👎 1")


def test_people_of_another_company_vote_where_the_settings_let_them(tmp_path: Path) -> None:
    with harbour(tmp_path, allow_guests=True, allow_shared_channels=True) as at:
        zoe = at.slack.add_user("zoe", other_team="T0OTHER000")
        shared = at.slack.add_channel("shared", members=(at.alice, zoe), shared=True)
        answer, message = at.answer(shared)
        at.slack.react(zoe, shared, message.ts, "+1")
        at.wait_for_text(message, "👍 1 · 👎 0")
        voter = f"{at.slack.team_id}:{zoe}"
        assert at.parts.nightshift.feedback.vote_of(answer, voter) == 1
        at.slack.click(zoe, message, "nightshift_vote", "negative")
        view = at.slack.wait_for_view(zoe, "nightshift_why_given")
        filled = {"reason": {"choice": "wrong"}, "right": {"text": "It is 24 days."}}
        assert at.slack.submit(zoe, view, filled) is None
        at.whisper_to(zoe, shared, "A person reviews your answer")
        at.wait_for_votes(answer, 0, 1)
        (correction,) = at.parts.nightshift.feedback.corrections()
        assert (correction.author, correction.text) == (voter, "It is 24 days.")


def test_a_real_answer_is_voted_on(tmp_path: Path) -> None:
    with harbour(tmp_path, answering=True) as at:
        question = f"<@{at.slack.bot_user}> how many days of leave do I get?"
        asked = at.slack.say(at.alice, at.general, question)

        def answered() -> list[Message]:
            said = at.slack.from_bot(at.general, asked)
            return [message for message in said if "nightshift_vote" in message.actions]

        message = at.slack.wait_for(answered, "an answer with buttons")[-1]
        at.slack.click(at.alice, message, "nightshift_vote", "positive")
        at.slack.react(at.bob, at.general, message.ts, "-1")
        at.wait_for_text(message, "👍 1 · 👎 1")
        (record,) = at.parts.nightshift.feedback.recent(f"{at.slack.team_id}:{at.alice}")
        assert at.votes(record.id) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("+1", 1), ("+1::skin-tone-2", 1), ("-1::skin-tone-6", -1), ("thumbsdown", -1), ("heart", 0)],
)
def test_any_skin_tone_votes(name: str, value: int) -> None:
    assert emoji_value(name, SlackSettings()) == value


@given(st.integers(0, 2**31), st.integers(0, 999_999))
def test_the_time_of_an_event_is_exact(seconds: int, micro: int) -> None:
    at = moment(f"{seconds}.{micro:06}")
    assert (int(at.timestamp()), at.microsecond) == (seconds, micro)


@given(text=st.text(st.sampled_from("ab \n<&"), max_size=40).map(lambda text: f"x{text * 200}"))
def test_no_message_about_votes_breaks_a_limit(text: str) -> None:
    for part in (
        with_tally(text, [], 3, 1),
        with_tally(text, [{"type": "divider"}] * 50, 3, 1),
        build_thanks("a" * 32, -1, human=True),
        build_why_offer("a" * 32, human=True),
    ):
        check_message({"text": part.text, "blocks": list(part.blocks)}, 4_000)
    check_view(build_why_modal("{}"))
    check_view(build_note_modal("Members only."))


def test_what_is_too_long_keeps_the_modal_open() -> None:
    values = {
        "reason": {"choice": {"selected_option": {"value": "other"}}},
        "words": {"text": {"value": "x" * 2_000}},
        "right": {"text": {"value": "x" * 3_001}},
    }
    assert set(problems_of(given_in(values))) == {"words", "right"}
