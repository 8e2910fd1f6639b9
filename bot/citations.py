"""Which passage supports which sentence. The program finds it, verbatim; the model isn't asked.

A sentence is supported where one passage holds all its numbers and links, most of its words, and
has a unit (a sentence, list item or table row) that means the same and says "not" where it does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.stems import stems_of
from ingestion.embedding import Embedder
from ingestion.text_units import Span, sentences

MIN_COVERAGE = 0.6
# A small model that has lost its way says the same again and again.
_LOOPING = re.compile(r"(\S+)(?:\s+\1){3,}")
MIN_SIMILARITY = 0.5

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,:’']\d+)*")
_LINK = re.compile(r"(?:https?://|www\.|mailto:)[^\s)>\]]+|[\w.+-]+@[\w-]+\.[\w.]+", re.IGNORECASE)
# Words whose presence on one side alone turns a sentence into its opposite.
_NEGATIONS = frozenset(
    "not no never none neither nor cannot without nothing nobody "
    "nicht kein keine keinen keiner nie niemals ohne ne pas jamais sans aucun aucune "
    "sin nunca ningún ninguna não sem nenhum nenhuma non senza mai niet geen nooit zonder".split()
)
_CONTRACTED = re.compile(r"n[’']t\b", re.IGNORECASE)
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Support:
    """What bears a sentence out.

    Attributes:
        passage: Which passage, from 0.
        span: The supporting unit within the passage's text.
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
        question: Its words and numbers may be repeated without support.
        embedder: Compares meanings.
    """
    numbers, words = numbers_of(sentence), _stems(sentence)
    links = {link.rstrip(".,;:!?") for link in _LINK.findall(sentence)}
    if not (words or numbers) or _LOOPING.search(sentence):
        return None
    eligible = [
        number
        for number, passage in enumerate(passages)
        if numbers <= numbers_of(passage) | numbers_of(question)
        and all(link in passage for link in links)
        and _coverage(words, _stems(passage) | _stems(question)) >= MIN_COVERAGE
    ]
    units = [
        (number, span)
        for number in eligible
        for span in sentences(passages[number])
        if _negated(passages[number][slice(*span)]) == _negated(sentence)
    ]
    if not units:
        return None
    texts = [passages[number][slice(*span)] for number, span in units]
    similarity = embedder.embed_documents(texts) @ embedder.embed_query(sentence)
    best = int(np.argmax(similarity))
    if similarity[best] < MIN_SIMILARITY:
        return None
    return Support(*units[best])


def numbers_of(text: str) -> frozenset[str]:
    """Return the numbers of a text without thousands separators."""
    return frozenset(re.sub(r"[,’'](?=\d{3})", "", n) for n in _NUMBER.findall(text))


def _stems(text: str) -> frozenset[str]:
    return stems_of(text, _SHORTEST)


def _coverage(words: frozenset[str], known: frozenset[str]) -> float:
    return len(words & known) / len(words) if words else 1.0


def _negated(text: str) -> bool:
    words = {word.casefold() for word in _WORD.findall(text)}
    return not _NEGATIONS.isdisjoint(words) or bool(_CONTRACTED.search(text))
