"""Random ACLs and readers against `Reader.may_read`: no document may leak, and none be withheld.

Run as ``python -m tests.benchmarks.leaks --cases 100000``; `tests/ingestion/test_leaks.py` runs a
slice. A case is one search through the product's own retrieval; every fifth also searches the
store's two legs. All that is found must be readable and of the right sources, and there must be as
many hits as were asked for wherever so many chunks may be read.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from ingestion.documents import EVERYONE, Reader
from ingestion.index.protocol import ChunkIndex, Vectors
from ingestion.retrieval import Retriever
from ingestion.settings import RetrievalSettings
from tests.ingestion.stores import (
    DIMENSIONS,
    METADATA,
    STORES,
    ReferenceStore,
    make_document,
    put,
    vector_of,
)

PEOPLE = ["alice", "o'brien", 'd"arc', "b\\ackslash", "zoë", "会社", "a,b", "null", "%", "*x"]
GROUPS = ["hr", "sales", "o''neil", "'", "''", "[hr]", "hr'] OR true --", "😀"]
WORDS = ["leave", "travel", "expense", "security", "Urlaub", "休暇"]
CASES_A_STORE = 250
LEGS_EVERY = 5


def random_acl(rng: random.Random) -> list[str]:
    """Return an ACL: open, closed to all, or of a few names."""
    kind = rng.random()
    if kind < 0.25:
        return [EVERYONE]
    if kind < 0.35:
        return []
    return rng.sample(PEOPLE + GROUPS, rng.randint(1, 4))


def fill(store: ChunkIndex, reference: ReferenceStore, rng: random.Random) -> None:
    """Store random documents, then change some ACLs, contents and indexes at random."""
    documents = []
    for number in range(rng.randint(5, 60)):
        texts = [" ".join(rng.choices(WORDS, k=3)) for _ in range(rng.randint(1, 3))]
        documents.append(make_document(f"s{number % 3}:p{number}", texts, random_acl(rng)))
    put(store, *documents)
    reference.documents = {document.id: document for document in documents}
    if rng.random() < 0.5:
        store.optimize()
    for document in rng.sample(documents, len(documents) // 3):
        texts = [section.text for section in document.sections]
        changed = make_document(document.id, texts, random_acl(rng))
        reference.documents[document.id] = changed
        if rng.random() < 0.7:
            store.set_acl([changed.id], sorted(changed.acl), changed.acl_hash)
        else:
            put(store, changed)


class TextVectors:
    """An embedder whose vectors depend on nothing but the text: any neighbour is as good."""

    identity = METADATA.embedder
    dimensions = DIMENSIONS
    max_tokens = 256

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed_documents(self, texts: Sequence[str], _on_progress: object = None) -> Vectors:
        return np.stack([vector_of(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return vector_of(text)

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        return [np.stack([vector_of(word) for word in text.split()]) for text in texts]


def check_hits(store: ChunkIndex, reference: ReferenceStore, rng: random.Random) -> list[str]:
    """Search as a question does; return what was wrong."""
    reader = Reader(frozenset(rng.sample(PEOPLE + GROUPS, rng.randint(0, 4))))
    sources = rng.choice([None, None, ["s0"], ["s1", "s2"], []])
    query = " ".join([*rng.choices(WORDS, k=rng.randint(1, 3)), str(rng.random())])
    limit = rng.randint(1, 40)
    settings = RetrievalSettings(candidates=rng.choice([1, 10, 50]))
    hits = Retriever(store, TextVectors(), settings).search(query, reader, limit, sources)
    allowed = {chunk.id: chunk for chunk in reference.readable(reader, sources)}
    wrong = [
        f"leaked {hit.chunk.id} {hit.chunk.acl} to {sorted(reader.names)} by '{query}'"
        for hit in hits
        if allowed.get(hit.chunk.id) != hit.chunk
    ]
    if len(hits) != min(limit, len(allowed)):
        wrong.append(f"hits: {len(hits)} of {min(limit, len(allowed))}")
    return wrong


def check_legs(store: ChunkIndex, reference: ReferenceStore, rng: random.Random) -> list[str]:
    """Search the store's two legs; return what was wrong."""
    reader = Reader(frozenset(rng.sample(PEOPLE + GROUPS, rng.randint(0, 4))))
    sources = rng.choice([None, None, ["s0"], ["s1", "s2"]])
    word, limit = rng.choice(WORDS), rng.randint(1, 40)
    candidates = store.search(word, vector_of(str(rng.random())), reader, limit, sources)
    allowed = {chunk.id: chunk for chunk in reference.readable(reader, sources)}
    with_word = [c for c in allowed.values() if word in c.text.split()]
    lexical = [c for c in candidates if c.bm25 is not None]
    wrong = [
        f"leaked {c.chunk.id} {c.chunk.acl} to {sorted(reader.names)}"
        for c in candidates
        if allowed.get(c.chunk.id) != c.chunk
    ]
    if len(lexical) != min(limit, len(with_word)):
        wrong.append(f"words: {len(lexical)} of {min(limit, len(with_word))}")
    if len(candidates) < min(limit, len(allowed)):
        wrong.append(f"vectors: {len(candidates)} of {min(limit, len(allowed))}")
    document = rng.choice(list(reference.documents.values()))
    if bool(store.document_chunks(document.id, reader)) != reader.may_read(document.acl):
        wrong.append(f"document {document.id} {sorted(document.acl)} to {sorted(reader.names)}")
    return wrong


def run(name: str, cases: int, seed: int, *, show: bool = False) -> list[str]:
    """Run cases against one store, with a progress bar if wished; return what was wrong."""
    rng = random.Random(seed)
    wrong: list[str] = []
    stores = range(0, cases, CASES_A_STORE)
    for start in track(stores, f"{name}: stores", disable=not show):
        with tempfile.TemporaryDirectory() as folder:
            store, reference = STORES[name](Path(folder) / "index"), ReferenceStore()
            fill(store, reference, rng)
            for number in range(min(CASES_A_STORE, cases - start)):
                wrong.extend(check_hits(store, reference, rng))
                if number % LEGS_EVERY == 0:
                    wrong.extend(check_legs(store, reference, rng))
            store.close()
    return wrong


def main() -> int:
    """Run as many cases as asked for and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--store", choices=sorted(STORES), default="lance")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    wrong = run(arguments.store, arguments.cases, arguments.seed, show=True)
    seconds = time.perf_counter() - start
    print(f"{arguments.store}: {arguments.cases} cases, {len(wrong)} wrong, {seconds:.0f} s")
    print("\n".join(wrong[:20]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
