"""Load and search up to a million chunks with rights, in either store, against exact search.

Run as ``python -m tests.benchmarks.bench_scale --store lance --chunks 1000000``. Elasticsearch is
the tests' own server, or the one that ELASTICSEARCH_URL names. The encoder isn't in the figures.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from ingestion.documents import Reader
from ingestion.index.elastic import ElasticIndex
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import ChunkIndex, IndexMetadata, Vectors
from ingestion.retrieval import fuse
from ingestion.settings import IndexSettings
from tests.benchmarks.scale_corpus import CHUNKS_A_DOCUMENT, DIMENSIONS, Corpus

TOP = 10
LEG = 50
METADATA = IndexMetadata(embedder="bench", dimensions=DIMENSIONS, chunker="bench")

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Exact:
    """All vectors and who may read them, for comparison."""

    vectors: NDArray[np.float32]
    acl: NDArray[np.str_]

    def nearest(self, vector: Vectors, reader: Reader) -> list[str]:
        """Return the ids of the ten nearest chunks that a reader may read."""
        (allowed,) = np.nonzero(np.isin(self.acl, reader.tokens))
        cosines = self.vectors[allowed] @ vector
        best = allowed[np.argsort(-cosines)[:TOP]]
        return [f"bench:p{n // CHUNKS_A_DOCUMENT}#{n % CHUNKS_A_DOCUMENT}" for n in best.tolist()]

    def selectivity(self, reader: Reader) -> float:
        """Return the share of chunks that a reader may read."""
        return float(np.isin(self.acl, reader.tokens).mean())


def load(store: ChunkIndex, corpus: Corpus) -> tuple[Exact, float]:
    """Store all chunks; return them for exact search, and the seconds that the store took."""
    vectors, acl = [], []
    seconds = 0.0
    size = 5_000
    batches = track(corpus.batches(size), "loading", total=-(-corpus.chunks // size))
    for chunks, made in batches:
        seconds += timed(lambda chunks=chunks, made=made: store.put_documents(chunks, made))
        vectors.append(made)
        acl.extend(chunk.acl[0] for chunk in chunks)
    seconds += timed(store.optimize)
    return Exact(np.concatenate(vectors), np.array(acl)), seconds


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure(store: ChunkIndex, corpus: Corpus, exact: Exact, count: int) -> None:
    """Search, and print recall and latency of each leg and of both."""
    queries = corpus.queries(count + 20)
    for words, vector, reader in queries[:20]:  # warm
        store.search(words, vector, reader, LEG)
    queries = queries[20:]
    seconds: dict[str, list[float]] = {"dense": [], "hybrid": []}
    recalls, shares = [], []
    for words, vector, reader in track(queries, "searching"):
        began = time.perf_counter()
        dense = store.search("", vector, reader, LEG)
        seconds["dense"].append(time.perf_counter() - began)
        began = time.perf_counter()
        fuse(store.search(words, vector, reader, LEG), 0.6, LEG)
        seconds["hybrid"].append(time.perf_counter() - began)
        found = sorted(dense, key=lambda candidate: -(candidate.dense or 0.0))[:TOP]
        wanted = exact.nearest(vector, reader)
        recalls.append(len({c.chunk.id for c in found} & set(wanted)) / len(wanted))
        shares.append(exact.selectivity(reader))
    console.print(f"readers may read {np.mean(shares):.1%} on average")
    console.print(f"recall@{TOP} of the dense leg against exact search: {np.mean(recalls):.4f}")
    for name in ("dense", "hybrid"):
        p50, p95 = np.percentile(np.array(seconds[name]) * 1000, [50, 95])
        console.print(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms ({count} searches)")


def open_store(kind: str, folder: Path) -> ChunkIndex:
    """Return an empty store."""
    if kind == "lance":
        return LanceIndex.create_new(folder, METADATA)
    from tests.elasticsearch_server import server_url

    return ElasticIndex.create_new(IndexSettings(url=server_url(), name="bench-scale"), METADATA)


def main() -> None:
    """Run one store and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["lance", "elastic"], default="lance")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path(".bench-scale"))
    arguments = parser.parse_args()
    load_now = os.getloadavg()[0]
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {load_now:.1f}")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    store = open_store(arguments.store, arguments.folder)
    corpus = Corpus(arguments.chunks)
    exact, seconds = load(store, corpus)
    store.publish()
    console.print(
        f"{arguments.store}: {corpus.chunks:,} chunks loaded and indexed in {seconds:.0f} s "
        f"({corpus.chunks / seconds:,.0f} a second)"
    )
    if arguments.store == "lance":
        size = sum(file.stat().st_size for file in arguments.folder.rglob("*") if file.is_file())
        console.print(f"on disk: {size / 2**30:.2f} GiB")
    measure(store, corpus, exact, arguments.queries)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"memory of this process at most: {most:.1f} GiB (with all vectors for exact)")
    store.close()
    shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
