"""What passes between the parts of ingestion: documents, sections, chunks, hits. Pure data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

EVERYONE = "*"

_PATH_WORD = re.compile(r"[^\s/\\_.,;()\[\]{}&+-]+")
_EVERY_FOLDERS_PAGE = frozenset({"index", "readme", "_index"})
# Exports of other tools put one into each name: "Travel 3f2a8c04d1.md".
_EXPORTED_ID = re.compile(r"(?=.*\d)[0-9a-fA-F]{8,}")


@dataclass(frozen=True, slots=True)
class Section:
    """A run of text under one heading.

    Attributes:
        heading_path: Headings from the outermost to the innermost, without the document's title;
            empty for text that stands before any heading.
        text: The section's text as Markdown-like plain text: paragraphs, lists and tables are
            separated by one blank line; a list keeps its markers, a table its rows (``| a | b |``),
            code its fences. Quotes shown to people are substrings of this text.
        anchor: URL fragment of the heading without ``#``, or empty.
        page: One-based page number in a paged format (PDF), else None.
    """

    heading_path: tuple[str, ...]
    text: str
    anchor: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One readable document, parsed.

    Attributes:
        id: Stable across runs: ``<source>:<path>``.
        source: Name of the source that it came from.
        path: Path relative to the source's root, with forward slashes.
        title: Title for people.
        url: Link back to the original.
        sections: In reading order.
        acl: Names of the people and groups that may read it; ``EVERYONE`` opens it to all, and an
            empty set to nobody.
        content_hash: Hash of everything but the ACL that a chunk is made of.
    """

    id: str
    source: str
    path: str
    title: str
    url: str
    sections: tuple[Section, ...]
    acl: frozenset[str]
    content_hash: str

    @property
    def acl_hash(self) -> str:
        """Hash of the ACL: when only this changes, nothing is embedded again."""
        return hash_of(sorted(self.acl))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A searchable piece of one section.

    Attributes:
        id: ``<document id>#<ordinal>``.
        ordinal: Place in the document, from 0.
        chunk_count: How many chunks the document has; a store that holds fewer was interrupted.
        text: Verbatim from the section: every quote is a substring of it.
        url: Link to the section (the document's URL with the section's anchor or page).
        acl: Sorted names that may read it.
        content_hash, acl_hash: The document's.
    """

    id: str
    document_id: str
    source: str
    path: str
    title: str
    url: str
    heading_path: tuple[str, ...]
    ordinal: int
    chunk_count: int
    text: str
    acl: tuple[str, ...]
    content_hash: str
    acl_hash: str

    @property
    def heading(self) -> str:
        """The heading path in one line."""
        return " › ".join(self.heading_path)

    @property
    def place(self) -> str:
        """Title and headings in one line, for people."""
        return " › ".join([self.title, *self.heading_path])

    @property
    def embedding_text(self) -> str:
        """What is embedded: the text under its title and headings, which carry half its meaning."""
        return embedding_text(self.title, self.heading_path, self.text)

    @property
    def path_words(self) -> str:
        """The words of the folders and of the file's name, without ending and ids."""
        folders, _, name = self.path.rpartition("/")
        stem = name.rpartition(".")[0] or name
        known = "" if stem.casefold() in _EVERY_FOLDERS_PAGE else stem
        words = _PATH_WORD.findall(f"{folders} {known}")
        return " ".join(word for word in words if not _EXPORTED_ID.fullmatch(word))

    @property
    def search_text(self) -> str:
        """What words are looked up in: as `embedding_text`, under the path."""
        return f"{self.path_words}\n{self.embedding_text}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, with the scores that brought it up.

    Attributes:
        score: Fused score, higher is better; comparable within one result list only.
        bm25: Raw BM25 score, or None where that leg did not find the chunk.
        dense: Cosine similarity to the query in [-1, 1], or None likewise.
    """

    chunk: Chunk
    score: float
    bm25: float | None = None
    dense: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What the store knows of one document; a sync compares it with the source.

    Attributes:
        complete: Whether every chunk of the document is there under one content and ACL hash.
    """

    document_id: str
    source: str
    path: str
    content_hash: str
    acl_hash: str
    chunk_count: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf the index is searched.

    Attributes:
        names: Normalised names of the person and their groups. A reader always may see what
            everyone may see, and only that when no name is given.
    """

    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The ACL entries that let this reader in, sorted."""
        return tuple(sorted(self.names | {EVERYONE}))

    def may_read(self, acl: Iterable[str]) -> bool:
        """Whether an ACL lets this reader in. The reference for what the stores filter by."""
        return not (self.names | {EVERYONE}).isdisjoint(acl)


def embedding_text(title: str, heading_path: tuple[str, ...], text: str) -> str:
    """Return the text to embed for a piece of a document.

    A first heading that repeats the title is left out.
    """
    headings = [h for h in heading_path if h.casefold() != title.casefold()]
    return "\n".join([" › ".join([title, *headings]), text])


def hash_of(value: object) -> str:
    """Return a short stable hash (128 bits, hex) of a JSON-able value."""
    payload = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(payload.encode(), digest_size=16).hexdigest()
