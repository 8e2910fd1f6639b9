"""The queue of questions: once, in fair order, and never lost with a process."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from bot.tables import claims, questions
from bot.task import Limits, NewQuestion, Placed, QuestionStatus, Refusal, Stop
from bot.work import WorkQueue
from training.database import writing


def new(asker: str = "U1", key: str = "", **changes: str) -> NewQuestion:
    stamp = key or f"{time.monotonic_ns()}"
    values = {"team": "T1", "channel": "C1", "message_ts": stamp, "thread_ts": stamp, **changes}
    return NewQuestion(asker=asker, keys=(f"message:C1:{stamp}",), **values)


def test_a_question_is_taken_once_by_any_of_its_keys(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    mention = NewQuestion("T1", "C1", "U1", ("event:1", "message:C1:1"))
    assert queue.put(mention).id
    for keys in [("event:1", "message:C1:1"), ("event:2", "message:C1:1"), ("event:1", "other")]:
        assert queue.put(NewQuestion("T1", "C1", "U1", keys)).id == ""
    assert queue.put(NewQuestion("T2", "C1", "U1", ("event:1",))).id
    assert queue.counts()[QuestionStatus.WAITING] == 2


def test_people_take_turns(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    for asker in ("ada", "ada", "ada", "bob", "cy", "bob"):
        queue.put(new(asker))
    order = []
    while (task := queue.take()) is not None:
        order.append(task.asker)
        queue.finish(task.id, QuestionStatus.DONE)
    assert order == ["ada", "bob", "cy", "ada", "bob", "ada"]


def test_who_comes_late_waits_for_nobodys_tenth_question(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    for _ in range(10):
        queue.put(new("ada"))
    for _ in range(3):
        task = queue.take()
        assert task is not None
        queue.finish(task.id, QuestionStatus.DONE)
    placed = queue.put(new("bob"))
    assert queue.position(placed.id) == 1
    waiting = [queue.take(), queue.take()]
    assert [task.asker for task in waiting if task] == ["ada", "bob"]


def test_a_question_of_a_dead_process_is_taken_over(database: Engine) -> None:
    queue = WorkQueue(database, "dead", lease_seconds=0.2)
    placed = queue.put(new())
    task = queue.take()
    assert task is not None
    other = WorkQueue(database, "alive")
    assert other.take() is None
    time.sleep(0.3)
    again = other.take()
    assert again is not None
    assert (again.id, again.attempts) == (placed.id, 2)
    # Whoever lost it changes nothing any more.
    assert queue.renew(task.id) is None
    assert not queue.save_reply(task.id, {"posted": ["1"]})
    queue.finish(task.id, QuestionStatus.FAILED)
    assert other.renew(task.id) is Stop.NO
    assert other.save_reply(task.id, {"posted": ["2"]})
    other.hand_back(task.id, tried=False)
    third = other.take()
    assert third is not None
    assert (third.attempts, third.reply) == (2, {"posted": ["2"]})


def test_a_question_handed_back_waits(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    queue.put(new())
    task = queue.take()
    assert task is not None
    queue.hand_back(task.id, 60)
    assert queue.take() is None
    assert queue.counts()[QuestionStatus.WAITING] == 1


def test_what_nobody_wants_any_more_is_told(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    for ts in ("1", "2", "3"):
        queue.put(new(key=ts, thread_ts="1"))
    first = queue.take()
    assert first is not None
    assert queue.stop("T1", "C1", "2", Stop.DELETED)
    assert queue.renew(first.id) is Stop.NO
    assert len(queue.stop("T1", "C1", "1", Stop.ASKED)) == 2  # the deleted one stays so
    assert queue.renew(first.id) is Stop.ASKED
    assert queue.stop("T1", "C2", "1", Stop.ASKED) == []
    assert not queue.stop_one(first.id, "somebody else")
    assert queue.stop_one(first.id, "U1")
    queue.finish(first.id, QuestionStatus.CANCELLED)
    assert len(queue.stop("T1", "C1", "1", Stop.ASKED)) == 1


@pytest.mark.parametrize(
    ("limits", "refusals"),
    [
        (Limits(), ["", "", ""]),
        (Limits(waiting_per_person=2), ["", "", Refusal.WAITING]),
        (Limits(per_person_and_day=1), ["", Refusal.PERSON_DAY, Refusal.PERSON_DAY]),
        (Limits(per_day=2), ["", "", Refusal.DAY]),
    ],
)
def test_limits(database: Engine, limits: Limits, refusals: list[str]) -> None:
    queue = WorkQueue(database, "a")
    placed = [queue.put(new("ada"), limits) for _ in refusals]
    assert [each.refusal for each in placed] == refusals
    assert all(each.id for each in placed)  # who asked is told, so it is in the queue


def test_of_a_question_that_is_changed_the_last_version_stays(database: Engine) -> None:
    queue, limits = WorkQueue(database, "a"), Limits(waiting_per_person=1)
    first = queue.put(new(key="1"), limits)
    event = itertools.count()

    def change(version: str) -> Placed:
        asked = NewQuestion("T1", "C1", "U1", (f"event:{next(event)}",), "1", "1", version=version)
        return queue.put(asked, limits)

    third, second, again = change("3"), change("2"), change("3")
    assert (bool(third.id), second.id, again.id) == (True, "", "")
    assert third.refusal == Refusal.NO  # the one before it waits no more
    found = [queue.find(each.id) for each in (first, third)]
    assert [each[0].stop for each in found if each] == [Stop.EDITED, Stop.NO]
    # The stop button brings no word on a version that nobody asks any more.
    assert queue.stop("T1", "C1", "1", Stop.ASKED) == [third.id]
    assert not queue.stop_one(first.id, "U1")
    last = queue.asked_at("T1", "C1", "1", "U1")
    assert last is not None
    assert last[0].id == third.id
    while (task := queue.take()) is not None:
        queue.finish(task.id, QuestionStatus.DONE)
    queue.stop("T1", "C1", "1", Stop.DELETED)
    assert change("4").id == ""
    assert queue.asked_at("T1", "C1", "1", "U2") is None


def test_old_claims_are_forgotten(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    assert queue.claim("T1", ["x"])
    queue.forget()
    assert not queue.claim("T1", ["x"])


def test_a_waiting_thread_hears_of_a_new_question(database: Engine) -> None:
    queue = WorkQueue(database, "a")
    threading.Timer(0.1, lambda: queue.put(new())).start()
    began = time.monotonic()
    queue.wait(20)
    assert time.monotonic() - began < 20
    assert queue.take() is not None


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=25),
    st.integers(1, 4),
)
def test_many_at_once_take_each_question_once(
    database: Engine, events: list[tuple[str, int]], threads: int
) -> None:
    with writing(database) as connection:
        connection.execute(questions.delete())
        connection.execute(claims.delete())
    queue = WorkQueue(database, "a")
    for asker, number in events:
        queue.put(new(asker, f"{asker}{number}"))
    taken: list[str] = []

    def work() -> None:
        while (task := queue.take()) is not None:
            taken.append(task.message_ts)
            queue.finish(task.id, QuestionStatus.DONE)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == sorted({f"{asker}{number}" for asker, number in events})
