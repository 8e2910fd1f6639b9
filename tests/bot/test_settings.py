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
        ("NIGHTSHIFT_SLACK__ADMINS", "sekrit"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in caught.value.problem
    assert "sekrit" not in caught.value.problem + caught.value.mend
    assert """'["U0123456789"]'""" in caught.value.mend


def test_a_wrong_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_MODEL__QUEUE_SIZE", "sekrit")
    with pytest.raises(SettingsError, match=r"'model\.queue_size'") as caught:
        load_settings()
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


def test_a_file_from_windows_is_read_or_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "nightshift.toml"
    file.write_text('[answer]\nhuman = "#help"\n', encoding="utf-8-sig")
    assert load_settings(file).answer.human == "#help"
    file.write_text('[answer]\nhuman = "#help"\n', encoding="utf-16")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert caught.value.mend == "Save it as UTF-8."


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "nightshift.toml"
    file.write_text(
        'data_dir = "~/ns"\n[[sources]]\npath = "~/docs"\n[[sources]]\nloader = "a:B"\n'
        '[index]\nca_file = "~/ca.pem"\n[embedding]\nmodel = "~/embedder"\n'
        '[model]\nname = "~/model"\nqueue_size = 7\n',
        encoding="utf-8",
    )
    settings = load_settings(file)
    assert settings.data_dir == tmp_path / "ns"
    assert [source.path for source in settings.sources] == [tmp_path / "docs", None]
    assert settings.index.ca_file == str(tmp_path / "ca.pem")
    assert settings.embedding.model == str(tmp_path / "embedder")
    assert (settings.model.name, settings.model.queue_size) == (str(tmp_path / "model"), 7)
    assert load_settings(file, Path("~/other")).data_dir == tmp_path / "other"
    assert load_settings(file, Path("~nobody-here/x")).data_dir == Path("~nobody-here/x")


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP_ADDR"],
)
def test_what_kubernetes_says_of_a_service_is_no_setting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NIGHTSHIFT_{name}", "tcp://10.0.0.7:8080")
    load_settings()
    monkeypatch.setenv(f"NIGHTSHIFT_X{name}", "tcp://10.0.0.7:8080")
    with pytest.raises(SettingsError, match="names no setting"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[[slack.channels]]\nchannel = 'C1'\nworkers = 2",
            "but 'slack.workers' is: write it above [[slack.channels]].",
        ),
        (
            "[[sources]]\npath = 'docs'\ndata_dir = 'x'",
            "'sources.0.data_dir' is no setting, but 'data_dir' is: write it above all sections.",
        ),
        ("[pairs]\ndata_dir = 'x'", "but 'data_dir' is: write it above all sections."),
        ("[embedding]\nmodle = 'x'", "Did you mean 'model'?"),
        ("[index]\nmodel = 'x'", "'index.model' is no setting."),
        ("nonsense = 1", "'nonsense' is no setting."),
        ("[[slack.channels]]\nchannel = 'C1'\nexpert = []", "Did you mean 'experts'?"),
        (
            "[[slack.channels]]\nchannel = 'C1'\nrights = 1",
            "'slack.channels.0.rights' is no setting.",
        ),
    ],
)
def test_a_setting_in_the_wrong_place_is_told_where_it_belongs(
    text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "nightshift.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "nightshift.toml")
    assert told in caught.value.problem
    assert ("above" in caught.value.problem) is ("above" in told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("answer = 1", "[answer] is a section: write it as [answer] with its settings below."),
        ("[sources]\npath = 'docs'", "[[sources]] is a section"),
        ("sources = ['docs']", "[[sources]] is a section"),
        ("[slack]\nchannels = ['C1']", "[[slack.channels]] is a section"),
        ("[slack]\nadmins = 'U1'", """'slack.admins' is a list: write it as ["…"]."""),
        ("[[sources]]\npath = 'docs'\nname = 'hr:pay'", "'sources.0.name': the name of a source"),
        ("[slack]\nup_emoji = ['a']\ndown_emoji = ['a']", "'slack': 'a' can't be both in"),
        ("[pairs]\nmin_up = 'x'", "'pairs.min_up': Input should be a valid integer"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_as_toml_has_it(
    text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "nightshift.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "nightshift.toml")
    assert told in caught.value.problem
