"""Load and search up to a million chunks with rights, in either store, against exact search.

Run as ``python -m tests.benchmarks.bench_scale --store lance --chunks 1000000``. Elasticsearch is
one of the tests' servers with a heap of its own, or the one that ELASTICSEARCH_URL names. The
encoder isn't in the figures. What was loaded is searched in a process of its own, so that its
memory is what the product needs; ``--step search`` searches it once more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elasticsearch import Elasticsearch
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
from tests.elasticsearch_package import java_home, small_server
from tests.elasticsearch_server import SINGLE_NODE, URL_VARIABLE, Server

TOP = 10
LEG = 50
WARM = 50
ALIAS = "bench-scale"
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


def load(arguments: argparse.Namespace) -> None:
    """Fill a store and write down what exact search finds."""
    folder: Path = arguments.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    corpus = Corpus(arguments.chunks)
    store = new_store(arguments.store, folder)
    vectors, acl = [], []
    seconds, size = 0.0, 5_000
    batches = track(corpus.batches(size), "loading", total=-(-corpus.chunks // size))
    for chunks, made in batches:
        seconds += timed(lambda chunks=chunks, made=made: store.put_documents(chunks, made))
        vectors.append(made)
        acl.extend(chunk.acl[0] for chunk in chunks)
    seconds += timed(store.optimize)
    store.publish()
    store.close()
    console.print(
        f"{arguments.store}: {corpus.chunks:,} chunks loaded and indexed in {seconds:.0f} s "
        f"({corpus.chunks / seconds:,.0f} a second); {size_of(arguments.store, folder)}"
    )
    exact = Exact(np.concatenate(vectors), np.array(acl))
    readers = [reader for _, _, reader in corpus.queries(arguments.queries + WARM)[WARM:]]
    shares = [exact.selectivity(reader) for reader in readers]
    console.print(f"readers may read {np.mean(shares):.1%} on average")
    wanted = [
        exact.nearest(vector, reader)
        for _, vector, reader in track(corpus.queries(arguments.queries + WARM), "exact search")
    ]
    (folder / "wanted.json").write_text(json.dumps(wanted), encoding="utf-8")


def search(arguments: argparse.Namespace) -> None:
    """Search what was loaded; print recall, latency of each leg and of both, and memory."""
    corpus = Corpus(arguments.chunks)
    store = loaded_store(arguments.store, arguments.folder)
    wanted = json.loads((arguments.folder / "wanted.json").read_text(encoding="utf-8"))
    seconds: dict[str, list[float]] = {"dense": [], "hybrid": []}
    recalls = []
    queries = corpus.queries(arguments.queries + WARM)
    for number, (words, vector, reader) in enumerate(track(queries, "searching")):
        began = time.perf_counter()
        dense = store.search("", vector, reader, LEG)
        between = time.perf_counter()
        fuse(store.search(words, vector, reader, LEG), 0.6, LEG)
        if number < WARM:
            continue
        seconds["dense"].append(between - began)
        seconds["hybrid"].append(time.perf_counter() - between)
        found = sorted(dense, key=lambda candidate: -(candidate.dense or 0.0))[:TOP]
        near = set(wanted[number])
        recalls.append(len({c.chunk.id for c in found} & near) / len(near))
    seconds["added by the words"] = np.subtract(seconds["hybrid"], seconds["dense"]).tolist()
    store.close()
    console.print(f"recall@{TOP} of the dense leg against exact search: {np.mean(recalls):.4f}")
    for name, taken in seconds.items():
        p50, p95 = np.percentile(np.array(taken) * 1000, [50, 95])
        console.print(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms ({len(taken)} searches)")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"memory of the searching process at most: {most:.1f} GiB")


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def new_store(kind: str, folder: Path) -> ChunkIndex:
    """Return an empty store."""
    if kind == "lance":
        return LanceIndex.create_new(folder / "index", METADATA)
    return ElasticIndex.create_new(elastic_settings(), METADATA)


def loaded_store(kind: str, folder: Path) -> ChunkIndex:
    """Return the store that `load` filled."""
    if kind == "lance":
        return LanceIndex(folder / "index", METADATA)
    return ElasticIndex(elastic_settings(), METADATA)


def elastic_settings() -> IndexSettings:
    """Return the settings for the server of this run."""
    return IndexSettings(url=os.environ[URL_VARIABLE], name=ALIAS)


def size_of(kind: str, folder: Path) -> str:
    """Return what a store takes on disk, in words."""
    if kind == "lance":
        files = (folder / "index").rglob("*")
        return f"{sum(f.stat().st_size for f in files if f.is_file()) / 2**30:.2f} GiB"
    with Elasticsearch(os.environ[URL_VARIABLE]) as client:
        stats = client.indices.stats(index=ALIAS, metric=["store", "segments"])["_all"]["primaries"]
    gib = stats["store"]["size_in_bytes"] / 2**30
    return f"{gib:.2f} GiB in {stats['segments']['count']} segments"


def main() -> None:
    """Load and search one store and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["lance", "elastic"], default="lance")
    parser.add_argument("--step", choices=["load", "search", "both"], default="both")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--heap", default="4g", help="of the Elasticsearch that is started")
    parser.add_argument("--folder", type=Path, default=Path(".bench-scale"))
    arguments = parser.parse_args()
    if arguments.store == "elastic" and URL_VARIABLE not in os.environ:
        server = Server(small_server(), java_home(), SINGLE_NODE, heap=arguments.heap)
        server.start()
        os.environ[URL_VARIABLE] = server.url
    load_now = os.getloadavg()[0]
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {load_now:.1f}")
    if arguments.step != "search":
        load(arguments)
    if arguments.step == "search":
        search(arguments)
    if arguments.step == "both":
        module = ["-m", "tests.benchmarks.bench_scale", *sys.argv[1:], "--step", "search"]
        subprocess.run([sys.executable, *module], check=True)
        shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
