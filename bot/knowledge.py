"""What the index holds, by source, as far as a reader may know of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ingestion.documents import EVERYONE, Reader, hash_of
from ingestion.index.protocol import ChunkIndex

_OPEN_TO_ALL = hash_of([EVERYONE])


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Documents of one source with the same access rule; `sample` is one of them."""

    source: str
    acl_hash: str
    documents: int
    sample: str


class Knowledge:
    """Counts documents. Safe in several threads.

    Args:
        index: Opens the index that is served.
        seconds: For so long the list of documents is remembered. Rights are asked each time.
    """

    def __init__(self, index: Callable[[], ChunkIndex], seconds: float) -> None:
        self._index = index
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: tuple[float, str, tuple[_Shelf, ...]] | None = None

    def documents(self, reader: Reader) -> dict[str, int]:
        """Return how many documents of each source the reader may read; none of the others.

        Raises:
            IngestionError: The index can't be read.
        """
        index = self._index()
        counts: Counter[str] = Counter()
        may: dict[str, bool] = {_OPEN_TO_ALL: True}
        for shelf in self._shelves(index):
            if shelf.acl_hash not in may:
                may[shelf.acl_hash] = bool(index.document_chunks(shelf.sample, reader))
            if may[shelf.acl_hash]:
                counts[shelf.source] += shelf.documents
        return dict(sorted(counts.items()))

    def _shelves(self, index: ChunkIndex) -> tuple[_Shelf, ...]:
        with self._lock:
            known, now, generation = self._known, time.monotonic(), index.generation
            if known is None or now > known[0] + self._seconds or known[1] != generation:
                known = self._known = (now, generation, _shelves_of(index))
            return known[2]


def _shelves_of(index: ChunkIndex) -> tuple[_Shelf, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    samples: dict[tuple[str, str], str] = {}
    for state in index.states().values():
        if state.complete:
            key = (state.source, state.acl_hash)
            counts[key] += 1
            samples.setdefault(key, state.document_id)
    return tuple(_Shelf(*key, count, samples[key]) for key, count in counts.items())
