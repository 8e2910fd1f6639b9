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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from elasticsearch import Elasticsearch
from rich.console import Console
from rich.progress import track

from ingestion.documents import Reader
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_queries import allowed, lexical_leg
from ingestion.index.elastic_words import searched_words
from ingestion.index.lance import LanceIndex
from ingestion.index.lance_rows import readable_by
from ingestion.index.protocol import ChunkIndex, IndexMetadata, Vectors
from ingestion.retrieval import fuse
from ingestion.settings import IndexSettings
from ingestion.sync import BATCHES_BETWEEN_OPTIMIZING
from tests.benchmarks.scale_corpus import CHUNKS_A_DOCUMENT, DIMENSIONS, GROUPS, Corpus
from tests.elasticsearch_package import java_home, small_server
from tests.elasticsearch_server import SINGLE_NODE, URL_VARIABLE, Server

TOP = 10
LEG = 50
WARM = 50
MADE_AT_ONCE = 5_000
ALIAS = "bench-scale"
WANTED = "wanted.json"
METADATA = IndexMetadata(embedder="bench", dimensions=DIMENSIONS, chunker="bench")
EVERYTHING = Reader(frozenset(f"group{number}" for number in range(GROUPS)))
READERS = ("few", "everything")

console = Console(soft_wrap=True)
Query = tuple[str, Vectors, Reader]
T = TypeVar("T")


