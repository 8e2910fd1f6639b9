"""Whether the words of a page bear out the words of a sentence. Pure.

Similarity of meaning can't tell "2 months in Utrecht" from "2 months in Toronto", nor "within 7
days" from "blocked within 7 days". So a sentence must say what its source says, in its words and in
their order, but for words of the question: measured by hand in docs/figures.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.amounts import keeps_amounts_apart, numbers_of, without_thousands
from bot.number_words import in_digits
from bot.stems import ordered_stems
from ingestion.index.words import UNSPACED

# Shares of a sentence's words that its source has in the same order; a question's words may
# stand in for the source's, but not for most of them.
_IN_ORDER = 0.6
_IN_ORDER_WITH_QUESTION = 0.75
_FEWEST_WORDS = 3  # "Up to 80." says something beside its question only
_FEWEST_CELLS = 2
_TELLING = 4  # letters of a word that may not be the model's own

_LINK = re.compile(r"(?:https?://|www\.|mailto:)[^\s)>\]]+|[\w.+-]+@[\w-]+\.[\w.]+", re.IGNORECASE)
_ITEM_NUMBER = re.compile(r"^\s*\d{1,9}[.)]\s", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+")
_CONTRACTED = re.compile(r"n[’']t\b", re.IGNORECASE)
# Words whose presence on one side alone turns a sentence into its opposite.
_NEGATIONS = frozenset(
    "not no never none neither nor cannot without nothing nobody "
    "nicht kein keine keinen keiner nie niemals ohne ne pas jamais sans aucun aucune "
    "sin nunca ningún ninguna não sem nenhum nenhuma non senza mai niet geen nooit zonder".split()
)
# Likewise, or makes another rule of it.
_LIMITS = frozenset(
    "only unless except nur außer seulement sauf solo sólo salvo excepto apenas slechts".split()
)
# Longer words that change nothing where a page is spoken of to its reader.
_HARMLESS = frozenset(
    "your yours they them their there these those this that with from have been were".split()
)
_SHORT_AMOUNTS = frozenset("all two six ten".split())  # that a sentence may not make up either


def bears_out(unit: str, sentence: str, question: str) -> bool:
    """Whether a unit of a page says what a sentence says.

    Args:
        unit: A sentence or a table row of the page.
        sentence: What was written.
        question: Its words, but not its numbers, may stand in for the unit's.
    """
    unit, sentence = (in_digits(_ITEM_NUMBER.sub("", text)) for text in (unit, sentence))
    question = in_digits(question)
    links = {link.rstrip(".,;:!?") for link in _LINK.findall(sentence)}
    return (
        numbers_of(sentence) <= numbers_of(unit)
        and all(link in unit for link in links)
        and _says_any(sentence, _NEGATIONS) == _says_any(unit, _NEGATIONS)
        and _says_any(sentence, _LIMITS) == _says_any(unit, _LIMITS)
        and not _own_words(sentence, unit, question)
        and _in_order(sentence, unit, question)
        and _keeps_a_row_together(sentence, unit)
        and keeps_amounts_apart(sentence, unit, question)
    )


def says_something(sentence: str) -> bool:
    """Whether a sentence has enough words to be compared, and hasn't got stuck in a loop."""
    words = _ordered(sentence)
    return sum(not word.isdigit() for word in words) >= _FEWEST_WORDS and not (
        _loops(words) or _loops(sentence.split())
    )


def _loops(words: Sequence[str]) -> bool:
    """Whether a run of two words or more is said twice in a row, or a word four times."""
    for size in range(1, len(words) // 2 + 1):
        same = 0  # how many words in a row are those of `size` words before
        for at in range(size, len(words)):
            same = same + 1 if words[at] == words[at - size] else 0
            if same >= max(size, 3):
                return True
    return False


def _own_words(sentence: str, unit: str, question: str) -> bool:
    """Whether a sentence has words that neither its source nor the question has."""
    known = f"{unit} {question}"
    telling = {
        stem
        for stem in _ordered(sentence)
        if len(stem) >= _TELLING or stem in _SHORT_AMOUNTS or UNSPACED.match(stem)
    }
    return bool(telling - _HARMLESS - set(_ordered(known)))


def _in_order(sentence: str, unit: str, question: str) -> bool:
    said, known = _ordered(sentence), _ordered(unit)
    asked = set(_ordered(question))
    new = [word for word in said if word not in asked] or said
    return _common(said, known) >= _IN_ORDER * len(said) and (
        _common(new, known) >= _IN_ORDER_WITH_QUESTION * len(new)
    )


def _keeps_a_row_together(sentence: str, unit: str) -> bool:
    """Whether a sentence from a table holds words of several cells: one alone tells of nothing."""
    if not unit.startswith("|"):
        return True
    said = set(_ordered(sentence))
    cells = [cell for cell in unit.split("|") if not said.isdisjoint(_ordered(cell))]
    return len(cells) >= _FEWEST_CELLS


def _says_any(text: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(_folded(text))


def _folded(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(_CONTRACTED.sub(" not", text))}


def _plain(text: str) -> str:
    return _CONTRACTED.sub(" not", without_thousands(_LINK.sub(" ", text)))


def _ordered(text: str) -> list[str]:
    return ordered_stems(_plain(text))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many words two texts have in common in the same order."""
    before = [0] * (len(second) + 1)
    for word in first:
        now = [0]
        for at, other in enumerate(second):
            now.append(before[at] + 1 if word == other else max(before[at + 1], now[at]))
        before = now
    return before[-1]
