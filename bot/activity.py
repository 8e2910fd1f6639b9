"""Figures of what happens day by day, read from the database: runs, questions, thumbs, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from bot.tables import questions, syncs
from ingestion.index.protocol import Vectors
from training.database import reading, writing
from training.records import Audience
from training.tables import answers, storable, votes

_MOST_UNANSWERED = 200


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The last run over one source.

    Attributes:
        documents: How many are stored since.
        failed: How many couldn't be had.
    """

    source: str
    finished_at: datetime
    documents: int
    failed: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """Questions that came in on one day (UTC)."""

    day: date
    questions: int


@dataclass(frozen=True, slots=True)
class WeekThumbs:
    """Votes that stand and were cast or changed in the week from this Monday (UTC)."""

    monday: date
    up: int
    down: int

    @property
    def ratio(self) -> float | None:
        """Share of thumbs-up, None without votes."""
        return self.up / (self.up + self.down) if self.up + self.down else None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Questions that the documents didn't answer.

    Attributes:
        texts: Those asked where everyone could read along, newest first.
        private: How many more there were, whose words are nobody else's business.
    """

    texts: tuple[str, ...]
    private: int


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that ask for about the same; `example` is the newest one."""

    example: str
    count: int


def record_runs(engine: Engine, runs: Sequence[SourceRun]) -> None:
    """Store when sources were last read.

    Raises:
        DatabaseError: It can't be stored.
    """
    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    with writing(engine) as connection:
        for run in runs:
            row = {
                "finished_at": run.finished_at,
                "documents": run.documents,
                "failed": run.failed,
            }
            statement = insert(syncs).values(source=storable(run.source), **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_=row))


def last_runs(engine: Engine) -> dict[str, SourceRun]:
    """Return the last run over each source, by its name."""
    with reading(engine) as connection:
        rows = connection.execute(syncs.select().order_by(syncs.c.source))
        return {row.source: SourceRun(**row._mapping) for row in rows}


def questions_by_day(engine: Engine, days: int, now: datetime) -> tuple[DayCount, ...]:
    """Return how many questions came in through Slack on each of the last days, oldest first."""
    today = now.astimezone(UTC).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    at = questions.c.created_at
    sums = [_between(at, day, 1) for day in dates]
    counts = _sums(engine, sums, at >= _start_of(dates[0]))
    return tuple(DayCount(day, count) for day, count in zip(dates, counts, strict=True))


def thumbs_by_week(engine: Engine, weeks: int, now: datetime) -> tuple[WeekThumbs, ...]:
    """Return the votes of each of the last weeks, oldest first; the last one is under way."""
    today = now.astimezone(UTC).date()
    this = today - timedelta(days=today.weekday())
    mondays = [this - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
    at = votes.c.updated_at
    sums = [
        _between(at, monday, 7, votes.c.value == value) for monday in mondays for value in (1, -1)
    ]
    counts = _sums(engine, sums, at >= _start_of(mondays[0]))
    return tuple(
        WeekThumbs(monday, counts[2 * n], counts[2 * n + 1]) for n, monday in enumerate(mondays)
    )


def unanswered(engine: Engine, team: str, since: datetime) -> Unanswered:
    """Return what a workspace asked since then and the documents didn't say.

    Of what was asked in public, the newest `_MOST_UNANSWERED` are looked at.
    """
    among = (
        answers.c.refused
        & (answers.c.asked_at >= since)
        & answers.c.conversation.startswith(f"{team}:", autoescape=True)
    )
    public = answers.c.audience == Audience.PUBLIC.value
    texts = (
        sa.select(answers.c.standalone)
        .where(among, public)
        .order_by(answers.c.asked_at.desc(), answers.c.id)
        .limit(_MOST_UNANSWERED)
    )
    others = sa.select(sa.func.count()).select_from(answers).where(among, ~public)
    with reading(engine) as connection:
        return Unanswered(tuple(connection.scalars(texts)), connection.scalar(others) or 0)


def votes_of(engine: Engine, voter: str, answer_ids: Sequence[str]) -> dict[str, int]:
    """Return how somebody's votes on these answers stand: 1 or -1; others aren't there."""
    query = sa.select(votes.c.answer_id, votes.c.value).where(
        votes.c.voter == storable(voter), votes.c.answer_id.in_(answer_ids), votes.c.value != 0
    )
    with reading(engine) as connection:
        return {answer_id: int(value) for answer_id, value in connection.execute(query)}


def topics_of(texts: Sequence[str], vectors: Vectors, near: float) -> list[Topic]:
    """Return the questions by topic, the most asked first. Pure.

    Each question joins the first topic whose example is near enough, or begins one.

    Args:
        texts: Newest first.
        vectors: Their unit vectors, shape (len(texts), dimensions).
        near: The cosine from which two questions ask for about the same.
    """
    examples: list[int] = []
    counts: list[int] = []
    for number, vector in enumerate(vectors):
        place = next(
            (p for p, example in enumerate(examples) if float(vectors[example] @ vector) >= near),
            None,
        )
        if place is None:
            examples.append(number)
            counts.append(1)
        else:
            counts[place] += 1
    topics = [Topic(texts[n], count) for n, count in zip(examples, counts, strict=True)]
    return sorted(topics, key=lambda topic: -topic.count)


def _between(
    at: sa.Column[datetime], day: date, days: int, also: sa.ColumnElement[bool] | None = None
) -> sa.ColumnElement[int]:
    """Return how many rows fall into some days from a day on, as an expression."""
    inside = (at >= _start_of(day)) & (at < _start_of(day + timedelta(days=days)))
    counted = inside if also is None else inside & also
    return sa.func.coalesce(sa.func.sum(sa.case((counted, 1), else_=0)), 0)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _sums(
    engine: Engine, sums: Sequence[sa.ColumnElement[int]], among: sa.ColumnElement[bool]
) -> list[int]:
    columns: list[Any] = list(sums)
    with reading(engine) as connection:
        return [int(value) for value in connection.execute(sa.select(*columns).where(among)).one()]
