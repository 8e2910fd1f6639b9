"""What every store of chunks must do, the same for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.documents import Reader
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
MIXED = [
    ("English", "Employees are running security audits", "run audit"),
    ("German", "Größe der Büroräume in München", "grosse munchen"),
    ("French", "Les congés payés", "conges"),
    ("Russian", "Политика отпусков", "политика"),
    ("Greek", "Άδεια μητρότητας", "μητρότητας"),
    ("Arabic", "إجازة سنوية للموظفين", "إجازة"),
    ("Hindi", "मातृत्व अवकाश नीति", "अवकाश"),
    ("Japanese", "会社の規則について休暇を申請する", "休暇"),
    ("Chinese", "员工可以申请年假", "年假"),
    ("Korean", "여러분의 휴가 신청은", "휴가"),
    ("Thai", "นโยบายการลาของพนักงาน", "พนักงาน"),
    ("identifiers", "Set the MAX_RETRIES value in src/config.go", "max_retries"),
]


@pytest.fixture(params=STORE_PARAMS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChunkIndex]:
    opened = STORES[request.param](tmp_path / "index")
    yield opened
    opened.close()


def found(store: ChunkIndex, text: str, reader: Reader = ANYONE, limit: int = 10) -> set[str]:
    """Return the ids that the lexical leg finds."""
    candidates = store.search(text, vector_of("far"), reader, limit)
    return {c.chunk.id for c in candidates if c.bm25 is not None}


def test_an_empty_store_finds_nothing(store: ChunkIndex) -> None:
    assert store.count() == 0
    assert store.states() == {}
    assert store.search("leave", vector_of("leave"), ANYONE, 10) == []
    assert store.document_chunks("s:a", ANYONE) == []
    store.put_documents([], vectors_for([]))
    store.delete_documents([])
    store.optimize()
    assert store.count() == 0


def test_chunks_come_back_as_they_were_put(store: ChunkIndex) -> None:
    document = make_document("s:a", [f"text {i}\n\n| a | 'b\" |\\ 😀" for i in range(12)])
    put(store, document)
    assert store.document_chunks("s:a", ANYONE) == make_chunks(document)
    reference = ReferenceStore()
    reference.documents["s:a"] = document
    assert store.states() == reference.states()


def test_a_shorter_version_leaves_nothing_of_the_longer(store: ChunkIndex) -> None:
    put(store, make_document("s:a", ["one", "two", "three"]), make_document("s:b", ["other"]))
    put(store, make_document("s:a", ["uno"]))
    assert [c.text for c in store.document_chunks("s:a", ANYONE)] == ["uno"]
    assert store.count() == 2
    assert found(store, "three") == set()
    assert all(state.complete for state in store.states().values())


def test_states_tell_sources_apart_and_missing_chunks(store: ChunkIndex) -> None:
    put(store, make_document("s:a", ["one"]), make_document("other's:b", ["two"]))
    chunks = make_chunks(make_document("s:c", ["one", "two"]))[:1]
    store.put_documents(chunks, vectors_for(chunks))
    assert set(store.states("other's")) == {"other's:b"}
    assert {k: v.complete for k, v in store.states("s").items()} == {"s:a": True, "s:c": False}


def test_candidates_carry_the_scores_of_both_legs(store: ChunkIndex) -> None:
    document = make_document("s:a", ["parental leave", "expense report"])
    put(store, document)
    by_id = {c.chunk.id: c for c in store.search("expense", vector_of("x"), ANYONE, 10)}
    assert set(by_id) == {"s:a#0", "s:a#1"}
    assert by_id["s:a#0"].bm25 is None
    assert (by_id["s:a#1"].bm25 or 0) > 0
    for chunk in make_chunks(document):
        expected = float(vector_of(chunk.embedding_text) @ vector_of("x"))
        assert by_id[chunk.id].dense == pytest.approx(expected, abs=1e-5)


def test_title_and_headings_are_searched(store: ChunkIndex) -> None:
    put(store, make_document("s:a", ["nothing of it"], title="Sabbatical"))
    put(store, make_document("s:b", ["nothing of it"], title="Travel"))
    assert found(store, "sabbaticals") == {"s:a#0"}
    assert found(store, "heading") == {"s:a#0", "s:b#0"}


@pytest.mark.parametrize(("language", "text", "query"), MIXED, ids=[m[0] for m in MIXED])
@pytest.mark.parametrize("optimized", [False, True])
def test_words_of_any_language_are_found(
    store: ChunkIndex, language: str, text: str, query: str, optimized: bool
) -> None:
    put(store, make_document("s:a", [text]), make_document("s:b", ["quite another thing"]))
    if optimized:
        store.optimize()
    assert found(store, query) == {"s:a#0"}


QUERIES = ["", " ", "😀👍🏽", '"', "'; DROP TABLE", "AND OR NOT", "+-*?:(~^", "a" * 40_000, "\x00"]


@pytest.mark.parametrize("query", [*QUERIES, "word " * 8_000, "\ud800", "the of and"])
def test_no_query_fails(store: ChunkIndex, query: str) -> None:
    put(store, make_document("s:a", ["leave"]))
    assert [c.chunk.id for c in store.search(query, vector_of("x"), ANYONE, 5)] == ["s:a#0"]


def test_changes_after_optimizing_are_found(store: ChunkIndex) -> None:
    put(store, make_document("s:a", ["alpha"]))
    store.optimize()
    put(store, make_document("s:a", ["beta"]), make_document("s:b", ["beta gamma"]))
    assert found(store, "alpha") == set()
    assert found(store, "beta") == {"s:a#0", "s:b#0"}
    store.set_acl(["s:b"], ["hr"], "h")
    assert found(store, "beta") == {"s:a#0"}
    store.delete_documents(["s:a", "s:unknown"])
    assert found(store, "beta", Reader(frozenset({"hr"}))) == {"s:b#0"}


def test_setting_an_acl_changes_nothing_else(store: ChunkIndex) -> None:
    before = make_document("s:a'\"", ["one", "two"])
    after = make_document("s:a'\"", ["one", "two"], acl=["o'brien", 'd"x', "back\\slash", "Ünï"])
    put(store, before)
    store.set_acl([after.id], sorted(after.acl), after.acl_hash)
    assert store.document_chunks(after.id, ANYONE) == []
    for name in after.acl:
        assert store.document_chunks(after.id, Reader(frozenset({name}))) == make_chunks(after)
    store.set_acl([after.id], [], "nobody")
    assert store.document_chunks(after.id, Reader(after.acl)) == []
    assert store.states()[after.id].acl_hash == "nobody"


def test_the_rights_of_many_documents_are_set_at_once(store: ChunkIndex) -> None:
    documents = [make_document(f"s:{n}", ["leave"] * (1 + n % 3)) for n in range(40)]
    put(store, *documents)
    closed = [document.id for document in documents[:30]]
    store.set_acl([*closed, "s:unknown"], ["hr"], "h")
    store.set_acl([], [], "nobody")
    assert set(found(store, "leave", limit=200)) == {
        chunk.id for document in documents[30:] for chunk in make_chunks(document)
    }
    states = store.states()
    assert {id_ for id_, state in states.items() if state.acl_hash == "h"} == set(closed)
    assert all(state.complete for state in states.values())


def test_sources_restrict_the_search(store: ChunkIndex) -> None:
    put(store, make_document("s:a", ["leave"]), make_document("o'x:b", ["leave"]))
    hits = store.search("leave", vector_of("x"), ANYONE, 5, sources=["o'x"])
    assert {c.chunk.id for c in hits} == {"o'x:b#0"}
    assert store.search("leave", vector_of("x"), ANYONE, 5, sources=[]) == []


def test_vectors_must_fit(store: ChunkIndex) -> None:
    chunks = make_chunks(make_document("s:a", ["one", "two"]))
    vectors = vectors_for(chunks)
    with pytest.raises(ValueError, match="shape"):
        store.put_documents(chunks, vectors[:, :4])
    with pytest.raises(ValueError, match="finite"):
        store.put_documents(chunks, np.full_like(vectors, np.nan))
    assert store.count() == 0


def test_the_generation_changes_with_the_content(store: ChunkIndex) -> None:
    before = store.generation
    put(store, make_document("s:a", ["one"]))
    assert store.generation != before


@pytest.mark.parametrize("name", STORE_PARAMS)
def test_a_second_opening_sees_each_change(tmp_path: Path, name: str) -> None:
    store, other = (STORES[name](tmp_path / "index") for _ in range(2))
    put(store, make_document("s:a", ["one"]))
    assert other.count() == 1
    store.optimize()
    store.delete_documents(["s:a"])
    assert other.count() == 0


def test_threads_read_whole_documents_while_one_writes(store: ChunkIndex) -> None:
    versions = [make_document("s:a", [f"v{n}"] * (1 + n % 4)) for n in range(25)]
    put(store, versions[0])
    written = threading.Event()
    torn: list[list[str]] = []
    failed: list[Exception] = []

    def read() -> None:
        try:
            while not written.is_set():
                chunks = store.document_chunks("s:a", ANYONE)
                if len({c.text for c in chunks}) != 1 or len(chunks) != chunks[0].chunk_count:
                    torn.append([c.text for c in chunks])
        except Exception as error:  # noqa: BLE001 - reported by the test below
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for version in versions:
        put(store, version)
    store.optimize()
    written.set()
    for thread in readers:
        thread.join()
    assert (torn, failed) == ([], [])


NAMES = st.sampled_from(["*", "hr", "o'brien", 'a"b', "été", "\\", "会社"])
DOCUMENT_IDS = st.sampled_from(["s:a", "s:b'c", 't:"d"', "t:ä/é.md"])
WORDS = st.sampled_from(["leave", "travel", "expense", "休暇"])
PUTS = st.tuples(
    st.just("put"), DOCUMENT_IDS, st.lists(WORDS, min_size=1, max_size=4), st.sets(NAMES)
)
ACLS = st.tuples(st.just("acl"), DOCUMENT_IDS, st.just([]), st.sets(NAMES))
OTHERS = st.tuples(
    st.sampled_from(["delete", "optimize"]), DOCUMENT_IDS, st.just([]), st.just(set())
)


def apply(
    store: ChunkIndex, reference: ReferenceStore, step: tuple[str, str, list[str], set[str]]
) -> None:
    kind, document_id, words, acl = step
    if kind == "put":
        reference.documents[document_id] = make_document(document_id, words, sorted(acl))
        put(store, reference.documents[document_id])
    elif kind == "acl" and document_id in reference.documents:
        old = reference.documents[document_id]
        texts = [section.text for section in old.sections]
        new = make_document(document_id, texts, sorted(acl))
        reference.documents[document_id] = new
        store.set_acl([document_id], sorted(acl), new.acl_hash)
    elif kind == "delete":
        reference.documents.pop(document_id, None)
        store.delete_documents([document_id])
    elif kind == "optimize":
        store.optimize()


@pytest.mark.slow
@pytest.mark.parametrize("name", STORE_PARAMS)
@given(
    steps=st.lists(PUTS | ACLS | OTHERS, min_size=1, max_size=12),
    names=st.frozensets(NAMES.filter(lambda n: n != "*")),
    limit=st.integers(1, 8),
)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_any_order_of_changes_equals_the_reference(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    steps: list[tuple[str, str, list[str], set[str]]],
    names: frozenset[str],
    limit: int,
) -> None:
    store = STORES[name](tmp_path_factory.mktemp("index"))
    reference = ReferenceStore()
    for step in steps:
        apply(store, reference, step)
    assert store.states() == reference.states()
    reader = Reader(names)
    query = vector_of("query")
    candidates = store.search("leave", query, reader, limit)
    assert all(reader.may_read(c.chunk.acl) for c in candidates)
    best = sorted((c.dense or 0.0 for c in candidates), reverse=True)[:limit]
    np.testing.assert_allclose(best, reference.nearest(query, reader, limit), atol=1e-5)
    assert store.count() == len(reference.chunks())
    of_s = {c.chunk.id for c in store.search("leave", query, reader, 50, sources=["s"])}
    assert of_s == {chunk.id for chunk in reference.readable(reader, ["s"])}
    for document in reference.documents.values():
        readable = make_chunks(document) if reader.may_read(document.acl) else []
        assert store.document_chunks(document.id, reader) == readable
    with_word = {c.id for c in reference.readable(reader) if c.text == "leave"}
    assert len({c.chunk.id for c in candidates if c.bm25 is not None} & with_word) == min(
        limit, len(with_word)
    )
    store.close()
