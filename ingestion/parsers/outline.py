"""What every parser returns, and how headings and blocks become sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ingestion.documents import Section

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_INDEX_NAMES = frozenset({"index", "_index", "readme"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's content.

    Attributes:
        front_matter: What the file says about itself (``title``, ``url``, ``allow``, …), its keys
            in lower case.
    """

    title: str
    sections: tuple[Section, ...]
    front_matter: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    headings: tuple[str, ...]
    anchor: str
    blocks: list[str]


class Outline:
    """Collects headings and blocks in reading order, then gives sections."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []
        self._pieces = [_Piece((), "", [])]
        self.top_headings: list[str] = []

    def add_heading(self, level: int, text: str, anchor: str = "") -> None:
        """Open a section.

        Args:
            level: 1 is the outermost.
            text: Plain text; a heading without any is left out.
            anchor: URL fragment that leads to it.
        """
        text = one_line(text)
        if not text:
            return
        if level == 1:
            self.top_headings.append(text)
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        self._stack.append((level, text))
        headings = tuple(heading for _, heading in self._stack)
        self._pieces.append(_Piece(headings, anchor, []))

    def add_block(self, text: str) -> None:
        """Add a paragraph, a list, a table or a fence to the open section."""
        text = visible(text).strip("\n").rstrip()
        if text.strip():
            self._pieces[-1].blocks.append(text)

    def sections(self, title: str) -> tuple[Section, ...]:
        """Return the sections that have text, without the first heading where it is the title."""
        found = []
        for piece in self._pieces:
            headings, anchor = piece.headings, piece.anchor
            if headings and headings[0] == title and title == next(iter(self.top_headings), ""):
                headings = headings[1:]
                anchor = anchor if headings else ""
            if piece.blocks:
                found.append(Section(headings, "\n\n".join(piece.blocks), anchor))
        return tuple(found)


def visible(text: str) -> str:
    """Return the text without control characters, byte order marks and lone surrogates."""
    return _UNSEEN.sub("", text)


def one_line(text: str) -> str:
    """Return the text with every run of white space made one space."""
    return " ".join(visible(text).split())


def title_from_path(path: str) -> str:
    """Return a title made from a file's name, or from its folder's where the file is an index."""
    file = PurePosixPath(path)
    stem = file.stem
    if stem.casefold() in _INDEX_NAMES and file.parent.name:
        stem = file.parent.name
    words = one_line(re.sub(r"[-_]+", " ", stem)) or one_line(file.name) or "Untitled"
    return words[0].upper() + words[1:]
