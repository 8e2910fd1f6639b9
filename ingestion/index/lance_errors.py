"""LanceDB's errors, which are of Python's own classes, as errors that name their mend."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import IndexUnavailableError
from ingestion.index.served import REBUILD

logger = logging.getLogger(__name__)

# Its messages carry the system's error number as text: no space, file too large, quota …
_DISK_FULL = ("os error 28", "os error 27)", "os error 122", "[errno 28]", "[errno 122]")
# … and permission, read-only file system, operation not permitted.
_NO_RIGHT = ("os error 13", "os error 30", "os error 1)", "[errno 13]", "[errno 30]", "[errno 1]")


@contextmanager
def mapped_errors(folder: Path, verb: str) -> Iterator[None]:
    """Raise IndexUnavailableError for what goes wrong with the store in a folder.

    Args:
        folder: Where the index is, for people.
        verb: What was tried: opened, read or written.
    """
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        logger.debug("LanceDB failed.", exc_info=error)
        raise _unavailable(folder, verb, str(error).lower()) from error


def _unavailable(folder: Path, verb: str, message: str) -> IndexUnavailableError:
    if any(code in message for code in _DISK_FULL):
        return IndexUnavailableError(
            f"The index in {folder} can't be {verb}: the disk is full.",
            "Free some space and run it again; what was stored is safe.",
        )
    if any(code in message for code in _NO_RIGHT):
        return IndexUnavailableError(
            f"The index in {folder} can't be {verb}: no right to write there.",
            "Check the rights of the data folder, or choose another with --data-dir.",
        )
    return IndexUnavailableError(
        f"The index in {folder} can't be {verb}.", f"If it stays so, it is damaged. {REBUILD}"
    )
