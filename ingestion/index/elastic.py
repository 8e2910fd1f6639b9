"""The store on a server: Elasticsearch 8.19 and newer.

An alias names the generation that is served, an index ``<alias>-000001``. A rebuild fills the next
one and moves the alias. Nothing here needs scripts, delete by query, or more than basic analyzers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from elasticsearch import Elasticsearch

from ingestion.documents import Chunk, DocumentState, Reader
from ingestion.errors import DocumentsRefusedError
from ingestion.index.elastic_census import Census
from ingestion.index.elastic_client import address_of, connect
from ingestion.index.elastic_errors import mapped_errors
from ingestion.index.elastic_generations import Generations
from ingestion.index.elastic_mapping import (
    CHUNK_FIELDS,
    STATE_FIELDS,
    Layout,
    acl_action,
    chunk_of,
    delete_action,
    put_actions,
    states_of,
)
from ingestion.index.elastic_patience import changing, reading
from ingestion.index.elastic_queries import allowed, candidates_for, cosine, dense_leg, lexical_leg
from ingestion.index.elastic_reads import ServedIndex
from ingestion.index.elastic_server import PACKED_VECTORS, Version, knows_analyzer, version_of
from ingestion.index.elastic_words import searched_words, spoken_words
from ingestion.index.elastic_writes import refresh, stored_places, write
from ingestion.index.protocol import Candidate, IndexMetadata, Vectors
from ingestion.settings import IndexSettings

logger = logging.getLogger(__name__)

_PAGE = 5_000


class ElasticIndex:
    """Chunks on an Elasticsearch server, served from one index at a time.

    Args:
        settings: Address, credentials, and the alias's name.
        metadata: By what vectors and chunks are made now.

    Raises:
        IndexMismatchError: The served index was made by something else.
        IndexUnavailableError: The server can't be reached, or refuses.
    """

    def __init__(self, settings: IndexSettings, metadata: IndexMetadata) -> None:
        self._prepare(settings, metadata)
        self._serve_one()

    @classmethod
    def create_new(cls, settings: IndexSettings, metadata: IndexMetadata) -> Self:
        """Return a new empty index beside the served one; `publish` serves it in its place.

        What earlier attempts left behind is removed. One process at a time may do this.
        """
        index = cls.__new__(cls)
        index._prepare(settings, metadata)
        index._start_next()
        return index

    @classmethod
    def open_previous(cls, settings: IndexSettings, metadata: IndexMetadata) -> Self:
        """Return what was served before; `publish` serves it again.

        Raises:
            IndexMismatchError: It was made by something else.
            IndexUnavailableError: There is none.
        """
        index = cls.__new__(cls)
        index._prepare(settings, metadata)
        index._use_previous()
        return index

    @reading
    def _serve_one(self) -> None:
        with mapped_errors(self._address):
            self._generations.serve_one()

    @changing
    def _start_next(self) -> None:
        with mapped_errors(self._address):
            self._generations.start_next()

    @changing
    def _use_previous(self) -> None:
        with mapped_errors(self._address):
            self._generations.use_previous()

    def _prepare(self, settings: IndexSettings, metadata: IndexMetadata) -> None:
        self._address = address_of(settings)
        self._dimensions = metadata.dimensions
        self._client: Elasticsearch = connect(settings)
        self.patience_seconds = settings.patience_seconds
        version = self._version()
        self._packed = version is not None and version >= PACKED_VECTORS
        self._in_language = bool(settings.language)
        analyzer = self._analyzer(settings.language, settings.name)
        layout = Layout(settings.vectors, settings.shards, analyzer)
        self._generations = Generations(self._client, settings.name, metadata, layout)
        self._served = ServedIndex(self._client, self._generations, self._address)
        self._census = Census(self._served.count_of)

    @reading
    def _version(self) -> Version | None:
        with mapped_errors(self._address):
            return version_of(self._client, self._address)

    @reading
    def _analyzer(self, language: str, alias: str) -> str:
        """Return the analyzer for a new index: the settings', where the server has it."""
        if not language:
            return ""
        with mapped_errors(self._address):
            if knows_analyzer(self._client, language, alias):
                return language
        logger.warning("Elasticsearch has no analyzer %s; it does without.", language)
        return ""

    @property
    @reading
    def generation(self) -> str:
        """Index and number of its last change, as in ``nightshift-000001@12``."""
        return self._served.generation()

    @changing
    def publish(self) -> None:
        """Serve this index from now on, and keep the one before. Does nothing where it is served.

        The alias moves in one step: each search sees the one or the other.
        """
        with mapped_errors(self._address):
            self._generations.publish()

    def discard(self) -> None:
        """Remove this index where it was made for a rebuild and isn't served."""
        with mapped_errors(self._address):
            self._generations.discard()

    @changing
    def states(
        self, source: str | None = None, *, unseen: bool = False
    ) -> Mapping[str, DocumentState]:
        """Return what is stored, by document id; see the protocol."""
        query = {"match_all": {}} if source is None else {"term": {"source": source}}
        composite: dict[str, Any] = {
            "size": _PAGE,
            "sources": [{name: {"terms": {"field": name}}} for name in STATE_FIELDS],
        }
        with mapped_errors(self._address):
            name = self._generations.verified_name()
            if unseen:
                refresh(self._client, name, self._address)
            buckets: list[Mapping[str, Any]] = []
            while True:
                answer = self._client.search(
                    index=name,
                    query=query,
                    size=0,
                    aggs={"states": {"composite": composite}},
                    allow_partial_search_results=False,
                )
                page = answer["aggregations"]["states"]
                buckets.extend(page["buckets"])
                if "after_key" not in page:
                    return states_of(buckets)
                composite["after"] = page["after_key"]

    @changing
    def put_documents(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Store whole documents, replacing all earlier chunks of each.

        Readers see a document's chunks together. A killed process may leave old and new ones side
        by side, each with its own rights, which `states` tells.

        Raises:
            ValueError: The vectors don't fit the chunks.
            DocumentsRefusedError: The server doesn't take some documents; the others are stored.
        """
        if vectors.shape != (len(chunks), self._dimensions):
            shape = (len(chunks), self._dimensions)
            raise ValueError(f"vectors have shape {vectors.shape}, not {shape}")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds a number that isn't finite")
        if not chunks:
            return
        new = {(chunk.document_id, chunk.ordinal) for chunk in chunks}
        with mapped_errors(self._address):
            name = self._generations.verified_name(writing=True)
            stored = self._stored_places(name, list(dict.fromkeys(c.document_id for c in chunks)))
            vanished = [delete_action(*place) for place in stored if place not in new]
            actions = put_actions(chunks, vectors, packed=self._packed)
            try:
                self._write([*actions, *vanished])
            except DocumentsRefusedError as error:
                # Nobody is to read the half that the server took.
                halves = self._stored_places(name, sorted(error.document_ids))
                self._write([delete_action(*place) for place in halves])
                raise

    @changing
    def set_acl(self, document_ids: Sequence[str], acl: Sequence[str], acl_hash: str) -> None:
        """Rewrite the ACL of documents' chunks, which readers see together."""
        if not document_ids:
            return
        with mapped_errors(self._address):
            name = self._generations.verified_name(writing=True)
            stored = self._stored_places(name, document_ids)
            self._write([acl_action(*place, acl, acl_hash) for place in stored])

    @changing
    def delete_documents(self, document_ids: Sequence[str]) -> None:
        """Remove documents; those that aren't there are ignored."""
        if not document_ids:
            return
        with mapped_errors(self._address):
            name = self._generations.verified_name(writing=True)
            stored = self._stored_places(name, document_ids)
            self._write([delete_action(*place) for place in stored])

    @changing
    def optimize(self) -> None:
        """Let readers see every change; the server merges its segments by itself."""
        with mapped_errors(self._address):
            name = self._generations.verified_name(writing=True)
            refresh(self._client, name, self._address)

    @reading
    def search(
        self,
        text: str,
        vector: Vectors,
        reader: Reader,
        limit: int,
        sources: Sequence[str] | None = None,
    ) -> list[Candidate]:
        """Run both legs in one request, with the reader's rights inside each; see the protocol.

        The cosines of what only BM25 found come with a second, small request.
        """
        filters = allowed(reader, sources)
        if sources is not None and not sources:
            return []
        words = searched_words(text)
        in_language = spoken_words(text) if self._in_language else ""
        some = candidates_for(*self._census.of(filters))
        bodies = [dense_leg(vector, filters, limit, some)]
        if words:
            bodies.append(lexical_leg(words, in_language, filters, limit))
        dense, lexical = (*self._served.search(bodies), [])[:2]
        cosines = {hit["_id"]: cosine(hit) for hit in dense}
        missing = [hit["_id"] for hit in lexical if hit["_id"] not in cosines]
        if missing:
            # The filter leaves no more than are asked for, so each is compared exactly.
            only = [*filters, {"ids": {"values": missing}}]
            leg = {**dense_leg(vector, only, len(missing), candidates_for(0, 0)), "_source": False}
            (compared,) = self._served.search([leg])
            cosines |= {hit["_id"]: cosine(hit) for hit in compared}
        bm25 = {hit["_id"]: float(hit["_score"]) for hit in lexical}
        found = {hit["_id"]: hit["_source"] for hit in [*dense, *lexical]}
        return [
            Candidate(chunk_of(source), bm25.get(key), cosines.get(key))
            for key, source in found.items()
        ]

    @reading
    def document_chunks(self, document_id: str, reader: Reader) -> list[Chunk]:
        """Return a document's chunks in order, or none where the reader may not read it."""
        filters = [*allowed(reader, None), {"term": {"document_id": document_id}}]
        body: dict[str, Any] = {
            "query": {"bool": {"filter": filters}},
            "sort": [{"ordinal": "asc"}],
            "size": _PAGE,
            "_source": CHUNK_FIELDS,
        }
        chunks: list[Chunk] = []
        while True:
            (hits,) = self._served.search([body])
            chunks.extend(chunk_of(hit["_source"]) for hit in hits)
            if len(hits) < _PAGE:
                return chunks
            body["search_after"] = hits[-1]["sort"]

    @reading
    def count(self) -> int:
        """Return how many chunks readers see."""
        return self._served.count()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _stored_places(self, name: str, document_ids: Sequence[str]) -> list[tuple[str, int]]:
        return stored_places(self._client, name, document_ids, self._address)

    def _write(self, actions: Sequence[dict[str, Any]]) -> None:
        write(self._client, self._generations.written_through, actions, self._address)
