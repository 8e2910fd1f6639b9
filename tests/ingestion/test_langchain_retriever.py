from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import ValidationError

from ingestion.documents import Reader
from ingestion.index.protocol import ChunkIndex
from ingestion.langchain_retriever import NightshiftRetriever
from ingestion.retrieval import Retriever
from ingestion.settings import RetrievalSettings
from tests.ingestion.stores import STORE_PARAMS, STORES, make_document, put
from tests.ingestion.test_sync import WordEmbedder


@pytest.fixture(params=STORE_PARAMS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChunkIndex]:
    opened = STORES[request.param](tmp_path / "index")
    put(opened, make_document("s:open", ["parental leave is long", "another thing"]))
    put(opened, make_document("s:closed", ["parental leave of managers"], acl=["hr"]))
    put(opened, make_document("t:other", ["parental leave elsewhere"]))
    yield opened
    opened.close()


def retriever_over(store: ChunkIndex, **options: object) -> NightshiftRetriever:
    search = Retriever(store, WordEmbedder(), RetrievalSettings())
    return NightshiftRetriever(retriever=search, **options)  # type: ignore[arg-type]


def test_it_returns_what_the_reader_may_see_with_its_place(store: ChunkIndex) -> None:
    found = retriever_over(store).invoke("parental leave")
    assert {document.id for document in found} == {"s:open#0", "s:open#1", "t:other#0"}
    best = next(document for document in found if document.id == "s:open#0")
    assert best.page_content == "parental leave is long"
    assert best.metadata["url"] == "https://example.com/open#heading"
    assert best.metadata["bm25"] > 0
    of_hr = retriever_over(store, reader=Reader(frozenset({"hr"})), sources=("s",))
    assert {d.id for d in of_hr.invoke("parental leave")} == {"s:open#0", "s:open#1", "s:closed#0"}
    assert len(retriever_over(store, limit=1).invoke("parental leave")) == 1
    assert retriever_over(store).invoke(" ") == []
    assert len(retriever_over(store, limit=10_000).invoke("parental leave")) == 3


def test_a_chain_of_other_making_uses_it(store: ChunkIndex) -> None:
    def pages(documents: list[Document]) -> str:
        return "\n".join(document.page_content for document in documents)

    prompt = ChatPromptTemplate.from_template("{pages}\n\nQuestion: {question}")
    chain = (
        {
            "pages": retriever_over(store, limit=2) | RunnableLambda(pages),
            "question": RunnablePassthrough(),
        }
        | prompt
        | RunnableLambda(lambda messages: messages.to_string())
    )
    asked = asyncio.run(chain.ainvoke("parental leave"))
    assert "parental leave is long" in asked
    assert "managers" not in asked


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_limit_that_no_store_can_keep_is_refused_at_once(limit: int, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="limit"):
        retriever_over(STORES["lance"](tmp_path), limit=limit)
