"""The embedded store: LanceDB's native API over one folder."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import lancedb
from lancedb.index import FTS, BTree, IvfSq, LabelList

from ingestion.documents import Chunk, DocumentState, Reader
from ingestion.errors import IndexMismatchError, IndexUnavailableError
from ingestion.index.lance_errors import mapped_errors
from ingestion.index.lance_generations import (
    TABLE_PREFIX,
    drop,
    drop_others,
    now,
    readable_tables,
)
from ingestion.index.lance_rows import (
    CHUNK_COLUMNS,
    STATE_COLUMNS,
    chunks_of,
    distinct,
    new_acl,
    one_of,
    readable_by,
    rows_of,
    states_of,
    table_schema,
)
from ingestion.index.lance_search import VECTOR_INDEX_FROM, candidates, dense_leg, lexical_leg
from ingestion.index.protocol import Candidate, IndexMetadata, Vectors
from ingestion.index.served import (
    REBUILD,
    Served,
    Tables,
    difference,
    no_previous,
    other_previous,
    read_served,
    read_tables,
    serve,
    serve_if_none,
)
from ingestion.index.words import query_words

T = TypeVar("T")

# ICU finds words in every script, also where no spaces are; words are then folded and stemmed.
# Stop words stay in, since an English list would take words out of other languages.
_WORDS = FTS(
    base_tokenizer="icu/split",
    language="English",
    stem=True,
    ascii_folding=True,
    remove_stop_words=False,
    max_token_length=64,
)
# A reader holds an old version for one query only; the space of older ones is given back.
_KEEP_VERSIONS = timedelta(minutes=10)


class LanceIndex:
    """Chunks in a folder, served from one table at a time.

    Args:
        folder: Made where it isn't there.
        metadata: By what vectors and chunks are made now.

    Raises:
        IndexMismatchError: The served table was made by something else.
        IndexUnavailableError: The folder can't be read, or not written where it must be.
    """

    def __init__(self, folder: Path, metadata: IndexMetadata) -> None:
        self._prepare(folder, metadata)
        if read_served(folder) is None:
            self._serve_empty()
        with mapped_errors(folder, "opened"):
            self._table()

    @classmethod
    def create_new(cls, folder: Path, metadata: IndexMetadata) -> Self:
        """Return a new empty index beside the served one; `publish` serves it in its place.

        What earlier attempts left behind is removed. One process at a time may do this.
        """
        index = cls.__new__(cls)
        index._prepare(folder, metadata)
        drop_others(folder)
        index._unpublished = Served(index._create_table(), metadata, now())
        return index

    @classmethod
    def open_previous(cls, folder: Path, metadata: IndexMetadata) -> Self:
        """Return what was served before; `publish` serves it again.

        Raises:
            IndexMismatchError: It was made by something else.
            IndexUnavailableError: There is none.
        """
        index = cls.__new__(cls)
        index._prepare(folder, metadata)
        tables = read_tables(folder)
        if tables is None or tables.before is None:
            raise no_previous()
        if tables.before.metadata != metadata:
            raise other_previous(tables.before.metadata, metadata)
        index._unpublished, index._is_kept = tables.before, True
        return index

    def _prepare(self, folder: Path, metadata: IndexMetadata) -> None:
        self._folder = folder
        self._metadata = metadata
        self._schema = table_schema(metadata.dimensions)
        self._unpublished: Served | None = None
        self._is_kept = False
        self._opened: tuple[Served, Any] | None = None
        self._lock = threading.Lock()
        with mapped_errors(self._folder, "opened"):
            folder.mkdir(parents=True, exist_ok=True)
            # Zero: each read sees what another process has committed.
            self._database = lancedb.connect(folder, read_consistency_interval=timedelta(0))

    @property
    def generation(self) -> str:
        """Table and version, as in ``chunks-0a1b…@12``."""
        return self._read(lambda table: f"{table.name}@{table.version}")

    def publish(self) -> None:
        """Serve this index from now on, and keep the one before. Does nothing where it is served.

        Readers in other processes see it with their next query.
        """
        if self._unpublished is None:
            return
        tables = readable_tables(self._folder)
        with mapped_errors(self._folder, "written"):
            serve(self._folder, Tables(self._unpublished, tables.now if tables else None))
        self._unpublished = None
        drop_others(self._folder)

    def discard(self) -> None:
        """Remove this index where it was made for a rebuild and isn't served."""
        if self._unpublished is not None and not self._is_kept:
            drop(self._folder, self._unpublished.table)

    def states(
        self, source: str | None = None, *, unseen: bool = False
    ) -> Mapping[str, DocumentState]:
        """Return what is stored, by document id; a commit is seen at once."""

        def read(table: Any) -> Mapping[str, DocumentState]:
            query = table.search().select(STATE_COLUMNS)
            if source is not None:
                query = query.where(one_of("source", [source]))
            return states_of(query.to_arrow())

        return self._read(read)

    def put_documents(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Store whole documents in one commit, replacing all earlier chunks of each.

        Raises:
            ValueError: The vectors don't fit the chunks.
        """
        if not chunks:
            return
        rows = rows_of(chunks, vectors, self._schema)
        of_these = one_of("document_id", distinct(rows.column("document_id")))
        with mapped_errors(self._folder, "written"):
            table = self._writable()
            merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            stored = table.search().select(["id"]).where(of_these).to_arrow()["id"].to_pylist()
            if len(set(stored)) < len(stored):
                # Two writers at once have both put it in; a merge would keep the double rows.
                table.delete(of_these)
            # Only then: looking for what the new rows lack reads the whole table.
            if not {chunk.id for chunk in chunks}.issuperset(stored):
                merge = merge.when_not_matched_by_source_delete(of_these)
            merge.execute(rows)

    def set_acl(self, document_ids: Sequence[str], acl: Sequence[str], acl_hash: str) -> None:
        """Rewrite the ACL of documents' chunks in one commit."""
        if document_ids:
            with mapped_errors(self._folder, "written"):
                of_these = one_of("document_id", document_ids)
                self._writable().update(where=of_these, values_sql=new_acl(acl, acl_hash))

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        """Remove documents in one commit; those that aren't there are ignored."""
        if document_ids:
            with mapped_errors(self._folder, "written"):
                self._writable().delete(one_of("document_id", document_ids))

    def optimize(self) -> None:
        """Merge small files, bring the indexes up to date, drop old versions."""
        with mapped_errors(self._folder, "written"):
            table = self._writable()
            table.optimize(cleanup_older_than=_KEEP_VERSIONS)
            indexed = {column for index in table.list_indices() for column in index.columns}
            if "vector" not in indexed and table.count_rows() >= VECTOR_INDEX_FROM:
                table.create_index("vector", config=IvfSq(distance_type="cosine"))

    def search(
        self,
        text: str,
        vector: Vectors,
        reader: Reader,
        limit: int,
        sources: Sequence[str] | None = None,
    ) -> list[Candidate]:
        """Run both legs with the reader's rights inside each; see the protocol."""
        allowed = readable_by(reader)
        if sources is not None:
            if not sources:
                return []
            allowed += " AND " + one_of("source", sources)
        words = query_words(text)
        with ThreadPoolExecutor(1) as beside:  # a leg leaves half of two cores idle
            lexical = beside.submit(self._lexical, words, vector, allowed, limit)
            dense = self._read(lambda table: dense_leg(table, vector, allowed, limit))
            found = {candidate.chunk.id: candidate for candidate in candidates(dense, vector)}
            found |= {candidate.chunk.id: candidate for candidate in lexical.result()}
        return list(found.values())

    def _lexical(self, words: str, vector: Vectors, allowed: str, limit: int) -> list[Candidate]:
        if not words:
            return []
        rows = self._read(lambda table: lexical_leg(table, words, allowed, limit))
        return candidates(rows, vector)

    def document_chunks(self, document_id: str, reader: Reader) -> list[Chunk]:
        """Return a document's chunks in order, or none where the reader may not read it."""
        condition = one_of("document_id", [document_id]) + " AND " + readable_by(reader)
        rows = self._read(
            lambda table: table.search().where(condition).select(CHUNK_COLUMNS).to_arrow()
        )
        return sorted(chunks_of(rows), key=lambda chunk: chunk.ordinal)

    def count(self) -> int:
        """Return how many chunks are stored."""
        return self._read(lambda table: int(table.count_rows()))

    def close(self) -> None:
        """Let go of the table; files are open only during a call."""
        with self._lock:
            self._opened = None

    def _read(self, action: Callable[[Any], T]) -> T:
        """Read from the served table; once more where a rebuild took it away under the read."""
        with mapped_errors(self._folder, "read"):
            served = self._served()
            try:
                return action(self._open(served))
            except (RuntimeError, ValueError):
                served_now = self._served()
                if served_now == served:
                    raise
                return action(self._open(served_now))

    def _table(self) -> Any:
        """Return the table that is served now."""
        return self._open(self._served())

    def _writable(self) -> Any:
        """Return the table that is served now, if what is written would be like what is stored."""
        served = self._served()
        if served.metadata != self._metadata:
            raise IndexMismatchError(difference(served.metadata, self._metadata), REBUILD)
        return self._open(served)

    def _served(self) -> Served:
        served = self._unpublished or read_served(self._folder)
        if served is None:
            raise IndexUnavailableError(f"The index in {self._folder} was removed.", REBUILD)
        if not self._metadata.reads(served.metadata):
            raise IndexMismatchError(difference(served.metadata, self._metadata), REBUILD)
        return served

    def _open(self, served: Served) -> Any:
        """Return a table, opened once."""
        with self._lock:
            if self._opened is None or self._opened[0] != served:
                self._opened = served, self._database.open_table(served.table)
            return self._opened[1]

    def _serve_empty(self) -> None:
        name = self._create_table()
        with mapped_errors(self._folder, "written"):
            if not serve_if_none(self._folder, Served(name, self._metadata, now())):
                drop(self._folder, name)

    def _create_table(self) -> str:
        name = TABLE_PREFIX + uuid.uuid4().hex[:12]
        with mapped_errors(self._folder, "written"):
            table = self._database.create_table(name, schema=self._schema)
            table.create_index("search_text", config=_WORDS)
            table.create_index("acl", config=LabelList())
            table.create_index("id", config=BTree())
            table.create_index("document_id", config=BTree())
        return name
