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
from training.lease import is_held
from training.tables import nights

MAX_ATTEMPTS = 2
"""A night that was interrupted is tried once more: one that kills its machine must not go on."""


class NightOutcome(enum.StrEnum):
    """How a night ended."""

    WAITING = "waiting"  # its moment has come; whoever gets the lease runs it
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

    def enter(self, slot: datetime, holder: str) -> None:
        """Enter that the moment of a slot has come, so that its night isn't lost.

        It waits in the diary while another night runs, or when this process dies before it begins.
        """
        with writing(self._engine, lock="nights") as connection:
            if not _has(connection, slot):
                now = datetime.now(UTC)
                values = _unstarted(slot, holder, NightOutcome.WAITING) | {"started_at": now}
                connection.execute(nights.insert().values(values))

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
        values = _unstarted(slot, holder, NightOutcome.SKIPPED) | {"report": {"reason": reason}}
        values |= {"started_at": now, "finished_at": now}
        with writing(self._engine, lock="nights") as connection:
            if _has(connection, slot):
                return None
            statement = nights.insert().values(values).returning(nights.c.id)
            return _night(connection, connection.execute(statement).scalar_one())

    def take_stock(self, lease: str, since: datetime) -> tuple[list[NightRecord], list[datetime]]:
        """Close the nights that nobody will run any more; return these, and the slots to run yet.

        Args:
            lease: Its holder runs a night: while there is one, nothing is closed or to be run.
                The lease isn't taken, so that looking never keeps a night from starting.
            since: Slots before this are too old to be run.
        """
        with writing(self._engine, lock="nights") as connection:
            if is_held(connection, lease):
                return [], []
            # No night can begin before this transaction ends: what counts as running is dead.
            open_ones = nights.c.outcome.in_([outcome.value for outcome in _OPEN])
            rows = connection.execute(nights.select().where(open_ones).order_by(nights.c.slot))
            kept, closed = [], []
            for row in rows.all():
                if row.slot is not None and row.slot >= since and _may_resume(row):
                    kept.append(row.slot)
                elif row.outcome != NightOutcome.INTERRUPTED.value:
                    closed.append(_close(connection, row))
            return closed, kept

    def recent(self, limit: int = 10) -> list[NightRecord]:
        """Return the last nights, newest first."""
        query = nights.select().order_by(nights.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]


_OPEN = (NightOutcome.WAITING, NightOutcome.RUNNING, NightOutcome.INTERRUPTED)


def _may_resume(row: Row[Any]) -> bool:
    return row.outcome in _OPEN and row.attempts < MAX_ATTEMPTS


def _unstarted(slot: datetime, holder: str, outcome: NightOutcome) -> dict[str, Any]:
    fixed = {"trigger": "schedule", "attempts": 0, "report": {}}
    return {"slot": slot, "holder": holder, "outcome": outcome.value, **fixed}


def _has(connection: Connection, slot: datetime) -> bool:
    return (
        connection.execute(sa.select(nights.c.id).where(nights.c.slot == slot)).first() is not None
    )


def _close(connection: Connection, row: Row[Any]) -> NightRecord:
    values: dict[str, Any] = {"outcome": NightOutcome.INTERRUPTED.value}
    if row.outcome == NightOutcome.WAITING.value:
        reason = "Another night ran at its time, and for too long after."
        values = {"outcome": NightOutcome.SKIPPED.value, "report": {"reason": reason}}
    values["finished_at"] = datetime.now(UTC)
    connection.execute(nights.update().where(nights.c.id == row.id).values(values))
    return _night(connection, row.id)


def _night(connection: Connection, night_id: int) -> NightRecord:
    return _record(connection.execute(nights.select().where(nights.c.id == night_id)).one())


def _record(row: Row[Any]) -> NightRecord:
    values = dict(row._mapping)
    values["outcome"] = NightOutcome(values["outcome"])
    return NightRecord(**values)
