"""One run from sources to index: plan what changed, then apply it.

The index is its own manifest: `ChunkIndex.states` says what is stored, so a run that was killed at
any moment is completed by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ingestion.chunk_vectors import embed_chunks
from ingestion.documents import Chunk, Document, hash_of
from ingestion.embedding import Embedder
from ingestion.errors import AccessRuleError, DocumentsRefusedError, UnreadableDocumentError
from ingestion.index.protocol import ChunkWriter
from ingestion.plan import ACL_HASH_OF_NOBODY, Plan, list_source, make_plan, rights_of
from ingestion.sources.source import FailedItem, Source, SourceItem

Step = Literal["list", "protect", "delete", "embed", "optimize", "check"]
Chunker = Callable[[Document], list[Chunk]]

# Rows that came after the last optimizing are searched one by one.
BATCHES_BETWEEN_OPTIMIZING = 40


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is.

    Attributes:
        step: list (sources), then of documents: protect (who may read them), delete, embed; then
            optimize; of a rebuild also check (before it is served).
        done: How many are done.
        total: How many the step has.
        path: What is in hand.
    """

    step: Step
    done: int
    total: int
    path: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run did, in documents.

    Attributes:
        failed: Documents that couldn't be had (an earlier version stays, unless its access can't
            be told), and sources that couldn't be listed (their document id is empty).
        chunks_embedded: 0 when nothing had changed.
        seconds: Time by step: list, protect, delete, read, encode, store, optimize.
        skipped: Files of other formats that were passed over.
        links: Paths of links that weren't followed, since they lead out of their source.
    """

    added: int
    updated: int
    acl_changed: int
    deleted: int
    unchanged: int
    failed: tuple[FailedItem, ...]
    chunks_embedded: int
    seconds: Mapping[str, float]
    skipped: int = 0
    links: tuple[str, ...] = ()


def sync(
    sources: Sequence[Source],
    index: ChunkWriter,
    embedder: Embedder,
    chunk: Chunker,
    *,
    batch_chunks: int = 256,
    on_progress: OnProgress = lambda progress: None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    full: bool = False,
) -> SyncReport:
    """Bring the index up to date with its sources; call it within `one_writer`.

    Rights come first, then deletions, then what is new. The text of one batch is held at a time.

    Args:
        sources: With distinct names. Stored documents of other sources are left alone.
        index: Where chunks are stored.
        embedder: Gives the vectors.
        chunk: Cuts a document into chunks.
        batch_chunks: How many chunks are embedded and stored together, about: a document is never
            split.
        on_progress: Called before and after each piece of work.
        on_plan: Called once it is known what there is to do.
        full: Read and embed everything, changed or not.

    Raises:
        IndexStoreError: The store can't be read or written.
        IngestionError: The embedder failed. What was stored until then stays.
    """
    run = _Run(index, embedder, chunk, batch_chunks, on_progress)
    plan = run.compare(sources, full)
    run.failed.extend(plan.failed)
    on_plan(plan)
    run.protect(plan)
    run.delete(plan)
    stored_additions = run.embed(plan.additions, before=0, total=_work(plan))
    stored_updates = run.embed(plan.updates, before=len(plan.additions), total=_work(plan))
    run.optimize()
    return SyncReport(
        added=stored_additions,
        updated=stored_updates,
        acl_changed=len(plan.acl_changes),
        deleted=len(plan.deletions),
        unchanged=plan.unchanged,
        failed=tuple(run.failed),
        chunks_embedded=run.chunks_embedded,
        seconds=run.seconds,
    )


def _work(plan: Plan) -> int:
    return len(plan.additions) + len(plan.updates)


@dataclass(slots=True)
class _Run:
    """The parts of one run, and its tally."""

    index: ChunkWriter
    embedder: Embedder
    chunk: Chunker
    batch_chunks: int
    on_progress: OnProgress
    chunks_embedded: int = 0
    batches: int = 0
    failed: list[FailedItem] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start

    def compare(self, sources: Sequence[Source], full: bool) -> Plan:
        with self.timed("list"):
            states = self.index.states(unseen=True)
            stored = {state.source for state in states.values()}
            listings = []
            for number, source in enumerate(sources):
                self.on_progress(Progress("list", number, len(sources), source.name))
                listings.append(list_source(source, source.name in stored))
            self.on_progress(Progress("list", len(sources), len(sources)))
            return make_plan(listings, states, full=full)

    def protect(self, plan: Plan) -> None:
        """Bring the rights of what is stored up to date: what must be closed first."""
        total = len(plan.closings) + len(plan.acl_changes)
        with self.timed("protect"):
            done = 0
            for document_ids, acl in rights_of(plan):
                self.on_progress(Progress("protect", done, total, document_ids[0]))
                self.index.set_acl(document_ids, acl, hash_of(acl))
                done += len(document_ids)
            if total:
                self.on_progress(Progress("protect", total, total))

    def close(self, document_id: str) -> None:
        """Let nobody read what is stored of a document; its vectors stay for better times."""
        self.index.set_acl([document_id], [], ACL_HASH_OF_NOBODY)

    def delete(self, plan: Plan) -> None:
        """Remove what the sources have no more."""
        if plan.deletions:
            self.on_progress(Progress("delete", 0, len(plan.deletions)))
            with self.timed("delete"):
                self.index.delete_documents(plan.deletions)
            self.on_progress(Progress("delete", len(plan.deletions), len(plan.deletions)))

    def embed(self, items: Sequence[SourceItem], before: int, total: int) -> int:
        """Read, embed and store documents in batches; return how many were stored.

        Args:
            items: New or changed.
            before: Documents of the step that were done before these.
            total: Documents of the step.
        """
        batch: list[Chunk] = []
        stored = since = 0
        for number, item in enumerate(items):
            self.on_progress(Progress("embed", before + since, total, item.path))
            chunks = self.read(item)
            batch.extend(chunks)
            stored += bool(chunks)
            if len(batch) >= self.batch_chunks:
                stored -= self.store(batch, before + since, before + number + 1, total)
                batch, since = [], number + 1
        if batch:
            stored -= self.store(batch, before + since, before + len(items), total)
        return stored

    def read(self, item: SourceItem) -> list[Chunk]:
        """Return a document's chunks, or none where it can't be had, which is reported."""
        try:
            with self.timed("read"):
                chunks = self.chunk(item.read())
        except UnreadableDocumentError as error:
            self.report(item, error.problem, error.mend, access_unknown=False)
            return []
        except AccessRuleError as error:
            self.report(item, error.problem, error.mend, access_unknown=True)
            self.close(item.document_id)
            return []
        if not chunks:
            mend = "Add text (a scanned page needs text recognition first), or leave it out."
            self.report(item, "It holds no text.", mend, access_unknown=False)
            self.index.delete_documents([item.document_id])
        return chunks

    def report(self, item: SourceItem, problem: str, mend: str, access_unknown: bool) -> None:
        self.failed.append(
            FailedItem(item.document_id, item.source, item.path, problem, mend, access_unknown)
        )

    def store(self, chunks: list[Chunk], first: int, last: int, total: int) -> int:
        """Embed and store whole documents, which take the step from document first to last.

        Returns:
            How many documents the store didn't take, which is reported.
        """

        def on_embedded(count: int) -> None:
            done = first + (last - first) * count // len(chunks)
            self.on_progress(
                Progress("embed", done, total, chunks[min(count, len(chunks)) - 1].path)
            )

        with self.timed("encode"):
            vectors = embed_chunks(self.embedder, chunks, on_embedded)
        refused = 0
        with self.timed("store"):
            try:
                self.index.put_documents(chunks, vectors)
            except DocumentsRefusedError as error:
                refused = len(error.document_ids)
                self.report_refused(chunks, error)
        self.chunks_embedded += len(chunks)
        self.batches += 1
        if self.batches % BATCHES_BETWEEN_OPTIMIZING == 0:
            self.optimize()
        return refused

    def report_refused(self, chunks: Sequence[Chunk], error: DocumentsRefusedError) -> None:
        """Report each document that the store doesn't take; the next run tries it again."""
        refused = {c.document_id: c for c in chunks if c.document_id in error.document_ids}
        self.failed.extend(
            FailedItem(c.document_id, c.source, c.path, error.problem, error.mend, False)
            for c in refused.values()
        )

    def optimize(self) -> None:
        self.on_progress(Progress("optimize", 0, 1))
        with self.timed("optimize"):
            self.index.optimize()
        self.on_progress(Progress("optimize", 1, 1))
