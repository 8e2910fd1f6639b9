"""The words of a text by how they begin, to compare texts of any language by. Pure."""

from __future__ import annotations

import unicodedata

from ingestion.index.words import UNSPACED

# Two words are the same where this many first letters are: enough for most endings.
_STEM = 5


def stems_of(text: str, shortest: int) -> frozenset[str]:
    """Return the first letters of each word of at least so many letters.

    Where a script puts no spaces between words, each two neighbouring letters count as a word.
    """
    stems: set[str] = set()
    for word in _words(text):
        for run in UNSPACED.findall(word):
            stems.update(run[i : i + 2] for i in range(len(run) - 1))
        stems.update(part[:_STEM] for part in UNSPACED.split(word) if len(part) >= shortest)
    return frozenset(stems)


def ordered_stems(text: str) -> list[str]:
    """Return the first letters of each word in order; of an unspaced script, each letter."""
    stems: list[str] = []
    for word in _words(text):
        at = 0
        for run in UNSPACED.finditer(word):
            stems += [word[at : run.start()][:_STEM], *run[0]]
            at = run.end()
        stems.append(word[at:][:_STEM])
    return [stem for stem in stems if stem]


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Not \w: it leaves out the marks that Hindi and Thai write vowels with.
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
