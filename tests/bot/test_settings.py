"""Settings that are wrong are told, and what is secret stays so."""

from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.errors import SettingsError
from bot.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTSHIFT_MODEL", '{"api_key": "sekrit'),
        ("NIGHTSHIFT_SOURCES", "sekrit"),
        ("NIGHTSHIFT_SLACK", "sekrit"),
        ("NIGHTSHIFT_MODEL__QUEUE_SIZE", "sekrit"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    section = name.split("_")[1].lower()
    assert section in caught.value.problem
    assert "sekrit" not in caught.value.problem + caught.value.mend


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTSHIFT_MODEL__API_KEY", "sekrit"),
        ("NIGHTSHIFT_DATABASE__URL", "postgresql://me:sekrit@host/db"),
        ("NIGHTSHIFT_INDEX__PASSWORD", "sekrit"),
        ("NIGHTSHIFT_SLACK__BOT_TOKEN", "sekrit"),
    ],
)
def test_settings_show_no_secret(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    settings = load_settings()
    assert "sekrit" not in repr(settings) + str(settings)


def test_two_processes_may_try_the_data_folder_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = Path.touch

    def touched_and_removed_by_another(path: Path) -> None:
        touch(path)
        path.unlink()

    monkeypatch.setattr(Path, "touch", touched_and_removed_by_another)
    settings = load_settings(data_dir=tmp_path)
    assert Nightshift(settings).data_dir == tmp_path


def test_an_address_without_a_remote_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE_URL", "http://localhost:8000/v1")
    with pytest.raises(SettingsError, match="openai:"):
        load_settings()
    monkeypatch.setenv("NIGHTSHIFT_MODEL__NAME", "openai:phi-4-mini")
    assert load_settings().model.is_remote
