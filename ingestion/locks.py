"""Who may change the index, and who may rebuild it: one process each, on one data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion.errors import IndexUnavailableError

WRITER_LOCK = "ingest.lock"
REBUILD_LOCK = "rebuild.lock"
# Somebody may be looking whether a rebuild runs, which takes no time.
_A_MOMENT = 2.0


@contextmanager
def one_writer(data_dir: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the right to write to the index; a killed process gives it back by itself.

    Args:
        data_dir: The folder of the installation.
        wait: For as long as another process holds it; else that is an error.

    Raises:
        IndexUnavailableError: Another process holds it, or the folder can't be written.
    """
    with _held(
        data_dir,
        WRITER_LOCK,
        -1 if wait else 0,
        f"Another process is writing to the index in {data_dir}.",
    ):
        yield


@contextmanager
def one_rebuild(data_dir: Path) -> Iterator[None]:
    """Hold the right to rebuild the index, while others may write to the one that serves.

    Raises:
        IndexUnavailableError: Another process holds it, or the folder can't be written.
    """
    with _held(
        data_dir,
        REBUILD_LOCK,
        _A_MOMENT,
        f"Another process is rebuilding the index in {data_dir}.",
    ):
        yield


def rebuild_runs(data_dir: Path) -> bool:
    """Whether a process rebuilds the index now."""
    lock = FileLock(data_dir / REBUILD_LOCK, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True


@contextmanager
def _held(data_dir: Path, name: str, timeout: float, problem: str) -> Iterator[None]:
    lock = FileLock(data_dir / name, timeout=timeout)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise IndexUnavailableError(
            problem, "Wait until it has finished, then try again."
        ) from error
    except OSError as error:
        raise IndexUnavailableError(
            f"The data folder {data_dir} can't be written ({error.strerror}).",
            "Check its rights and the free space, or choose another with --data-dir.",
        ) from error
    try:
        yield
    finally:
        lock.release()
