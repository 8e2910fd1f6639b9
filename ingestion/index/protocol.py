"""What every store of chunks can do; the contract suite in tests holds all stores to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ingestion.documents import Chunk, DocumentState, Reader

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IndexMetadata:
    """By what the stored vectors and chunks were made; another value needs a rebuild.

    Attributes:
        embedder: Identity of the embedding model, changed whenever its vectors change.
        dimensions: Length of a vector.
        chunker: Identity of the chunking rules.
        model: The embedding model's name, for people; not compared.
    """

    embedder: str
    dimensions: int
    chunker: str
    model: str = field(default="", compare=False)

    def reads(self, stored: IndexMetadata) -> bool:
        """Whether questions can be asked of what is stored: its vectors are of one kind."""
        return (stored.embedder, stored.dimensions) == (self.embedder, self.dimensions)


Role = Literal["served", "previous", "unfinished"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One set of chunks that a store keeps.

    Attributes:
        metadata: By what it was made; None where this version of Nightshift didn't write it, or a
            rebuild hasn't come to its end.
        chunks: How many it holds; None where they can't be counted.
        made_at: When it was begun, None where that isn't known.
        role: Served; served before, and kept to go back to; or left by a rebuild that runs or was
            killed.
    """

    name: str
    metadata: IndexMetadata | None
    chunks: int | None
    made_at: datetime | None
    role: Role


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk found by one or both legs, with raw scores.

    Attributes:
        bm25: BM25 score, or None where the leg did not find it.
        dense: Cosine similarity in [-1, 1]; known for every candidate that has a vector.
    """

    chunk: Chunk
    bm25: float | None
    dense: float | None


class ChunkWriter(Protocol):
    """The part of a store that a sync needs.

    A killed process leaves documents that are whole in the old or the new version, or that
    `states` reports as not complete; it never leaves a chunk readable by somebody whom neither
    version lets read it.
    """

    def states(
        self, source: str | None = None, *, unseen: bool = False
    ) -> Mapping[str, DocumentState]:
        """Return what is stored, by document id.

        Args:
            source: Only of this one; None for all.
            unseen: Also what a killed process left and no reader sees yet; for writers only, since
                from now on readers see it too.
        """

    def put_documents(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Store whole documents, replacing all earlier chunks of each.

        Args:
            chunks: All chunks of one or more documents.
            vectors: Unit vectors, shape (len(chunks), dimensions).
        """

    def set_acl(self, document_ids: Sequence[str], acl: Sequence[str], acl_hash: str) -> None:
        """Rewrite the ACL of documents' chunks; nothing is embedded."""

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        """Remove documents; those that aren't there are ignored."""

    def optimize(self) -> None:
        """Bring the search structures up to date after a batch of changes."""


class ChunkIndex(ChunkWriter, Protocol):
    """One store of chunks. Safe to use from several threads.

    What another embedder made can't be opened. What only another chunker made can be read, and
    not be written.
    """

    @property
    def generation(self) -> str:
        """Name of the set of chunks that is served now; recorded with each answer."""

    def publish(self) -> None:
        """Serve this index from now on where it isn't served; else do nothing.

        The one that was served is kept to go back to; older ones are removed.
        """

    def discard(self) -> None:
        """Remove this index where it was made for a rebuild and isn't served; else do nothing."""

    def search(
        self,
        text: str,
        vector: Vectors,
        reader: Reader,
        limit: int,
        sources: Sequence[str] | None = None,
    ) -> list[Candidate]:
        """Run both legs with the reader's rights inside each.

        Args:
            text: The query for BM25.
            vector: The query's unit vector, shape (dimensions,).
            reader: Only chunks that it may read are ranked at all.
            limit: How many chunks each leg returns at most.
            sources: Restrict to these sources; None means all.

        Returns:
            The union of both legs, in no particular order.
        """

    def document_chunks(self, document_id: str, reader: Reader) -> list[Chunk]:
        """Return a document's chunks in order, or none where the reader may not read it."""

    def count(self) -> int:
        """Return how many chunks are stored."""

    def close(self) -> None:
        """Release files and connections."""
