"""Settings that are wrong are told, and what is secret stays so."""

from pathlib import Path

import pytest

from bot.assembly import Nightshift
from bot.errors import SettingsError
from bot.settings import SlackSettings, load_settings


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


def test_slacks_usual_variables_win_over_the_file_and_ours_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "nightshift.toml"
    file.write_text('[slack]\nbot_token = "xoxb-of-the-file"\napp_token = ""\n', encoding="utf-8")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-of-slack")
    monkeypatch.setenv("SLACK_API_URL", "http://localhost:1/api/")
    slack = load_settings(file).slack
    assert slack.bot_token.get_secret_value() == "xoxb-of-the-file"
    assert slack.app_token.get_secret_value() == "xapp-of-slack"
    assert slack.api_url == "http://localhost:1/api/"
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-of-slack")
    assert load_settings(file).slack.bot_token.get_secret_value() == "xoxb-of-slack"
    monkeypatch.setenv("NIGHTSHIFT_SLACK__BOT_TOKEN", "xoxb-ours")
    slack = load_settings(file).slack
    assert slack.bot_token.get_secret_value() == "xoxb-ours"
    assert slack.app_token.get_secret_value() == "xapp-of-slack"


def test_what_slack_lacks_is_named_as_the_readme_names_it() -> None:
    assert SlackSettings().missing() == ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]
