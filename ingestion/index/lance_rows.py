"""Chunks as rows of a LanceDB table, and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.documents import Chunk, DocumentState, Reader
from ingestion.index.protocol import Vectors
from ingestion.index.words import folded

_STRINGS = pa.list_(pa.string())
_COLUMNS = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("document_id", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("path", pa.string(), nullable=False),
    pa.field("chunk_count", pa.int32(), nullable=False),
    pa.field("acl", _STRINGS, nullable=False),
    pa.field("content_hash", pa.string(), nullable=False),
    pa.field("acl_hash", pa.string(), nullable=False),
]
_RIGHTS = ("acl", "acl_hash")  # what changes while a chunk stays as it is
_PACKED = tuple(field.name for field in fields(Chunk) if field.name not in _RIGHTS)

# A search reads a chunk from one column, and its rights: each further column would cost it about
# as much again (docs/scaling.md).
CHUNK_COLUMNS = ["chunk", *_RIGHTS]
STATE_COLUMNS = ["document_id", "source", "path", "content_hash", "acl_hash", "chunk_count"]


def table_schema(dimensions: int) -> Any:
    """Return the table's schema: what conditions need, the chunk, what BM25 reads, the vector."""
    return pa.schema(
        [
            *_COLUMNS,
            pa.field("chunk", pa.string(), nullable=False),
            pa.field("search_text", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


def rows_of(chunks: Sequence[Chunk], vectors: Vectors, schema: Any) -> Any:
    """Return chunks with their vectors, shape (len(chunks), dimensions), as an Arrow table.

    Raises:
        ValueError: The vectors have another shape, or one isn't finite.
    """
    dimensions = schema.field("vector").type.list_size
    if vectors.shape != (len(chunks), dimensions):
        raise ValueError(f"vectors have shape {vectors.shape}, not {(len(chunks), dimensions)}")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector holds a number that isn't finite")
    columns: dict[str, Any] = {
        column.name: [getattr(chunk, column.name) for chunk in chunks] for column in _COLUMNS
    }
    columns["chunk"] = [_packed(chunk) for chunk in chunks]
    columns["search_text"] = [folded(chunk.search_text) for chunk in chunks]
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, dimensions)
    return pa.table(columns, schema=schema)


def chunks_of(rows: Any) -> list[Chunk]:
    """Return the chunks of rows that hold at least `CHUNK_COLUMNS`."""
    return [_unpacked(**row) for row in rows.select(CHUNK_COLUMNS).to_pylist()]


def vectors_of(rows: Any) -> Vectors:
    """Return the rows' vectors, shape (number of rows, dimensions)."""
    column = rows.column("vector").combine_chunks()
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(rows.num_rows, column.type.list_size)


def states_of(rows: Any) -> dict[str, DocumentState]:
    """Return the state of each document from rows with `STATE_COLUMNS`.

    A document whose rows differ in a hash or a count, or are fewer than they say, is not complete.
    """
    groups = rows.group_by(STATE_COLUMNS).aggregate([([], "count_all")]).to_pylist()
    states: dict[str, DocumentState] = {}
    for group in groups:
        stored = group.pop("count_all")
        twice = group["document_id"] in states
        complete = stored == group["chunk_count"] and not twice
        states[group["document_id"]] = DocumentState(**group, complete=complete)
    return states


def one_of(column: str, values: Iterable[str]) -> str:
    """Return the condition that a column holds one of these values."""
    return f"{column} IN ({', '.join(map(_quoted, values))})"


def readable_by(reader: Reader) -> str:
    """Return the condition that a reader may read a row."""
    return f"array_has_any(acl, [{', '.join(map(_quoted, reader.tokens))}])"


def new_acl(acl: Iterable[str], acl_hash: str) -> dict[str, str]:
    """Return the SQL values by which an update rewrites an ACL."""
    names = ", ".join(map(_quoted, sorted(acl)))
    # Without the cast an empty list has no type, and the update fails.
    return {
        "acl": f"arrow_cast(make_array({names}), 'List(Utf8)')",
        "acl_hash": _quoted(acl_hash),
    }


def distinct(column: Any) -> list[str]:
    """Return the distinct values of a column of strings."""
    values: list[str] = pc.unique(column).to_pylist()
    return values


def _packed(chunk: Chunk) -> str:
    return json.dumps({name: getattr(chunk, name) for name in _PACKED}, ensure_ascii=False)


def _unpacked(chunk: str, acl: Sequence[str], acl_hash: str) -> Chunk:
    unpacked = json.loads(chunk)
    unpacked["heading_path"] = tuple(unpacked["heading_path"])
    return Chunk(**unpacked, acl=tuple(acl), acl_hash=acl_hash)


def _quoted(value: str) -> str:
    # Standard SQL, as DataFusion reads it: a quote is doubled, a backslash is itself. A lone
    # surrogate can't be encoded, so it is in no stored name either.
    readable = value.encode("utf-8", "replace").decode()
    return "'" + readable.replace("'", "''") + "'"
