from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ingestion.chunk_vectors import embed_chunks
from ingestion.documents import Chunk
from tests.ingestion.stores import make_chunks, make_document
from tests.ingestion.test_sync import WordEmbedder

(CHUNK,) = make_chunks(make_document("docs:a.md", ["Ask your lead."]))


def at(path: str) -> Chunk:
    return replace(CHUNK, path=path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("people/time-off/index.md", "people time off"),
        ("Urlaub_2026/Regelung.pdf", "Urlaub 2026 Regelung"),
        ("Travel policy 3f2a8c04d1.md", "Travel policy"),
        ("policies/2024.05.notes.md", "policies 2024 05 notes"),
        ("नीति/छुट्टी.md", "नीति छुट्टी"),
        ("日本語/休暇.md", "日本語 休暇"),
        ("README", ""),
    ],
)
def test_a_path_tells_its_words(path: str, words: str) -> None:
    assert at(path).path_words == words


def test_a_chunk_is_a_little_nearer_to_where_it_stands() -> None:
    embedder = WordEmbedder()
    chunks = [at("people/vacation.md"), at("index.md"), at("people/vacation.md")]
    vectors = embed_chunks(embedder, chunks)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    text, place = (
        embedder.embed_query(CHUNK.embedding_text),
        embedder.embed_query("people vacation"),
    )
    np.testing.assert_allclose(vectors[1], text, atol=1e-6)  # nothing to say
    assert vectors[0] @ place > text @ place
    assert vectors[0] @ text > 0.9
    assert embedder.embedded == 4  # the path once


def test_words_of_the_path_are_looked_up_too() -> None:
    assert at("people/time-off.md").search_text.startswith("people time off\n")
    assert CHUNK.text in at("people/time-off.md").search_text
