"""Questions that were handed to a human, in the database. Safe in several processes."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from bot.tables import escalations
from training.database import reading, writing
from training.feedback import MAX_CORRECTION
from training.tables import storable

# A process that dies while it posts leaves an escalation without a message; then another may try.
_POSTING = timedelta(minutes=1)
_CUT = " … (cut)"


class EscalationStatus(enum.StrEnum):
    """Where it stands."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Escalation:
    """A question that humans are asked.

    Attributes:
        channel, thread_ts: Where the experts see it. ts: Of the message there, "" until posted.
        asked_by: The Slack user who wants a human's answer.
        private: The answer was seen by the asker only, so the human's answer goes to them.
        proposal: The human's answer so far; proposed_by and proposal_ts: whose, and when.
    """

    id: str
    answer_id: str
    team: str
    channel: str
    thread_ts: str
    ts: str
    asked_by: str
    question: str
    private: bool
    status: EscalationStatus
    proposal: str
    proposed_by: str
    proposal_ts: str
    resolved_by: str
    created_at: datetime
    resolved_at: datetime | None

    @property
    def resolved(self) -> bool:
        """Whether nobody needs to answer any more."""
        return self.status is EscalationStatus.RESOLVED


class Escalations:
    """The escalations.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def start(
        self, answer_id: str, team: str, asked_by: str, question: str, *, private: bool
    ) -> tuple[Escalation, bool]:
        """Store that a human is wanted, once for an answer.

        Returns:
            The escalation, and whether the caller is the one to post it.
        """
        now = datetime.now(UTC)
        texts = dict.fromkeys(
            ("channel", "thread_ts", "ts", "proposal", "proposed_by", "proposal_ts", "resolved_by"),
            "",
        )
        row = {
            "id": uuid.uuid4().hex,
            "answer_id": storable(answer_id),
            "team": team,
            "asked_by": asked_by,
            "question": storable(question),
            "private": private,
            "status": EscalationStatus.OPEN.value,
            "created_at": now,
            **texts,
        }
        dead = (escalations.c.ts == "") & (escalations.c.created_at < now - _POSTING)
        with writing(self._engine) as connection:
            insert = self._insert(escalations).values(row).on_conflict_do_nothing()
            new = connection.execute(insert.returning(escalations.c.id)).first() is not None
            mine = escalations.c.answer_id == row["answer_id"]
            if not new:
                again = escalations.update().where(mine, dead).values(created_at=now)
                new = connection.execute(again).rowcount == 1
            found = connection.execute(escalations.select().where(mine)).one()
        return _escalation(found._mapping), new

    def posted(self, escalation: Escalation, channel: str, thread_ts: str, ts: str) -> Escalation:
        """Store where the experts see it."""
        values = {"channel": channel, "thread_ts": thread_ts, "ts": ts}
        self._change(escalations.c.id == escalation.id, values)
        return replace(escalation, channel=channel, thread_ts=thread_ts, ts=ts)

    def forget(self, escalation_id: str) -> None:
        """Remove one that couldn't be posted, so that it can be asked for again."""
        with writing(self._engine) as connection:
            gone = (escalations.c.id == escalation_id) & (escalations.c.ts == "")
            connection.execute(escalations.delete().where(gone))

    def get(self, escalation_id: str) -> Escalation | None:
        """Return one; None where there is none."""
        return self._one(escalations.c.id == storable(escalation_id))

    def of_answer(self, answer_id: str) -> Escalation | None:
        """Return the one about an answer; None where nobody wanted a human."""
        return self._one(escalations.c.answer_id == storable(answer_id))

    def open_in(self, team: str, channel: str, thread_ts: str) -> Escalation | None:
        """Return the newest one in a thread that nobody has resolved yet."""
        return self._one(
            (escalations.c.team == team)
            & (escalations.c.channel == channel)
            & (escalations.c.thread_ts == thread_ts)
            & (escalations.c.status == EscalationStatus.OPEN.value)
        )

    def propose(self, escalation_id: str, text: str, by: str, ts: str) -> bool:
        """Keep a human's answer; of several, the one that was written last.

        Args:
            escalation_id: Which.
            text: The answer, plain.
            by: The Slack user.
            ts: Slack's time of it; the same one again is an edit.

        Returns:
            Whether it is the one that is kept; not after it was resolved.
        """
        text = storable(text).strip()
        if len(text) > MAX_CORRECTION:
            text = text[: MAX_CORRECTION - len(_CUT)] + _CUT
        where = (
            (escalations.c.id == escalation_id)
            & (escalations.c.status == EscalationStatus.OPEN.value)
            & (escalations.c.proposal_ts <= ts)
        )
        return self._change(where, {"proposal": text, "proposed_by": by, "proposal_ts": ts})

    def withdraw(self, escalation_id: str, ts: str) -> None:
        """Drop the proposal that was written then: its message was deleted."""
        where = (escalations.c.id == escalation_id) & (escalations.c.proposal_ts == ts)
        where &= escalations.c.status == EscalationStatus.OPEN.value
        self._change(where, {"proposal": "", "proposed_by": ""})

    def resolve(self, escalation_id: str, by: str) -> bool:
        """Close it; return False where somebody did before."""
        where = escalations.c.id == escalation_id
        where &= escalations.c.status == EscalationStatus.OPEN.value
        values = {
            "status": EscalationStatus.RESOLVED.value,
            "resolved_by": by,
            "resolved_at": datetime.now(UTC),
        }
        return self._change(where, values)

    def _change(self, where: sa.ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        with writing(self._engine) as connection:
            statement = escalations.update().where(where).values(**values)
            return connection.execute(statement).rowcount == 1

    def _one(self, where: sa.ColumnElement[bool]) -> Escalation | None:
        query = escalations.select().where(where).order_by(escalations.c.created_at.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _escalation(row._mapping)


def _escalation(row: Mapping[Any, Any]) -> Escalation:
    values = dict(row)
    values["status"] = EscalationStatus(values["status"])
    return Escalation(**values)
