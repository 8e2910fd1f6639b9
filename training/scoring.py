"""How good an answer is against the one that people stand by. Pure; any language.

Three looks at one answer: does it say what the reference says (token F1), does it hold the
reference's facts (numbers, addresses, names), and does it claim numbers that nobody gave it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_ARTICLES = frozenset({"a", "an", "the"})
# Scripts that are written without spaces: one character, one token.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
)
_ADDRESS = re.compile(
    r"https?://[^\s<>)\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<!\w)[#@][\w-]*[^\W\d_][\w-]*|`[^`\n]+`"
)
_NUMBER = re.compile(r"\d+(?:[.,:/'’]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:([,.'’])\d{3})(?:\1\d{3})*")
_SPACE_IN_NUMBER = re.compile(r"(?<=\d)[\u00a0\u202f](?=\d{3}(?!\d))")
# What counts the answer's own lines or sources, not the company's days.
_MARKER = re.compile(r"(?m)^\s*\d{1,2}[.)]\s|\[\d{1,2}\]")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
            *("seventeen", "eighteen", "nineteen", "twenty"),
        )
    )
}


@dataclass(frozen=True, slots=True)
class Score:
    """How good one answer is.

    Attributes:
        f1: Token F1 against the reference, in [0, 1].
        fact_recall: Share of the reference's facts that it holds, or None where it has none.
        unsupported_numbers: Numbers that stand neither in the sources nor in the question.
        correctness: The three in one figure in [0, 1]; see ``score_answer``.
    """

    f1: float
    fact_recall: float | None
    unsupported_numbers: tuple[str, ...]
    correctness: float


@dataclass(frozen=True, slots=True)
class PairScore:
    """What one model did with one held-out pair.

    Attributes:
        written: The score of the greedy answer. quoting: The score of what the bot would quote.
        loss: Mean negative log-likelihood of the reference's tokens, in nats.
    """

    pair_id: str
    cluster: str
    question: str
    reference: str
    answer: str
    written: Score
    quoting: Score
    loss: float


def score_answer(answer: str, reference: str, evidence: str) -> Score:
    """Return how good an answer is.

    Correctness is 0 where the answer claims a number that nobody gave it; else the mean of F1 and
    fact recall; else, where the reference has no facts, F1.

    Args:
        answer: What is judged; may be empty.
        reference: The answer that people stand by.
        evidence: Everything that the answer may rest on: the sources and the question.
    """
    f1 = answer_f1(answer, reference)
    facts = facts_of(reference, evidence)
    recall = len(facts & _held(answer, facts)) / len(facts) if facts else None
    unsupported = unsupported_numbers(answer, evidence)
    correctness = 0.0 if unsupported else f1 if recall is None else (f1 + recall) / 2
    return Score(f1, recall, unsupported, correctness)


def answer_f1(answer: str, reference: str) -> float:
    """Return the F1 of the answers' tokens in [0, 1].

    Rajpurkar et al. 2016, SQuAD, §6.1, with tokens of any script: without case, punctuation and
    English articles; characters where a script has no spaces. Two empty answers agree.
    """
    ours, theirs = Counter(tokens_of(answer)), Counter(tokens_of(reference))
    if not ours or not theirs:
        return float(ours == theirs)
    common = (ours & theirs).total()
    return 2 * common / (ours.total() + theirs.total())


def tokens_of(text: str) -> list[str]:
    """Return a text's tokens: words without case, punctuation and articles."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Not \w: it leaves out combining marks, which would break Hindi or Tamil words apart.
    letters = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    spaced = _UNSPACED.sub(lambda match: f" {match[0]} ", letters)
    return [token for token in spaced.split() if token not in _ARTICLES]


def facts_of(reference: str, evidence: str) -> frozenset[str]:
    """Return what an answer must not miss: numbers, dates, amounts, addresses, codes, names.

    A name is a capitalised word of the reference that the evidence has, and never in lower case:
    so the first word of a sentence is none.
    """
    lowered = {word for word in _words(evidence) if word == word.lower()}
    written = {word for word in _words(evidence) if word not in lowered}
    names = {
        word.casefold()
        for word in _words(_ADDRESS.sub(" ", reference))
        if word in written and word[0].isupper() and word.lower() not in lowered and len(word) > 1
    }
    return frozenset(_addresses(reference) | numbers_of(reference) | names)


def unsupported_numbers(answer: str, evidence: str) -> tuple[str, ...]:
    """Return the answer's numbers that the evidence lacks, sorted; spelt-out ones count there."""
    given = numbers_of(evidence) | {
        _NUMBER_WORDS[word]
        for word in re.findall(r"[a-z]+", evidence.lower())
        if word in _NUMBER_WORDS
    }
    # A part of a longer figure is given too: "9" of "9:30".
    given |= {part for number in given for part in re.findall(r"\d+", number)}
    return tuple(sorted(numbers_of(answer) - given))


def numbers_of(text: str) -> frozenset[str]:
    """Return a text's numbers in one form: ``1,000`` and ``1’000`` are ``1000``."""
    joined = _SPACE_IN_NUMBER.sub("", text)
    plain = _MARKER.sub(" ", unicodedata.normalize("NFKC", joined))
    return frozenset(_plain_number(match[0]) for match in _NUMBER.finditer(plain))


def _plain_number(text: str) -> str:
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text)
    grouped = _GROUPED.fullmatch(digits)
    return re.sub(r"\D", "", digits) if grouped else digits


def _addresses(text: str) -> set[str]:
    return {
        match[0].strip("`").rstrip(".,;:!?").casefold()
        for match in _ADDRESS.finditer(unicodedata.normalize("NFC", text))
    } - {""}


def _held(answer: str, facts: Iterable[str]) -> set[str]:
    """Return the facts that an answer holds, whole."""
    folded = unicodedata.normalize("NFC", answer).casefold()
    found = set(numbers_of(answer)) | {word.casefold() for word in _words(answer)}
    found |= _addresses(answer)
    # A code or address counts as well where it is written without its marks around.
    return {
        f
        for f in facts
        if f in found or (not f.isalnum() and not _NUMBER.fullmatch(f) and f in folded)
    }


def _words(text: str) -> list[str]:
    return [match[0] for match in _WORD.finditer(unicodedata.normalize("NFC", text))]
