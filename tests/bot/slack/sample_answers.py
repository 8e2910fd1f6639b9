"""Answers made by hand, as the chain makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.answer import Answer, Question
from bot.passages import Passage
from bot.respond import Response, quote, refuse
from bot.support import Confidence
from ingestion.documents import Hit
from tests.bot.hits import hit


def passage(text: str, title: str, *heading: str, url: str = "", path: str = "page.md") -> Passage:
    """Return a passage that quotes all of a chunk."""
    found = hit(text, path)
    chunk = replace(found.chunk, title=title, heading_path=heading, url=url, path=path)
    return Passage(Hit(chunk, 0.8, 1.0, 0.8), ((0, len(text)),))


def quoted(
    passages: Sequence[Passage], confidence: Confidence = Confidence.SURE, name: str = "a1"
) -> Answer:
    """Return the answer that quotes these passages."""
    *_, response = quote(passages, confidence)
    return _answer(response, confidence, name)


def refusal(nearest: Sequence[Passage], human: str = "", name: str = "a1") -> Answer:
    """Return the answer that says that the documents don't say."""
    *_, response = refuse(nearest, human)
    return _answer(response, Confidence.NONE, name)


def written(text: str, sources: Sequence[Passage], name: str = "a1") -> Answer:
    """Return an answer in a model's words."""
    response = Response(text, "written", refused=False, sources=tuple(sources))
    return _answer(response, Confidence.SURE, name)


def _answer(response: object, confidence: Confidence, name: str) -> Answer:
    assert isinstance(response, Response)
    return Answer(
        id=name,
        question=Question("how much may a hotel cost?"),
        standalone="how much may a hotel cost?",
        leans_on=(),
        text=response.text,
        refused=response.refused,
        confidence=confidence,
        style=response.style,
        sources=response.sources,
        shown=response.sources,
        messages=(),
        index_generation="g",
        model="",
        adapter="",
        timings={},
    )
