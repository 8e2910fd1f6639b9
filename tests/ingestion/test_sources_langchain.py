from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.errors import IngestionError
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.source import SourceItem

CSV = "langchain_community.document_loaders:CSVLoader"


def settings_for(file: Path, **more: object) -> SourceSettings:
    return SourceSettings(loader=CSV, loader_args={"file_path": str(file), **more}, allow=["hr"])


def test_a_community_loader_is_a_source(tmp_path: Path) -> None:
    file = tmp_path / "office-hours.csv"
    file.write_text("city,hours\nKöln,9 to 5\nOslo,8 to 4\n", encoding="utf-8")
    (source,) = build_sources([settings_for(file, encoding="utf-8")], 1)
    (item,) = list(source.items())
    assert isinstance(item, SourceItem)
    document = item.read()
    assert source.name == "CSVLoader"
    assert document.title == "Office hours"
    assert document.url == file.as_uri()
    assert [section.text for section in document.sections] == [
        "city: Köln\nhours: 9 to 5",
        "city: Oslo\nhours: 8 to 4",
    ]
    assert (document.acl, document.content_hash) == (frozenset({"hr"}), item.content_hash)

    file.write_text("city,hours\nKöln,9 to 6\n", encoding="utf-8")
    (changed,) = list(source.items())
    assert isinstance(changed, SourceItem)
    assert changed.document_id == item.document_id
    assert changed.content_hash != item.content_hash


def test_a_loader_that_fails_is_named_without_its_message(tmp_path: Path) -> None:
    (source,) = build_sources([settings_for(tmp_path / "secret-gone.csv")], 1)
    with pytest.raises(IngestionError, match="CSVLoader failed") as told:
        list(source.items())
    assert "secret" not in told.value.problem
    assert told.value.mend


@pytest.mark.parametrize(
    "loader", ["langchain_community.document_loaders:NoLoader", "no_such_module:X", "x", ":X", "x:"]
)
def test_a_loader_that_is_not_there_is_named(loader: str) -> None:
    (source,) = build_sources([SourceSettings(loader=loader, name="s")], 1)
    with pytest.raises(IngestionError, match="there is no loader") as told:
        list(source.items())
    assert told.value.mend
