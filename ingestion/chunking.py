"""Sections into chunks: pieces of a size that the embedder reads whole. Pure.

A chunk is cut where a reader would: between blocks, then between sentences, rows and lines, and
only where a single one is too long within it. A section is cut into pieces of even size, so that
no rest of a few words stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ingestion.documents import Chunk, Document, Section, embedding_text
from ingestion.text_units import (
    Block,
    BlockKind,
    Span,
    classified_blocks,
    rows_within,
    sentences_within,
)

CHUNKER = "even-blocks-2"  # changed whenever the same document gives other chunks or vectors

CountTokens = Callable[[str], int]

_SMALLEST_ROOM = 16  # tokens that text gets even under a very long heading
_LONGEST_TOKEN = 12  # characters; BERT counts a word of 10,000 letters as one unknown token
_SHRINK = 0.85  # of the room, where tokens of a whole are more than those of its parts
_GAP = re.compile(r"[\s,;、，；]")

# How bad a cut is, beside the square of the share of a chunk that stays empty.
_BEFORE_PARAGRAPH = 0.0
_BEFORE_ITEM = 0.1
_BEFORE_ROW = 0.15
_BEFORE_NESTED_ITEM = 0.25
_AFTER_INTRODUCTION = 0.4  # a paragraph that ends in a colon belongs to what follows
_BEFORE_SENTENCE = 0.5
_WITHIN_SENTENCE = 0.8
_TOO_SHORT = 1.0


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is not cut further.

    Attributes:
        cost: How bad it is to cut before it.
    """

    start: int
    end: int
    tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The embedder's tokens, without those it puts around every text."""

    count: CountTokens
    around: int

    def of(self, text: str) -> int:
        visible = sum(map(len, text.split()))
        return max(1, self.count(text) - self.around, -(-visible // _LONGEST_TOKEN))


def chunk_document(
    document: Document, count_tokens: CountTokens, max_tokens: int, min_tokens: int
) -> list[Chunk]:
    """Return a document's chunks in reading order.

    Each chunk's text is a substring of its section's, and all visible text is in some chunk.

    Args:
        document: Its sections are cut one by one; one without text gives no chunk.
        count_tokens: Length in the embedder's tokens.
        max_tokens: No chunk is longer, title and headings included, unless these leave less than
            16 tokens.
        min_tokens: A shorter chunk is avoided where the section allows.
    """
    sizes = _Sizes(count_tokens, count_tokens(""))
    limit = max_tokens - sizes.around
    pieces = [
        (section, section.text[start:end])
        for section in document.sections
        for start, end in _cut(document.title, section, sizes, limit, min_tokens)
    ]
    return [
        _chunk(document, section, text, ordinal, len(pieces))
        for ordinal, (section, text) in enumerate(pieces)
    ]


def _chunk(document: Document, section: Section, text: str, ordinal: int, count: int) -> Chunk:
    return Chunk(
        id=f"{document.id}#{ordinal}",
        document_id=document.id,
        source=document.source,
        path=document.path,
        title=document.title,
        url=_url(document.url, section),
        heading_path=section.heading_path,
        ordinal=ordinal,
        chunk_count=count,
        text=text,
        acl=tuple(sorted(document.acl)),
        content_hash=document.content_hash,
        acl_hash=document.acl_hash,
    )


def _url(url: str, section: Section) -> str:
    if section.page is not None:
        return f"{url}#page={section.page}"
    return f"{url}#{quote(section.anchor)}" if section.anchor and "#" not in url else url


def _cut(
    title: str, section: Section, sizes: _Sizes, limit: int, min_tokens: int
) -> Sequence[Span]:
    """Return the spans of a section's chunks."""
    text = section.text
    if not text.strip():
        return []
    prefix = sizes.of(embedding_text(title, section.heading_path, ""))
    room = max(limit - prefix, _SMALLEST_ROOM)
    if len(text) <= room * _LONGEST_TOKEN and sizes.of(text) <= room:
        return [_stripped(text)]
    target = room
    while True:
        units = list(_units(text, sizes, target))
        spans = _best_cuts(units, target, min_tokens)
        longest = max(sizes.of(text[start:end]) for start, end in spans)
        if longest <= room or target <= _SMALLEST_ROOM:
            return spans
        target = max(int(target * _SHRINK), _SMALLEST_ROOM)


def _stripped(text: str) -> Span:
    return len(text) - len(text.lstrip()), len(text.rstrip())


def _units(text: str, sizes: _Sizes, room: int) -> Iterator[_Unit]:
    before: Block | None = None
    for block in classified_blocks(text):
        cost = _cost_before(text, block, before)
        tokens = sizes.of(text[block.start : block.end])
        if tokens <= room:
            yield _Unit(block.start, block.end, tokens, cost)
        else:
            yield from _units_within(text, block, cost, sizes, room)
        before = block


def _cost_before(text: str, block: Block, before: Block | None) -> float:
    if before is None or block.kind is BlockKind.HEADING:
        return _BEFORE_PARAGRAPH
    in_item = block.start - text.rfind("\n", 0, block.start) > 2  # indented
    introduces = text[before.end - 1] in ":：" or before.kind is BlockKind.HEADING
    if introduces and (in_item or before.kind is not BlockKind.ITEM):
        return _AFTER_INTRODUCTION
    if in_item:
        return _BEFORE_NESTED_ITEM
    return _BEFORE_ITEM if block.kind is BlockKind.ITEM else _BEFORE_PARAGRAPH


def _units_within(
    text: str, block: Block, cost: float, sizes: _Sizes, room: int
) -> Iterator[_Unit]:
    """Cut a block that is too long into rows, lines or sentences, and those only at need."""
    in_rows = block.kind in (BlockKind.TABLE, BlockKind.FENCE)
    cut_into = rows_within if in_rows else sentences_within
    for start, end in cut_into(text, block.start, block.end):
        for part_start, part_end, tokens in _halved(text, start, end, sizes, room):
            if part_start > start:
                cost = _WITHIN_SENTENCE
            yield _Unit(part_start, part_end, tokens, cost)
        cost = _BEFORE_ROW if in_rows else _BEFORE_SENTENCE


def _halved(
    text: str, start: int, end: int, sizes: _Sizes, room: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, tokens) of a span, halved near white space until each half fits."""
    waiting = [(start, end)]
    while waiting:
        start, end = waiting.pop()
        tokens = sizes.of(text[start:end]) if end - start <= room * _LONGEST_TOKEN else room + 1
        if tokens <= room or end - start < 2:
            yield start, end, tokens
            continue
        middle = _near_middle(text, start, end)
        left, right = text[start:middle], text[middle:end]
        waiting.append((end - len(right.lstrip()), end))
        waiting.append((start, start + len(left.rstrip())))


def _near_middle(text: str, start: int, end: int) -> int:
    """Return where to halve: after the gap nearest to the middle, else in the middle."""
    middle, reach = (start + end) // 2, (end - start) // 4
    after = _GAP.search(text, middle, middle + reach)
    before = next(
        (at for at in range(middle - 1, middle - reach, -1) if _GAP.match(text[at])), None
    )
    if after and (before is None or after.start() - middle < middle - before):
        return after.end()
    return middle if before is None else before + 1


def _best_cuts(units: Sequence[_Unit], room: int, min_tokens: int) -> list[Span]:
    """Return the cheapest way to lay units into chunks of at most `room` tokens.

    Each chunk costs the square of its empty share, its first unit's cost, and more if it is too
    short. Shortest path over the places between units.
    """
    cheapest = [0.0] + [float("inf")] * len(units)
    came_from = [0] * (len(units) + 1)
    for end in range(1, len(units) + 1):
        size = 0
        for start in range(end - 1, -1, -1):
            size += units[start].tokens
            if size > room and start < end - 1:
                break
            cost = cheapest[start] + (1 - size / room) ** 2
            cost += units[start].cost if start else 0.0
            cost += _TOO_SHORT if size < min_tokens else 0.0
            if cost < cheapest[end]:
                cheapest[end], came_from[end] = cost, start
    spans = []
    end = len(units)
    while end:
        start = came_from[end]
        spans.append((units[start].start, units[end - 1].end))
        end = start
    return spans[::-1]
