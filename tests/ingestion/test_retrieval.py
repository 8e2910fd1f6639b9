from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.documents import Hit, Reader
from ingestion.index.lance import LanceIndex
from ingestion.index.protocol import Candidate
from ingestion.retrieval import Retriever, fuse
from ingestion.settings import RetrievalSettings
from tests.bot.hits import hit
from tests.ingestion.stores import METADATA, make_document, put
from tests.ingestion.test_sync import WordEmbedder


def candidate(path: str, bm25: float | None, dense: float | None, ordinal: int = 0) -> Candidate:
    return Candidate(hit("text", path, ordinal).chunk, bm25, dense)


def paths(hits: list[Hit]) -> list[str]:
    return [h.chunk.path for h in hits]


def test_what_both_legs_like_comes_first() -> None:
    found = [candidate("a", 9.0, 0.5), candidate("b", 8.0, 0.9), candidate("c", 1.0, 0.1)]
    assert paths(fuse(found, 0.7)) == ["b", "a", "c"]


def test_the_weight_chooses_between_the_legs() -> None:
    found = [candidate("words", 9.0, 0.1), candidate("meaning", 1.0, 0.9)]
    assert paths(fuse(found, 0.0))[0] == "words"
    assert paths(fuse(found, 1.0))[0] == "meaning"


def test_a_page_that_speaks_of_it_twice_gains() -> None:
    found = [
        candidate("once", None, 0.90),
        candidate("twice", None, 0.88, 0),
        candidate("twice", None, 0.86, 1),
        candidate("far", None, 0.10),
    ]
    assert paths(fuse(found, 1.0))[:2] == ["twice", "twice"]


def test_nothing_found_is_nothing() -> None:
    assert fuse([], 0.7) == []


scores = st.none() | st.floats(-1, 30, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from("abcd"), scores, scores), max_size=12), st.floats(0, 1))
def test_fusion_keeps_every_candidate_once_in_a_stable_order(
    raw: list[tuple[str, float | None, float | None]], weight: float
) -> None:
    found = [candidate(path, bm25, dense, n) for n, (path, bm25, dense) in enumerate(raw)]
    hits = fuse(found, weight)
    assert sorted(h.chunk.id for h in hits) == sorted(c.chunk.id for c in found)
    assert fuse(found[::-1], weight) == hits
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


@pytest.mark.parametrize(("compared", "first"), [(0, "s:short"), (1, "s:short"), (2, "s:both")])
def test_tokens_are_compared_before_the_rest_is_cut_off(
    compared: int, first: str, tmp_path: Path
) -> None:
    with_filler = " ".join(["alpha", "beta", *(f"word{n}" for n in range(60))])
    store = LanceIndex(tmp_path / "index", METADATA)
    put(store, make_document("s:short", ["alpha"]), make_document("s:both", [with_filler]))
    put(store, *(make_document(f"s:{n}", ["beta"]) for n in range(8)))
    settings = RetrievalSettings(dense_weight=0, late_interaction=compared)
    (found,) = Retriever(store, WordEmbedder(), settings).search("alpha beta", Reader(), limit=1)
    assert found.chunk.document_id == first
    store.close()
