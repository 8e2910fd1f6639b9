from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion import late_interaction
from ingestion.documents import Hit
from ingestion.embedding import Embedder, LangChainEmbedder, open_embedder
from ingestion.index.protocol import Vectors
from ingestion.late_interaction import LateInteraction, max_sim, weighed
from ingestion.settings import EmbeddingSettings
from tests.bot.hits import hit

QUESTION = "who pays for the hotel when a customer cancels"
PAGES = [
    "Hotels are booked in the travel tool. Choose one near the customer.",
    "When a customer cancels, the company pays for the hotel.",
    "The printer is on the second floor.",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(EmbeddingSettings(device="cpu"))


def found(scores: Sequence[float] = (0.9, 0.8, 0.7)) -> list[Hit]:
    pairs = enumerate(zip(PAGES, scores, strict=True))
    return [replace(hit(text, f"{n}.md"), score=score) for n, (text, score) in pairs]


def paths(hits: Sequence[Hit]) -> list[str]:
    return [each.chunk.path for each in hits]


def test_each_token_counts_by_its_best_likeness() -> None:
    east, north, between = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)
    question = np.array([east, north], dtype=np.float32)
    assert max_sim(question, np.array([east, north])) == pytest.approx(1)
    assert max_sim(question, np.array([east])) == pytest.approx(0.5)
    assert max_sim(question, np.array([between])) == pytest.approx(0.7)
    assert max_sim(question, np.empty((0, 2))) == 0


@given(
    scores=st.lists(st.floats(0, 2), max_size=12),
    likenesses=st.lists(st.floats(-1, 1), max_size=12),
)
def test_what_was_not_compared_stays_behind_in_its_order(
    scores: list[float], likenesses: list[float]
) -> None:
    likenesses = likenesses[: len(scores)]
    scores.sort(reverse=True)
    hits = [replace(hit("text", f"{n}.md"), score=score) for n, score in enumerate(scores)]
    ranked = weighed(hits, likenesses)
    compared = len(likenesses)
    assert sorted(paths(ranked[:compared])) == sorted(paths(hits[:compared]))
    assert paths(ranked[compared:]) == paths(hits[compared:])
    assert [each.score for each in ranked] == sorted((e.score for e in ranked), reverse=True)


@pytest.mark.slow
def test_the_chunk_that_says_it_goes_before_one_about_the_same_thing(embedder: Embedder) -> None:
    late = LateInteraction(embedder)
    assert paths(late.ranked(QUESTION, found(), 3)) == ["1.md", "0.md", "2.md"]
    assert paths(late.ranked(QUESTION, found(), 0)) == ["0.md", "1.md", "2.md"]
    assert late.ranked(QUESTION, [], 3) == []


@pytest.mark.slow
def test_a_clear_lead_stands(embedder: Embedder) -> None:
    ranked = LateInteraction(embedder).ranked(QUESTION, found((2.5, 0.8, 0.7)), 3)
    assert paths(ranked)[0] == "0.md"


@pytest.mark.slow
def test_a_chunk_is_embedded_once_while_it_is_remembered(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[list[str]] = []
    plain = embedder.embed_tokens

    def counted(texts: Sequence[str]) -> list[Vectors]:
        embedded.append(list(texts))
        return plain(texts)

    monkeypatch.setattr(embedder, "embed_tokens", counted)
    late, texts = LateInteraction(embedder), [each.chunk.embedding_text for each in found()]
    sizes = [vectors.astype(np.float16).nbytes for vectors in plain(texts)]
    monkeypatch.setattr(late_interaction, "_REMEMBERED_BYTES", sum(sizes) - min(sizes))
    first = late.ranked(QUESTION, found()[1:], 3)
    assert late.ranked(QUESTION, found()[1:], 3) == first
    late.ranked(QUESTION, found()[:2], 3)
    late.ranked(QUESTION, found()[1:], 3)
    chunks = [batch for batch in embedded if batch != [QUESTION]]
    assert chunks == [texts[1:], [], texts[:1], texts[2:]], "the oldest goes"
    embedded.clear()
    late.ranked(QUESTION, found(), 1)
    late.ranked(QUESTION, found()[:1], 12)
    assert embedded == [], "there is nothing to compare with"


@pytest.mark.slow
def test_threads_rank_alike(embedder: Embedder) -> None:
    late = LateInteraction(embedder)
    expected = late.ranked(QUESTION, found(), 3)
    with ThreadPoolExecutor(4) as pool:
        ranked = pool.map(lambda _: late.ranked(QUESTION, found(), 3), range(12))
        assert all(each == expected for each in ranked)


def test_without_vectors_of_tokens_the_order_stays() -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    provider = LangChainEmbedder(DeterministicFakeEmbedding(size=8), "fake:8", EmbeddingSettings())
    assert LateInteraction(provider).ranked(QUESTION, found(), 3) == found()
