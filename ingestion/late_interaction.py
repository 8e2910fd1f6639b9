"""Late interaction: the question's tokens compared with those of the first chunks found.

One vector a chunk says what it is about; which of two chunks about the same thing answers a
question shows in their words. Each token of the question is compared with all of a chunk's, and
its best likeness counts (Khattab and Zaharia 2020, ColBERT: MaxSim), with the token vectors that
the embedder takes the mean of anyway. Measured in docs/figures.md.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ingestion.documents import Hit, hash_of
from ingestion.embedding import Embedder
from ingestion.index.protocol import Vectors

# Likenesses of chunks that were all found differ by some hundredths, fused scores by tenths.
_WEIGHT = 3.0
# About a thousand chunks of all-MiniLM-L6-v2, whose making takes 25 to 45 ms each on two cores.
_REMEMBERED_BYTES = 128 << 20


class LateInteraction:
    """Ranks the first hits anew; remembers the token vectors of chunks. Thread-safe.

    A text can be guessed from its vectors: they are kept in memory only, under its hash, until
    newer ones push them out. Only what the reader's own search found is looked up.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def ranked(self, question: str, hits: Sequence[Hit], first: int) -> list[Hit]:
        """Return the hits, the first of them in a new order, with the scores that make it.

        Args:
            question: As it is searched for.
            hits: Best first.
            first: How many are compared; the others stay behind these.
        """
        if min(first, len(hits)) < 2:
            return list(hits)
        (asked,) = self._embedder.embed_tokens([question])
        if not len(asked):
            return list(hits)
        chunks = self._token_vectors([hit.chunk.embedding_text for hit in hits[:first]])
        return weighed(hits, [max_sim(asked, chunk) for chunk in chunks])

    def _token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        keys = [hash_of(text) for text in texts]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        made = self._embedder.embed_tokens(list(missing.values()))
        for key, vectors in zip(missing, made, strict=True):
            found[key] = vectors.astype(np.float16)
        self._remember(found)
        return [found[key] for key in keys]

    def _remember(self, found: Mapping[str, Vectors]) -> None:
        with self._lock:
            for key, vectors in found.items():
                if key not in self._known:
                    self._known[key] = vectors
                    self._bytes += vectors.nbytes
                self._known.move_to_end(key)
            while self._bytes > _REMEMBERED_BYTES:
                _, oldest = self._known.popitem(last=False)
                self._bytes -= oldest.nbytes


def max_sim(question: Vectors, chunk: Vectors) -> float:
    """Return the mean of the best cosine that each token of the question has in a chunk. Pure.

    Args:
        question, chunk: Unit vectors, shape (tokens, dimensions); a chunk without any is 0.
    """
    if not len(chunk):
        return 0.0
    return float((question @ chunk.astype(np.float32).T).max(axis=1).mean())


def weighed(hits: Sequence[Hit], likenesses: Sequence[float]) -> list[Hit]:
    """Add the likenesses of the first hits to their scores, and sort. Pure.

    The others weren't compared: they get the lowest likeness found, which leaves them behind.
    """
    if not likenesses:
        return list(hits)
    least = min(likenesses)
    all_of = [*likenesses, *[least] * (len(hits) - len(likenesses))]
    scored = [
        replace(hit, score=hit.score + _WEIGHT * likeness)
        for hit, likeness in zip(hits, all_of, strict=True)
    ]
    return sorted(scored, key=lambda hit: -hit.score)
