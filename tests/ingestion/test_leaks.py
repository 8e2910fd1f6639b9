"""A slice of the leak benchmark: no search gives what its reader may not read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks.leaks import check_hits, check_legs, fill, run
from tests.ingestion.stores import STORE_PARAMS, STORES, ReferenceStore


@pytest.mark.parametrize("name", STORE_PARAMS)
def test_nothing_leaks_and_nothing_is_withheld(name: str) -> None:
    assert run(name, cases=100, seed=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STORE_PARAMS)
def test_nothing_leaks_over_many_stores(name: str) -> None:
    assert run(name, cases=600, seed=2) == []


@pytest.mark.parametrize("name", STORE_PARAMS)
def test_the_check_sees_a_leak(name: str, tmp_path: Path) -> None:
    store, reference = STORES[name](tmp_path / "index"), ReferenceStore()
    rng = random.Random(3)
    fill(store, reference, rng)
    for document_id in reference.documents:
        store.set_acl([document_id], ["*"], "opened behind the reference")
    for check in (check_hits, check_legs):
        assert any("leaked" in line for _ in range(20) for line in check(store, reference, rng))
