"""Nightshift's search as a LangChain retriever, for chains of other people's making."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from ingestion.documents import Hit, Reader
from ingestion.retrieval import Retriever


class NightshiftRetriever(BaseRetriever):
    """Hybrid search over either store, with one reader's rights inside both legs.

    A chain for many people makes one a person: a reader is fixed, so that no configuration that
    is passed at run time can widen what is seen.

    Attributes:
        retriever: The search.
        reader: Whose rights it has; without one, what everyone may read.
        limit: How many chunks at most; no search on Elasticsearch returns more than 10,000.
        sources: Restrict to these sources; None means all.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    retriever: Retriever
    reader: Reader = Field(default_factory=Reader)
    limit: int = Field(10, ge=1, le=10_000)
    sources: tuple[str, ...] | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        hits = self.retriever.search(query, self.reader, self.limit, self.sources)
        return [document_of(hit) for hit in hits]


def document_of(hit: Hit) -> Document:
    """Return a hit as LangChain's document; the metadata says where it is and how it was found."""
    chunk = hit.chunk
    return Document(
        chunk.text,
        id=chunk.id,
        metadata={
            "title": chunk.title,
            "heading_path": list(chunk.heading_path),
            "url": chunk.url,
            "source": chunk.source,
            "path": chunk.path,
            "score": hit.score,
            "bm25": hit.bm25,
            "dense": hit.dense,
        },
    )
