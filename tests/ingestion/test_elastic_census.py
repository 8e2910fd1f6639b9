"""How many candidates a search looks at, by how much of the index its reader may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.documents import Reader
from ingestion.index import elastic_census
from ingestion.index.elastic import ElasticIndex
from ingestion.index.elastic_census import Census, Filters
from ingestion.index.elastic_queries import allowed, candidates_for
from tests.ingestion.stores import METADATA, elastic_settings, make_document, put


@pytest.mark.parametrize(
    ("readable", "total", "candidates"),
    [
        (0, 0, 10_000),
        (11_000, 11_000, 10_000),
        (35_000, 1_000_000, 10_000),
        (200_000, 1_000_000, 10_000),
        (200_001, 1_000_000, 500),
        (1_000_000, 1_000_000, 500),
    ],
)
def test_few_readable_chunks_are_compared_one_by_one(
    readable: int, total: int, candidates: int
) -> None:
    assert candidates_for(readable, total) == candidates


def test_each_reader_is_counted_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Filters] = []

    def count(filters: Filters) -> tuple[int, int]:
        asked.append(filters)
        return len(asked), 10

    census = Census(count)
    hr, everyone = allowed(Reader(frozenset({"hr"})), None), allowed(Reader(), None)
    assert [census.of(filters) for filters in (hr, everyone, hr)] == [(1, 10), (2, 10), (1, 10)]
    monkeypatch.setattr(elastic_census, "_SECONDS", 0.0)
    assert census.of(hr) == (3, 10)
    assert asked == [hr, everyone, hr]


def test_no_more_readers_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elastic_census, "_MOST_READERS", 2)
    census = Census(lambda filters: (1, 1))
    for number in range(5):
        census.of([{"terms": {"acl": [str(number)]}}])
    assert len(census._known) <= 2


@pytest.mark.slow
def test_the_server_counts_what_a_reader_may_read(tmp_path: Path) -> None:
    store = ElasticIndex(elastic_settings(tmp_path), METADATA)
    put(
        store,
        make_document("s:open", ["leave", "travel"]),
        make_document("s:hr", ["pay"], acl=["hr"]),
        make_document("t:open", ["leave"]),
    )
    counts = {
        (names, sources): store._census.of(allowed(Reader(frozenset(names)), sources))
        for names in ((), ("hr",))
        for sources in (None, ("s",))
    }
    assert counts == {
        ((), None): (3, 4),
        ((), ("s",)): (2, 4),
        (("hr",), None): (4, 4),
        (("hr",), ("s",)): (3, 4),
    }
