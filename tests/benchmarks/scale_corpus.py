"""A corpus of any size that searches like a real one: topics of vectors, Zipf words, rights.

Real sentence embeddings lie in topics: a unit vector here is its topic's centre plus noise, so
that a neighbour's cosine is about .75 and a stranger's about 0, as with MiniLM on the handbook.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingestion.documents import EVERYONE, Chunk, Reader, hash_of
from ingestion.index.protocol import Vectors

DIMENSIONS = 384
TOPICS = 2_000
WORDS = 40_000
WORDS_A_CHUNK = 60
CHUNKS_A_DOCUMENT = 10
GROUPS = 100
# Share of documents that everyone may read; the others are each open to one of the groups.
OPEN_SHARE = 0.01

_NOISE = 0.58


@dataclass(frozen=True)
class Corpus:
    """A corpus, made piece by piece from a seed.

    Attributes:
        chunks: How many.
    """

    chunks: int
    seed: int = 17

    def batches(self, size: int = 5_000) -> Iterator[tuple[list[Chunk], Vectors]]:
        """Yield chunks with their vectors, shape (n, DIMENSIONS); whole documents each time."""
        assert size % CHUNKS_A_DOCUMENT == 0
        for start in range(0, self.chunks, size):
            count = min(size, self.chunks - start)
            rng = np.random.default_rng([self.seed, start])
            topics = rng.integers(0, TOPICS, count)
            words = self._words(rng, topics)
            vectors = self._near(rng, topics)
            made = [self._chunk(start + n, words[n]) for n in range(count)]
            yield made, vectors

    def queries(self, count: int) -> list[tuple[str, Vectors, Reader]]:
        """Return questions: a few words of a topic, a vector near it, and who asks."""
        rng = np.random.default_rng([self.seed, 1_000_000_007])
        topics = rng.integers(0, TOPICS, count)
        words, vectors = self._words(rng, topics), self._near(rng, topics)
        return [
            (" ".join(words[n][:6]), vectors[n], Reader(frozenset(_groups(rng))))
            for n in range(count)
        ]

    def acl(self, document: int) -> str:
        """Return the one name that may read a document."""
        rng = np.random.default_rng([self.seed, document, 3])
        return EVERYONE if rng.random() < OPEN_SHARE else f"group{rng.integers(0, GROUPS)}"

    def _centres(self) -> NDArray[np.float32]:
        rng = np.random.default_rng(self.seed)
        return _unit(rng.standard_normal((TOPICS, DIMENSIONS), dtype=np.float32))

    def _near(self, rng: np.random.Generator, topics: NDArray[np.int64]) -> Vectors:
        noise = _unit(rng.standard_normal((len(topics), DIMENSIONS), dtype=np.float32))
        return _unit(self._centres()[topics] + np.float32(_NOISE) * noise)

    def _words(self, rng: np.random.Generator, topics: NDArray[np.int64]) -> list[list[str]]:
        """Return words: half Zipf over all, half from the topic's own few hundred."""
        half = WORDS_A_CHUNK // 2
        common = np.minimum(rng.zipf(1.2, (len(topics), half)), WORDS) - 1
        own = (topics[:, None] * 97 + rng.integers(0, 300, (len(topics), half))) % WORDS
        mixed = rng.permuted(np.concatenate([common, own], axis=1), axis=1)
        return [[f"w{number:x}" for number in row] for row in mixed.tolist()]

    def _chunk(self, number: int, words: list[str]) -> Chunk:
        document, ordinal = divmod(number, CHUNKS_A_DOCUMENT)
        acl = (self.acl(document),)
        return Chunk(
            id=f"bench:p{document}#{ordinal}",
            document_id=f"bench:p{document}",
            source="bench",
            path=f"p{document}",
            title=f"Page {document}",
            url=f"https://bench.example/p{document}",
            heading_path=(),
            ordinal=ordinal,
            chunk_count=CHUNKS_A_DOCUMENT,
            text=" ".join(words),
            acl=acl,
            content_hash=hash_of([document]),
            acl_hash=hash_of(acl),
        )


def _groups(rng: np.random.Generator) -> list[str]:
    """Return one to four groups: 2 to 5% of all documents with those that are open."""
    return [f"group{n}" for n in rng.choice(GROUPS, rng.integers(1, 5), replace=False)]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
