"""The three ways to respond: quote the passages, write from them, or say that they don't say."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessageChunk

from bot.citations import find_support
from bot.draft import claim_in, sentences_of
from bot.errors import ModelTimeoutError
from bot.passages import Passage
from bot.prompt import UNKNOWN
from bot.support import Confidence
from ingestion.embedding import Embedder

logger = logging.getLogger(__name__)

NEAREST = "The nearest pages are:"
_UNSURE = "I'm not sure that this answers it; the nearest passages are:"
_ITEM = re.compile(r"[-*+•]\s|\d{1,3}[.)]\s")
_NO_ANSWER = re.compile(rf"\W*{re.escape(UNKNOWN.rstrip('.'))}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A piece of an answer's text, ready to be shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response.

    Attributes:
        sources: In the order of their numbers in the text; of a refusal, the nearest pages.
        model, adapter: Who wrote it; empty where nothing was written.
    """

    text: str
    style: str
    refused: bool
    sources: tuple[Passage, ...]
    model: str = ""
    adapter: str = ""


def refuse(nearest: Sequence[Passage], human: str) -> Iterator[AnswerText | Response]:
    """Say that the documents don't say, show the nearest pages, offer a human."""
    lines = [UNKNOWN]
    if nearest:
        lines += ["", NEAREST]
        lines += [f"- {passage.chunk.place} [{n}]" for n, passage in enumerate(nearest, 1)]
    lines += ["", f"{human} can help." if human else "Somebody who knows the topic can help."]
    text = "\n".join(lines)
    yield AnswerText(text)
    yield Response(text, "quoted", refused=True, sources=tuple(nearest))


def quote(passages: Sequence[Passage], confidence: Confidence) -> Iterator[AnswerText | Response]:
    """Show the passages as they stand, each under its heading."""
    parts = [_UNSURE] if confidence is Confidence.UNSURE else []
    parts += [
        f"**{p.chunk.place}** [{n}]\n\n{_below_heading(p)}" for n, p in enumerate(passages, 1)
    ]
    for number, part in enumerate(parts):
        yield AnswerText(part if number == 0 else f"\n\n{part}")
    yield Response("\n\n".join(parts), "quoted", refused=False, sources=tuple(passages))


def _below_heading(passage: Passage) -> str:
    """Return a passage's text without a first line that says the heading above it once more.

    A PDF's headings are lines of its text.
    """
    first, _, rest = passage.text.partition("\n")
    heading = (passage.chunk.title, *passage.chunk.heading_path)[-1]
    doubled = first.strip().casefold() == heading.strip().casefold()
    return rest.lstrip("\n") if doubled and rest.strip() else passage.text


def write(
    pieces: Iterator[AIMessageChunk],
    passages: Sequence[Passage],
    question: str,
    embedder: Embedder,
    *,
    fallback: Callable[[], Iterator[AnswerText | Response]],
    human: str,
) -> Iterator[AnswerText | Response]:
    """Show a model's sentences, each once the pages bear it out; without one, quote.

    A sentence that no passage supports is never shown. A model that takes too long is cut short.
    """
    texts = [passage.text for passage in passages]
    names = _page_names(passages)
    cited: list[int] = []
    claims: set[str] = set()
    shown = ""
    author = _Author()
    for sentence in sentences_of(author.listen(pieces), lambda: author.was_cut):
        if _NO_ANSWER.match(sentence) and not shown:
            yield from refuse(passages, human)
            return
        claim = claim_in(sentence, names)
        if not claim or claim in claims:
            continue
        support = find_support(claim, texts, question, embedder)
        if support is None:
            continue
        claims.add(claim)
        if support.passage not in cited:
            cited.append(support.passage)
        piece = f"{_gap(shown, claim)}{claim} [{cited.index(support.passage) + 1}]"
        shown += piece
        yield AnswerText(piece)
    if not shown:
        yield from fallback()
        return
    sources = tuple(passages[number] for number in cited)
    yield Response(shown, "written", False, sources, author.model, author.adapter)


def _gap(shown: str, claim: str) -> str:
    """Return what parts a sentence from those before it: items of a list stand on their own."""
    if not shown:
        return ""
    if _ITEM.match(claim):
        return "\n"
    return "\n\n" if _ITEM.match(shown.rpartition("\n")[2]) else " "


def _page_names(passages: Sequence[Passage]) -> frozenset[str]:
    """Return what a small model may call a page by, in small letters."""
    names = {passage.chunk.title for passage in passages}
    for passage in passages:
        names.update(passage.chunk.heading_path)
    return frozenset(name.strip(" .").casefold() for name in names)


class _Author:
    """Remembers who wrote the pieces that pass through, and whether to the end.

    A model that takes too long is cut short: the pages are there, whatever keeps it.
    """

    def __init__(self) -> None:
        self.model = self.adapter = ""
        self.was_cut = False

    def listen(self, pieces: Iterator[AIMessageChunk]) -> Iterator[str]:
        try:
            for piece in pieces:
                metadata = piece.response_metadata
                self.model = str(metadata.get("model_name") or self.model)
                self.adapter = str(metadata.get("adapter") or self.adapter)
                self.was_cut |= metadata.get("finish_reason") == "length"
                yield piece.text
        except ModelTimeoutError:
            self.was_cut = True
            logger.warning("the model took too long; what it lacks is quoted")
