"""What every store must bear: writers side by side, very long documents, any text, half batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.documents import Document, Reader, Section, hash_of
from ingestion.index.protocol import ChunkIndex
from tests.ingestion.stores import (
    STORE_PARAMS,
    STORES,
    ReferenceStore,
    make_chunks,
    make_document,
    put,
    vector_of,
    vectors_for,
)

ANYONE = Reader()
HR = Reader(frozenset({"hr"}))


@pytest.fixture(params=STORE_PARAMS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], ChunkIndex]]:
    """Yield what opens the same index as often as one likes."""
    stores: list[ChunkIndex] = []

    def open_one() -> ChunkIndex:
        stores.append(STORES[request.param](tmp_path / "index"))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def at_once(*actions: Callable[[], None]) -> None:
    """Run actions in threads that begin together; raise what one of them raised."""
    failed: list[BaseException] = []
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        try:
            barrier.wait()
            action()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


@pytest.mark.slow
def test_writers_side_by_side_lose_nothing_of_each_other(
    opened: Callable[[], ChunkIndex],
) -> None:
    store, other = opened(), opened()
    reference = ReferenceStore()

    def write(index: ChunkIndex, name: str) -> Callable[[], None]:
        def run() -> None:
            for number in range(6):
                document = make_document(f"{name}:{number}", [f"{name} {number}", "leave"])
                put(index, document)
                if number % 3 == 1:
                    index.delete_documents([document.id])
                    continue
                if number % 3 == 2:
                    document = replace(document, acl=frozenset({"hr"}))
                    index.set_acl([document.id], ["hr"], document.acl_hash)
                reference.documents[document.id] = document

        return run

    at_once(write(store, "a"), write(store, "b"), write(other, "c"), store.optimize)
    assert store.states() == other.states() == reference.states()
    for document in reference.documents.values():
        assert store.document_chunks(document.id, HR) == make_chunks(document)
        assert bool(other.document_chunks(document.id, ANYONE)) == ANYONE.may_read(document.acl)
    found = store.search("leave", vector_of("x"), HR, 100)
    assert sum(candidate.bm25 is not None for candidate in found) == 12


@pytest.mark.slow
def test_two_writers_of_one_document_leave_one_or_tell(opened: Callable[[], ChunkIndex]) -> None:
    store, other = opened(), opened()
    for round_ in range(5):
        versions = [
            make_document("s:a", [f"{round_} short"] * 2),
            make_document("s:a", [f"{round_} long"] * 5),
        ]
        at_once(lambda: put(store, versions[0]), lambda: put(other, versions[1]))  # noqa: B023
        chunks = store.document_chunks("s:a", ANYONE)
        if store.states()["s:a"].complete:
            assert chunks in [make_chunks(version) for version in versions]
        put(store, versions[0])
        assert store.states()["s:a"].complete
        assert other.document_chunks("s:a", ANYONE) == make_chunks(versions[0])
        assert store.count() == 2


@pytest.mark.slow
def test_a_document_of_ten_thousand_chunks(opened: Callable[[], ChunkIndex]) -> None:
    store = opened()
    put(store, make_document("s:short", ["unusual"]))
    long = make_document("s:long", [f"part {number}" for number in range(10_000)])
    put(store, long)
    store.optimize()
    state = store.states()["s:long"]
    assert (state.chunk_count, state.complete) == (10_000, True)
    assert store.document_chunks("s:long", ANYONE) == make_chunks(long)
    found = store.search("part 7531", vector_of("x"), ANYONE, 10)
    assert {c.chunk.text for c in found if c.bm25 is not None} >= {"part 7531"}
    store.set_acl(["s:long"], ["hr"], "h")
    assert store.document_chunks("s:long", ANYONE) == []
    assert len(store.document_chunks("s:long", HR)) == 10_000
    put(store, make_document("s:long", ["one part"]))
    assert store.count() == 2
    store.delete_documents(["s:long"])
    assert set(store.states()) == {"s:short"}


# All that can be stored: a lone surrogate can't be encoded, and parsers leave none.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
PAGES = st.builds(
    lambda path, title, headings, texts, names: Document(
        id=f"s:{path}",
        source="s",
        path=path,
        title=title,
        url="https://example.com/" + path,
        sections=tuple(Section(tuple(headings), text, anchor=path) for text in texts),
        acl=frozenset(names),
        content_hash=hash_of([title, headings, texts]),
    ),
    path=TEXT,
    title=TEXT,
    headings=st.lists(TEXT, max_size=3),
    texts=st.lists(TEXT, min_size=1, max_size=3),
    names=st.sets(TEXT, min_size=1, max_size=3),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORE_PARAMS)
@given(pages=st.lists(PAGES, min_size=1, max_size=4, unique_by=lambda page: page.id))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_any_text_comes_back_as_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, name: str, pages: list[Document]
) -> None:
    store = STORES[name](tmp_path_factory.mktemp("index"))
    put(store, *pages)
    reference = ReferenceStore()
    reference.documents = {page.id: page for page in pages}
    assert store.states() == reference.states()
    for page in pages:
        for reader in (ANYONE, Reader(page.acl), Reader(frozenset(sorted(page.acl)[:1]))):
            readable = make_chunks(page) if reader.may_read(page.acl) else []
            assert store.document_chunks(page.id, reader) == readable
        store.search(page.sections[0].text, vector_of("x"), ANYONE, 5)
    store.delete_documents([page.id for page in pages])
    assert store.count() == 0
    store.close()


def test_what_a_killed_batch_left_is_told_and_mended(opened: Callable[[], ChunkIndex]) -> None:
    store = opened()
    documents = [make_document(f"s:{n}", [f"{n} one", f"{n} two", f"{n} three"]) for n in range(4)]
    put(store, *documents)
    newer = [make_document(f"s:{n}", [f"{n} uno", f"{n} dos"]) for n in range(4)]
    # As far as a killed process came: two documents, and of the second its last chunk.
    chunks = [chunk for document in newer[:2] for chunk in make_chunks(document)]
    del chunks[2]
    store.put_documents(chunks, vectors_for(chunks))
    told = {document_id: state.complete for document_id, state in store.states().items()}
    assert told == {"s:0": True, "s:1": False, "s:2": True, "s:3": True}
    put(store, *newer)
    assert all(state.complete for state in store.states().values())
    assert store.count() == 8
    for document in newer:
        assert store.document_chunks(document.id, ANYONE) == make_chunks(document)
