"""Documents in a folder, or one single file."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from ingestion.access import parse_allow
from ingestion.documents import Document, hash_of
from ingestion.errors import AccessRuleError, IngestionError, UnreadableDocumentError
from ingestion.parsers.formats import PARSER_VERSION, SUPPORTED_SUFFIXES, front_matter, parse
from ingestion.settings import SourceSettings
from ingestion.sources.access_files import FolderAccess
from ingestion.sources.source import FailedItem, SourceItem

_log = logging.getLogger(__name__)
_COMMANDS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PAGE_SUFFIXES = (".md", ".markdown", ".mdx", ".html", ".htm", ".xhtml")


class FolderSource:
    """Every supported file below a folder, but hidden ones and links that lead out of it."""

    def __init__(self, settings: SourceSettings, max_file_mb: int, name: str = "") -> None:
        """Take the settings; nothing is read yet.

        Args:
            settings: With a path.
            max_file_mb: Larger files are reported and never read.
            name: Wins over the name in the settings, to keep names distinct.
        """
        if settings.path is None:
            raise IngestionError("A source has no path.", "Give it path or loader.")
        self._path = Path(os.path.abspath(settings.path))  # noqa: PTH100 - keeps links in it
        self._settings = settings
        self._largest = max_file_mb * 2**20
        self._name = name or settings.name or self._path.name or "files"
        self.skipped = 0
        self.links: list[str] = []

    @property
    def name(self) -> str:
        """Distinct among the sources, and stable across runs."""
        return self._name

    def items(self) -> Iterator[SourceItem | FailedItem]:
        """Yield each file as an item, sorted by path.

        `skipped` counts unsupported files, `links` names what isn't read since it lies elsewhere.

        Raises:
            IngestionError: The path isn't there or can't be listed.
        """
        self.skipped, self.links = 0, []
        if not self._path.exists():
            raise IngestionError(
                f"The source '{self.name}' isn't there: {self._path}",
                "Check the path; nothing that is stored of it was deleted.",
            )
        alone = self._path.is_file()
        root = self._path.parent if alone else self._path
        default = parse_allow(list(self._settings.allow), f"the source '{self.name}'")
        access = FolderAccess(root, default)
        for entry in [self._path] if alone else self._files(root):
            if isinstance(entry, FailedItem):
                yield entry
            elif alone or entry.suffix.casefold() in SUPPORTED_SUFFIXES:
                yield self._item(entry, root, access)
            else:
                self.skipped += 1
        if self.skipped:
            _log.info("Source %s: %d files of other formats skipped", self.name, self.skipped)

    def _files(self, root: Path) -> Iterator[Path | FailedItem]:
        """Walk sorted; a linked folder is not entered, a linked file only where `_is_followed`."""
        waiting = [root]
        while waiting:
            entry = waiting.pop()
            if entry.is_symlink() and entry != root and not _is_followed(entry, root):
                if not _is_within(entry, root):
                    self.links.append(_printable(entry.relative_to(root).as_posix()))
            elif entry.is_dir():
                try:
                    inside = [e for e in entry.iterdir() if not e.name.startswith(".")]
                except OSError as error:
                    yield self._unlisted(entry, root, error)
                    continue
                waiting.extend(sorted(inside, key=lambda e: e.name, reverse=True))
            elif entry.is_file():
                yield entry

    def _unlisted(self, folder: Path, root: Path, error: OSError) -> FailedItem:
        """Report a folder whose files and rules can't be seen.

        Raises:
            IngestionError: It is the root: going on would look as if all had been deleted.
        """
        problem = f"the folder can't be listed: {error.strerror}"
        if folder == root:
            raise IngestionError(f"{folder}: {problem}", "Check its rights.") from error
        path = _printable(folder.relative_to(root).as_posix()) + "/"
        return FailedItem(
            f"{self.name}:{path}", self.name, path, f"{path}: {problem}", "Check its rights.", True
        )

    def _item(self, file: Path, root: Path, access: FolderAccess) -> SourceItem | FailedItem:
        path = _printable(file.relative_to(root).as_posix())
        document_id = f"{self.name}:{path}"
        try:
            inherited = access.of_file(file)
            raw = self._bytes(file, path)
            head = front_matter(raw, path)
            acl = parse_allow(head["allow"], path) if "allow" in head else inherited
        except (UnreadableDocumentError, AccessRuleError) as error:
            # Also where the file can't be read: its rule may have become stricter.
            return FailedItem(document_id, self.name, path, error.problem, error.mend, True)
        url = self._url(file, path, head)
        digest = _digest(raw)
        content_hash = hash_of([PARSER_VERSION, digest, path, url])

        def read() -> Document:
            again = self._bytes(file, path)
            if _digest(again) != digest:  # its access rule may have changed with it
                raise UnreadableDocumentError(
                    f"{path}: the file changed while it was read", "Run it again."
                )
            parsed = parse(again, path)
            return Document(
                document_id, self.name, path, parsed.title, url, parsed.sections, acl, content_hash
            )

        return SourceItem(document_id, self.name, path, acl, content_hash, read)

    def _bytes(self, file: Path, path: str) -> bytes:
        try:
            size = file.stat().st_size
            if size > self._largest:
                raise UnreadableDocumentError(
                    f"{path}: the file is too large: {size / 2**20:.0f} MB, "
                    f"the limit is {self._largest // 2**20} MB",
                    "Split it, or raise chunking.max_file_mb.",
                )
            return file.read_bytes()
        except OSError as error:
            raise UnreadableDocumentError(
                f"{path}: the file can't be read: {error.strerror}", "Check its rights."
            ) from error

    def _url(self, file: Path, path: str, head: Mapping[str, object]) -> str:
        named = head.get("url")
        base = self._settings.base_url
        # A browser stops at white space; a terminal takes orders from what isn't printable.
        if isinstance(named, str) and not (named.isprintable() and " " not in named.strip()):
            named = None
        if isinstance(named, str) and named.startswith(("http://", "https://")):
            return named.strip()
        if not base:
            return file.as_uri()
        if isinstance(named, str) and named.strip("/ "):
            return base.rstrip("/") + "/" + named.strip().lstrip("/")
        return base.rstrip("/") + "/" + quote(self._stripped(path))

    def _stripped(self, path: str) -> str:
        if not self._settings.strip_suffix or not path.casefold().endswith(_PAGE_SUFFIXES):
            return path
        page = PurePosixPath(path).with_suffix("")
        if page.name in ("index", "_index"):
            page = page.parent
        return "" if page == PurePosixPath() else page.as_posix()


def _is_followed(link: Path, root: Path) -> bool:
    """Whether a link leads to a file of the root that isn't read under its own name anyway.

    So files are mounted by Kubernetes: as links into a hidden folder beside them.
    """
    if not _is_within(link, root) or not link.is_file():
        return False
    inside = link.resolve().relative_to(root.resolve())
    return any(part.startswith(".") for part in inside.parts)


def _is_within(link: Path, root: Path) -> bool:
    """Whether a link leads to something in the root, as far as that can be seen."""
    try:
        return link.exists() and link.resolve().is_relative_to(root.resolve())
    except OSError:
        return False


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _printable(path: str) -> str:
    """File names may hold bytes that are no text, and a terminal's commands: both are spelt out."""
    raw = path.encode("utf-8", errors="surrogateescape")
    text = raw.decode("utf-8", errors="backslashreplace")
    return _COMMANDS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
