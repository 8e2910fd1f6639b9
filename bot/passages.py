"""Which verbatim passages answer a question best, in few words: the quoted answer.

Measured on 160 questions on a real handbook (docs/figures.md): whole short chunks, best first,
hold the required fact more often than sentences picked from many chunks, and keep lists and
tables intact; only long chunks are cut to a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingestion.documents import Chunk, Hit
from ingestion.text_units import (
    Block,
    BlockKind,
    Span,
    classified_blocks,
    rows_within,
    sentences_within,
)

# A chunk of up to this many words is quoted whole.
_WHOLE_WORDS = 120
# Units of a longer chunk that are quoted: the one nearest to the question and those after it.
_WINDOW_UNITS = 3

Similarity = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Passage:
    """Verbatim pieces of one chunk.

    Attributes:
        spans: In the chunk's text, in order; more than one where a table's head goes with a row.
    """

    hit: Hit
    spans: tuple[Span, ...]

    @property
    def chunk(self) -> Chunk:
        """The chunk that is quoted."""
        return self.hit.chunk

    @property
    def text(self) -> str:
        """The pieces, each verbatim, on lines of their own."""
        return "\n".join(self.chunk.text[start:end] for start, end in self.spans)


def choose_passages(
    hits: Sequence[Hit], similarity: Similarity, limit: int, words: int
) -> tuple[Passage, ...]:
    """Return passages of the best hits until enough words are quoted; at least one.

    Args:
        hits: Best first.
        similarity: Cosine of each text with the question, shape (len(texts),).
        limit: How many passages at most.
        words: No further passage is begun after this many words.
    """
    chosen: list[Passage] = []
    used = 0
    for hit in hits:
        if len(chosen) == limit or used >= words:
            break
        passage = Passage(hit, quote_spans(hit.chunk.text, similarity))
        if any(passage.text in other.text for other in chosen):
            continue
        chosen.append(passage)
        used += len(passage.text.split())
    return tuple(chosen)


def quote_spans(text: str, similarity: Similarity) -> tuple[Span, ...]:
    """Return what to quote of a chunk: all of a short one, else a window of whole units."""
    if len(text.split()) <= _WHOLE_WORDS:
        return ((0, len(text)),)
    units = [unit for block in classified_blocks(text) for unit in _units(text, block)]
    if len(units) <= 1:
        return ((0, len(text)),)
    best = int(np.argmax(similarity([text[slice(*unit.span)] for unit in units])))
    window = [units[best]]
    for unit in units[best + 1 : best + _WINDOW_UNITS]:
        if sum(len(text[slice(*u.span)].split()) for u in [*window, unit]) > _WHOLE_WORDS:
            break
        window.append(unit)
    spans = [(window[0].span[0], window[-1].span[1])]
    head = window[0].table_head
    if head and head[1] <= spans[0][0]:
        spans.insert(0, head)
    return tuple(spans)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Attributes: table_head: Where the head of the table stands that a row belongs to."""

    span: Span
    table_head: Span | None = None


def _units(text: str, block: Block) -> list[_Unit]:
    """Return what of a block may be quoted apart: sentences, rows under their head, or all."""
    if block.kind is BlockKind.PARAGRAPH:
        return [_Unit(span) for span in sentences_within(text, block.start, block.end)]
    if block.kind is BlockKind.TABLE:
        head, *rows = rows_within(text, block.start, block.end)
        return [_Unit(row, head) for row in rows] or [_Unit(head)]
    return [_Unit((block.start, block.end))]
