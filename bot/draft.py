"""What of a model's words may be looked at as sentences of an answer. Pure, but for its reading.

Small models go on after the answer: they say it again, repeat the prompt, name pages, or are cut
off in the middle of a sentence. None of that is an answer's sentence, whether it has a source or
not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from ingestion.text_units import sentences

_PROMPT = re.compile(r"</?passage\b", re.IGNORECASE)
_COMPLETE = re.compile(r"[.!?…:;。！？؟।][\"'”’»)\]*_`]*\Z")
# A page can bear out what follows, not that it is the answer to a question which it doesn't ask.
_YES_OR_NO = re.compile(
    r"(?:yes|no|ja|nein|nee|oui|non|sí|sì|sim|não)\s*[,;:.!–—]+\s*(?=\S)", re.IGNORECASE
)
# A small model gets stuck: the same few words, or signs, over and over.
_STUCK = re.compile(r"(.{2,60}?)\1{7,}\Z", re.DOTALL)
_STUCK_AT_LEAST, _LOOKED_AT = 40, 600  # characters, at the end of what it has written
_DASH = re.compile(r"\s+[—–]\s+")
_PAGE_NAME = ("—", "–")


def sentences_of(pieces: Iterator[str], was_cut: Callable[[], bool]) -> Iterator[str]:
    """Yield each sentence as soon as the next one begins, until the model has said it all.

    Args:
        pieces: Of the model's text; no more are read once it says a sentence again, or the prompt,
            or is stuck within a sentence, which is then left out.
        was_cut: Asked at their end: whether the model was stopped before its own end.
    """
    said: set[str] = set()
    for sentence in _split(pieces, was_cut):
        key = " ".join(sentence.casefold().split())
        if key in said:  # what follows would be said again, too
            return
        said.add(key)
        before, *echo = _PROMPT.split(sentence, maxsplit=1)
        if before.strip():
            yield before.strip()
        if echo:
            return


def claim_in(sentence: str, page_names: Collection[str]) -> str:
    """Return what a sentence claims, or nothing: without a name of a page, and without yes or no.

    Args:
        sentence: As the model wrote it.
        page_names: Titles and headings of what the model read, in small letters. The house style
            of a vote may name a page at the end; the number of the source says it already.
    """
    if sentence.startswith(_PAGE_NAME) or sentence.endswith("?"):
        return ""
    *_, last = _DASH.split(sentence)
    if last != sentence and _named(last) in page_names:
        sentence = sentence[: -len(last)].rstrip(" —–")
    if _named(sentence) in page_names:
        return ""
    lead = _YES_OR_NO.match(sentence)
    if lead:
        rest = sentence[lead.end() :]
        sentence = rest[0].upper() + rest[1:]
    return sentence


def _named(text: str) -> str:
    return text.strip(" —–-.").casefold()


def _is_stuck(text: str) -> bool:
    found = _STUCK.search(text[-_LOOKED_AT:])
    return found is not None and len(found[0]) >= _STUCK_AT_LEAST


def _split(pieces: Iterator[str], was_cut: Callable[[], bool]) -> Iterator[str]:
    text = ""
    for piece in pieces:
        text += piece
        *whole, last = sentences(text) or [(0, 0)]
        if whole:
            yield from (text[start:end] for start, end in whole)
            text = text[last[0] :]
        if _is_stuck(text):
            return
    rest = [text[start:end] for start, end in sentences(text)]
    if rest and was_cut() and not _COMPLETE.search(rest[-1]):
        rest.pop()
    yield from rest
