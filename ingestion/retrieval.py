"""Hybrid search: both legs of the index, fused here, the same for every store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ingestion.documents import Hit, Reader
from ingestion.embedding import Embedder
from ingestion.index.protocol import Candidate, ChunkIndex
from ingestion.late_interaction import LateInteraction
from ingestion.settings import RetrievalSettings

# What a page's second and third best chunks add to each of its chunks: a page that speaks of the
# question in several places is likelier the right one. Measured in docs/figures.md.
_PAGE_EVIDENCE = (0.2, 0.1)


class Retriever:
    """Finds chunks for a question, with the reader's rights inside both legs."""

    def __init__(self, index: ChunkIndex, embedder: Embedder, settings: RetrievalSettings) -> None:
        self._index = index
        self._embedder = embedder
        self._settings = settings
        self._late = LateInteraction(embedder)

    @property
    def generation(self) -> str:
        """Name of the set of chunks that is searched."""
        return self._index.generation

    def search(
        self, query: str, reader: Reader, limit: int = 10, sources: Sequence[str] | None = None
    ) -> list[Hit]:
        """Return the best chunks for a query that the reader may read, best first.

        Args:
            query: A question or keywords; the model and BM25 read as much of it as they can.
            limit: How many chunks at most.
            sources: Restrict to these sources; None means all.

        Raises:
            IndexUnavailableError: The store can't be searched now.
        """
        if not query.strip():
            return []
        leg = max(self._settings.candidates, limit)
        vector = self._embedder.embed_query(query)
        candidates = self._index.search(query, vector, reader, leg, sources)
        hits = fuse(candidates, self._settings.dense_weight, leg)
        return self._late.ranked(query, hits, self._settings.late_interaction)[:limit]


def fuse(candidates: Sequence[Candidate], dense_weight: float, leg: int = 50) -> list[Hit]:
    """Return the candidates as hits, best first: a weighted sum of min-max normalised scores.

    Raw sums and reciprocal ranks measured worse (design §5). A chunk that a leg did not find
    has the leg's lowest score, 0. Ties are broken by id, so that the order is stable.

    Args:
        candidates: The union of both legs.
        dense_weight: Share of the dense leg in [0, 1]; BM25 has the rest.
        leg: How many chunks a leg returns. A store may know the similarity of more chunks: those
            are no find of the dense leg, and would only stretch its scale.
    """
    known = sorted((c for c in candidates if c.dense is not None), key=_by_similarity)
    dense = _min_max({c.chunk.id: c.dense for c in known[:leg] if c.dense is not None})
    bm25 = _min_max({c.chunk.id: c.bm25 for c in candidates if c.bm25 is not None})
    own = {
        c.chunk.id: dense_weight * dense.get(c.chunk.id, 0.0)
        + (1 - dense_weight) * bm25.get(c.chunk.id, 0.0)
        for c in candidates
    }
    evidence = _page_evidence((c.chunk.document_id, own[c.chunk.id]) for c in candidates)
    hits = [
        Hit(c.chunk, own[c.chunk.id] + evidence[c.chunk.document_id], c.bm25, c.dense)
        for c in candidates
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))


def _by_similarity(candidate: Candidate) -> tuple[float, str]:
    return -(candidate.dense or 0.0), candidate.chunk.id


def _min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """Scale to [0, 1]; where all are equal, all are 1."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def _page_evidence(scored: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return what each page's further chunks add."""
    by_page: dict[str, list[float]] = defaultdict(list)
    for document_id, score in scored:
        by_page[document_id].append(score)
    return {
        page: sum(
            weight * score
            for weight, score in zip(_PAGE_EVIDENCE, sorted(scores, reverse=True)[1:], strict=False)
        )
        for page, scores in by_page.items()
    }
