"""The words that BM25 compares in Elasticsearch, cut here. Pure.

A server has no stemmer for some languages, some servers have none at all, and its standard
tokenizer takes a Thai sentence for one word. Words that are cut here are the same on every server.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

from ingestion.index.words import UNSPACED, folded, query_words

# A server refuses a query of many more words than these; the rest of a pasted page adds nothing.
_MAX_QUERY_WORDS = 500
_MAX_SPOKEN_WORDS = 64
_MAX_SPOKEN_LENGTH = 1_000
# The server's whitespace tokenizer splits what is longer.
_MAX_LENGTH = 64

_ENGLISH_WORD = re.compile(r"[a-z]+")
_POSSESSIVE = re.compile(r"['’]s\b")

_stemmer = snowballstemmer.stemmer("english")
_stemmer_lock = threading.Lock()


def indexed_words(text: str) -> str:
    """Return the words of a chunk, separated by spaces."""
    return " ".join(_words(folded(text), singles=True))


def searched_words(text: str) -> str:
    """Return the telling words of a question, or an empty string where there are none."""
    return " ".join(_words(query_words(text), singles=False)[:_MAX_QUERY_WORDS])


def spoken_words(text: str) -> str:
    """Return the beginning of a question as it was written, for the analyzer of a language."""
    readable = text.encode("utf-8", "replace").decode()
    return " ".join(readable.split()[:_MAX_SPOKEN_WORDS])[:_MAX_SPOKEN_LENGTH]


def _words(text: str, singles: bool) -> list[str]:
    spaced = "".join(map(_kept, _POSSESSIVE.sub("", text)))
    words: list[str] = []
    for word in spaced.split():
        position = 0
        for run in UNSPACED.finditer(word):
            words.extend(_stemmed(word[position : run.start()]))
            words.extend(_pairs(run[0], singles))
            position = run.end()
        words.extend(_stemmed(word[position:]))
    return words


@lru_cache(maxsize=65_536)
def _kept(character: str) -> str:
    """Return a letter, mark, number or underscore as it is, anything else as a space."""
    return character if character == "_" or unicodedata.category(character)[0] in "LMN" else " "


def _pairs(run: str, singles: bool) -> list[str]:
    """Return each two neighbours; a question of one letter is matched by single ones."""
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [*run, *pairs] if singles or not pairs else pairs


def _stemmed(word: str) -> list[str]:
    return [_ENGLISH_WORD.sub(lambda part: _stem(part[0]), word[:_MAX_LENGTH])] if word else []


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    with _stemmer_lock:  # it keeps the word in hand in itself
        stem: str = _stemmer.stemWord(word)
    return stem
