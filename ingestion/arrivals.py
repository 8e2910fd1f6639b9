"""What is ingested while a rebuild runs, for the rebuild's last step.

A rebuild reads its own sources once more before it is served. A run beside it may have read others,
or the same ones by other settings, such as who may read them: so it leaves word of what it read.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ingestion.errors import IndexUnavailableError
from ingestion.settings import SourceSettings

FILE = "rebuilding.json"


def begin(data_dir: Path) -> None:
    """Ask for word from now on; the file also tells that a rebuild was begun and never ended."""
    _write(data_dir / FILE, [])


def end(data_dir: Path) -> None:
    """Ask for no more word."""
    (data_dir / FILE).unlink(missing_ok=True)


def was_begun(data_dir: Path) -> bool:
    """Whether a rebuild was begun and not ended: it runs, or it was killed."""
    return (data_dir / FILE).exists()


def leave_word(data_dir: Path, sources: Sequence[SourceSettings]) -> None:
    """Tell a rebuild what is read beside it; call it as the one writer.

    Raises:
        IndexUnavailableError: It can't be written.
    """
    if was_begun(data_dir):
        _write(data_dir / FILE, merged(read(data_dir), sources))


def read(data_dir: Path) -> list[SourceSettings]:
    """Return what was read beside the rebuild.

    Raises:
        IndexUnavailableError: The file is damaged.
    """
    file = data_dir / FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return [SourceSettings.model_validate(value) for value in values]
    except (OSError, ValueError) as error:
        raise IndexUnavailableError(f"{file} can't be read.", "Start the rebuild again.") from error


def merged(
    sources: Sequence[SourceSettings], later: Sequence[SourceSettings]
) -> list[SourceSettings]:
    """Return all sources; where two are the same one, the later settings hold."""
    return list({_identity(source): source for source in [*sources, *later]}.values())


def _identity(source: SourceSettings) -> str:
    named = source.name or source.path
    return str(named) if named else source.model_dump_json(include={"loader", "loader_args"})


def _write(file: Path, sources: Iterable[SourceSettings]) -> None:
    values = [source.model_dump(mode="json") for source in sources]
    try:
        # Readable by its owner only: a loader's arguments may hold a key.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".rebuilding-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as temporary:
            json.dump(values, temporary, ensure_ascii=False)
        Path(name).replace(file)
    except OSError as error:
        raise IndexUnavailableError(
            f"{file} can't be written ({error.strerror}).", "Make room, or check its rights."
        ) from error
