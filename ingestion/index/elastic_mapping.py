"""Chunks as documents of Elasticsearch, and back. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ingestion.documents import Chunk, DocumentState, hash_of
from ingestion.index.elastic_words import indexed_words
from ingestion.index.protocol import IndexMetadata, Vectors

STATE_FIELDS = ["document_id", "source", "path", "content_hash", "acl_hash", "chunk_count"]

_META = "nightshift"
_FORMAT = 1
_CONFLICTS = 3
_KEYWORD = {"type": "keyword"}
_INTEGER = {"type": "integer"}
_NOT_SEARCHED = {"type": "keyword", "index": False, "doc_values": False}
_CHUNK_FIELDS: dict[str, Any] = {
    "id": _NOT_SEARCHED,
    "document_id": _KEYWORD,
    "source": _KEYWORD,
    "path": _KEYWORD,
    "title": _NOT_SEARCHED,
    "url": _NOT_SEARCHED,
    "heading_path": _NOT_SEARCHED,
    "ordinal": _INTEGER,
    "chunk_count": _INTEGER,
    "text": _NOT_SEARCHED,
    "acl": _KEYWORD,
    "content_hash": _KEYWORD,
    "acl_hash": _KEYWORD,
}
CHUNK_FIELDS = list(_CHUNK_FIELDS)

# The same words once more for the server's analyzer of a language, where there is one.
_WORDS = "words"
_IN_LANGUAGE = ("title", "heading_path", "text")
LANGUAGE_FIELDS = [f"{name}.{_WORDS}" for name in _IN_LANGUAGE]


@dataclass(frozen=True, slots=True)
class Layout:
    """How an index is laid out; a change counts from the next rebuild on.

    Attributes:
        vectors: The kind of dense_vector index.
        shards: How many primary shards.
        analyzer: The server's analyzer of the pages' language, or empty.
    """

    vectors: str = "int8_hnsw"
    shards: int = 1
    analyzer: str = ""

    def settings(self) -> dict[str, Any]:
        """Return the settings of a new index."""
        # Readers see a batch when its writer refreshes, so never the half of a document.
        return {
            "refresh_interval": "-1",
            "number_of_shards": self.shards,
            "auto_expand_replicas": "0-1",
        }

    def mappings(self, metadata: IndexMetadata) -> dict[str, Any]:
        """Return the mapping of a new index, with what made its vectors."""
        vector = {
            "type": "dense_vector",
            "dims": metadata.dimensions,
            "index": True,
            "similarity": "cosine",
            # Always told: the server's own choice moved twice, once to what needs a paid licence.
            "index_options": {"type": self.vectors},
        }
        return {
            "dynamic": "strict",
            "_meta": {_META: {"format": _FORMAT, **asdict(metadata)}},
            # The words come cut and folded; see elastic_words.
            "properties": {
                **{name: self._field(name) for name in CHUNK_FIELDS},
                "search_text": {"type": "text", "analyzer": "whitespace"},
                "vector": vector,
            },
        }

    def _field(self, name: str) -> dict[str, Any]:
        field: dict[str, Any] = _CHUNK_FIELDS[name]
        if not self.analyzer or name not in _IN_LANGUAGE:
            return field
        return {**field, "fields": {_WORDS: {"type": "text", "analyzer": self.analyzer}}}


def layout_of(mapping: Mapping[str, Any]) -> Layout:
    """Return how an index of ours is laid out, but for its shards, which a mapping doesn't tell."""
    properties = mapping["properties"]
    words = properties["text"].get("fields", {}).get(_WORDS, {})
    return Layout(
        vectors=properties["vector"]["index_options"]["type"], analyzer=words.get("analyzer", "")
    )


def metadata_of(mapping: Mapping[str, Any]) -> IndexMetadata | None:
    """Return what made an index's vectors, or None where Nightshift didn't, or another version."""
    values = dict(mapping.get("_meta", {}).get(_META, {}))
    if values.pop("format", None) != _FORMAT:
        return None
    return IndexMetadata(**values)


def key_of(document_id: str, ordinal: int) -> str:
    """Return a chunk's key on the server, where a key has 512 bytes at most."""
    return hash_of([document_id, ordinal])


def put_actions(
    chunks: Sequence[Chunk], vectors: Vectors, *, packed: bool = False
) -> list[dict[str, Any]]:
    """Return what stores chunks.

    Args:
        chunks: Of any documents.
        vectors: Shape (len(chunks), dimensions).
        packed: Send vectors as base64 of big-endian floats, which not every server reads.
    """
    rows = np.asarray(vectors, np.float32)
    return [
        {
            "_op_type": "index",
            **_address(chunk.document_id, chunk.ordinal),
            "_source": {
                **{name: getattr(chunk, name) for name in CHUNK_FIELDS},
                "search_text": indexed_words(chunk.search_text),
                "vector": _packed(vector) if packed else vector.tolist(),
            },
        }
        for chunk, vector in zip(chunks, rows, strict=True)
    ]


def _packed(vector: Vectors) -> str:
    return base64.b64encode(vector.astype(">f4").tobytes()).decode("ascii")


def delete_action(document_id: str, ordinal: int) -> dict[str, Any]:
    """Return what removes a chunk."""
    return {"_op_type": "delete", **_address(document_id, ordinal)}


def acl_action(document_id: str, ordinal: int, acl: Sequence[str], acl_hash: str) -> dict[str, Any]:
    """Return what rewrites a chunk's ACL and nothing else."""
    values = {"acl": list(acl), "acl_hash": acl_hash}
    return {
        "_op_type": "update",
        **_address(document_id, ordinal),
        "doc": values,
        # Rights count whatever else is written to the chunk meanwhile.
        "retry_on_conflict": _CONFLICTS,
    }


def _address(document_id: str, ordinal: int) -> dict[str, Any]:
    # A document's chunks lie in one shard, which applies a batch in its order.
    return {"_id": key_of(document_id, ordinal), "routing": hash_of(document_id)}


def chunk_of(source: Mapping[str, Any]) -> Chunk:
    """Return the chunk of a document's source."""
    values = {name: source[name] for name in CHUNK_FIELDS}
    return Chunk(
        **{**values, "heading_path": tuple(values["heading_path"]), "acl": tuple(values["acl"])}
    )


def states_of(buckets: Iterable[Mapping[str, Any]]) -> dict[str, DocumentState]:
    """Return the state of each document from counts by `STATE_FIELDS`.

    A document whose chunks differ in a hash or a count, or are fewer than they say, isn't complete.
    """
    states: dict[str, DocumentState] = {}
    for bucket in buckets:
        values = bucket["key"]
        twice = values["document_id"] in states
        complete = bucket["doc_count"] == values["chunk_count"] and not twice
        states[values["document_id"]] = DocumentState(**values, complete=complete)
    return states
