"""Both stores give the same pages for the same questions, as far as their words are cut alike.

Vectors are compared alike: each store gives the exact cosines of what it finds. Words aren't:
LanceDB cuts, folds and stems them by itself, Elasticsearch gets them as `elastic_words` cuts them,
and each counts a passage's length in its own words. So BM25 scores differ a little, and with them
the order of pages that are nearly as good as each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion.chunk_vectors import embed_chunks
from ingestion.chunking import chunk_document
from ingestion.documents import Chunk, Reader
from ingestion.embedding import SentenceTransformerEmbedder
from ingestion.index.elastic import ElasticIndex
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import ChunkIndex, IndexMetadata, Vectors
from ingestion.retrieval import Retriever
from ingestion.settings import EmbeddingSettings, RetrievalSettings, SourceSettings
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import SourceItem
from tests.ingestion.stores import elastic_settings

EXAMPLES = Path(__file__).parents[2] / "examples"
READER = Reader()
GENERATED_PAGES = 400

Corpus = tuple[list[Chunk], Vectors]


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(EmbeddingSettings())


@pytest.fixture(scope="module")
def corpus(embedder: SentenceTransformerEmbedder) -> Corpus:
    """Return the sample handbook and pages that mix its sentences, with their vectors."""
    source = FolderSource(SourceSettings(path=EXAMPLES / "handbook", name="h"), max_file_mb=5)
    real: list[Chunk] = []
    for item in source.items():
        assert isinstance(item, SourceItem)
        real.extend(chunk_document(item.read(), embedder.count_tokens, 220, 40))
    vectors = embed_chunks(embedder, real)
    rng, noise = random.Random(0), np.random.default_rng(0)
    chunks, rows = list(real), [vectors]
    for number in range(GENERATED_PAGES):
        mixed = rng.sample(range(len(real)), 3)
        # What a page of three subjects would have, without the time to embed it.
        vector = vectors[mixed].sum(axis=0) + 0.02 * noise.standard_normal(embedder.dimensions)
        rows.append((vector / np.linalg.norm(vector))[None])
        chunks.append(_page(number, [real[row] for row in mixed]))
    return chunks, np.concatenate(rows).astype(np.float32)


def _page(number: int, parts: Sequence[Chunk]) -> Chunk:
    document_id = f"generated:{number}"
    return replace(
        parts[0],
        id=f"{document_id}#0",
        document_id=document_id,
        source="generated",
        path=str(number),
        ordinal=0,
        chunk_count=1,
        text="\n\n".join(part.text[:200] for part in parts),
    )


@pytest.fixture(scope="module")
def stores(
    embedder: SentenceTransformerEmbedder,
    corpus: Corpus,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ChunkIndex, ChunkIndex]:
    folder = tmp_path_factory.mktemp("agree")
    metadata = IndexMetadata(embedder.identity, embedder.dimensions, "test")
    lance, elastic = LanceIndex(folder, metadata), ElasticIndex(elastic_settings(folder), metadata)
    for store in (lance, elastic):
        store.put_documents(*corpus)
        store.optimize()
    return lance, elastic


def _questions() -> list[str]:
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


@pytest.mark.slow
def test_both_stores_find_the_same_nearest_passages(
    stores: tuple[ChunkIndex, ChunkIndex], embedder: SentenceTransformerEmbedder
) -> None:
    for question in _questions():
        vector = embedder.embed_query(question)
        cosines = [
            sorted((c.dense or 0.0 for c in store.search("", vector, READER, 10)), reverse=True)
            for store in stores
        ]
        np.testing.assert_allclose(*cosines, atol=1e-4)


@pytest.mark.slow
def test_both_stores_give_the_same_ten_pages(
    stores: tuple[ChunkIndex, ChunkIndex], embedder: SentenceTransformerEmbedder
) -> None:
    retrievers = [Retriever(store, embedder, RetrievalSettings()) for store in stores]
    shared: list[float] = []
    firsts: list[bool] = []
    for question in _questions():
        lance, elastic = (_pages(retriever, question) for retriever in retrievers)
        shared.append(len(set(lance) & set(elastic)) / 10)
        firsts.append(lance[0] == elastic[0])
    print(f"shared {np.mean(shared):.3f}, least {min(shared)}, first {np.mean(firsts):.3f}")
    assert np.mean(shared) >= 0.95
    assert min(shared) >= 0.8
    assert np.mean(firsts) >= 0.95


def _pages(retriever: Retriever, question: str) -> list[str]:
    """Return the first ten pages, of hits of which several may be of one page."""
    hits = retriever.search(question, READER, limit=50)
    return list(dict.fromkeys(hit.chunk.document_id for hit in hits))[:10]
