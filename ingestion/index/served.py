"""Which table is served, and by what it was made: one small file that is replaced atomically."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.protocol import IndexMetadata

SERVED_FILE = "current.json"
_FORMAT = 1
REBUILD = "Build it anew: nightshift ingest --rebuild"


@dataclass(frozen=True, slots=True)
class Served:
    """The table that is served and what made its rows."""

    table: str
    metadata: IndexMetadata


def read_served(folder: Path) -> Served | None:
    """Return what a folder serves, or None where nothing is served yet.

    Raises:
        IndexMismatchError: Another version of Nightshift wrote it.
        IndexUnavailableError: It can't be read or understood.
    """
    file = folder / SERVED_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise IndexMismatchError(f"Another version of Nightshift wrote {folder}.", REBUILD)
        return Served(str(values["table"]), IndexMetadata(**values["metadata"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IndexUnavailableError(
            f"{file} can't be read: {error.strerror}.", "Check the rights of the data folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IndexUnavailableError(f"{file} is damaged.", REBUILD) from error


def serve(folder: Path, served: Served) -> None:
    """Serve another table from now on. A kill leaves the one or the other served."""
    temporary = _written(folder, served)
    temporary.replace(folder / SERVED_FILE)
    _sync_folder(folder)


def serve_if_none(folder: Path, served: Served) -> bool:
    """Serve a first table, unless another process has done so meanwhile; return whether."""
    temporary = _written(folder, served)
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


def _written(folder: Path, served: Served) -> Path:
    values = {"format": _FORMAT, "table": served.table, "metadata": asdict(served.metadata)}
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".served-", delete=False
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
