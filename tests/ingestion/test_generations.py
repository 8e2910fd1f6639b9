"""A new generation beside the one that serves, the swap, and the way back: both stores alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.documents import Document, Reader
from ingestion.errors import IndexMismatchError, IndexStoreError, IndexUnavailableError
from ingestion.index.opening import (
    drop_leftovers,
    list_generations,
    open_index,
    open_new_index,
    open_previous_index,
)
from ingestion.index.protocol import ChunkIndex, IndexMetadata
from ingestion.plan import ACL_HASH_OF_NOBODY
from ingestion.rollback import roll_back
from ingestion.settings import IndexSettings
from tests.ingestion.stores import (
    METADATA,
    SETTINGS,
    STORE_PARAMS,
    make_chunks,
    make_document,
    put,
    vector_of,
    vectors_for,
)

ANYONE = Reader()
HR = Reader(frozenset({"hr"}))


@dataclass(frozen=True)
class Place:
    """Where a store keeps its generations."""

    settings: IndexSettings
    folder: Path

    def open(self, metadata: IndexMetadata = METADATA) -> ChunkIndex:
        return open_index(self.settings, self.folder, metadata)

    def new(self, metadata: IndexMetadata = METADATA) -> ChunkIndex:
        return open_new_index(self.settings, self.folder, metadata)

    def previous(self, metadata: IndexMetadata = METADATA) -> ChunkIndex:
        return open_previous_index(self.settings, self.folder, metadata)

    def rebuilt(self, *documents: Document, metadata: IndexMetadata = METADATA) -> None:
        new = self.new(metadata)
        put(new, *documents)
        new.publish()

    def listed(self) -> list[tuple[str, int | None]]:
        return [(each.role, each.chunks) for each in list_generations(self.settings, self.folder)]


@pytest.fixture(params=STORE_PARAMS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(SETTINGS[request.param](tmp_path), tmp_path)


def test_the_one_before_is_kept_and_older_ones_are_not(place: Place) -> None:
    assert place.listed() == []
    put(place.open(replace(METADATA, model="small")), make_document("s:a", ["one"]))
    begun = datetime.now(UTC)
    for number in range(2, 5):
        place.rebuilt(make_document("s:a", ["text"] * number))
    assert place.listed() == [("served", 4), ("previous", 3)]
    served, previous = list_generations(place.settings, place.folder)
    assert served.metadata == previous.metadata == METADATA
    assert served.made_at is not None
    assert abs(served.made_at - begun) < timedelta(minutes=5)
    assert place.open().generation.startswith(served.name + "@")


def test_the_name_of_the_model_is_kept_for_people_and_not_compared(place: Place) -> None:
    place.open(replace(METADATA, model="small"))
    place.open(replace(METADATA, model="the same by another name"))
    (served,) = list_generations(place.settings, place.folder)
    assert served.metadata is not None
    assert served.metadata.model == "small"


def test_what_a_rebuild_left_is_told_and_removed(place: Place) -> None:
    put(place.open(), make_document("s:a", ["one"]))
    place.rebuilt(make_document("s:a", ["one", "two"]))
    put(place.new(), make_document("s:a", ["one", "two", "three"]))  # and then it was killed
    assert place.listed() == [("served", 2), ("previous", 1), ("unfinished", 3)]
    drop_leftovers(place.settings, place.folder)
    assert place.listed() == [("served", 2), ("previous", 1)]


def test_a_rebuild_that_is_given_up_leaves_nothing(place: Place) -> None:
    put(place.open(), make_document("s:a", ["one"]))
    new = place.new()
    put(new, make_document("s:b", ["two", "three"]))
    new.discard()
    assert place.listed() == [("served", 1)]
    place.rebuilt(make_document("s:b", ["two", "three"]))
    place.open().discard()
    place.previous().discard()
    assert place.listed() == [("served", 2), ("previous", 1)]


def test_a_rebuild_that_another_one_removed_is_told_and_not_made_anew(place: Place) -> None:
    place.open()
    removed = place.new()
    place.new()
    for action in (lambda: put(removed, make_document("s:a", ["one"])), removed.count):
        with pytest.raises(IndexStoreError):
            action()
    assert [role for role, _ in place.listed()] == ["served", "unfinished"]


def test_without_a_rebuild_there_is_no_way_back(place: Place) -> None:
    place.open()
    with pytest.raises(IndexUnavailableError, match="no generation to go back to") as caught:
        place.previous()
    assert caught.value.mend


def test_the_way_back_opens_nothing_that_was_closed_since(place: Place) -> None:
    put(
        place.open(),
        make_document("s:same", ["leave"]),
        make_document("s:closed", ["leave"]),
        make_document("s:opened", ["leave"], acl=["hr"]),
        make_document("s:removed", ["leave"]),
        make_document("s:nobody's", ["leave"], acl=[]),
        make_document("left out:a", ["leave"]),
    )
    place.rebuilt(
        make_document("s:same", ["leave anew"]),
        make_document("s:closed", ["leave"], acl=["hr"]),
        make_document("s:opened", ["leave"]),
        make_document("s:nobody's", ["leave"], acl=["hr"]),
        make_document("s:added", ["leave"]),
    )
    served = place.open()
    assert roll_back(served.states(), place.previous()) == 3
    readable = {c.chunk.id for c in served.search("leave", vector_of("x"), HR, 20)}
    assert readable == {"s:same#0", "left out:a#0"}
    assert set(served.states()) == {
        *("s:same", "s:closed", "s:opened", "s:nobody's", "left out:a"),
    }
    closed = {id_ for id_, s in served.states().items() if s.acl_hash == ACL_HASH_OF_NOBODY}
    assert closed == {"s:closed", "s:opened", "s:nobody's"}
    assert place.listed() == [("served", 5), ("previous", 5)]
    roll_back(served.states(), place.previous())
    assert [c.text for c in served.document_chunks("s:same", ANYONE)] == ["leave anew"]


def test_the_way_back_closes_everything_where_nothing_tells_what_was_closed(place: Place) -> None:
    put(place.open(), make_document("s:a", ["leave"]), make_document("s:b", ["leave"], acl=[]))
    place.rebuilt()
    assert roll_back({}, place.previous()) == 1
    assert place.open().search("leave", vector_of("x"), HR, 20) == []
    closed = {id_ for id_, s in place.open().states().items() if s.acl_hash == ACL_HASH_OF_NOBODY}
    assert closed == {"s:a", "s:b"}


@pytest.mark.parametrize(
    ("change", "word"),
    [({"embedder": "b"}, "model"), ({"dimensions": 4}, "model"), ({"chunker": "b"}, "cutting")],
)
def test_there_is_no_way_back_to_what_the_settings_do_not_fit(
    place: Place, change: dict[str, object], word: str
) -> None:
    place.open(replace(METADATA, **change, model="the one of old"))
    place.rebuilt(make_document("s:a", ["one"]))
    with pytest.raises(IndexMismatchError, match=word) as caught:
        place.previous()
    assert "The generation before was made with another" in caught.value.problem
    assert "the one of old" in caught.value.problem
    assert "[embedding]" in caught.value.mend
    assert place.open().count() == 1


@pytest.mark.parametrize("change", [{"embedder": "b"}, {"dimensions": 4}])
def test_what_another_embedder_made_is_refused(place: Place, change: dict[str, object]) -> None:
    running = place.open()
    other = replace(METADATA, **change)
    with pytest.raises(IndexMismatchError, match="embedding model") as caught:
        place.open(other)
    assert "--rebuild" in caught.value.mend
    new = place.new(other)
    document = make_document("s:a", ["one"])
    chunks = make_chunks(document)
    new.put_documents(chunks, vectors_for(chunks)[:, : other.dimensions])
    new.publish()
    for action in (
        lambda: running.search("one", vector_of("x"), ANYONE, 5),
        lambda: put(running, document),
        running.states,
    ):
        with pytest.raises(IndexMismatchError, match="embedding model"):
            action()


def test_what_another_chunker_made_can_be_read_and_not_written(place: Place) -> None:
    document = make_document("s:a", ["one"])
    put(place.open(), document)
    store = place.open(replace(METADATA, chunker="b"))
    assert store.count() == len(store.search("one", vector_of("x"), ANYONE, 5)) == 1
    assert store.document_chunks("s:a", ANYONE) == make_chunks(document)
    actions: list[Callable[[], None]] = [
        lambda: put(store, document),
        lambda: store.set_acl(["s:a"], [], "h"),
        lambda: store.delete_documents(["s:a"]),
        store.optimize,
    ]
    for action in actions:
        with pytest.raises(IndexMismatchError, match="cutting pages") as caught:
            action()
        assert "--rebuild" in caught.value.mend
    assert set(store.states()) == {"s:a"}


def test_no_question_fails_or_stays_empty_while_generations_are_swapped(place: Place) -> None:
    served = place.open()
    pages = [make_document(f"s:{number}", ["leave", "travel"]) for number in range(6)]
    put(served, *pages)
    done = threading.Event()
    found: list[int] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            while not done.is_set():
                found.append(len(served.search("leave", vector_of("x"), ANYONE, 5)))
                found.append(len(served.document_chunks("s:3", ANYONE)))
        except Exception as error:  # noqa: BLE001 - reported by the test below
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        place.rebuilt(*pages)
        roll_back(served.states(), place.previous())
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(found) > 50
    assert min(found) == 2
