"""Which passage supports which sentence. The program finds it, verbatim; the model isn't asked.

A sentence is supported where one unit of a passage (a sentence or table row) says it in its own
words and means the same. A list item of several sentences needs one for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.wording import bears_out, says_something
from ingestion.embedding import Embedder
from ingestion.text_units import Span, sentences, sentences_within

MIN_SIMILARITY = 0.5


@dataclass(frozen=True, slots=True)
class Support:
    """What bears a sentence out.

    Attributes:
        passage: Which passage, from 0.
        span: The supporting unit or units within the passage's text.
    """

    passage: int
    span: Span


def find_support(
    sentence: str, passages: Sequence[str], question: str, embedder: Embedder
) -> Support | None:
    """Return the passage and the unit in it that support a sentence best, or None.

    Args:
        sentence: One written sentence.
        passages: The passages' verbatim texts.
        question: Its words, but not its numbers, may stand in for the page's.
        embedder: Compares meanings.
    """
    if not says_something(sentence):
        return None
    parts = [sentence[slice(*span)] for span in _units(sentence)]
    found = [
        Support(number, span)
        for number, passage in enumerate(passages)
        if (span := _span(parts, passage, question))
    ]
    if not found:
        return None
    texts = [passages[support.passage][slice(*support.span)] for support in found]
    similarity = embedder.embed_documents(texts) @ embedder.embed_query(sentence)
    best = int(np.argmax(similarity))
    return found[best] if similarity[best] >= MIN_SIMILARITY else None


def _span(parts: Sequence[str], passage: str, question: str) -> Span | None:
    """Return the span of a passage that bears out each part, or None."""
    units = _units(passage)
    spans = []
    for part in parts:
        bearing = (unit for unit in units if bears_out(passage[slice(*unit)], part, question))
        span = next(bearing, None)
        if span is None:
            return None
        spans.append(span)
    return min(start for start, _ in spans), max(end for _, end in spans)


def _units(text: str) -> list[Span]:
    """Return the sentences, those within a list item too, and the rows of tables."""
    return [
        part
        for start, end in sentences(text)
        for part in ([(start, end)] if text[start] == "|" else sentences_within(text, start, end))
    ]
