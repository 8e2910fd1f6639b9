"""Which vote counts: the last act, in whatever order the acts are heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from tests.training.answers import make_answer
from training.feedback import Feedback
from training.votes import BUTTON, COMMAND, REASON, Standing, VoteEvent, reaction, standing

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
UP, UP_TONED, DOWN = (reaction("1.2", name) for name in ("+1", "+1::skin-tone-3", "-1"))


def acts(*steps: tuple[str, int] | tuple[str, int, str]) -> list[VoteEvent]:
    """Return acts one second apart."""
    return [
        VoteEvent(START + timedelta(seconds=number), step[0], step[1], *step[2:])
        for number, step in enumerate(steps)
    ]


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ([], 0),
        ([(UP, 1)], 1),
        ([(UP, 1), (UP, 0)], 0),
        ([(UP, 1), (BUTTON, -1)], -1),
        ([(BUTTON, -1), (UP, 1)], 1),
        ([(BUTTON, 1), (BUTTON, 1)], 1),
        ([(BUTTON, 1), (BUTTON, 0)], 0),
        ([(UP, 1), (BUTTON, -1), (UP, 0)], -1),
        ([(UP, 1), (DOWN, -1), (UP, 0)], -1),
        ([(UP, 1), (DOWN, -1), (DOWN, 0)], 1),  # the thumbs-up still stands for all to see
        ([(UP, 1), (DOWN, -1), (DOWN, 0), (UP, 0)], 0),
        ([(UP, 1), (UP_TONED, 1), (UP, 0)], 1),
        ([(UP, 1), (UP_TONED, 1), (UP, 0), (UP_TONED, 0)], 0),
        ([(BUTTON, 1), (DOWN, -1), (DOWN, 0)], 0),  # the button was overruled for good
        ([(UP, 1), (COMMAND, 0)], 0),
        ([(COMMAND, -1), (UP, 0)], -1),
    ],
)
def test_one_vote_however_it_is_cast(steps: list[tuple[str, int]], counts: int) -> None:
    assert standing(acts(*steps)).value == counts


def test_a_reason_goes_with_the_vote_that_it_was_given_for() -> None:
    down = acts((BUTTON, -1), (REASON, -1, "outdated"))
    assert standing(down) == Standing(-1, "outdated")
    again = VoteEvent(START + timedelta(seconds=9), DOWN, -1)
    assert standing([*down, again]) == Standing(-1, "outdated")
    up = VoteEvent(START + timedelta(seconds=9), UP, 1)
    assert standing([*down, up]) == Standing(1, "")
    late = VoteEvent(START + timedelta(seconds=10), REASON, -1, "wrong")
    assert standing([*down, up, late]) == Standing(1, "")


events = st.builds(
    VoteEvent,
    at=st.integers(0, 20).map(lambda second: START + timedelta(seconds=second)),
    means=st.sampled_from([COMMAND, BUTTON, UP, UP_TONED, DOWN]),
    value=st.sampled_from([-1, 0, 1]),
    reason=st.sampled_from(["", "", "wrong"]),
)


@given(heard=st.lists(events, max_size=9), data=st.data())
def test_order_and_repetition_change_nothing(heard: list[VoteEvent], data: st.DataObject) -> None:
    repeated = heard + data.draw(
        st.lists(st.sampled_from(heard), max_size=6) if heard else st.just([])
    )
    assert standing(data.draw(st.permutations(repeated))) == standing(heard)


@given(heard=st.lists(events, max_size=9))
def test_the_last_vote_counts_and_taking_back_never_makes_one(heard: list[VoteEvent]) -> None:
    after = max((event.at for event in heard), default=START) + timedelta(seconds=1)
    for means in (COMMAND, BUTTON, UP):
        for value in (-1, 1):
            assert standing([*heard, VoteEvent(after, means, value)]).value == value
    before = standing(heard).value
    cast = {event.value for event in heard if event.means.startswith("reaction")}
    assert standing([*heard, VoteEvent(after, UP, 0)]).value in {0, before, *cast}
    assert standing([*heard, VoteEvent(after, COMMAND, 0)]).value == 0


def test_the_record_counts_as_the_rules_say_in_any_order(database: Engine) -> None:
    feedback = Feedback(database)
    number = 0

    @settings(max_examples=40)
    @given(heard=st.lists(events, min_size=1, max_size=7), data=st.data())
    def check(heard: list[VoteEvent], data: st.DataObject) -> None:
        nonlocal number
        number += 1
        feedback.record_answer(make_answer(number))
        repeated = heard + data.draw(st.lists(st.sampled_from(heard), max_size=4))
        for event in data.draw(st.permutations(repeated)):
            last = feedback.vote(
                f"answer-{number}",
                "ada",
                event.value,
                event.reason,
                at=event.at,
                means=event.means,
            )
        value = standing(heard).value
        assert last == feedback.vote_of(f"answer-{number}", "ada") == value
        assert feedback.votes(f"answer-{number}") == (value == 1, value == -1)

    check()


def test_a_vote_without_a_time_comes_after_all_others(database: Engine) -> None:
    feedback = Feedback(database)
    feedback.record_answer(make_answer())
    ahead = datetime.now(UTC) + timedelta(hours=1)
    assert feedback.vote("answer-0", "ada", 1, at=ahead, means=UP) == 1
    assert feedback.vote("answer-0", "ada", -1) == -1
    assert feedback.vote("answer-0", "ada", 1, at=ahead, means=UP) == -1
