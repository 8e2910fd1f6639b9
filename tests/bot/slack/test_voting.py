"""Votes that wait: each is counted once, whatever comes twice, late, or is cut off by a kill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from bot.slack.counter import VoteCounter
from bot.slack.people import named
from bot.slack.voting import Ballot, Ballots
from tests.bot.slack.harbour import Harbour, harbour
from training.votes import BUTTON, VoteEvent, reaction, standing

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("voting")) as running:
        yield running


def test_ballots_come_back_as_they_were_put(database: Engine) -> None:
    ballots = Ballots(database)
    put = Ballot("T1", "U1", -1, "reason", START, "a1", "C1", "1.2", "It \x00 is wrong.")
    for _ in range(3):
        ballots.put(put)
    found = ballots.waiting()
    received = found[0].received_at
    assert found[0] == replace(
        put, id=found[0].id, received_at=received, reason="It \ufffd is wrong."
    )
    assert [each.id for each in ballots.waiting(found[0].id)] == [each.id for each in found[1:]]
    ballots.remove([found[0].id, found[2].id])
    assert ballots.waiting() == [found[1]]


acts = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from([BUTTON, "+1", "+1::skin-tone-2", "-1"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def test_each_vote_counts_once_in_any_schedule(at: Harbour) -> None:
    """Two processes count; deliveries are repeated and mixed; one is killed before it tidies up."""

    @settings(max_examples=25)
    @given(acts=acts, data=st.data())
    def check(acts: list[tuple[str, str, bool]], data: st.DataObject) -> None:
        answer, message = at.answer()
        cast = [_ballot(at, answer, message.ts, n, act) for n, act in enumerate(acts)]
        heard = cast + data.draw(st.lists(st.sampled_from(cast), max_size=4))
        for number, ballot in enumerate(data.draw(st.permutations(heard))):
            at.parts.ballots.put(ballot)
            if number % 3 == 0:
                _count_and_die(at)
        VoteCounter(at.parts).count()
        at.slack.wait_for(lambda: not at.parts.ballots.waiting(), "all votes counted")
        values = [
            standing(VoteEvent(b.at, b.means, b.value) for b in cast if b.voter == voter).value
            for voter in (at.alice, at.bob)
        ]
        assert at.votes(answer) == (values.count(1), values.count(-1))
        up, down = at.votes(answer)
        tally = f"👍 {up} · 👎 {down}"
        at.slack.wait_for(
            lambda: (tally in message.visible_text) is bool(up or down), f"the tally {tally}"
        )

    check()


def _ballot(at: Harbour, answer: str, ts: str, number: int, act: tuple[str, str, bool]) -> Ballot:
    who, by, adds = act
    voter = at.alice if who == "alice" else at.bob
    when = START + timedelta(seconds=number)
    team = at.slack.team_id
    if by == BUTTON:
        return Ballot(team, voter, 1 if adds else -1, BUTTON, when, answer, at.general)
    value = (-1 if by == "-1" else 1) if adds else 0
    return Ballot(team, voter, value, reaction(ts, by), when, channel=at.general, ts=ts)


def _count_and_die(at: Harbour) -> None:
    """Count what waits as a process does that is killed before it removes the votes."""
    for ballot in at.parts.ballots.waiting():
        post = at.parts.posts.at(ballot.team, ballot.channel, ballot.ts)
        at.parts.nightshift.feedback.vote(
            ballot.answer_id or (post.answer_id if post else ""),
            named(ballot.team, ballot.voter),
            ballot.value,
            at=ballot.at,
            means=ballot.means,
        )
