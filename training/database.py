"""The state that must survive: one SQLAlchemy engine on SQLite or PostgreSQL, migrated.

On SQLite each transaction that may write begins IMMEDIATE: a deferred one that reads first and
writes later fails at once, without waiting, when another process wrote in between.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from training.database_faults import explained, is_sqlite, place_of
from training.errors import DatabaseError

SCHEMA_VERSION = "0004"
"""The newest migration; a test compares it with the files."""

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
# Connections to a SQLite file: as many as threads use it at once. Those beyond are opened and
# closed for each use, which takes longer than the use.
_KEPT_OPEN = 32
_READ_ONLY = "nightshift_read_only"
_WRITERS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

logger = logging.getLogger(__name__)


def open_database(url: str) -> Engine:
    """Open the database, make its folder and tables where needed, and bring it up to date.

    Args:
        url: ``sqlite:///path/to/file`` or ``postgresql://user:password@host/name``.

    Returns:
        An engine that several threads may use. Use it through `reading` and `writing`.

    Raises:
        DatabaseError: It can't be reached, opened or written, or is of a newer version.
    """
    parsed = _parse(url)
    with explained(parsed):
        engine = _sqlite(parsed) if is_sqlite(parsed) else _postgresql(parsed)
    try:
        migrate(engine)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables up to date. Idempotent; processes that start together take turns.

    Raises:
        DatabaseError: A newer Nightshift has written the database, or it can't be written.
    """
    with reading(engine) as connection:
        if _version(connection) == SCHEMA_VERSION:
            return
    # Alembic costs a third of a second to import and is needed only when something changed.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with writing(engine, lock="migrate") as connection:
        version = _version(connection)
        if version is not None and version not in known:
            raise DatabaseError(
                f"The database {place_of(engine.url)} is of version {version}; "
                f"this Nightshift knows versions up to {SCHEMA_VERSION}.",
                "Update Nightshift, or name another database in database.url.",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    logger.info("database migrated", extra={"version": SCHEMA_VERSION})


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that only reads; on SQLite it waits for no writer.

    Raises:
        DatabaseError: The database can't be read.
    """
    with explained(engine.url), engine.connect() as connection:
        connection.execution_options(**{_READ_ONLY: True})
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, lock: str = "") -> Iterator[Connection]:
    """Yield a connection in one transaction, committed at the end or not at all.

    Args:
        engine: The engine.
        lock: Name of a lock held to the end of the transaction: those who name the same one take
            turns. On SQLite all writers do.

    Raises:
        DatabaseError: The database can't be written.
    """
    with explained(engine.url), _turn_to_write(engine), engine.begin() as connection:
        if lock and engine.dialect.name == "postgresql":
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"nightshift {lock}"},
            )
        yield connection


@contextlib.contextmanager
def _turn_to_write(engine: Engine) -> Iterator[None]:
    """Let the threads of this process write to a SQLite file one after another.

    SQLite itself makes a second writer sleep and ask again, ever longer, and whoever asks at the
    right moment wins: of a hundred that come together some wait for seconds.
    """
    if not is_sqlite(engine.url):
        yield
        return
    turn = _WRITERS[str(engine.url.database)]
    held = turn.acquire(timeout=BUSY_SECONDS)  # without it, SQLite says that it is locked
    try:
        yield
    finally:
        if held:
            turn.release()


def now_seconds(engine: Engine) -> sa.ColumnElement[float]:
    """Return the database's own clock in seconds since 1970, as an expression.

    Leases are measured by it: the clocks of the processes that share them may differ.
    """
    if is_sqlite(engine.url):
        return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float)
    return sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Float)


def _parse(url: str) -> URL:
    mend = "Write for example sqlite:///data/nightshift.db or postgresql://user:password@host/name."
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # Their own text repeats the URL, which may hold a password.
        raise DatabaseError("database.url can't be understood.", mend) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise DatabaseError(
            f"database.url names '{parsed.drivername}', which Nightshift doesn't know.", mend
        )
    if is_sqlite(parsed) and (not parsed.database or parsed.database == ":memory:"):
        raise DatabaseError("database.url names no file.", mend)
    return parsed


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.name.startswith("file:") and not str(url.database).startswith("file:"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(
                f"The folder {path.parent} can't be made: {error.strerror}.",
                "Choose another data folder, or mend its rights.",
            ) from error
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=_KEPT_OPEN,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    try:
        return sa.create_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": 10}
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise DatabaseError(
            "PostgreSQL needs the package psycopg, which isn't installed.",
            "Run: pip install 'psycopg[binary]'.",
        ) from error


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Set up a new connection; votes that were acknowledged survive a loss of power (FULL)."""
    connection.isolation_level = None  # _begin_sqlite begins, also before DDL
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        _use_wal(cursor)
    finally:
        cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switch to WAL, once for a file. The switch doesn't heed busy_timeout, so wait here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode")
            if cursor.fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version
