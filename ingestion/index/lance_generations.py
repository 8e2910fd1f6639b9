"""The tables of a folder: one is served, one was before, others are a rebuild's."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import lancedb

from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.lance_errors import mapped_errors
from ingestion.index.protocol import Generation, Role
from ingestion.index.served import TEMPORARY_PREFIX, Served, Tables, named_tables, read_tables

TABLE_PREFIX = "chunks-"
_SUFFIX = ".lance"


def readable_tables(folder: Path) -> Tables | None:
    """Return what a folder serves; a damaged index serves nothing, and is about to be replaced."""
    try:
        return read_tables(folder)
    except (IndexUnavailableError, IndexMismatchError):
        return None


def drop_others(folder: Path) -> None:
    """Remove all but what is served and kept; what can't be removed only takes space."""
    kept = named_tables(folder)
    for table in table_names(folder):
        if table not in kept:
            drop(folder, table)
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def drop(folder: Path, table: str) -> None:
    """Remove a table's files, as far as they can be."""
    shutil.rmtree(folder / f"{table}{_SUFFIX}", ignore_errors=True)


def table_names(folder: Path) -> list[str]:
    """Return the names of all tables, whole or not."""
    folders = folder.glob(f"{TABLE_PREFIX}*{_SUFFIX}")
    return sorted(found.name.removesuffix(_SUFFIX) for found in folders)


def list_generations(folder: Path) -> list[Generation]:
    """Return all generations: the served one, the one before, then those that nothing serves.

    Raises:
        IndexMismatchError, IndexUnavailableError: What is served can't be told.
    """
    tables = read_tables(folder)
    if tables is None:
        return []
    generations = [_generation(folder, tables.now, "served")]
    if tables.before is not None:
        generations.append(_generation(folder, tables.before, "previous"))
    known = {generation.name for generation in generations}
    others = [name for name in table_names(folder) if name not in known]
    return generations + [
        Generation(name, None, _rows(folder, name), None, "unfinished") for name in others
    ]


def _generation(folder: Path, served: Served, role: Role) -> Generation:
    made_at = datetime.fromisoformat(served.made_at) if served.made_at else None
    rows = _rows(folder, served.table)
    return Generation(served.table, served.metadata, rows, made_at, role)


def _rows(folder: Path, table: str) -> int | None:
    try:
        with mapped_errors(folder, "read"):
            return int(lancedb.connect(folder).open_table(table).count_rows())
    except IndexUnavailableError:  # a rebuild that has just begun, or damage
        return None


def now() -> str:
    """Return this moment as a table's record of when it was begun."""
    return datetime.now(UTC).isoformat(timespec="seconds")
