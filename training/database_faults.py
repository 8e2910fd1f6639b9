"""What is wrong with a database, told from what its driver says."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from training.errors import DatabaseError

# What the driver's text has in it, what is then wrong with the database, and the mend.
_Fault = tuple[str, str, str]

_SQLITE_FAULTS = (
    ("locked", "is locked by another program", "Close what holds it open, then try again."),
    ("full", "can't grow: the disk is full", "Free some space; nothing that was stored is lost."),
    ("readonly", "can't be written", "Mend the rights of the file and its folder."),
    ("unable to open", "can't be opened", "Mend the rights of the file and its folder."),
    ("not a database", "is another kind of file", "Name another file, or move this one away."),
    ("malformed", "is damaged", "Restore it from a backup, or recover it with sqlite3 .recover."),
    # A full disk often comes as this: SQLite can't grow the file that readers share.
    (
        "disk i/o",
        "can't be read or written: the disk is full, or fails",
        "Free some space; if there is enough, check the disk and its mount.",
    ),
)

# A user without CREATE on the schema public, which PostgreSQL 15 took from everyone; without USAGE
# too, the server finds no schema at all.
_NO_RIGHTS = {"42501", "3F000"}
_UNKNOWN_OPTION = "invalid connection option"
# Of a connection that failed psycopg gives no SQLSTATE, only the text. A server that speaks another
# language is recognised by none of these. What is quoted are names, which may say anything.
_QUOTED = re.compile(r'"[^"]*"')
_CONNECTION_FAULTS = (
    (
        "no password supplied",
        "wants a password",
        "Write it into database.url: postgresql://user:password@host/name.",
    ),
    (
        "authentication failed",
        "refuses the user or the password",
        "Check both in database.url, where @ is written as %40, / as %2F and % as %25.",
    ),
    (
        'role "" does not exist',
        "knows no such user",
        "Check the user in database.url, or make it: CREATE ROLE … LOGIN PASSWORD '…'.",
    ),
    (
        'database "" does not exist',
        "isn't there",
        "Check the name in database.url, or make it: CREATE DATABASE … OWNER ….",
    ),
    (
        "pg_hba.conf",
        "lets this user not in from here, or only with TLS",
        "Let it in the server's pg_hba.conf, or write ?sslmode=require after the name.",
    ),
    ("not permitted to log in", "lets this user not in", "Let it: ALTER ROLE … LOGIN."),
    (
        "permission denied for database",
        "lets this user not in",
        "Let it: GRANT CONNECT ON DATABASE … TO ….",
    ),
    (
        "certificate",
        "can't be reached safely: a certificate is missing, or isn't trusted for this host",
        "Name the authority's: ?sslmode=verify-full&sslrootcert=/path/ca.pem after the name.",
    ),
    (
        "server does not support ssl",
        "has no TLS, which database.url asks for",
        "Switch TLS on there, or take sslmode out of database.url.",
    ),
    (
        _UNKNOWN_OPTION,
        "can't be asked for with such an address",
        "Check the options after ? in database.url.",
    ),
)


@contextlib.contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn what the drivers raise for a broken outside into DatabaseError; bugs stay bugs."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if _is_bug(error):
            raise
        raise _explain(url, error) from error
    except PoolTimeoutError as error:
        raise DatabaseError(
            f"All connections to the database {place_of(url)} are in use.", "Try again soon."
        ) from error


def place_of(url: URL) -> str:
    """Return where a database is, without user or password."""
    if is_sqlite(url):
        return str(url.database)
    return f"{url.database or ''} at {url.host or 'the local socket'}"


def is_sqlite(url: URL) -> bool:
    """Return whether a database is a SQLite file."""
    return url.get_backend_name() == "sqlite"


def _explain(url: URL, error: Exception) -> DatabaseError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    place, text = f"The database {place_of(url)}", str(cause).lower()
    if is_sqlite(url):
        failed = DatabaseError(f"{place} failed.", "Run: nightshift doctor.")
        return _told(_SQLITE_FAULTS, text, place) or failed
    sqlstate = _sqlstate(error)
    if sqlstate == "53100":
        return DatabaseError(f"{place} can't grow: its disk is full.", "Free some space there.")
    if sqlstate in _NO_RIGHTS:
        return DatabaseError(
            f"{place} doesn't let its user make or use tables.",
            "Let it: GRANT CREATE, USAGE ON SCHEMA public TO …, or make that user the owner of the "
            "database and of its tables.",
        )
    away = DatabaseError(
        f"{place} can't be reached, or lets nobody in.",
        "Start the server, or check host, user, password and name in database.url.",
    )
    on_connecting = sqlstate is None
    return (on_connecting and _told(_CONNECTION_FAULTS, _QUOTED.sub('""', text), place)) or away


def _told(faults: Sequence[_Fault], text: str, place: str) -> DatabaseError | None:
    """Return the first fault whose sign is in a driver's text."""
    found = ((problem, mend) for sign, problem, mend in faults if sign in text)
    problem, mend = next(found, ("", ""))
    return DatabaseError(f"{place} {problem}.", mend) if problem else None


def _is_bug(error: Exception) -> bool:
    """Return whether an error is Nightshift's own fault, and no broken outside's."""
    if isinstance(error, ProgrammingError):
        from_settings = _UNKNOWN_OPTION in str(error.orig)
        return not from_settings and _sqlstate(error) not in _NO_RIGHTS
    return isinstance(error, IntegrityError)


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)
