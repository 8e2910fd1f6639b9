"""A thread becomes one question that stands alone. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import QuestionError

MAX_QUESTION_CHARACTERS = 4000

# Questions up to the first length rarely name what they ask about; in those beyond the second
# "it" and "they" point at something within.
_SHORT_WORDS, _LONG_WORDS = 2, 12
_WORD = re.compile(r"[\w'’]+")
_POINTING_BACK = frozenset(
    # English
    "it its that this these those they them their there he she him her his one ones same then "
    "also otherwise instead "
    # German, French, Spanish, Portuguese, Italian, Dutch
    "das dies diese dieser dieses davon dazu dafür damit dort sie ihn ihm deren "
    "cela ça ceci celui celle ceux y en eso esto esa ese allí isso isto aquilo ele ela lá "
    "questo quello quella dat dit deze die er daar hier".split()
)
_OPENING = re.compile(
    r"^\W*(?:and|but|or|so|what about|how about|und|aber|oder|et|mais|ou|y|pero|e|mas|maar"
    r"|in|for|at|from|with|on|für|bei|aus|mit|was ist mit|pour|à|chez|para|por|em|voor|met)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier question of the thread with the answer that it got.

    Attributes:
        asker: Whose words the question is, by their stable id.
        quoted: Whose words stand in it besides.
    """

    question: str
    answer: str
    asker: str
    quoted: tuple[str, ...] = ()

    @property
    def authors(self) -> tuple[str, ...]:
        """All whose words the question holds."""
        return self.asker, *self.quoted


def clean_question(text: str) -> str:
    """Return the question as it is searched for.

    Raises:
        QuestionError: Nothing in it can be searched for, or it is too long.
    """
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise QuestionError(
            f"The question has {len(text):,} characters; I read at most "
            f"{MAX_QUESTION_CHARACTERS:,}.",
            "Ask in a few sentences. A long text belongs in a document.",
        )
    cleaned = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cs") else c
        for c in unicodedata.normalize("NFC", text)
    )
    cleaned = " ".join(cleaned.split())
    if not any(c.isalnum() for c in cleaned):
        raise QuestionError(
            "There are no words in the question.",
            "Ask in words, for example: how many days of paid leave do I have?",
        )
    return cleaned


def leant_on(question: str, history: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the last turns of the thread without which a question says too little.

    A question that is short, starts with a conjunction or points back ("and for contractors?",
    "how do I claim it?") leans on the question before it, and on what that leans on.
    """
    if not history or not _depends(question):
        return ()
    return (*leant_on(history[-1].question, history[:-1]), history[-1])


def standalone_question(question: str, leans_on: Sequence[Turn]) -> str:
    """Return the question behind those that it leans on, so that it stands alone.

    A language model could rewrite it; the default one is too small to be trusted with it.
    """
    words = " ".join([*(turn.question for turn in leans_on), question])
    return words[-MAX_QUESTION_CHARACTERS:]


def _depends(question: str) -> bool:
    words = [word.casefold() for word in _WORD.findall(question)]
    spaceless = any(len(word) > 1 and ord(word[0]) > 0x2E7F for word in words)
    short = len(question) < 8 if spaceless else len(words) <= _SHORT_WORDS
    points_back = len(words) <= _LONG_WORDS and not _POINTING_BACK.isdisjoint(words)
    return short or points_back or bool(_OPENING.match(question))
