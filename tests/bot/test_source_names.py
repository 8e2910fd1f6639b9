from pathlib import Path

import pytest

from bot.attachments import SOURCE
from bot.errors import SettingsError
from bot.source_names import FILE, known_names, with_stable_names
from ingestion.settings import SourceSettings


def names(paths: list[str], data_dir: Path) -> list[str]:
    sources = [SourceSettings(path=Path(path)) for path in paths]
    return [source.name for source in with_stable_names(sources, data_dir)]


def test_folders_of_one_name_never_share_it(tmp_path: Path) -> None:
    assert names(["/a/docs"], tmp_path) == ["docs"]
    assert names(["/b/docs"], tmp_path) == ["docs-2"]
    assert names(["/c/docs", "/a/docs"], tmp_path) == ["docs-3", "docs"]
    assert names(["/b/docs"], tmp_path) == ["docs-2"]


def test_a_name_of_its_own_is_kept_and_not_given_to_another(tmp_path: Path) -> None:
    wiki = SourceSettings(path=Path("/x"), name="wiki")
    assert with_stable_names([wiki], tmp_path) == (wiki,)
    assert names(["/y/wiki"], tmp_path) == ["wiki-2"]


def test_a_name_ends_before_the_colon_of_a_document_id(tmp_path: Path) -> None:
    """Else the channel of "hr" would be shown what only "hr:pay" says."""
    assert names(["/a/hr", "/a/hr:pay"], tmp_path) == ["hr", "hr-pay"]
    assert SOURCE.startswith(":"), "an attached file is no document of a source"
    (tmp_path / FILE).write_text('{"it:old": "/a/it:old"}')
    assert names(["/a/it:old"], tmp_path) == ["it-old"], "an older version gave such names"
    assert known_names(tmp_path) == ("it-old",)


def test_a_damaged_memory_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(SettingsError) as caught:
        names(["/a/docs"], tmp_path)
    assert "--rebuild" in caught.value.mend


@pytest.mark.parametrize("text", ["[]", "null", "7"])
def test_a_memory_of_another_kind_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(SettingsError, match="can't be read"):
        names(["/a/docs"], tmp_path)