def load(arguments: argparse.Namespace) -> None:
    """Fill a store as a sync does: a few hundred chunks at a time, optimized now and then."""
    folder: Path = arguments.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    corpus = Corpus(arguments.chunks)
    store = new_store(arguments.store, folder, arguments.vectors)
    seconds, written = 0.0, 0
    batches = track(
        corpus.batches(MADE_AT_ONCE), "loading", total=-(-corpus.chunks // MADE_AT_ONCE)
    )
    for chunks, vectors in batches:
        for start in range(0, len(chunks), arguments.batch):
            end = start + arguments.batch
            seconds += timed(partial(store.put_documents, chunks[start:end], vectors[start:end]))
            written += 1
            if written % BATCHES_BETWEEN_OPTIMIZING == 0:
                seconds += timed(store.optimize)
    seconds += timed(store.optimize)
    store.publish()
    store.close()
    console.print(
        f"{arguments.store}: {corpus.chunks:,} chunks loaded and indexed, {arguments.batch:,} at a "
        f"time, in {seconds:.0f} s ({corpus.chunks / seconds:,.0f} a second); "
        f"{size_of(arguments.store, folder)}"
    )


def exact(arguments: argparse.Namespace) -> None:
    """Write down what exact search finds for each kind of reader."""
    corpus = Corpus(arguments.chunks)
    asked = [query for kind in READERS for query in queries(corpus, arguments.queries, kind)]
    wanted = np.stack([vector for _, vector, _ in asked])
    best = np.full((len(asked), TOP), -1, np.int64)
    cosines = np.full((len(asked), TOP), -np.inf, np.float32)
    readable = np.zeros(len(asked))
    total = -(-corpus.chunks // MADE_AT_ONCE)
    for number, (chunks, vectors) in enumerate(
        track(corpus.batches(MADE_AT_ONCE), "exact search", total=total)
    ):
        names, named = np.unique([chunk.acl[0] for chunk in chunks], return_inverse=True)
        allowed_rows = np.stack([np.isin(names, reader.tokens)[named] for _, _, reader in asked])
        readable += allowed_rows.sum(axis=1)
        here = np.where(allowed_rows, wanted @ vectors.T, -np.inf)
        rows = np.broadcast_to(np.arange(len(chunks)) + number * MADE_AT_ONCE, here.shape)
        both, ids = np.hstack([cosines, here]), np.hstack([best, rows])
        order = np.argpartition(-both, TOP, axis=1)[:, :TOP]
        cosines = np.take_along_axis(both, order, axis=1)
        best = np.take_along_axis(ids, order, axis=1)
    found = iter(best.tolist())
    answers = {
        kind: [[chunk_id(n) for n in next(found)] for _ in range(arguments.queries + WARM)]
        for kind in READERS
    }
    for kind, share in zip(READERS, np.split(readable, len(READERS)), strict=True):
        console.print(f"readers of {kind} may read {share.mean() / corpus.chunks:.1%} on average")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    (arguments.folder / WANTED).write_text(json.dumps(answers), encoding="utf-8")


def queries(corpus: Corpus, count: int, kind: str) -> list[Query]:
    """Return the questions of one kind of reader, those to warm up with first."""
    asked = corpus.queries(count + WARM)
    if kind == "few":
        return asked
    return [(words, vector, EVERYTHING) for words, vector, _ in asked]


def chunk_id(number: int) -> str:
    """Return the id of a chunk of the corpus."""
    document, ordinal = divmod(number, CHUNKS_A_DOCUMENT)
    return f"bench:p{document}#{ordinal}"


def search(arguments: argparse.Namespace) -> None:
    """Search what was loaded; print recall, latency of each leg and of both, and memory."""
    store = loaded_store(arguments.store, arguments.folder)
    wanted = json.loads((arguments.folder / WANTED).read_text(encoding="utf-8"))
    for kind in READERS:
        asked = queries(Corpus(arguments.chunks), arguments.queries, kind)
        search_as(kind, store, asked, wanted[kind])
    seconds = timed(store.states)
    console.print(f"the list of all documents: {seconds:.1f} s")
    store.close()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"memory of the searching process at most: {most:.1f} GiB")


def search_as(
    kind: str, store: ChunkIndex, asked: Sequence[Query], wanted: Sequence[Sequence[str]]
) -> None:
    """Search as one kind of reader."""
    seconds: dict[str, list[float]] = {}

    def measured(name: str, action: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = action()
        seconds.setdefault(name, []).append(time.perf_counter() - began)
        return result

    recalls, fewest = [], LEG
    for number, (words, vector, reader) in enumerate(track(asked, f"searching, {kind}")):
        found = measured("dense", partial(store.search, "", vector, reader, LEG))
        measured("BM25", partial(search_words, store, words, vector, reader))
        measured("hybrid", partial(search_both, store, words, vector, reader))
        # An answer asks for it too, to name what it rests on.
        measured("generation", lambda: store.generation)
        if number >= WARM:
            best = sorted(found, key=lambda candidate: -(candidate.dense or 0.0))[:TOP]
            near = set(wanted[number])
            recalls.append(len({c.chunk.id for c in best} & near) / len(near))
            fewest = min(fewest, len(found))
    console.print(
        f"readers of {kind}: recall@{TOP} of the dense leg against exact search "
        f"{np.mean(recalls):.4f}; {fewest} of {LEG} passages at least"
    )
    for name, taken in seconds.items():
        p50, p95 = np.percentile(np.array(taken[WARM:]) * 1000, [50, 95])
        console.print(f"  {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms ({len(taken) - WARM} times)")


def search_both(store: ChunkIndex, words: str, vector: Vectors, reader: Reader) -> None:
    """Run both legs and fuse them."""
    fuse(store.search(words, vector, reader, LEG), 0.6, LEG)


def search_words(store: ChunkIndex, words: str, vector: Vectors, reader: Reader) -> None:
    """Run the words' leg alone, which the stores never do for others."""
    if isinstance(store, LanceIndex):
        store._lexical(words, vector, readable_by(reader), LEG)
    elif isinstance(store, ElasticIndex):
        leg = lexical_leg(searched_words(words), "", allowed(reader, None), LEG)
        store._served.search([leg])


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def new_store(kind: str, folder: Path, vectors: str) -> ChunkIndex:
    """Return an empty store."""
    if kind == "lance":
        return LanceIndex.create_new(folder / "index", METADATA)
    return ElasticIndex.create_new(elastic_settings(vectors=vectors), METADATA)


def loaded_store(kind: str, folder: Path) -> ChunkIndex:
    """Return the store that `load` filled."""
    if kind == "lance":
        return LanceIndex(folder / "index", METADATA)
    return ElasticIndex(elastic_settings(), METADATA)


def elastic_settings(**more: str) -> IndexSettings:
    """Return the settings for the server of this run."""
    return IndexSettings.model_validate({"url": os.environ[URL_VARIABLE], "name": ALIAS, **more})


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
    parser.add_argument("--step", choices=["load", "exact", "search", "all"], default="all")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=250, help="chunks that are stored at once")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--vectors", default="int8_hnsw", help="index.vectors of Elasticsearch")
    parser.add_argument("--heap", default="4g", help="of the Elasticsearch that is started")
    parser.add_argument("--folder", type=Path, default=Path(".bench-scale"))
    arguments = parser.parse_args()
    if arguments.store == "elastic" and URL_VARIABLE not in os.environ:
        server = Server(small_server(), java_home(), SINGLE_NODE, heap=arguments.heap)
        server.start()
        os.environ[URL_VARIABLE] = server.url
    load_now = os.getloadavg()[0]
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {load_now:.1f}")
    for step, action in {"load": load, "exact": exact, "search": search}.items():
        if arguments.step == step or (arguments.step == "all" and step != "search"):
            action(arguments)
    if arguments.step == "all":
        module = ["-m", "tests.benchmarks.bench_scale", *sys.argv[1:], "--step", "search"]
        subprocess.run([sys.executable, *module], check=True)
        shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
