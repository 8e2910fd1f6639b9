"""Whether what was found is enough to answer from. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from bot.stems import stems_of
from ingestion.documents import Hit

# Cosine of the best chunk with the question, for all-MiniLM-L6-v2. Measured on 200 questions on
# a real handbook (docs/figures.md). Unanswerable questions about the same company lie close to
# answerable ones, so that between the two thresholds the answer says that it is unsure.
DEFAULT_MIN_SUPPORT = 0.37
_SURE_ABOVE = 0.12
# The default embedder knows English best: a page in another language, or one that uses the
# question's own words, also counts where one of the first hits holds most of them.
_MOST_WORDS = 0.6
_FIRST_HITS = 3
_SHORTEST = 4


class Confidence(enum.StrEnum):
    """How well the documents support an answer."""

    NONE = "none"
    UNSURE = "unsure"
    SURE = "sure"


def confidence_in(question: str, hits: Sequence[Hit], min_support: float) -> Confidence:
    """Return how well the best hits support any answer.

    Args:
        question: As it was searched for.
        hits: What was found, best first.
        min_support: Cosine similarity that the best hit needs; 0 means the measured default.
    """
    needed = min_support or DEFAULT_MIN_SUPPORT
    best = max((hit.dense for hit in hits if hit.dense is not None), default=0.0)
    if best >= needed + _SURE_ABOVE:
        return Confidence.SURE
    if best >= needed or _shared_words(question, hits[:_FIRST_HITS]) >= _MOST_WORDS:
        return Confidence.UNSURE
    return Confidence.NONE


def _shared_words(question: str, hits: Sequence[Hit]) -> float:
    """Return the largest share of the question's longer words that one hit holds."""
    asked = stems_of(question, _SHORTEST)
    if not asked:
        return 0.0
    held = (stems_of(hit.chunk.embedding_text, _SHORTEST) for hit in hits)
    return max((len(asked & stems) / len(asked) for stems in held), default=0)
