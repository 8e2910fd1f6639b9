"""No run may open what a source of the settings closes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.chosen_sources import chosen_sources, contradiction
from bot.errors import SettingsError
from bot.settings import load_settings
from ingestion.documents import Reader
from ingestion.index.opening import list_generations, open_index
from ingestion.settings import IndexSettings, SourceSettings
from tests.bot.terminal import nightshift


@pytest.fixture
def closed(tmp_path: Path) -> SourceSettings:
    folder = tmp_path / "company" / "board"
    (folder / "minutes").mkdir(parents=True)
    return SourceSettings(path=folder, allow=["leadership"], base_url="https://wiki.example.com")


def test_without_a_path_the_settings_are_read(closed: SourceSettings) -> None:
    assert chosen_sources([], [closed]) == [closed]
    with pytest.raises(SettingsError, match="nothing to index"):
        chosen_sources([], [])


def test_a_path_of_the_settings_keeps_its_rights(
    closed: SourceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = closed.path
    assert folder is not None
    monkeypatch.chdir(folder.parent)
    link = tmp_path / "link"
    link.symlink_to(folder)
    for path in (folder, Path("board"), folder / "minutes" / "..", link):
        assert chosen_sources([path], [closed]) == [closed]


@pytest.mark.parametrize("path", ["company", "company/board/minutes", "company/board/plan.pdf"])
def test_no_path_takes_in_a_part_of_a_source_or_more_than_it(
    path: str, closed: SourceSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="who may read") as caught:
        chosen_sources([tmp_path / path], [closed])
    assert str(closed.path) in caught.value.mend


def test_a_folder_that_the_settings_do_not_know_is_read_too(
    closed: SourceSettings, tmp_path: Path
) -> None:
    for name in ("board", "company/boarding"):
        (new,) = chosen_sources([tmp_path / name], [closed])
        assert new == SourceSettings(path=tmp_path / name)


def test_sources_of_the_settings_that_contradict_each_other_are_refused(
    closed: SourceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = SourceSettings(path=tmp_path / "company")
    loader = SourceSettings(loader="some:Loader", allow=["hr"])
    assert ".access.toml" in contradiction([loader, around, closed])
    assert not contradiction([around.model_copy(update={"allow": closed.allow}), closed, loader])
    entries = [
        {"path": str(around.path)},
        {"path": str(closed.path), "allow": ["leadership"]},
    ]
    monkeypatch.setenv("NIGHTSHIFT_SOURCES", json.dumps(entries))
    with pytest.raises(SettingsError, match="overlap"):
        load_settings()


@pytest.mark.slow
def test_the_command_keeps_a_source_of_the_settings_closed(
    closed: SourceSettings, tmp_path: Path
) -> None:
    folder = closed.path
    assert folder is not None
    (folder / "plan.md").write_text("# Plan\n\nThe Lisbon office closes in May.\n", "utf-8")
    entry = {"path": str(folder), "allow": ["leadership"]}
    data = tmp_path / "data"
    assert nightshift("ingest", folder, data=data, SOURCES=json.dumps([entry])).returncode == 0
    (served,) = list_generations(IndexSettings(), data)
    assert served.metadata is not None
    index = open_index(IndexSettings(), data, served.metadata)
    assert index.document_chunks("board:plan.md", Reader()) == []
    (chunk,) = index.document_chunks("board:plan.md", Reader(frozenset({"leadership"})))
    assert chunk.text == "The Lisbon office closes in May."
