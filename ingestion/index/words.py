"""The words that BM25 compares: of a chunk and of a question. Pure."""

from __future__ import annotations

import re
import unicodedata

# Scripts that put no spaces between words, or hang particles to them: Thai to Khmer, and Han,
# Kana, Hangul.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)

# A pasted page is no better a query than its beginning, and costs a lookup for each word.
_MAX_CHARACTERS = 8_000
_MAX_WORDS = 64

# They stand on almost every page: looking them up costs much and tells nothing.
_STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have how i if in is it
    its me my of on or our shall should so than that the their them then there these they this
    those to us was we were what when where which who whom whose why will with would you your
    """.split()
)
# The combining accents of Latin, Greek and Cyrillic; marks of other scripts are letters' parts.
_ACCENTS = dict.fromkeys(range(0x0300, 0x0370))
_PUNCTUATION = ".,;:!?()[]{}<>\"'`“”‘’„«»…*_#|/\\"


def folded(text: str) -> str:
    """Return text without case, width and accents, so that "conges" finds "Congés".

    A store folds after it has stemmed, which leaves "congés" and "conges" with different stems.
    """
    # A lone surrogate, as from a broken terminal, can't be encoded.
    readable = text.encode("utf-8", "replace").decode()
    if readable.isascii():
        return readable.casefold()
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", readable).casefold())
    return unicodedata.normalize("NFC", letters.translate(_ACCENTS))


def query_words(text: str) -> str:
    """Return the distinct words of a question that are worth looking up, folded, in their order.

    English stop words are left out unless nothing else is there, or they are written in capitals
    (IT, WHO). Languages without spaces pass whole, for the store's own segmentation.
    """
    words = [word for part in text[:_MAX_CHARACTERS].split() if (word := part.strip(_PUNCTUATION))]
    telling = [word for word in words if not _is_stop_word(word)]
    distinct = dict.fromkeys(folded(word) for word in telling or words)
    return " ".join(list(distinct)[:_MAX_WORDS])


def _is_stop_word(word: str) -> bool:
    in_capitals = len(word) > 1 and word.isupper()
    return not in_capitals and word.casefold() in _STOP_WORDS
