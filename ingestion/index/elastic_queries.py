"""The two legs of a search as requests, with the reader's rights inside each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.documents import Reader
from ingestion.index.elastic_mapping import CHUNK_FIELDS, LANGUAGE_FIELDS
from ingestion.index.protocol import Vectors

# The graph works on bytes: twice as many as asked for are compared again by their floats, which
# also makes the scores exact.
_OVERSAMPLE = 2.0
# Measured at 1M x 384 (docs/scaling.md). The graph is walked until so many readable chunks are
# found; few among many take long, and some are missed. Where a segment has no more readable chunks
# than that, the server compares these one by one, which is exact and faster. It takes 10,000 at
# most.
_CANDIDATES_AMONG_MANY = 500
_CANDIDATES_AMONG_FEW = 10_000
_FEW = 20_000
_SMALL_SHARE = 0.2
# What the worse of two ways to compare words adds to the better.
_TIE_BREAKER = 0.3


def candidates_for(readable: int, total: int) -> int:
    """Return how many candidates of each shard find the nearest of what a reader may read."""
    few = readable <= max(_FEW, _SMALL_SHARE * total)
    return _CANDIDATES_AMONG_FEW if few else _CANDIDATES_AMONG_MANY


def dense_leg(
    vector: Vectors, filters: Sequence[Mapping[str, Any]], limit: int, candidates: int
) -> dict[str, Any]:
    """Return the search for the nearest vectors.

    Args:
        vector: Of the question.
        filters: The reader's rights.
        limit: How many chunks at most.
        candidates: How many are looked at in each shard, see `candidates_for`.
    """
    knn = {
        "field": "vector",
        "query_vector": vector.tolist(),
        "k": limit,
        "num_candidates": min(max(4 * limit, candidates), _CANDIDATES_AMONG_FEW),
        "filter": list(filters),
        "rescore_vector": {"oversample": _OVERSAMPLE},
    }
    return {"knn": knn, "size": limit, "_source": CHUNK_FIELDS}


def lexical_leg(
    words: str, in_language: str, filters: Sequence[Mapping[str, Any]], limit: int
) -> dict[str, Any]:
    """Return the search for words.

    Args:
        words: Cut and folded here.
        in_language: As they were written, for the server's analyzer; empty where none is wished.
            An index without the language's fields finds nothing by these.
        filters: The reader's rights.
        limit: How many chunks at most.
    """
    match: dict[str, Any] = {"match": {"search_text": {"query": words}}}
    if in_language:
        fields = {"query": in_language, "fields": LANGUAGE_FIELDS, "type": "cross_fields"}
        both = [match, {"multi_match": fields}]
        match = {"dis_max": {"queries": both, "tie_breaker": _TIE_BREAKER}}
    query = {"bool": {"must": [match], "filter": list(filters)}}
    return {"query": query, "size": limit, "_source": CHUNK_FIELDS, "track_total_hits": False}


def counted(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the search that counts what filters leave."""
    return {"query": {"bool": {"filter": list(filters)}}, "size": 0, "track_total_hits": True}


def cosine(hit: Mapping[str, Any]) -> float:
    """Return the cosine of a score, which the server moves to [0, 1]."""
    return min(max(2.0 * float(hit["_score"]) - 1.0, -1.0), 1.0)


def allowed(reader: Reader, sources: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the filters by which a reader sees chunks, of some sources or of all."""
    filters: list[dict[str, Any]] = [{"terms": {"acl": [t for t in reader.tokens if _stored(t)]}}]
    if sources is not None:
        filters.append({"terms": {"source": [s for s in sources if _stored(s)]}})
    return filters


def _stored(name: str) -> bool:
    """Whether a name can be stored at all: a lone surrogate can't be encoded."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
