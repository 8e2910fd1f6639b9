"""How good retrieval and answers are, against known questions. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bot.known_questions import KnownQuestion
from ingestion.documents import Chunk

CUTS = (1, 3, 5, 10)
_EVIDENCE_CHUNKS = 10


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Means over the answerable questions.

    Attributes:
        page_recall: By cut: share of questions with a right page among the first k pages.
        evidence_recall: Share of the evidence found word for word in the first ten chunks; None
            where the questions name none.
    """

    questions: int
    page_recall: dict[int, float]
    evidence_recall: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    Attributes:
        first, total: Seconds to the first piece and to the whole answer.
    """

    known: KnownQuestion
    text: str
    refused: bool
    first: float
    total: float


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """How a style answers. A share is None where there are no such questions.

    Attributes:
        holds_all, holds_any: Share of answerable questions whose answer holds all, or any, of
            what it must contain.
        wrongly_refused: Share of the answerable ones that were refused.
        rightly_refused: Share of the others that were.
        first, total: Seconds as (p50, p95).
    """

    questions: int
    holds_all: float | None
    holds_any: float | None
    wrongly_refused: float | None
    rightly_refused: float | None
    first: tuple[float, float]
    total: tuple[float, float]


def score_retrieval(found: Sequence[tuple[KnownQuestion, Sequence[Chunk]]]) -> RetrievalScores:
    """Score the chunks found for each question, best first; unanswerable ones are passed over."""
    answerable = [(known, chunks) for known, chunks in found if known.answerable]
    ranks = [page_rank(_pages(chunks), known.sources) for known, chunks in answerable]
    evidence = [
        _evidence_share(known.evidence, chunks[:_EVIDENCE_CHUNKS])
        for known, chunks in answerable
        if known.evidence
    ]
    return RetrievalScores(
        questions=len(answerable),
        page_recall={k: share(rank is not None and rank <= k for rank in ranks) or 0 for k in CUTS},
        evidence_recall=sum(evidence) / len(evidence) if evidence else None,
    )


def score_answers(outcomes: Sequence[Outcome]) -> AnswerScores:
    """Score what was answered in one style."""
    answerable = [outcome for outcome in outcomes if outcome.known.answerable]
    others = [outcome for outcome in outcomes if not outcome.known.answerable]
    facts = [outcome for outcome in answerable if outcome.known.must_contain]
    held = [holds(outcome.text, outcome.known.must_contain) for outcome in facts]
    return AnswerScores(
        questions=len(outcomes),
        holds_all=share(all(each) for each in held),
        holds_any=share(any(each) for each in held),
        wrongly_refused=share(outcome.refused for outcome in answerable),
        rightly_refused=share(outcome.refused for outcome in others),
        first=_p50_p95([outcome.first for outcome in outcomes]),
        total=_p50_p95([outcome.total for outcome in outcomes]),
    )


def page_rank(pages: Sequence[str], wanted: Collection[str]) -> int | None:
    """Return the rank, from 1, of the first page that is one of those wanted, or None."""
    return next(
        (n for n, page in enumerate(pages, 1) if any(same_page(page, gold) for gold in wanted)),
        None,
    )


def same_page(path: str, gold: str) -> bool:
    """Return whether two paths name one page, when they may start at different folders."""
    return path == gold or path.endswith(f"/{gold}") or gold.endswith(f"/{path}")


def holds(text: str, facts: Iterable[str]) -> list[bool]:
    """Return for each fact whether the text holds it; case and white space don't count."""
    plain = _plain(text)
    return [_plain(fact) in plain for fact in facts]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values don't exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else 0.0


def share(values: Iterable[bool]) -> float | None:
    """Return the share that is true, or None of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def _pages(chunks: Iterable[Chunk]) -> list[str]:
    """Return the pages of the chunks, each once."""
    return list(dict.fromkeys(chunk.path for chunk in chunks))


def _evidence_share(evidence: Sequence[str], chunks: Iterable[Chunk]) -> float:
    text = "\n".join(chunk.text for chunk in chunks)
    return sum(holds(text, evidence)) / len(evidence)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _p50_p95(values: Sequence[float]) -> tuple[float, float]:
    return percentile(values, 50), percentile(values, 95)
