"""The diary of nights: each moment of the schedule is claimed once, and ends with an outcome."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from training.database import reading, writing
from training.tables import nights

MAX_ATTEMPTS = 2
"""A night that was interrupted is tried once more: one that kills its machine must not go on."""


class NightOutcome(enum.StrEnum):
    """How a night ended."""

    RUNNING = "running"
    FINISHED = "finished"  # the process exited with 0; its report says what it decided
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"  # stopped, or its machine died
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class NightRecord:
    """One night.

    Attributes:
        id: 0 for one that isn't in the diary (a dry run).
        slot: The moment of the schedule it stands for, or None when somebody started it.
        trigger: "schedule", "by hand" or "dry run".
        holder: Which process ran it.
        exit_code: The process's; None when it was killed or never started.
        report: What the process printed as its last line, if that was a JSON object; for a
            skipped night ``{"reason": …}``.
    """

    id: int
    slot: datetime | None
    trigger: str
    holder: str
    attempts: int
    started_at: datetime
    finished_at: datetime | None
    outcome: NightOutcome
    exit_code: int | None
    report: Mapping[str, Any]


class Nights:
    """The nights in the database. Safe in several processes.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, trigger: str, holder: str, slot: datetime | None = None) -> NightRecord | None:
        """Enter a night that starts now; None when its slot has had its night.

        The caller holds the lease: a slot that still counts as running was interrupted.
        """
        values = {"holder": holder, "started_at": datetime.now(UTC), "finished_at": None}
        values |= {"outcome": NightOutcome.RUNNING.value, "exit_code": None, "report": {}}
        with writing(self._engine, lock="nights") as connection:
            row = connection.execute(nights.select().where(nights.c.slot == slot)).first()
            if slot is None or row is None:
                values |= {"slot": slot, "trigger": trigger, "attempts": 1}
                statement = nights.insert().values(values).returning(nights.c.id)
                return _night(connection, connection.execute(statement).scalar_one())
            if not _may_resume(row):
                return None
            values["attempts"] = row.attempts + 1
            connection.execute(nights.update().where(nights.c.id == row.id).values(values))
            return _night(connection, row.id)

    def finish(
        self,
        night: NightRecord,
        outcome: NightOutcome,
        exit_code: int | None,
        report: Mapping[str, Any],
    ) -> NightRecord:
        """Enter how a night ended, unless another holder has taken it over; return it as it is."""
        values = {"outcome": outcome.value, "exit_code": exit_code, "report": dict(report)}
        mine = (nights.c.id == night.id) & (nights.c.holder == night.holder)
        with writing(self._engine, lock="nights") as connection:
            connection.execute(
                nights.update()
                .where(mine, nights.c.outcome == NightOutcome.RUNNING.value)
                .values(finished_at=datetime.now(UTC), **values)
            )
            return _night(connection, night.id)

    def skip(self, slot: datetime, holder: str, reason: str) -> NightRecord | None:
        """Enter that a slot had no night; None when it is in the diary already."""
        now = datetime.now(UTC)
        with writing(self._engine, lock="nights") as connection:
            if connection.execute(sa.select(nights.c.id).where(nights.c.slot == slot)).first():
                return None
            statement = nights.insert().values(
                slot=slot,
                trigger="schedule",
                holder=holder,
                attempts=0,
                started_at=now,
                finished_at=now,
                outcome=NightOutcome.SKIPPED.value,
                report={"reason": reason},
            )
            return _night(
                connection, connection.execute(statement.returning(nights.c.id)).scalar_one()
            )

    def to_resume(self, since: datetime) -> list[datetime]:
        """Return the slots after a moment whose night was interrupted and may be tried again."""
        query = nights.select().where(nights.c.slot >= since).order_by(nights.c.slot)
        with reading(self._engine) as connection:
            return [row.slot for row in connection.execute(query) if _may_resume(row)]

    def close_interrupted(self, before: datetime) -> list[NightRecord]:
        """Enter "interrupted" for nights that nobody will resume; return those.

        The caller holds the lease: nights that still count as running lost their process.
        """
        with writing(self._engine, lock="nights") as connection:
            query = nights.select().where(nights.c.outcome == NightOutcome.RUNNING.value)
            rows = connection.execute(query).all()
            dead = [
                row for row in rows if row.slot is None or row.slot < before or not _may_resume(row)
            ]
            for row in dead:
                connection.execute(
                    nights.update()
                    .where(nights.c.id == row.id)
                    .values(outcome=NightOutcome.INTERRUPTED.value, finished_at=datetime.now(UTC))
                )
            return [_night(connection, row.id) for row in dead]

    def recent(self, limit: int = 10) -> list[NightRecord]:
        """Return the last nights, newest first."""
        query = nights.select().order_by(nights.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]


def _may_resume(row: Row[Any]) -> bool:
    stopped = row.outcome in {NightOutcome.RUNNING.value, NightOutcome.INTERRUPTED.value}
    return stopped and row.attempts < MAX_ATTEMPTS


def _night(connection: Connection, night_id: int) -> NightRecord:
    return _record(connection.execute(nights.select().where(nights.c.id == night_id)).one())


def _record(row: Row[Any]) -> NightRecord:
    values = dict(row._mapping)
    values["outcome"] = NightOutcome(values["outcome"])
    return NightRecord(**values)
