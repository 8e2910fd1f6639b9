"""The two legs of a search in a LanceDB table."""

from __future__ import annotations

from typing import Any

import numpy as np
from lancedb.query import MatchQuery

from ingestion.index.lance_rows import CHUNK_COLUMNS, chunks_of, vectors_of
from ingestion.index.protocol import Candidate, Vectors

# Below, comparing with every vector is as fast and exact.
VECTOR_INDEX_FROM = 30_000

# Measured at 1M x 384 in 122 parts (docs/scaling.md): as good as exact for all but readers of a
# few chunks, who have some of their nearest anywhere.
_PROBES = 60
_REFINE = 4


def dense_leg(table: Any, vector: Vectors, allowed: str, limit: int) -> Any:
    """Return the rows whose vectors are nearest, of those that a condition allows."""
    rows = _nearest(table, vector, allowed, limit, _PROBES)
    if rows.num_rows < limit and table.count_rows() >= VECTOR_INDEX_FROM:
        # A reader of few chunks still gets all of them. To allow for that at once makes each
        # search look through all parts.
        rows = _nearest(table, vector, allowed, limit, 0)
    return rows


def _nearest(table: Any, vector: Vectors, allowed: str, limit: int, most_probes: int) -> Any:
    query = table.search(vector).distance_type("cosine").where(allowed).limit(limit)
    query = query.minimum_nprobes(_PROBES).maximum_nprobes(most_probes).refine_factor(_REFINE)
    return query.select([*CHUNK_COLUMNS, "vector", "_distance"]).to_arrow()


def lexical_leg(table: Any, words: str, allowed: str, limit: int) -> Any:
    """Return the rows that BM25 ranks first, of those that a condition allows."""
    # A query object: nothing in the words is an operator.
    match = MatchQuery(words, "search_text")  # type: ignore[call-arg]
    query = table.search(match, query_type="fts").where(allowed).limit(limit)
    return query.select([*CHUNK_COLUMNS, "vector", "_score"]).to_arrow()


def candidates(rows: Any, vector: Vectors) -> list[Candidate]:
    """Return the rows of one leg, each with its exact cosine: stored vectors have length 1."""
    cosines = np.clip(vectors_of(rows) @ vector, -1.0, 1.0).tolist()
    scores = rows["_score"].to_pylist() if "_score" in rows.column_names else [None] * len(cosines)
    return [
        Candidate(chunk, score, cosine)
        for chunk, score, cosine in zip(chunks_of(rows), scores, cosines, strict=True)
    ]
