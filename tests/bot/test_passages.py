from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bot.passages import choose_passages, quote_spans
from tests.bot.hits import hit


def likes(word: str):
    def similarity(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([float(word in text) for text in texts], dtype=np.float32)

    return similarity


LONG = " ".join(f"Filler sentence number {n} says nothing at all of use." for n in range(30))


def test_a_short_chunk_is_quoted_whole() -> None:
    text = "- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    assert quote_spans(text, likes("two")) == ((0, len(text)),)


def test_of_a_long_chunk_the_best_sentence_and_those_after_it_are_quoted() -> None:
    text = f"{LONG} The wage is paid on the 25th. It comes by bank. Ask Finance. {LONG}"
    ((start, end),) = quote_spans(text, likes("25th"))
    assert text[start:end] == "The wage is paid on the 25th. It comes by bank. Ask Finance."


def test_a_row_of_a_long_table_keeps_its_head() -> None:
    rows = "\n".join(f"| city {n} | {n} euros a night for a hotel room there |" for n in range(40))
    text = f"| city | limit |\n|---|---|\n{rows}"
    head, window = quote_spans(text, likes("city 20 "))
    assert text[slice(*head)] == "| city | limit |\n|---|---|"
    assert text[slice(*window)].startswith("| city 20 |")


def test_passages_are_added_until_enough_words_are_quoted() -> None:
    hits = [hit(f"{'word ' * 40}{n}", ordinal=n) for n in range(6)]
    assert len(choose_passages(hits, likes("x"), limit=5, words=60)) == 2
    assert len(choose_passages(hits, likes("x"), limit=3, words=1000)) == 3
    assert len(choose_passages(hits, likes("x"), limit=3, words=1)) == 1


def test_the_same_text_is_not_quoted_twice() -> None:
    hits = [hit("The same.", "a.md"), hit("The same.", "b.md"), hit("Another.", "c.md")]
    texts = [p.text for p in choose_passages(hits, likes("x"), limit=3, words=100)]
    assert texts == ["The same.", "Another."]


@given(st.text(max_size=3000), st.text(alphabet="ab. \n|-1#`", max_size=3000))
def test_every_quote_is_verbatim_and_in_order(one: str, other: str) -> None:
    text = one + other
    spans = quote_spans(text, lambda texts: np.arange(len(texts), dtype=np.float32))
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert [s for s, _ in spans] == sorted(s for s, _ in spans)
