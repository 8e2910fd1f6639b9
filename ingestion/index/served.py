"""Which table is served, and which was before: one small file that is replaced atomically."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.protocol import IndexMetadata

SERVED_FILE = "current.json"
TEMPORARY_PREFIX = ".served-"
_FORMAT = 2  # changed whenever rows are read otherwise
REBUILD = "Build it anew: nightshift ingest --rebuild"


@dataclass(frozen=True, slots=True)
class Served:
    """A table, what made its rows, and when it was begun (ISO 8601, empty where not known)."""

    table: str
    metadata: IndexMetadata
    made_at: str = ""


@dataclass(frozen=True, slots=True)
class Tables:
    """The table that is served, and the one before it, which is kept to go back to."""

    now: Served
    before: Served | None = None


def read_served(folder: Path) -> Served | None:
    """Return the table that a folder serves, or None where nothing is served yet.

    Raises:
        IndexMismatchError, IndexUnavailableError: As of `read_tables`.
    """
    tables = read_tables(folder)
    return tables.now if tables else None


def read_tables(folder: Path) -> Tables | None:
    """Return what a folder serves and keeps, or None where nothing is served yet.

    Raises:
        IndexMismatchError: Another version of Nightshift wrote it.
        IndexUnavailableError: It can't be read or understood.
    """
    file = folder / SERVED_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise IndexMismatchError(f"Another version of Nightshift wrote {folder}.", REBUILD)
        before = values.get("before")
        return Tables(_served_of(values), _served_of(before) if before else None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IndexUnavailableError(
            f"{file} can't be read: {error.strerror}.", "Check the rights of the data folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IndexUnavailableError(f"{file} is damaged.", REBUILD) from error


def named_tables(folder: Path) -> set[str]:
    """Return the names of the tables served and kept, also by another version of Nightshift.

    None where that is damaged: then nothing says which of the tables is whole.
    """
    try:
        values = json.loads((folder / SERVED_FILE).read_text(encoding="utf-8"))
        return {str(each["table"]) for each in (values, values.get("before")) if each}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def serve(folder: Path, tables: Tables) -> None:
    """Serve another table from now on. A kill leaves the one or the other served."""
    temporary = _written(folder, tables)
    temporary.replace(folder / SERVED_FILE)
    _sync_folder(folder)


def serve_if_none(folder: Path, served: Served) -> bool:
    """Serve a first table, unless another process has done so meanwhile; return whether."""
    temporary = _written(folder, Tables(served))
    try:
        # Unlike a rename, a link never replaces what is there.
        (folder / SERVED_FILE).hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync_folder(folder)
    return True


def difference(stored: IndexMetadata, wanted: IndexMetadata) -> str:
    """Say in a sentence by what else the stored vectors or chunks were made."""
    parts = {
        "embedding model": stored.embedder != wanted.embedder
        or stored.dimensions != wanted.dimensions,
        "way of cutting pages into chunks": stored.chunker != wanted.chunker,
    }
    return f"The index was made with another {' and another '.join(p for p in parts if parts[p])}."


def no_previous() -> IndexUnavailableError:
    """Return the error of going back to what isn't there."""
    return IndexUnavailableError(
        "There is no generation to go back to.", "One is kept when a rebuild takes its place."
    )


def other_previous(stored: IndexMetadata, wanted: IndexMetadata) -> IndexMismatchError:
    """Return the error of going back to what the settings don't fit."""
    was = f" The model was {stored.model}." if stored.model and stored.model != wanted.model else ""
    return IndexMismatchError(
        difference(stored, wanted).replace("The index", "The generation before", 1) + was,
        "Set [embedding] and [chunking] back to what they were then, and run it again.",
    )


def _served_of(values: dict[str, Any]) -> Served:
    metadata = IndexMetadata(**values["metadata"])
    return Served(str(values["table"]), metadata, str(values.get("made_at", "")))


def _written(folder: Path, tables: Tables) -> Path:
    before = asdict(tables.before) if tables.before else None
    values = {"format": _FORMAT, **asdict(tables.now), "before": before}
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=TEMPORARY_PREFIX, delete=False
    ) as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
