"""`nightshift index`, and the ingest that makes the index anew by itself: the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion.locks import one_rebuild
from tests.bot.terminal import assert_two_line_problem, nightshift


@pytest.mark.slow
def test_other_chunking_makes_the_index_anew_and_there_is_a_way_back(tmp_path: Path) -> None:
    data, docs = tmp_path / "data", tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("# Leave\n\n" + "You have 30 days. " * 60, encoding="utf-8")
    assert nightshift("index", "list", data=data).stdout.startswith("Nothing is indexed yet.")
    assert nightshift("ingest", docs, data=data).returncode == 0
    changed = {"CHUNKING__MAX_TOKENS": "64"}
    told = nightshift("doctor", data=data, **changed).stdout
    assert "cutting pages" in " ".join(told.split())
    done = nightshift("ingest", docs, "--json", data=data, **changed)
    assert done.returncode == 0, done.stderr
    assert "another way of cutting pages" in " ".join(done.stderr.split())
    assert json.loads(done.stdout)["added"] == 1
    served, previous = map(
        json.loads, nightshift("index", "list", "--json", data=data).stdout.splitlines()
    )
    assert (served["role"], previous["role"]) == ("served", "previous")
    assert served["chunks"] > previous["chunks"]
    assert "MiniLM" in served["model"]
    assert_two_line_problem(nightshift("index", "rollback", "--yes", data=data, **changed))
    with one_rebuild(data):
        assert_two_line_problem(nightshift("index", "rollback", "--yes", data=data))
    done = nightshift("index", "rollback", "--yes", data=data)
    assert done.returncode == 0, done.stderr
    assert previous["name"] in done.stdout
    shown = nightshift("index", "list", data=data).stdout.splitlines()
    assert shown[0] == f"{previous['name']} serves"
    assert shown[3] == f"{served['name']} kept, to go back to"
