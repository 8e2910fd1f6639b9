"""Ask the same questions of both stores, which hold the same chunks with the same vectors.

Run as ``python -m tests.benchmarks.bench_stores DATA_DIR QUESTIONS``. DATA_DIR holds what
``nightshift ingest`` stored in LanceDB by the default settings; it is only read. Its chunks go to
one of the tests' Elasticsearch servers, or to the one that ELASTICSEARCH_URL names, under the alias
``bench-stores``. The vectors are copied, not made again.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bot.conversation import clean_question
from bot.known_questions import KnownQuestion, read_known_questions
from bot.scores import CUTS, score_retrieval
from ingestion.documents import Chunk, Reader
from ingestion.embedding import SentenceTransformerEmbedder
from ingestion.index.elastic import ElasticIndex
from ingestion.index.lance import LanceIndex
from ingestion.index.lance_rows import chunks_of, vectors_of
from ingestion.index.opening import INDEX_FOLDER
from ingestion.index.protocol import Candidate, ChunkIndex, Vectors
from ingestion.index.served import read_served
from ingestion.retrieval import fuse
from ingestion.settings import EmbeddingSettings, IndexSettings, RetrievalSettings
from tests.elasticsearch_server import server_url

ALIAS = "bench-stores"
LEG = 50
PAGES = 10
BATCH = 50
READER = Reader()
LANCE, ELASTIC = "LanceDB", "Elasticsearch"

console = Console(soft_wrap=True, highlight=False)

Found = Sequence[Candidate]
Legs = Mapping[str, Sequence[Chunk]]


def lance_store(data_dir: Path) -> LanceIndex:
    """Return the index that was made in a data folder."""
    folder = data_dir / INDEX_FOLDER
    served = read_served(folder)
    if served is None:
        raise SystemExit(f"There is no index in {folder}.")
    return LanceIndex(folder, served.metadata)


def elastic_copy(lance: LanceIndex) -> tuple[ElasticIndex, list[Chunk], Vectors]:
    """Return the same chunks in Elasticsearch, and the chunks with their vectors."""
    rows = lance._table().to_arrow()
    chunks, vectors = chunks_of(rows), vectors_of(rows)
    of_document: dict[str, list[int]] = defaultdict(list)
    for number, chunk in enumerate(chunks):
        of_document[chunk.document_id].append(number)
    store = ElasticIndex.create_new(IndexSettings(url=server_url(), name=ALIAS), lance._metadata)
    documents = list(of_document.values())
    for start in track(range(0, len(documents), BATCH), "copying"):
        batch = [number for document in documents[start : start + BATCH] for number in document]
        store.put_documents([chunks[number] for number in batch], vectors[batch])
    store.optimize()
    store.publish()
    return store, chunks, vectors


def legs(found: Found) -> dict[str, list[Chunk]]:
    """Return the chunks by each leg alone and by both, best first, as `nightshift eval` does."""
    by_words = [candidate for candidate in found if candidate.bm25 is not None]
    weight = RetrievalSettings().dense_weight
    chosen = {"BM25": (by_words, 0.0), "dense": (found, 1.0), f"hybrid {weight:g}": (found, weight)}
    return {
        leg: [hit.chunk for hit in fuse(candidates, share, LEG)]
        for leg, (candidates, share) in chosen.items()
    }


def pages(chunks: Sequence[Chunk]) -> list[str]:
    """Return the pages of ranked chunks."""
    return list(dict.fromkeys(chunk.document_id for chunk in chunks))


def nearest_found(found: Found, chunks: Sequence[Chunk], cosines: Vectors) -> float:
    """Return the share of the exact fifty nearest that were found; equally near ones count."""
    least = np.sort(cosines)[-LEG] - 1e-6
    known = {chunk.id: cosine for chunk, cosine in zip(chunks, cosines.tolist(), strict=True)}
    return min(1.0, sum(known[c.chunk.id] >= least for c in found) / LEG)


def recall_table(known: Sequence[KnownQuestion], ranked: Mapping[str, Sequence[Legs]]) -> Table:
    """Return the pages found among the first n, and the evidence, by leg and store."""
    table = Table("leg", "store", *map(str, CUTS), "evidence in 10", box=None)
    for leg in ranked[LANCE][0]:
        for name, answers in ranked.items():
            scores = score_retrieval([(q, a[leg]) for q, a in zip(known, answers, strict=True)])
            recalls = [f"{scores.page_recall[cut]:.4f}" for cut in CUTS]
            table.add_row(leg, name, *recalls, f"{scores.evidence_recall or 0:.4f}")
    return table


def alike_table(ranked: Mapping[str, Sequence[Legs]]) -> Table:
    """Return how far both stores give the same ten pages.

    A page that only one store has among its ten stands somewhere in the other's list: "last place"
    is the place there of all but a twentieth of such pages; those that it doesn't have are counted.
    """
    columns = ("leg", "same order", "same set", "same first", "shared", "last place", "nowhere")
    table = Table(*columns, box=None)
    for leg in ranked[LANCE][0]:
        pairs = [
            (pages(a[leg]), pages(b[leg]))
            for a, b in zip(ranked[LANCE], ranked[ELASTIC], strict=True)
        ]
        tens = [(a[:PAGES], b[:PAGES]) for a, b in pairs]
        places = [place for a, b in pairs for place in [*_strangers(a, b), *_strangers(b, a)]]
        there = [place for place in places if place is not None]
        table.add_row(
            leg,
            *_shares([a == b for a, b in tens], [set(a) == set(b) for a, b in tens]),
            *_shares([a[:1] == b[:1] for a, b in tens]),
            *_shares([len(set(a) & set(b)) / max(len(a), len(b), 1) for a, b in tens]),
            f"{np.percentile(there, 95):.0f}" if there else "–",
            f"{len(places) - len(there)} of {len(places)}",
        )
    return table


def _strangers(one: Sequence[str], other: Sequence[str]) -> list[int | None]:
    """Return the places in one list of the other's ten pages that aren't among its own ten."""
    places = {page: place for place, page in enumerate(one, 1)}
    return [places.get(page) for page in other[:PAGES] if page not in one[:PAGES]]


def _shares(*columns: Sequence[float]) -> list[str]:
    return [f"{np.mean(column):.4f}" for column in columns]


def main() -> None:
    """Copy, ask both, and print how good and how alike the answers are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("questions", type=Path)
    arguments = parser.parse_args()
    embedder = SentenceTransformerEmbedder(EmbeddingSettings())
    known = [each for each in read_known_questions(arguments.questions) if each.answerable]
    lance = lance_store(arguments.data_dir)
    elastic, chunks, vectors = elastic_copy(lance)
    console.print(f"{lance.count():,} and {elastic.count():,} chunks, {len(known)} questions")
    stores: dict[str, ChunkIndex] = {LANCE: lance, ELASTIC: elastic}
    ranked: dict[str, list[Legs]] = {name: [] for name in stores}
    exact: dict[str, list[float]] = {name: [] for name in stores}
    for each in track(known, "asking"):
        query = clean_question(each.question)
        vector = embedder.embed_query(query)
        for name, store in stores.items():
            ranked[name].append(legs(store.search(query, vector, READER, LEG)))
            nearest = store.search("", vector, READER, LEG)
            exact[name].append(nearest_found(nearest, chunks, vectors @ vector))
    for name, shares in exact.items():
        console.print(f"{name}: {np.mean(shares):.4f} of the exact {LEG} nearest found")
    console.print(recall_table(known, ranked))
    console.print(alike_table(ranked))


if __name__ == "__main__":
    main()
