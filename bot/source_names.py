"""Names for folders that were given none: stable, and never one name for two folders.

Two folders called "docs" that are ingested one after the other would otherwise take each other's
documents for their own, and remove them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from bot.errors import SettingsError
from ingestion.settings import SourceSettings
from training.durable import write_text

FILE = "sources.json"
LOCK = "sources.lock"


def with_stable_names(
    sources: Sequence[SourceSettings], data_dir: Path
) -> tuple[SourceSettings, ...]:
    """Give each unnamed path the name it had before, or its own with a number if that is taken.

    Args:
        sources: As given; a name of their own and loaders are left alone.
        data_dir: Remembers the names in ``sources.json``.

    Raises:
        SettingsError: The memory is damaged, or can't be written.
    """
    file = data_dir / FILE
    try:
        # A rebuild may begin while another run gives names.
        with FileLock(data_dir / LOCK):
            known = _read(file)
            names = {name: place for name, place in known.items() if ":" not in name}
            named = tuple(_named(source, names) for source in sources)
            if names != known:
                write_text(file, json.dumps(names, ensure_ascii=False, indent=2))
    except OSError as error:
        raise SettingsError(
            f"{file} can't be written: {error.strerror}.", "Make room, or check its rights."
        ) from error
    return named


def known_names(data_dir: Path) -> tuple[str, ...]:
    """Return the names that folders have had.

    Raises:
        SettingsError: The memory is damaged.
    """
    return tuple(known_places(data_dir))


def known_places(data_dir: Path) -> dict[str, str]:
    """Return the folders that were ever read, by name.

    Raises:
        SettingsError: The memory is damaged.
    """
    return _read(data_dir / FILE)


def _named(source: SourceSettings, names: dict[str, str]) -> SourceSettings:
    """Return the source with its name, which is entered where it is new."""
    if source.path is None:
        return source
    place = os.path.abspath(source.path)  # noqa: PTH100 - keeps links
    if source.name:
        names[source.name] = place
        return source
    name = next((name for name, where in names.items() if where == place), "")
    if not name:
        # A colon ends the name in a document's id.
        stem, number = Path(place).name.replace(":", "-") or "root", 1
        name = stem
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names[name] = place
    return source.model_copy(update={"name": name})


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): str(place) for name, place in names.items()}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise SettingsError(
            f"{file} can't be read.",
            "Delete it, give each source a name in nightshift.toml, and ingest with --rebuild.",
        ) from error
