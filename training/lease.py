"""A lease: one holder at a time across processes and machines, freed by time when it dies."""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from training.database import now_seconds, reading, writing
from training.errors import DatabaseError
from training.tables import leases


class Lease:
    """A named right that one holder has until it expires. Times are the database's own.

    Args:
        engine: The state's engine.
        name: What is leased.
        holder: Who asks; unique for each process.
        seconds: How long the right lasts without `renew`.
    """

    def __init__(self, engine: Engine, name: str, holder: str, seconds: float) -> None:
        self._engine = engine
        self.name = name
        self.holder = holder
        self.seconds = seconds

    def acquire(self) -> bool:
        """Take the lease where it is free, expired or one's own; return whether it is held now."""
        with writing(self._engine) as connection:
            now = now_seconds(self._engine)
            insert = sqlite.insert if _is_sqlite(self._engine) else postgresql.insert
            statement = insert(leases).values(
                name=self.name, holder=self.holder, expires_at=now + self.seconds
            )
            # One statement, so that of two who find it expired only one gets it.
            result = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[leases.c.name],
                    set_={"holder": self.holder, "expires_at": now + self.seconds},
                    where=(leases.c.holder == self.holder) | (leases.c.expires_at <= now),
                ).returning(leases.c.holder)
            )
            return result.scalar() == self.holder

    def renew(self) -> bool:
        """Extend the lease; return False when it is lost, and then it must not be acted on."""
        now = now_seconds(self._engine)
        with writing(self._engine) as connection:
            result = connection.execute(
                leases.update()
                .where(self._mine(), leases.c.expires_at > now)
                .values(expires_at=now + self.seconds)
            )
            return result.rowcount == 1

    def release(self) -> None:
        """Give the lease back; one that is already lost stays with its new holder."""
        with writing(self._engine) as connection:
            connection.execute(leases.delete().where(self._mine()))

    def held(self) -> bool:
        """Return whether this holder has it now."""
        with reading(self._engine) as connection:
            return is_held(connection, self.name, self.holder)

    def _mine(self) -> sa.ColumnElement[bool]:
        return (leases.c.name == self.name) & (leases.c.holder == self.holder)


def is_held(connection: Connection, name: str, holder: str | None = None) -> bool:
    """Return whether somebody, or this holder, has the lease now."""
    mine = leases.c.name == name
    if holder is not None:
        mine &= leases.c.holder == holder
    alive = leases.c.expires_at > now_seconds(connection.engine)
    return connection.execute(sa.select(leases.c.name).where(mine, alive)).first() is not None


class KeptLease:
    """A lease renewed in time; an outage of the database loses it only when it has expired."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._renewed = time.monotonic()

    def still_held(self) -> bool:
        """Return whether the lease is held, renewing it where a third of its time has passed."""
        age = time.monotonic() - self._renewed
        if age < self._lease.seconds / 3:
            return True
        try:
            held = self._lease.renew()
        except DatabaseError:
            return age < self._lease.seconds
        self._renewed = time.monotonic()
        return held


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"
