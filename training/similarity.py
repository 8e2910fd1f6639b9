"""When two texts say the same in nearly the same letters. Pure; any language.

Questions are compared by the character n-grams of their normalised text (Dice coefficient), so
that typing errors, endings and word order matter little. Scripts without spaces between words have
more meaning in a character: their n-grams are shorter there, and longer than words' in `shingles`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

SHINGLE_WORDS = 8
SHINGLE_CHARACTERS = 13
"""About as much text as eight words, in scripts without spaces."""

# Thai and Lao, Myanmar, Khmer, Han and kana, compatibility Han, extensions of Han
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ASCII_SIGNS = re.compile(r"[^a-z0-9]+")

Key = TypeVar("Key", bound=Hashable)


def normalise(text: str) -> str:
    """Return the form in which questions are compared: NFKC, case folded, only words.

    A text without a single letter or digit (an emoji) keeps its signs.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():  # the same, ten times faster
        return _ASCII_SIGNS.sub(" ", folded).strip() or " ".join(folded.split())
    words = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in folded)
    return " ".join(words.split()) or " ".join(folded.split())


def similarity(left: str, right: str) -> float:
    """Return the Dice coefficient of two texts' character n-grams, 0 to 1."""
    one, other = _grams(normalise(left)), _grams(normalise(right))
    return 2 * len(one & other) / (len(one) + len(other))


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text; a character of a script without spaces is one of its own."""
    return tuple(_UNSPACED.sub(r" \g<0> ", normalise(text)).split())


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the runs of eight words (or thirteen characters) by which copied text is found."""
    words = tokens(text)
    length = SHINGLE_CHARACTERS if _mostly_unspaced("".join(words)) else SHINGLE_WORDS
    return frozenset(words[i : i + length] for i in range(len(words) - length + 1))


class NearDuplicates(Generic[Key]):
    """Texts under keys, searched for the nearest one. Equal texts are always found.

    Args:
        by_words: Compare sets of words instead of character n-grams: for long texts, where it is
            much faster and typing errors matter less.
    """

    def __init__(self, by_words: bool = False) -> None:
        self._grams_of = _words if by_words else _grams
        self._keys: list[Key] = []
        self._grams: list[frozenset[str]] = []
        self._by_gram: defaultdict[str, list[int]] = defaultdict(list)
        self._exact: dict[str, Key] = {}

    def add(self, key: Key, text: str) -> None:
        """Add a text."""
        normal = normalise(text)
        grams = self._grams_of(normal)
        self._exact.setdefault(normal, key)
        for gram in grams:
            self._by_gram[gram].append(len(self._keys))
        self._keys.append(key)
        self._grams.append(grams)

    def nearest(self, text: str, at_least: float) -> tuple[Key, float] | None:
        """Return the key of the most similar text and its similarity, if any is near enough.

        Of several equally near ones, the one that was added first.
        """
        normal = normalise(text)
        if normal in self._exact:
            return self._exact[normal], 1.0
        grams = self._grams_of(normal)
        best: tuple[float, int] = (0.0, 0)
        for number in self._candidates(grams, at_least):
            other = self._grams[number]
            best = max(best, (2 * len(grams & other) / (len(grams) + len(other)), -number))
        score, place = best
        return (self._keys[-place], score) if score and score >= at_least else None

    def _candidates(self, grams: frozenset[str], at_least: float) -> set[int]:
        """Return a few texts among which are all that are near enough.

        Prefix filter (Chaudhuri et al., ICDE 2006): near texts share at least
        `at_least` / (2 - `at_least`) of these n-grams, so whoever has none of the rarest others
        isn't near. The rarest have the shortest lists.
        """
        shared = math.ceil(at_least / (2 - at_least) * len(grams) - 1e-9)
        rarest = sorted(grams, key=lambda gram: len(self._by_gram.get(gram, ())))
        looked_up = rarest[: len(grams) - max(1, shared) + 1]
        return {number for gram in looked_up for number in self._by_gram.get(gram, ())}


def _words(normal: str) -> frozenset[str]:
    return frozenset(tokens(normal))


def _grams(normal: str) -> frozenset[str]:
    length = 2 if _mostly_unspaced(normal) else 3
    padded = f" {normal} "
    return frozenset(padded[i : i + length] for i in range(max(1, len(padded) - length + 1)))


def _mostly_unspaced(text: str) -> bool:
    return 2 * len(_UNSPACED.findall(text)) > len(text)
