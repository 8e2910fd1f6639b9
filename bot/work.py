"""The durable queue of questions: taken once, answered in fair order, resumed after a crash.

Several threads and processes share it through the database. Who takes a question holds it for a
while and renews that; when the process dies, the question is free again for the others.

The order is fair among people (start-time fair queueing, Goyal et al. 1996): each question gets
the round in which it is answered, one later than its asker's last one, so that twenty questions of
one person don't keep another one waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, Row

from bot.admission import UNFINISHED, admit, is_claimed
from bot.tables import claims, questions
from bot.task import VOID, Limits, NewQuestion, Placed, QuestionStatus, Stop, Task
from training.database import now_seconds, reading, writing
from training.tables import storable

# Slack repeats an event for a few hours at most.
_REMEMBER = timedelta(days=3)
_TOLD = "told:"
# Seconds: events of one moment come closer than this; an answer is held up no longer than that.
_BETWEEN_ARRIVALS = 0.02
_LONGEST_ARRIVAL = 1.0
_WAITING = questions.c.status == QuestionStatus.WAITING.value
_ORDER = (questions.c.turn, questions.c.created_at, questions.c.id)


class WorkQueue:
    """The queue. Safe in several threads and processes.

    Args:
        engine: From `training.database.open_database`.
        holder: Who takes questions; unique for each process.
        lease_seconds: After so long without `renew` a taken question is free again.
    """

    def __init__(self, engine: Engine, holder: str, lease_seconds: float = 30.0) -> None:
        self._engine = engine
        self._holder = holder
        self._lease_seconds = lease_seconds
        insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        self._insert_claims = insert(claims).on_conflict_do_nothing()
        self._arrived = threading.Condition()
        self._put_at = 0.0

    def put(self, new: NewQuestion, limits: Limits | None = None) -> Placed:
        """Take a question in, once; it is stored when this returns.

        Raises:
            DatabaseError: It can't be stored.
        """
        self._put_at = time.monotonic()
        with reading(self._engine) as connection:  # most come twice; this waits for no writer
            if is_claimed(connection, new.team, new.keys):
                return Placed("")
        with writing(self._engine, lock="work") as connection:
            if not self._claim(connection, new.team, new.keys):
                return Placed("")
            placed = admit(connection, new, limits or Limits())
        if not placed.id:
            return placed
        self._put_at = time.monotonic()
        with self._arrived:
            self._arrived.notify_all()
        return placed

    def let_arrive(self) -> None:
        """Wait, a second at most, while questions come in one upon the other.

        Slack waits for each to be taken in; answers would take the cores from that.
        """
        end = time.monotonic() + _LONGEST_ARRIVAL
        while (now := time.monotonic()) < min(self._put_at + _BETWEEN_ARRIVALS, end):
            time.sleep(min(self._put_at + _BETWEEN_ARRIVALS, end) - now)

    def claim(self, team: str, keys: Sequence[str]) -> bool:
        """Claim something that isn't a question; return False where one key was taken before."""
        with writing(self._engine, lock="work") as connection:
            return self._claim(connection, team, keys)

    def unclaim(self, team: str, keys: Sequence[str]) -> None:
        """Let something be claimed again: it could not be done."""
        gone = claims.c.key.in_([storable(key) for key in keys])
        with writing(self._engine) as connection:
            connection.execute(claims.delete().where(claims.c.team == team, gone))

    def take(self) -> Task | None:
        """Return the question whose turn it is, held from now on; None where none waits."""
        now = now_seconds(self._engine)
        due = sa.or_(
            (questions.c.status == QuestionStatus.WAITING.value) & (questions.c.not_before <= now),
            (questions.c.status == QuestionStatus.RUNNING.value) & (questions.c.expires_at <= now),
        )
        oldest = (
            sa.select(questions.c.id)
            .where(due)
            # Who wants no answer any more needn't wait for being told so.
            .order_by(questions.c.stop == Stop.NO.value, *_ORDER)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine) as connection:
            found = connection.scalar(oldest)
            return None if found is None else _task(self._hold(connection, found, now))

    def take_unheard(self) -> tuple[Task, int] | None:
        """Return a question that waits and was never told so, held, and how many are before it.

        Each is returned once, for its asker to be told; hand it back then.
        """
        now = now_seconds(self._engine)
        told = sa.exists().where(
            claims.c.team == questions.c.team, claims.c.key == _TOLD + questions.c.id
        )
        oldest = (
            sa.select(questions)
            .where(_WAITING, questions.c.attempts == 0, questions.c.not_before <= now, ~told)
            .order_by(*_ORDER)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine) as connection:
            row = connection.execute(oldest).first()
            if row is None:
                return None
            self._claim(connection, row.team, [_TOLD + row.id])
            position = _position(connection, dict(row._mapping))
            return _task(self._hold(connection, row.id, now)), position

    def wait(self, seconds: float) -> None:
        """Wait until a question arrives in this process, but not longer."""
        with self._arrived:
            self._arrived.wait(seconds)

    def renew(self, task_id: str) -> Stop | None:
        """Hold a question longer; return whether it is still wanted, None where it was lost."""
        with writing(self._engine) as connection:
            statement = (
                questions.update()
                .where(self._held(task_id))
                .values(expires_at=now_seconds(self._engine) + self._lease_seconds)
                .returning(questions.c.stop)
            )
            found = connection.execute(statement).first()
        return None if found is None else Stop(found.stop)

    def save_reply(self, task_id: str, reply: Mapping[str, Any]) -> bool:
        """Store how far the delivery is; return False where the question was lost to another."""
        with writing(self._engine) as connection:
            statement = questions.update().where(self._held(task_id)).values(reply=dict(reply))
            return connection.execute(statement).rowcount == 1

    def finish(self, task_id: str, status: QuestionStatus) -> None:
        """Enter how a question ended; one that was lost stays with its new holder."""
        with writing(self._engine) as connection:
            connection.execute(
                questions.update()
                .where(self._held(task_id))
                .values(status=status.value, finished_at=datetime.now(UTC), holder="")
            )

    def hand_back(self, task_id: str, seconds: float = 0.0, *, tried: bool = True) -> None:
        """Let others take a question, not before so many seconds from now.

        Args:
            task_id: The question.
            seconds: How long to wait.
            tried: False where it doesn't count as an attempt, as when the process is stopped.
        """
        with writing(self._engine) as connection:
            connection.execute(
                questions.update()
                .where(self._held(task_id))
                .values(
                    status=QuestionStatus.WAITING.value,
                    holder="",
                    not_before=now_seconds(self._engine) + seconds,
                    attempts=questions.c.attempts - (0 if tried else 1),
                )
            )
        with self._arrived:
            self._arrived.notify_all()

    def stop(self, team: str, channel: str, ts: str, why: Stop) -> list[str]:
        """Ask that a question or all of a thread be answered no further; return their ids.

        Args:
            team: The workspace.
            channel: The channel.
            ts: Of the question's message; where somebody asks to stop, also of the thread.
            why: The stop button, or the question was deleted or changed. Also of one that is
                answered already it is kept that it was deleted: no version of it comes any more.
        """
        at = questions.c.message_ts == ts
        if why is Stop.ASKED:
            at |= questions.c.thread_ts == ts
            at &= ~_is_void()
        if why is not Stop.DELETED:
            at &= questions.c.status.in_(UNFINISHED)
        with writing(self._engine) as connection:
            statement = (
                questions.update()
                .where(questions.c.team == team, questions.c.channel == channel, at)
                .values(stop=why.value)
                .returning(questions.c.id)
            )
            return list(connection.scalars(statement))

    def stop_one(self, task_id: str, asker: str) -> bool:
        """Ask that one question be answered no further, if it is this person's."""
        with writing(self._engine) as connection:
            statement = (
                questions.update()
                .where(questions.c.id == task_id, questions.c.asker == asker, ~_is_void())
                .values(stop=Stop.ASKED.value)
            )
            return connection.execute(statement).rowcount == 1

    def find(self, task_id: str) -> tuple[Task, QuestionStatus] | None:
        """Return a question and where it stands, whoever has it; None where there is none."""
        with reading(self._engine) as connection:
            query = questions.select().where(questions.c.id == storable(task_id))
            row = connection.execute(query).first()
        return None if row is None else (_task(row), QuestionStatus(row.status))

    def asked_at(
        self, team: str, channel: str, ts: str, asker: str
    ) -> tuple[Task, QuestionStatus] | None:
        """Return the question that somebody's message asks, in its last version, if it does."""
        query = (
            questions.select()
            .where(questions.c.team == team, questions.c.channel == channel)
            .where(questions.c.message_ts == storable(ts), questions.c.asker == asker)
            .order_by(questions.c.created_at.desc(), questions.c.turn.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else (_task(row), QuestionStatus(row.status))

    def position(self, task_id: str) -> int:
        """Return how many questions are answered before one that waits; 0 for any other."""
        with reading(self._engine) as connection:
            row = connection.execute(questions.select().where(questions.c.id == task_id)).first()
            if row is None or row.status != QuestionStatus.WAITING.value:
                return 0
            return _position(connection, dict(row._mapping))

    def in_thread(self, team: str, channel: str, thread_ts: str) -> list[Task]:
        """Return all questions that were asked in a thread, oldest first, also the open ones."""
        query = (
            questions.select()
            .where(questions.c.team == team, questions.c.channel == channel)
            .where(questions.c.thread_ts == thread_ts)
            .order_by(questions.c.created_at, questions.c.id)
        )
        with reading(self._engine) as connection:
            return [_task(row) for row in connection.execute(query)]

    def counts(self) -> dict[QuestionStatus, int]:
        """Return how many questions wait and how many are being answered."""
        query = (
            sa.select(questions.c.status, sa.func.count())
            .where(questions.c.status.in_(UNFINISHED))
            .group_by(questions.c.status)
        )
        with reading(self._engine) as connection:
            found = {QuestionStatus(status): int(n) for status, n in connection.execute(query)}
        return {
            status: found.get(status, 0)
            for status in (QuestionStatus.WAITING, QuestionStatus.RUNNING)
        }

    def forget(self) -> None:
        """Remove the claims that Slack can't repeat any more."""
        with writing(self._engine) as connection:
            connection.execute(claims.delete().where(claims.c.at < datetime.now(UTC) - _REMEMBER))

    def _claim(self, connection: Connection, team: str, keys: Sequence[str]) -> bool:
        """Claim all keys or none."""
        if is_claimed(connection, team, keys):
            return False
        now = datetime.now(UTC)
        rows = [{"team": team, "key": storable(key), "at": now} for key in keys]
        connection.execute(self._insert_claims, rows)
        return True

    def _hold(self, connection: Connection, task_id: str, now: sa.ColumnElement[float]) -> Row[Any]:
        """Enter that this process works on a question, and return it."""
        connection.execute(
            questions.update()
            .where(questions.c.id == task_id)
            .values(
                status=QuestionStatus.RUNNING.value,
                holder=self._holder,
                expires_at=now + self._lease_seconds,
                attempts=questions.c.attempts + 1,
            )
        )
        return connection.execute(questions.select().where(questions.c.id == task_id)).one()

    def _held(self, task_id: str) -> sa.ColumnElement[bool]:
        return (
            (questions.c.id == task_id)
            & (questions.c.holder == self._holder)
            & (questions.c.status == QuestionStatus.RUNNING.value)
        )


def _position(connection: Connection, row: Mapping[str, Any]) -> int:
    earlier = sa.tuple_(questions.c.turn, questions.c.created_at, questions.c.id) < sa.tuple_(
        sa.literal(row["turn"], questions.c.turn.type),
        sa.literal(row["created_at"], questions.c.created_at.type),
        sa.literal(row["id"], questions.c.id.type),
    )
    query = sa.select(sa.func.count()).select_from(questions).where(_WAITING, earlier)
    return int(connection.scalar(query) or 0)


def _is_void() -> sa.ColumnElement[bool]:
    return questions.c.stop.in_([why.value for why in VOID])


def _task(row: Row[Any]) -> Task:
    return Task(
        id=row.id,
        team=row.team,
        channel=row.channel,
        message_ts=row.message_ts,
        thread_ts=row.thread_ts,
        asker=row.asker,
        request=row.request,
        reply=row.reply,
        attempts=row.attempts,
        created_at=row.created_at,
        stop=Stop(row.stop),
    )
