"""Reports that must reach Slack, kept in the database until it has taken them.

A report has a key, and one key is reported once, whoever puts it in. A report can be promised: it
says that the run was interrupted, and goes out by itself when the run's process dies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from bot.slack.blocks import Reply, reply_from_json, reply_json
from bot.tables import notices
from training.database import now_seconds, reading, writing

_REMEMBER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Notice:
    """A report on its way.

    Attributes:
        ts: The message that its first part replaces; "" where all parts are new messages.
        posted: Timestamps of the parts that Slack took, in order.
        attempts: How often it was taken up, this time included.
    """

    key: str
    team: str
    channel: str
    ts: str
    reply: Reply
    posted: tuple[str, ...]
    attempts: int
    created_at: datetime


class Notices:
    """The reports. Safe in several threads and processes.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def put(self, key: str, team: str, channel: str, reply: Reply, seconds: float = 0.0) -> bool:
        """Store a report that is due after so many seconds; return False where it is known."""
        row = self._row(key, team, channel, "", reply) | {
            "not_before": now_seconds(self._engine) + seconds
        }
        with writing(self._engine) as connection:
            statement = self._insert(notices).values(row).on_conflict_do_nothing()
            return connection.execute(statement).rowcount == 1

    def hold(self, key: str, seconds: float, channel: str, ts: str) -> None:
        """Put off a promised report; `channel` and `ts` are the message that it would replace."""
        waiting = (notices.c.key == key) & notices.c.done_at.is_(None) & (notices.c.attempts == 0)
        due = now_seconds(self._engine) + seconds
        with writing(self._engine) as connection:
            connection.execute(
                notices.update().where(waiting).values(not_before=due, channel=channel, ts=ts)
            )

    def settle(self, key: str, team: str, channel: str, ts: str, reply: Reply) -> None:
        """Put a report, due at once, in the place of what was promised.

        It replaces the promised one also where that went out already, from a process that thought
        this one dead.
        """
        row = self._row(key, team, channel, ts, reply)
        values = {name: value for name, value in row.items() if name != "key"}
        statement = self._insert(notices).values(row)
        with writing(self._engine) as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))

    def take(self, seconds: float) -> Notice | None:
        """Return the oldest report that is due, for nobody else to take for so many seconds."""
        now = now_seconds(self._engine)
        due = (
            sa.select(notices.c.key)
            .where(notices.c.done_at.is_(None), notices.c.not_before <= now)
            .order_by(notices.c.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine) as connection:
            key = connection.scalar(due)
            if key is None:
                return None
            values = {"attempts": notices.c.attempts + 1, "not_before": now + seconds}
            found = notices.update().where(notices.c.key == key).values(values).returning(notices)
            return _notice(dict(connection.execute(found).one()._mapping))

    def save(self, notice: Notice, posted: tuple[str, ...], seconds: float) -> bool:
        """Store which parts Slack took; return False where the report is no longer this one's."""
        due = now_seconds(self._engine) + seconds
        return self._change(notice, {"posted": list(posted), "not_before": due})

    def put_off(self, notice: Notice, seconds: float) -> None:
        """Let it be tried again, not before so many seconds from now."""
        self._change(notice, {"not_before": now_seconds(self._engine) + seconds})

    def finish(self, notice: Notice) -> None:
        """Enter that the report is posted, or given up."""
        self._change(notice, {"done_at": datetime.now(UTC)})

    def waiting(self) -> int:
        """Return how many reports Slack hasn't taken yet, promised ones included."""
        query = sa.select(sa.func.count()).select_from(notices).where(notices.c.done_at.is_(None))
        with reading(self._engine) as connection:
            return int(connection.scalar(query) or 0)

    def forget(self) -> None:
        """Remove what was posted long ago."""
        old = notices.c.done_at < datetime.now(UTC) - _REMEMBER
        with writing(self._engine) as connection:
            connection.execute(notices.delete().where(old))

    def _change(self, notice: Notice, values: Mapping[str, Any]) -> bool:
        mine = (notices.c.key == notice.key) & (notices.c.attempts == notice.attempts)
        with writing(self._engine) as connection:
            return connection.execute(notices.update().where(mine).values(values)).rowcount == 1

    def _row(self, key: str, team: str, channel: str, ts: str, reply: Reply) -> dict[str, Any]:
        return {
            "key": key,
            "team": team,
            "channel": channel,
            "ts": ts,
            "reply": reply_json(reply),
            "posted": [],
            "attempts": 0,
            "not_before": now_seconds(self._engine),
            "created_at": datetime.now(UTC),
            "done_at": None,
        }


def _notice(row: Mapping[str, Any]) -> Notice:
    names = ("key", "team", "channel", "ts", "attempts", "created_at")
    return Notice(
        **{name: row[name] for name in names},
        reply=reply_from_json(row["reply"]),
        posted=tuple(row["posted"]),
    )
