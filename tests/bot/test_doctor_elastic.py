"""What `nightshift doctor` tells of a real Elasticsearch."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.doctor_parts import elasticsearch
from bot.findings import Finding, Level, run_checks
from bot.settings import Settings
from ingestion.index.elastic import ElasticIndex
from ingestion.settings import IndexSettings
from tests.ingestion.stores import METADATA, elastic_settings


def findings(folder: Path, index: IndexSettings) -> list[Finding]:
    nightshift = Nightshift(Settings(data_dir=folder, index=index))
    return list(run_checks([("Elasticsearch", lambda: elasticsearch(nightshift))]))


def test_nothing_is_said_of_it_without_one(tmp_path: Path) -> None:
    assert findings(tmp_path, IndexSettings()) == []


def test_one_that_is_away_is_a_problem_with_its_mend(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, IndexSettings(url="http://127.0.0.1:9"))
    assert found.level is Level.PROBLEM
    assert "can't be reached" in found.text
    assert found.mend


@pytest.mark.slow
def test_version_nodes_and_health_are_told_and_nothing_is_made(tmp_path: Path) -> None:
    settings = elastic_settings(tmp_path)
    for _ in range(2):
        (found,) = findings(tmp_path, settings)
        assert found.level is Level.OK
        assert found.text.endswith(", 1 node")


@pytest.mark.slow
def test_what_the_server_lacks_and_what_needs_a_rebuild_is_told(tmp_path: Path) -> None:
    settings = elastic_settings(tmp_path)
    ElasticIndex(settings, METADATA).close()
    (found,) = findings(tmp_path, settings)
    assert found.level is Level.OK
    assert found.text.endswith(", 1 node, green")
    wished = settings.model_copy(update={"vectors": "hnsw", "language": "klingon"})
    health, *notes = findings(tmp_path, wished)
    assert health.level is Level.OK
    assert [note.level for note in notes] == [Level.NOTE] * 2
    texts = " ".join(note.text for note in notes)
    assert "no analyzer klingon" in texts
    assert 'index.vectors = "int8_hnsw"' in texts
    assert all(note.mend for note in notes)
    assert sum("--rebuild" in note.mend for note in notes) == 1
