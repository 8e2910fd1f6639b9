"""Answers, votes and corrections on both databases."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from tests.training.answers import make_answer, make_source
from training.database import open_database, reading
from training.errors import FeedbackError
from training.feedback import MAX_CORRECTION, MAX_REASON, Feedback, rated_answers
from training.records import Audience, Message, PairStatus
from training.tables import vote_events, votes


@pytest.fixture
def feedback(database: Engine) -> Feedback:
    return Feedback(database)


def test_an_answer_comes_back_whole(feedback: Feedback) -> None:
    record = make_answer(
        question="有給休暇は何日ですか? 🏖️ e\u0301",
        audience=Audience.PRIVATE,
        messages=(Message("system", "Be brief."), Message("user", "שלום\n\tعليكم")),
        sources=(make_source("Ünï 😀", restricted=True), make_source()),
        timings={"retrieve": 0.25, "model": 1.5},
    )
    assert feedback.record_answer(record)
    assert feedback.answer(record.id) == record


def test_recording_an_id_twice_keeps_the_first(feedback: Feedback) -> None:
    assert feedback.record_answer(make_answer(1, answer="first"))
    assert not feedback.record_answer(make_answer(1, answer="second"))
    assert feedback.answer("answer-1").answer == "first"


def test_texts_that_a_database_refuses_are_mended(feedback: Feedback) -> None:
    odd = "a\x00b\ud800c"
    record = make_answer(1, question=odd, messages=(Message("user", odd),), answer=odd)
    feedback.record_answer(record)
    feedback.vote("answer-1", "v\x00", 1, odd)
    correction = feedback.correct("answer-1", "ada", odd)
    mended = "a\ufffdb\ufffdc"
    stored = feedback.answer("answer-1")
    assert [stored.question, stored.messages[0].content, correction.text] == [mended] * 3


def test_recent_answers_are_ones_own_newest_first(feedback: Feedback) -> None:
    for number in range(5):
        feedback.record_answer(make_answer(number, asker="ada" if number % 2 else "bob"))
    assert [each.id for each in feedback.recent("ada")] == ["answer-3", "answer-1"]
    assert [each.id for each in feedback.recent("bob", limit=1)] == ["answer-4"]


@pytest.mark.parametrize(
    ("answer_id", "voter", "value", "reason"),
    [
        ("nowhere", "ada", 1, ""),
        ("answer-0", "ada", 2, ""),
        ("answer-0", " ", 1, ""),
        ("answer-0", "x" * 1000, 1, ""),
        ("answer-0", "ada", 1, "x" * (MAX_REASON + 1)),
    ],
)
def test_a_vote_that_cannot_be_taken_says_why(
    feedback: Feedback, answer_id: str, voter: str, value: int, reason: str
) -> None:
    feedback.record_answer(make_answer())
    with pytest.raises(FeedbackError) as caught:
        feedback.vote(answer_id, voter, value, reason)
    assert caught.value.mend
    assert feedback.votes("answer-0") == (0, 0)


def test_a_repeated_vote_keeps_the_reason_and_a_changed_one_drops_it(
    feedback: Feedback, database: Engine
) -> None:
    feedback.record_answer(make_answer())
    feedback.vote("answer-0", "ada", -1)
    feedback.vote("answer-0", "ada", -1, "Out of date.")
    feedback.vote("answer-0", "ada", -1)
    with reading(database) as connection:
        assert connection.scalars(sa.select(votes.c.reason)).all() == ["Out of date."]
    feedback.vote("answer-0", "ada", 1)
    with reading(database) as connection:
        assert connection.scalars(sa.select(votes.c.reason)).all() == [""]
        history = connection.scalars(sa.select(vote_events.c.value).order_by(vote_events.c.id))
        assert history.all() == [-1, -1, 1]


@settings(max_examples=40)
@given(
    cast=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([-1, 0, 1]), st.integers(1, 3)),
        max_size=12,
    )
)
def test_the_last_vote_of_each_person_counts_however_often_it_comes(
    cast: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/state.db")
        feedback = Feedback(engine)
        feedback.record_answer(make_answer())
        for voter, value, times in cast:
            for _ in range(times):
                feedback.vote("answer-0", voter, value)
        last = {voter: value for voter, value, _ in cast}
        assert feedback.votes("answer-0") == (
            sum(value == 1 for value in last.values()),
            sum(value == -1 for value in last.values()),
        )
        engine.dispose()


def test_a_correction_waits_until_it_is_reviewed(feedback: Feedback, database: Engine) -> None:
    feedback.record_answer(make_answer())
    first = feedback.correct("answer-0", "bob", " 30 days. ")
    assert (first.status, first.text) == (PairStatus.PENDING, "30 days.")
    assert feedback.correct("answer-0", "bob", "30 days.") == first
    assert feedback.corrections(PairStatus.PENDING) == [first]
    reviewed = feedback.review_correction(first.id, True, "eve")
    assert (reviewed.status, reviewed.reviewer) == (PairStatus.APPROVED, "eve")
    feedback.correct("answer-0", "bob", "31 days.")
    with reading(database) as connection:
        assert [each.correction for each in rated_answers(connection)] == [reviewed]


@pytest.mark.parametrize("text", ["", " \n", "x" * (MAX_CORRECTION + 1)])
def test_a_correction_that_is_empty_or_too_long_is_refused(feedback: Feedback, text: str) -> None:
    feedback.record_answer(make_answer())
    with pytest.raises(FeedbackError):
        feedback.correct("answer-0", "bob", text)
    assert feedback.corrections() == []


def test_unknown_ids_are_refused(feedback: Feedback) -> None:
    for call in (
        lambda: feedback.answer("nowhere"),
        lambda: feedback.correct("nowhere", "ada", "x"),
        lambda: feedback.review_correction("nowhere", True, "ada"),
    ):
        with pytest.raises(FeedbackError):
            call()


def test_only_answers_that_people_judged_are_rated(feedback: Feedback, database: Engine) -> None:
    for number in range(3):
        feedback.record_answer(make_answer(number, asker=f"asker-{number}"))
    feedback.vote("answer-1", "bob", 1)
    feedback.vote("answer-2", "bob", 1)
    feedback.vote("answer-2", "bob", 0)
    feedback.opt_out("asker-2", True)
    with reading(database) as connection:
        found = [(each.record.id, each.up, each.opted_out) for each in rated_answers(connection)]
    assert found == [("answer-1", 1, False), ("answer-2", 0, True)]


def test_who_opts_out_is_not_learnt_from_by_their_corrections_either(
    feedback: Feedback, database: Engine
) -> None:
    feedback.record_answer(make_answer(1))
    feedback.correct(make_answer(1).id, "ada", "At noon.")
    for opted_out in (True, False):
        feedback.opt_out("ada", opted_out)
        with reading(database) as connection:
            assert [each.opted_out for each in rated_answers(connection)] == [opted_out]


def test_who_opts_out_is_not_learnt_from_by_what_others_asked_after_them_either(
    feedback: Feedback, database: Engine
) -> None:
    made = make_answer(1, asker="bob", others_quoted=("ada", "cy"))
    feedback.record_answer(made)
    assert feedback.answer(made.id) == made
    feedback.vote(made.id, "eve", 1)
    for opted_out in (True, False):
        feedback.opt_out("ada", opted_out)
        with reading(database) as connection:
            assert [each.opted_out for each in rated_answers(connection)] == [opted_out]


def test_opting_out_and_in_again(feedback: Feedback) -> None:
    feedback.opt_out("ada", True)
    feedback.opt_out("ada", True)
    assert feedback.opted_out("ada")
    feedback.opt_out("ada", False)
    assert not feedback.opted_out("ada")


VOTER = """
import sys
from training.database import open_database
from training.feedback import Feedback
feedback = Feedback(open_database(sys.argv[1]))
number = 0
while True:
    feedback.vote("answer-0", f"voter-{number}", 1)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.slow
