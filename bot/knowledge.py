"""What the index holds, by source, as far as a reader may know of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ingestion.documents import EVERYONE, Reader, hash_of
from ingestion.index.protocol import ChunkIndex

_OPEN_TO_ALL = hash_of([EVERYONE])
_TITLES = 8


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Documents of one source with the same access rule; `samples` are some of them."""

    source: str
    acl_hash: str
    documents: int
    samples: tuple[str, ...]


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
                may[shelf.acl_hash] = bool(index.document_chunks(shelf.samples[0], reader))
            if may[shelf.acl_hash]:
                counts[shelf.source] += shelf.documents
        return dict(sorted(counts.items()))

    def titles(self, reader: Reader, sources: Iterable[str] | None = None) -> list[str]:
        """Return the titles of a few documents that the reader may read.

        Args:
            reader: Who asks.
            sources: Only of these; None for all.

        Raises:
            IngestionError: The index can't be read.
        """
        index = self._index()
        wanted = None if sources is None else frozenset(sources)
        shelves = [s for s in self._shelves(index) if wanted is None or s.source in wanted]
        found = (
            chunks[0].title
            for each in _in_turn([shelf.samples for shelf in shelves])
            if (chunks := index.document_chunks(each, reader))
        )
        return list(islice(dict.fromkeys(found), _TITLES))

    def _shelves(self, index: ChunkIndex) -> tuple[_Shelf, ...]:
        with self._lock:
            known, now, generation = self._known, time.monotonic(), index.generation
            if known is None or now > known[0] + self._seconds or known[1] != generation:
                known = self._known = (now, generation, _shelves_of(index))
            return known[2]


def _shelves_of(index: ChunkIndex) -> tuple[_Shelf, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    documents: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for state in index.states().values():
        if state.complete:
            key = (state.source, state.acl_hash)
            counts[key] += 1
            documents.setdefault(key, []).append((state.path, state.document_id))
    return tuple(_Shelf(*key, count, _spread(documents[key])) for key, count in counts.items())


def _spread(documents: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return the ids of some documents (path, id) from all over their folders."""
    step = max(1, len(documents) // _TITLES)
    return tuple(document_id for _, document_id in sorted(documents)[::step][:_TITLES])


def _in_turn(shelves: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the first of each, then the second of each, and so on."""
    for number in range(max(map(len, shelves), default=0)):
        yield from (shelf[number] for shelf in shelves if number < len(shelf))
