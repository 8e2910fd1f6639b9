"""The stores that the tests hold to one contract, and an in-memory reference for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingestion.documents import Chunk, Document, DocumentState, Reader, Section, hash_of
from ingestion.index.elastic import ElasticIndex
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import ChunkIndex, IndexMetadata, Vectors
from ingestion.settings import IndexSettings
from tests.elasticsearch_server import server_url

DIMENSIONS = 8
METADATA = IndexMetadata(embedder="test", dimensions=DIMENSIONS, chunker="test")

StoreFactory = Callable[[Path], ChunkIndex]


def elastic_settings(folder: Path) -> IndexSettings:
    """Return the settings of an index of its own for a folder; the first call starts the server."""
    return IndexSettings(url=server_url(), name=f"test-{hash_of(str(folder))}")


# A store joins the contract suite by a line here …
STORES: dict[str, StoreFactory] = {
    "elastic": lambda folder: ElasticIndex(elastic_settings(folder), METADATA),
    "lance": lambda folder: LanceIndex(folder, METADATA),
}
# … one that names it in the settings …
SETTINGS: dict[str, Callable[[Path], IndexSettings]] = {
    "elastic": elastic_settings,
    "lance": lambda folder: IndexSettings(),
}
# … and, with what it takes to run it, here.
STORE_PARAMS = [pytest.param("elastic", marks=pytest.mark.slow), "lance"]


def make_document(
    document_id: str, texts: Sequence[str], acl: Sequence[str] = ("*",), title: str = "Page"
) -> Document:
    source, _, path = document_id.partition(":")
    return Document(
        id=document_id,
        source=source,
        path=path or document_id,
        title=title,
        url=f"https://example.com/{path}",
        sections=tuple(Section(("Heading",), text, anchor="heading") for text in texts),
        acl=frozenset(acl),
        content_hash=hash_of([title, *texts]),
    )


def make_chunks(document: Document) -> list[Chunk]:
    return [
        Chunk(
            id=f"{document.id}#{ordinal}",
            document_id=document.id,
            source=document.source,
            path=document.path,
            title=document.title,
            url=f"{document.url}#{section.anchor}",
            heading_path=section.heading_path,
            ordinal=ordinal,
            chunk_count=len(document.sections),
            text=section.text,
            acl=tuple(sorted(document.acl)),
            content_hash=document.content_hash,
            acl_hash=document.acl_hash,
        )
        for ordinal, section in enumerate(document.sections)
    ]


def vector_of(text: str) -> Vectors:
    """Return a unit vector that depends on the text only."""
    seed = int(hash_of(text)[:8], 16)
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    unit: Vectors = vector / np.linalg.norm(vector)
    return unit


def vectors_for(chunks: Sequence[Chunk]) -> Vectors:
    if not chunks:
        return np.empty((0, DIMENSIONS), np.float32)
    return np.stack([vector_of(chunk.embedding_text) for chunk in chunks])


def put(store: ChunkIndex, *documents: Document) -> None:
    chunks = [chunk for document in documents for chunk in make_chunks(document)]
    store.put_documents(chunks, vectors_for(chunks))


class ReferenceStore:
    """What a store should hold and find, in plain Python."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def chunks(self) -> list[Chunk]:
        return [chunk for document in self.documents.values() for chunk in make_chunks(document)]

    def states(self) -> Mapping[str, DocumentState]:
        return {
            d.id: DocumentState(
                d.id, d.source, d.path, d.content_hash, d.acl_hash, len(d.sections), True
            )
            for d in self.documents.values()
        }

    def readable(self, reader: Reader, sources: Sequence[str] | None = None) -> list[Chunk]:
        return [
            chunk
            for chunk in self.chunks()
            if reader.may_read(chunk.acl) and (sources is None or chunk.source in sources)
        ]

    def nearest(self, vector: Vectors, reader: Reader, limit: int) -> list[float]:
        """Return the best cosines, best first."""
        cosines = [float(vector_of(c.embedding_text) @ vector) for c in self.readable(reader)]
        return sorted(cosines, reverse=True)[:limit]
