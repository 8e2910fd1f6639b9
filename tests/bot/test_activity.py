"""Figures from the database, on rows of known times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from bot.activity import (
    SourceRun,
    Topic,
    last_runs,
    questions_by_day,
    record_runs,
    thumbs_by_week,
    topics_of,
    unanswered,
    votes_of,
)
from bot.tables import questions
from bot.task import NewQuestion
from bot.work import WorkQueue
from tests.training.answers import make_answer
from training.database import writing
from training.feedback import Feedback
from training.records import Audience
from training.tables import votes

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)  # a Wednesday


def test_questions_are_counted_by_day(database: sa.Engine) -> None:
    queue = WorkQueue(database, "test")
    moments = [NOW, NOW - timedelta(hours=3), NOW - timedelta(hours=3, seconds=1), NOW]
    for number, moment in enumerate([*moments, NOW - timedelta(days=9)]):
        placed = queue.put(NewQuestion("T0", "C0", "U0", (f"k{number}",)))
        with writing(database) as connection:
            row = questions.c.id == placed.id
            connection.execute(questions.update().where(row).values(created_at=moment))
    counted = questions_by_day(database, 3, NOW)
    assert [(each.day.day, each.questions) for each in counted] == [(23, 0), (24, 1), (25, 3)]


def test_thumbs_are_counted_by_week_as_they_stand(database: sa.Engine) -> None:
    feedback = Feedback(database)
    feedback.record_answer(make_answer(id="a"))
    week = date(2026, 11, 23)
    for voter, value, moment in (
        ("u1", 1, datetime(2026, 11, 23, tzinfo=UTC)),
        ("u2", -1, NOW),
        ("u3", 1, datetime(2026, 11, 22, 23, 59, tzinfo=UTC)),
        ("u4", 0, NOW),
    ):
        feedback.vote("a", voter, 1)
        feedback.vote("a", voter, value)
        with writing(database) as connection:
            mine = votes.c.voter == voter
            connection.execute(votes.update().where(mine).values(updated_at=moment))
    before, this = thumbs_by_week(database, 2, NOW)
    assert (before.monday, before.up, before.down, before.ratio) == (
        week - timedelta(weeks=1), 1, 0, 1.0,
    )  # fmt: skip
    assert (this.monday, this.up, this.down, this.ratio) == (week, 1, 1, 0.5)
    assert thumbs_by_week(database, 1, NOW + timedelta(weeks=2))[0].ratio is None
    assert votes_of(database, "u2", ["a", "b"]) == {"a": -1}
    assert votes_of(database, "u4", ["a"]) == {}


def test_private_gaps_are_counted_and_not_told(database: sa.Engine) -> None:
    feedback = Feedback(database)
    for name, audience, where, refused, days in (
        ("a", Audience.PUBLIC, "T0:C0:1", True, 1),
        ("b", Audience.PRIVATE, "T0:D0:1", True, 1),
        ("c", Audience.PUBLIC, "T0:C0:2", False, 1),
        ("d", Audience.PUBLIC, "T0:C0:3", True, 40),
        ("e", Audience.PUBLIC, "T00:C0:3", True, 1),
        ("f", Audience.PUBLIC, "T0:C0:4", True, 0),
    ):
        feedback.record_answer(
            make_answer(
                id=name,
                standalone=f"question {name}",
                audience=audience,
                conversation=where,
                refused=refused,
                asked_at=NOW - timedelta(days=days),
            )
        )
    gaps = unanswered(database, "T0", NOW - timedelta(days=30))
    assert gaps.texts == ("question f", "question a")
    assert gaps.private == 1


def test_near_questions_are_one_topic() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [1, 0]], dtype=np.float32)
    topics = topics_of(["newest", "other", "near", "again"], vectors, 0.8)
    assert topics == [Topic("newest", 3), Topic("other", 1)]
    assert topics_of([], np.zeros((0, 2), dtype=np.float32), 0.8) == []


def test_the_last_run_over_a_source_counts(database: sa.Engine) -> None:
    first = SourceRun("handbook", NOW - timedelta(days=1), 3, 2)
    again = SourceRun("handbook", NOW, 5, 0)
    record_runs(database, [first, SourceRun("wiki", NOW, 1, 0)])
    record_runs(database, [again])
    assert last_runs(database) == {"handbook": again, "wiki": SourceRun("wiki", NOW, 1, 0)}
