"""The only renderer of model messages: the model is trained on what it reads by day.

Pure. Whoever calls says how many tokens a text takes and how many fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestion.text_units import sentences
from training.records import Message

UNKNOWN = "The documents don't say."

SYSTEM = (
    "You answer questions of a company's employees from the company's documents. "
    "Use only the passages below. Answer in one to three short sentences with the exact numbers, "
    f"names and steps. If the passages do not hold the answer, say: {UNKNOWN}"
)

_OPEN, _CLOSE = "<passage", "</passage>"
# Text inside a passage that looks like the end of the passages must not be one. Its bracket gives
# way to another sign: taking letters out could put a new tag together.
_TAG_LIKE = re.compile(r"<(?=\s{0,9}/?\s{0,9}passage)", re.IGNORECASE)


# Without passages: what a model knows by heart.
_BY_HEART = (
    "You answer questions of a company's employees. Answer in one to three short sentences with "
    f"the exact numbers, names and steps. If you don't know, say: {UNKNOWN}"
)


@dataclass(frozen=True, slots=True)
class PromptPassage:
    """A passage as the model sees it."""

    title: str
    heading: str
    text: str


def render_prompt(
    question: str,
    passages: Sequence[PromptPassage],
    count_tokens: Callable[[Sequence[Message]], int],
    room: int,
) -> tuple[Message, ...]:
    """Return the messages for a question and its passages, made to fit.

    Passages are given up from the last, the first one sentence by sentence, then the question
    from its end: what matters most stays.

    Args:
        question: In one language or another, standing alone.
        passages: Best first.
        count_tokens: Tokens of rendered messages, chat template included.
        room: Tokens that the prompt may take: the context less the answer.
    """
    kept = list(passages)
    while len(kept) > 1 and count_tokens(_messages(question, kept)) > room:
        kept.pop()
    if kept and count_tokens(_messages(question, kept)) > room:
        kept = _first_sentences(question, kept[0], count_tokens, room)
    messages = _messages(question, kept)
    while len(question) > 1 and count_tokens(messages) > room:
        question = question[: len(question) // 2]
        messages = _messages(question, kept)
    return messages


def render_question(question: str) -> tuple[Message, ...]:
    """Return the messages for a question that is to be answered without the documents."""
    return Message("system", _BY_HEART), Message("user", f"Question: {question}")


def _first_sentences(
    question: str,
    passage: PromptPassage,
    count_tokens: Callable[[Sequence[Message]], int],
    room: int,
) -> list[PromptPassage]:
    """Return the passage cut to as many of its first sentences as fit, or none."""
    ends = [end for _, end in sentences(passage.text)]
    while ends:
        end = ends.pop()
        cut = PromptPassage(passage.title, passage.heading, passage.text[:end])
        if count_tokens(_messages(question, [cut])) <= room:
            return [cut]
    return []


def _messages(question: str, passages: Sequence[PromptPassage]) -> tuple[Message, ...]:
    shown = "\n\n".join(_show(number, passage) for number, passage in enumerate(passages, 1))
    return (
        Message("system", SYSTEM),
        Message("user", f"{shown}\n\nQuestion: {question}" if shown else f"Question: {question}"),
    )


def _show(number: int, passage: PromptPassage) -> str:
    where = " › ".join(part for part in (passage.title, passage.heading) if part)
    return f"{_OPEN} {number}: {_tagless(where)}>\n{_tagless(passage.text)}\n{_CLOSE}"


def _tagless(text: str) -> str:
    return _TAG_LIKE.sub("‹", text)
