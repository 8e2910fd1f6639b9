"""Whose amount a sentence gives: a page's sentence may name several, each with words of its own.

"2 months in Utrecht and 3 months in Porto" is said of Porto only with the 3. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bot.stems import ordered_stems
from ingestion.index.words import UNSPACED

_NUMBER = re.compile(r"\d+(?:[.,:’']\d+)*")
_THOUSANDS = re.compile(r"(?<=\d)[,’'](?=\d{3})")
# Where one amount's words may end and the next one's begin.
_SEPARATOR = re.compile(
    r"[,;:|()/–—、，；：（）\n]|(?:^|(?<=\s))(?:and|or|but|while|und|oder|aber|et|ou|mais|y|o|pero|"
    r"e|ed|ma|en|maar|och|men|og)(?=\s)",
    re.IGNORECASE,
)
_MEASURE = re.compile(r"\d[ \u00a0]?([^\W\d_]+)")
# The script of Japanese endings: it tells nothing apart.
_HIRAGANA = re.compile(r"[\u3041-\u309f]")
_TELLING = 4  # letters of a word that tells one amount from another


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of a sentence with the amounts that stand in it together.

    Attributes:
        lead: Words before the first amount of all: they may be of every amount.
        words: All others.
        measure: The word behind an amount, as in "2 months", if it has one.
    """

    numbers: frozenset[str]
    lead: frozenset[str]
    words: frozenset[str]
    measure: frozenset[str]


def numbers_of(text: str) -> frozenset[str]:
    """Return the numbers of a text without thousands separators."""
    return frozenset(without_thousands(number) for number in _NUMBER.findall(text))


def without_thousands(text: str) -> str:
    """Return a text whose numbers have no thousands separators."""
    return _THOUSANDS.sub("", text)


def keeps_amounts_apart(sentence: str, unit: str, question: str) -> bool:
    """Whether the amounts that a sentence takes from a unit stay with the words they stand with.

    Of a unit with several amounts a sentence may give some. Then it may use no word that stands
    with those left out alone, and it, or the question, needs one that stands with each it gives.

    Args:
        sentence: What was written; its numbers are the unit's.
        unit: A sentence or a table row of the page.
        question: May name what tells the amount from the others.
    """
    given, said = numbers_of(sentence), _telling(sentence)
    parts = list(_parts(unit))
    left_out = [part for part in parts if given.isdisjoint(part.numbers)]
    if not given or not left_out:
        return True
    known = said | _telling(question)
    # "2 months in Utrecht and 3 in Porto": these are months, too.
    bare = any(not part.measure for part in parts if part not in left_out)
    foreign = [_own(part, parts) - (part.measure if bare else frozenset()) for part in left_out]
    return said.isdisjoint(frozenset().union(*foreign)) and all(
        any(_is_named(part, parts, known) for part in parts if number in part.numbers)
        for number in given
    )


def _is_named(part: _Part, parts: list[_Part], known: frozenset[str]) -> bool:
    own = _own(part, parts)
    return not own or not own.isdisjoint(known)


def _own(part: _Part, parts: list[_Part]) -> frozenset[str]:
    """Return the words that stand in this part only."""
    elsewhere = [other.words | other.lead for other in parts if other is not part]
    return part.words.difference(part.lead, *elsewhere)


def _parts(unit: str) -> Iterator[_Part]:
    """Cut a sentence at the last separator between two numbers; without one they are together."""
    numbers = list(_NUMBER.finditer(unit))
    if not numbers:
        return
    cuts = [0]
    for number, after in pairwise(numbers):
        between = list(_SEPARATOR.finditer(unit, number.end(), after.start()))
        cuts += [separator.start() for separator in between[-1:]]
    for start, end in pairwise([*cuts, len(unit)]):
        words_from = start or numbers[0].start()
        lead, words = unit[start:words_from], unit[words_from:end]
        measures = _MEASURE.findall(words)
        yield _Part(
            numbers_of(words), _telling(lead), _telling(words), _telling(" ".join(measures))
        )


def _telling(text: str) -> frozenset[str]:
    """Return the stems of words that tell of something: longer ones and names, not numbers."""
    return frozenset(
        stem
        for word in text.split()
        for stem in ordered_stems(word)
        if not stem.isdigit()
        and (
            len(stem) >= _TELLING
            or (len(stem) > 1 and word != word.casefold())
            or (UNSPACED.match(stem) and not _HIRAGANA.match(stem))
        )
    )
