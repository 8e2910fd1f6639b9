"""Whoever doesn't want to be learnt from isn't, also where others' questions have their words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.curation import usable_pairs
from bot.slack.people import named
from tests.bot.slack.harbour import Harbour, harbour
from training.pair_store import json_lines


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Harbour]:
    with harbour(tmp_path, answering=True) as running:
        yield running


def ask(at: Harbour, user: str, text: str, thread: str = "") -> str:
    """Let somebody ask in #general, and wait for the answer; return the question's ts."""
    feedback, person = at.parts.nightshift.feedback, named(at.slack.team_id, user)
    before = len(feedback.recent(person))
    ts = at.slack.say(user, at.general, f"<@{at.slack.bot_user}> {text}", thread)
    at.slack.wait_for(lambda: len(feedback.recent(person)) > before, f"the answer to {text!r}")
    at.slack.wait_for(lambda: not any(at.parts.queue.counts().values()), "an empty queue")
    return ts


def exported(at: Harbour) -> str:
    """Return what `nightshift pairs export` writes, which is what a night trains on."""
    return json_lines(usable_pairs(at.parts.nightshift))


@pytest.mark.parametrize("reviewed", [False, True])
def test_words_in_somebody_elses_follow_up_dont_train(at: Harbour, reviewed: bool) -> None:
    feedback, team = at.parts.nightshift.feedback, at.slack.team_id
    alice = named(team, at.alice)
    feedback.opt_out(alice, True)
    ts = ask(at, at.alice, "You get 25 days of leave. I am ill.")
    ask(at, at.bob, "and the leave?", ts)
    (answer, *_) = feedback.recent(named(team, at.bob))
    assert "I am ill. and the leave?" in answer.standalone
    feedback.vote(answer.id, named(team, at.eve), 1)
    assert exported(at) == ""
    feedback.opt_out(alice, False)
    assert "I am ill" in exported(at)
    if reviewed:
        (pair,) = [p for p in at.parts.nightshift.pairs.list() if p.answer_id == answer.id]
        at.parts.nightshift.pairs.review(pair.id, True, named(team, at.ada))
    feedback.opt_out(alice, True)  # later than all that was asked, curated and approved
    assert exported(at) == ""


def test_a_question_that_stands_alone_trains_though_another_in_its_thread_does_not(
    at: Harbour,
) -> None:
    feedback, team = at.parts.nightshift.feedback, at.slack.team_id
    feedback.opt_out(named(team, at.alice), True)
    ts = ask(at, at.alice, "You get 25 days of leave. I have an ailment")
    ask(at, at.bob, "You get 25 days of leave as new colleagues?", ts)
    (answer, *_) = feedback.recent(named(team, at.bob))
    feedback.vote(answer.id, named(team, at.eve), 1)
    assert "new colleagues" in exported(at)
    assert "ailment" not in exported(at)