def test_killed_while_voting_loses_nothing_acknowledged(
    database: Engine, database_url: str
) -> None:
    feedback = Feedback(database)
    feedback.record_answer(make_answer())
    command = [sys.executable, "-c", VOTER, database_url]
    acknowledged = -1
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(acknowledged + 15):
                last = process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split()
        acknowledged = max(acknowledged, int(rest[-1] if rest else last))
    up, down = feedback.votes("answer-0")
    with reading(database) as connection:
        events = connection.scalar(sa.select(sa.func.count()).select_from(vote_events))
    assert acknowledged + 1 <= up <= acknowledged + 2
    assert (events, down) == (up, 0)


def test_votes_from_two_threads_are_all_counted(feedback: Feedback) -> None:
    feedback.record_answer(make_answer())
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: feedback.vote("answer-0", f"v{n % 20}", 1), range(60)):
            pass
    assert feedback.votes("answer-0") == (20, 0)


def test_a_database_file_survives_a_change_of_folder(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a' / 'state.db'}")
    Feedback(engine).record_answer(make_answer())
    engine.dispose()
    (tmp_path / "a").rename(tmp_path / "b")
    engine = open_database(f"sqlite:///{tmp_path / 'b' / 'state.db'}")
    assert Feedback(engine).answer("answer-0") == make_answer()
    engine.dispose()
