"""`nightshift pairs` and `nightshift adapters` over a real database and a real registry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bot.terminal import assert_two_line_problem, nightshift
from tests.training.answers import make_answer
from training.adapters import CONFIG, WEIGHTS, AdapterManifest, AdapterRegistry
from training.database import open_database
from training.feedback import Feedback
from training.records import Audience


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with a public and a private answer, both thumbs-up, and a correction."""
    folder = tmp_path / "data"
    database = open_database(f"sqlite:///{folder / 'nightshift.db'}")
    feedback = Feedback(database)
    feedback.record_answer(make_answer(1))
    private = make_answer(2, question="Where is my bike?", audience=Audience.PRIVATE)
    feedback.record_answer(private)
    feedback.vote("answer-1", "bob", 1)
    feedback.vote("answer-2", "bob", 1)
    feedback.record_answer(make_answer(3, question="When does the canteen close?"))
    feedback.correct("answer-3", "cleo", "At [half] past two.")
    database.dispose()
    return folder


def listed(data: Path, **settings: str) -> list[dict[str, str]]:
    done = nightshift("pairs", "list", "--json", data=data, **settings)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_new_votes_are_curated_and_private_pairs_are_marked(data: Path) -> None:
    assert not any(each.get("private") for each in listed(data))
    found = listed(data, PAIRS__INCLUDE_PRIVATE="true")
    private = [each for each in found if each.get("private")]
    assert [each["question"] for each in private] == ["Where is my bike?"]
    table = nightshift("pairs", "list", data=data, PAIRS__INCLUDE_PRIVATE="true").stdout
    assert "(private)" in " ".join(table.split())
    assert "correction waits" in table
    assert "At [half] past two." in table


@pytest.mark.slow
def test_show_and_review_take_the_beginning_of_an_id(data: Path) -> None:
    public = next(each for each in listed(data) if each.get("question", "").startswith("How"))
    start = public["id"][:12]
    assert "25 days" in nightshift("pairs", "show", start, data=data).stdout
    done = nightshift("pairs", "review", start, "--reject", "--reason", "old", data=data)
    assert done.returncode == 0, done.stderr
    assert "rejected. old" in done.stdout
    done = nightshift("pairs", "review", start, "--edit", "You get 30 days.", data=data)
    assert "approved" in done.stdout
    assert "30 days" in nightshift("pairs", "show", start, data=data).stdout


@pytest.mark.slow
def test_a_pair_whose_page_is_not_in_the_index_is_not_exported(data: Path) -> None:
    done = nightshift("pairs", "export", data=data)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_edited_correction_takes_the_place_of_the_first(data: Path) -> None:
    waiting = next(each for each in listed(data) if each["kind"] == "correction")
    edit = ("pairs", "review", waiting["id"][:10], "--edit", "At 14:30.")
    assert "approved" in nightshift(*edit, data=data).stdout
    found = listed(data)
    assert not any(each["kind"] == "correction" for each in found)
    taught = [each["answer"] for each in found if each["status"] == "approved"]
    assert "At 14:30." in taught
    assert "At [half] past two." not in taught


@pytest.mark.slow
def test_reviews_that_cannot_be_are_told(data: Path) -> None:
    identity = listed(data)[0]["id"]
    for words in (
        ("review", identity),
        ("review", identity, "--approve", "--reject"),
        ("review", "zzzz", "--approve"),
        ("show", "zzzz"),
        ("export", "/proc/pairs.jsonl"),
    ):
        assert_two_line_problem(nightshift("pairs", *words, data=data))


def published(registry: AdapterRegistry, decision: str) -> str:
    version = registry.new_version()
    folder = registry.staging(version)
    (folder / WEIGHTS).write_bytes(decision.encode())
    (folder / CONFIG).write_text("{}", encoding="utf-8")
    scores = {"candidate f1": 0.5, "live f1": 0.25}
    manifest = AdapterManifest(
        version="", base_model="b", parent=None, created_at=datetime.now(UTC),
        scores=scores, decision=decision,
    )  # fmt: skip
    registry.publish(version, manifest)
    return version


def test_adapters_are_listed_promoted_and_rolled_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    registry = AdapterRegistry(data / "adapters")
    first, second = published(registry, "It was better."), published(registry, "No better.")
    for version in (first, second):
        done = nightshift("adapters", "promote", version, data=data)
        assert done.stdout == f"Live now: {version}.\n", done.stderr
    lines = nightshift("adapters", "list", "--json", data=data).stdout.splitlines()
    live = {each["version"]: each["live"] for each in map(json.loads, lines)}
    assert live == {first: False, second: True}
    table = nightshift("adapters", "list", data=data, cwd=tmp_path).stdout
    assert "f1 0.500 (live then: 0.250)" in table
    assert "base model" in table
    rolled = [nightshift("adapters", "rollback", "--yes", data=data).stdout for _ in range(2)]
    assert rolled == [f"Live now: {first}.\n", "Live now: the bare base model.\n"]
    assert_two_line_problem(nightshift("adapters", "rollback", data=data))


def test_a_damaged_adapter_is_not_promoted(tmp_path: Path) -> None:
    registry = AdapterRegistry(tmp_path / "data" / "adapters")
    version = published(registry, "It was better.")
    (registry.root / version / WEIGHTS).write_bytes(b"other")
    assert_two_line_problem(nightshift("adapters", "promote", version, data=tmp_path / "data"))
    assert_two_line_problem(nightshift("adapters", "promote", "../x", data=tmp_path / "data"))
    assert registry.current() is None
