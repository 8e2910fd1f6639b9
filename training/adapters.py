"""The registry of adapters on the file system: stage, publish, promote, roll back. No torch.

``root/<version>/`` holds ``adapter_model.safetensors``, ``adapter_config.json`` and, written last,
``manifest.json``: its existence means that the adapter is complete. ``root/current.json`` points
at the live one and is replaced in one step, so that a kill at any moment leaves the old or the new.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from training.durable import fsync, write_text
from training.errors import AdapterError
from training.manifest import AdapterManifest, manifest_from, manifest_json

__all__ = ["AdapterManifest", "AdapterRef", "AdapterRegistry"]

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
POINTER = "current.json"
WHATEVER_IS_LIVE = "*"  # no version has this name
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_HISTORY = 20  # versions that the pointer remembers; older ones are pruned long before
_ABANDONED_SECONDS = (
    86_400  # a folder without a manifest is then a killed night's, not a running one's
)


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """The live adapter as an engine needs it: what to name it, and where its files are."""

    version: str
    path: Path
    base_model: str = ""


@dataclass(frozen=True, slots=True)
class _Pointer:
    """Attributes: previous: Versions that were live before, the latest first; None is bare."""

    version: str | None = None
    previous: tuple[str | None, ...] = ()
    since: str = ""


class AdapterRegistry:
    """Adapters under one folder, of which at most one is live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cached: tuple[tuple[int, int, int], AdapterManifest | None] | None = None

    def new_version(self, now: datetime | None = None) -> str:
        """Return an unused name that sorts by time (UTC), as in 20261123-021500-ab12.

        The last part is the place within the second, in 65,536ths.
        """
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        while True:
            part = moment.microsecond * 0x10000 // 1_000_000
            version = f"{moment:%Y%m%d-%H%M%S}-{part:04x}"
            if not (self.root / version).exists():
                return version
            moment += timedelta(microseconds=16)

    def staging(self, version: str) -> Path:
        """Return the version's folder, made and empty, for the weights to be written into.

        Raises:
            AdapterError: The version is published already, or the folder can't be made.
        """
        folder = self._folder(version)
        if (folder / MANIFEST).exists():
            raise AdapterError(f"The adapter {version} exists already.", "Take a new version.")
        with _writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return folder

    def discard(self, version: str) -> None:
        """Remove a version that was never published; a published one is left alone."""
        folder = self._folder(version)
        if not (folder / MANIFEST).exists():
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, version: str, manifest: AdapterManifest) -> AdapterManifest:
        """Make the staged files a complete adapter that is not live yet.

        Returns:
            The manifest as it was written, with the files' hashes.

        Raises:
            AdapterError: Weights or configuration are missing, or the disk refuses.
        """
        folder = self._folder(version)
        missing = [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]
        if missing:
            raise AdapterError(
                f"The adapter {version} has no {' and no '.join(missing)}.", "Train again."
            )
        with _writing(folder):
            files = sorted(
                p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")
            )
            for path in files:
                fsync(path)
            hashes = {path.name: _sha256(path) for path in files}
            manifest = replace(manifest, version=version, files=hashes)
            write_text(folder / MANIFEST, manifest_json(manifest))
            fsync(self.root)
        return manifest

    def promote(self, version: str | None) -> None:
        """Make a complete adapter live, or with None the bare base model.

        Raises:
            AdapterError: It isn't there, is incomplete or damaged; the live one stays.
        """
        if version is not None:
            self.verify(version)
        with self._locked():
            pointer = self._pointer()
            if version != pointer.version:
                previous = (pointer.version, *pointer.previous)[:_HISTORY]
                self._point_at(version, previous)

    def rollback(self, leaving: str | None = WHATEVER_IS_LIVE) -> AdapterManifest | None:
        """Make the version before live again and return it, or None for the bare base model.

        Versions that were pruned since are passed over.

        Args:
            leaving: The version that whoever asks saw live, so that two who ask at once go back
                one step and not two.

        Raises:
            AdapterError: There is nothing before the live one, or another one is live by now.
        """
        with self._locked():
            pointer = self._pointer()
            if leaving not in (WHATEVER_IS_LIVE, pointer.version):
                raise AdapterError(
                    "The live adapter has changed in the meantime: it is "
                    f"{pointer.version or 'the bare base model'} now.",
                    "Look again before you roll back.",
                )
            place, version = self._before(pointer)
            manifest = None if version is None else self.manifest(version)
            self._point_at(version, pointer.previous[place + 1 :])
            return manifest

    def rollback_target(self) -> AdapterManifest | None:
        """Return what `rollback` would make live, or None for the bare base model.

        Raises:
            AdapterError: There is nothing before the live one.
        """
        version = self._before(self._pointer())[1]
        return None if version is None else self.manifest(version)

    def _before(self, pointer: _Pointer) -> tuple[int, str | None]:
        """Return the version to go back to, and its place among the previous ones."""
        for place, version in enumerate(pointer.previous):
            if version is None or self._complete(version):
                return place, version
        raise AdapterError(
            "There is no earlier adapter to go back to.",
            "See `nightshift adapters list` for what can be promoted.",
        )

    def current(self) -> AdapterManifest | None:
        """Return the live adapter's manifest, or None for the bare base model.

        Cheap enough to be called before each batch: one ``stat`` unless the pointer has changed.

        Raises:
            AdapterError: The pointer or the live adapter is damaged. Serving the bare model
                instead would be a change that nobody decided.
        """
        try:
            stat = (self.root / POINTER).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AdapterError(
                f"{self.root} can't be read: {error.strerror}.", "Check what stands there."
            ) from error
        key = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if self._cached is None or self._cached[0] != key:
            version = self._pointer().version
            self._cached = (key, None if version is None else self.manifest(version))
        return self._cached[1]

    def live_version(self) -> str | None:
        """Return which version the pointer names, also where that adapter is damaged.

        Raises:
            AdapterError: The pointer is damaged.
        """
        return self._pointer().version

    def live(self) -> AdapterRef | None:
        """Return the live adapter's version and folder, or None for the bare base model.

        Raises:
            AdapterError: As ``current``.
        """
        manifest = self.current()
        if manifest is None:
            return None
        return AdapterRef(manifest.version, self.root / manifest.version, manifest.base_model)

    def manifest(self, version: str) -> AdapterManifest:
        """Return a complete adapter's manifest.

        Raises:
            AdapterError: It isn't there, or can't be read.
        """
        path = self._folder(version) / MANIFEST
        values = _read_json(path, f"The adapter {version}", _SEE_LIST)
        try:
            return manifest_from(values)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(version, f"{MANIFEST} lacks what this release needs") from error

    def path(self, version: str) -> Path:
        """Return the folder of a complete adapter.

        Raises:
            AdapterError: It isn't there, or is incomplete.
        """
        self.manifest(version)
        return self.root / version

    def list(self) -> tuple[AdapterManifest, ...]:
        """Return all complete adapters whose manifest can be read, the newest first."""
        manifests = []
        for path in sorted(self.root.glob(f"*/{MANIFEST}"), reverse=True):
            with contextlib.suppress(AdapterError):  # a damaged one is `verify`'s to tell
                manifests.append(self.manifest(path.parent.name))
        return tuple(manifests)

    def verify(self, version: str) -> AdapterManifest:
        """Return the manifest after comparing each file with its hash.

        Raises:
            AdapterError: A file is missing or differs.
        """
        manifest = self.manifest(version)
        for name in {WEIGHTS, CONFIG, *manifest.files}:
            path = self._folder(version) / name
            if not path.is_file():
                raise _damaged(version, f"{name} is missing")
            if _sha256(path) != manifest.files.get(name):
                raise _damaged(version, f"{name} has changed since it was published")
        return manifest

    def prune(self, keep: int) -> tuple[str, ...]:
        """Delete all but the ``keep`` newest adapters that aren't live; return what was deleted.

        The live one and the one that a rollback goes to always stay. Folders that a killed night
        left without a manifest go after a day.
        """
        with self._locked():
            pointer = self._pointer()
            target = next((v for v in pointer.previous if v is None or self._complete(v)), None)
            spare = {pointer.version, target}
            folders = sorted((p for p in self.root.iterdir() if p.is_dir()), reverse=True)
            complete = [p for p in folders if (p / MANIFEST).exists()]
            doomed = [p for p in complete if p.name not in spare][keep:]
            oldest = time.time() - _ABANDONED_SECONDS
            doomed += [p for p in folders if p not in complete and p.stat().st_mtime < oldest]
            for folder in doomed:
                # The manifest goes first: half a deletion must not look complete.
                (folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
        return tuple(folder.name for folder in doomed)

    def _folder(self, version: str) -> Path:
        if not _VERSION.fullmatch(version):
            raise AdapterError(
                f"'{version}' is no version of an adapter.", "See `nightshift adapters list`."
            )
        return self.root / version

    def _complete(self, version: str) -> bool:
        return (self._folder(version) / MANIFEST).is_file()

    def _pointer(self) -> _Pointer:
        path = self.root / POINTER
        if not path.exists():
            return _Pointer()
        mend = (
            f"Restore {path} from a backup, or delete it to serve the bare base model, "
            "then run `nightshift adapters promote VERSION`."
        )
        values = _read_json(path, "The pointer to the live adapter", mend)
        try:
            pointer = _Pointer(values["version"], tuple(values["previous"]), values["since"])
        except (KeyError, TypeError) as error:
            raise AdapterError(f"{path} is damaged.", mend) from error
        names = [v for v in (pointer.version, *pointer.previous) if v is not None]
        if not all(isinstance(v, str) and _VERSION.fullmatch(v) for v in names):
            raise AdapterError(f"{path} is damaged.", mend)
        return pointer

    def _point_at(self, version: str | None, previous: tuple[str | None, ...]) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        with _writing(self.root):
            write_text(self.root / POINTER, json.dumps(asdict(_Pointer(version, previous, since))))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time read, change and write the pointer; a kill frees it."""
        with _writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _damaged(version: str, what: str) -> AdapterError:
    return AdapterError(
        f"The adapter {version} is damaged: {what}.",
        "Run `nightshift adapters rollback`, or promote another version.",
    )


_SEE_LIST = "See `nightshift adapters list`; to leave it, run `nightshift adapters rollback`."


def _read_json(
    path: Path,
    what: str,
    mend: str = "Run `nightshift adapters rollback` to go back to the one before.",
) -> Any:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdapterError(f"{what} isn't there, or is incomplete.", mend) from error
    except OSError as error:
        raise AdapterError(f"{what} can't be read: {error.strerror}.", mend) from error
    except ValueError as error:
        raise AdapterError(f"{what} is damaged: {path.name} isn't JSON.", mend) from error
    if not isinstance(values, dict):
        raise AdapterError(f"{what} is damaged: {path.name} holds no fields.", mend)
    return values


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Map what the disk says to an error that people can act on."""
    try:
        yield
    except OSError as error:
        raise AdapterError(
            f"{path} can't be written: {error.strerror}.", "Free some space or check its rights."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
