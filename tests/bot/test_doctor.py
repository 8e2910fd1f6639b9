from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from bot import doctor_hub
from bot.assembly import Nightshift
from bot.doctor import (
    data_folder,
    endpoint_form,
    is_web_address,
    python_version,
    quick_checks,
    schedule,
    slack_names,
    slack_tokens,
)
from bot.doctor_hub import hub
from bot.doctor_parts import model
from bot.doctor_slack import slack_answers
from bot.doctor_sources import sources
from bot.errors import SettingsError
from bot.findings import Finding, Level, run_checks
from bot.settings import Settings, SlackSettings
from bot.slack.manifest import bot_scopes
from ingestion.settings import EmbeddingSettings, SourceSettings
from tests.bot.openai_server import openai_server
from tests.bot.slack.server.slack import Slack, slack_workspace
from tests.bot.terminal import nightshift
from tests.fault_proxy import proxy_before
from training.errors import ScheduleError
from training.settings import ModelSettings, TrainingSettings

GOOD = {
    "bot_token": "xoxb-1234567890-abcdef",
    "app_token": "xapp-1-A0-1234567890-abcdef",
    "signing_secret": "0123456789abcdef0123456789abcdef",
}


def levels(slack: dict[str, Any]) -> list[Level]:
    return [finding.level for finding in slack_tokens(SlackSettings.model_validate(slack))]


def test_good_tokens_are_good() -> None:
    admins = {"admins": ["U0123456789"]}
    for channel in ("#bot-admins", "C0123456789"):
        assert set(levels({**GOOD, **admins, "admin_channel": channel})) == {Level.OK}


def test_no_tokens_are_a_note_and_half_of_them_a_problem() -> None:
    assert levels({}) == [Level.NOTE]
    only = SlackSettings.model_validate({"bot_token": GOOD["bot_token"]})
    found = list(slack_tokens(only))
    assert [each.level for each in found] == [Level.OK, Level.PROBLEM, Level.NOTE, Level.NOTE]
    assert "APP_TOKEN" in found[1].text
    assert "slack.admins" in found[2].text


def test_several_workspaces_need_more_than_an_id() -> None:
    several = {"client_id": "1.2", "mode": "http", "admins": ["U1"], "admin_channel": "#admins"}
    found = list(slack_tokens(SlackSettings.model_validate(several)))
    assert "CLIENT_SECRET" in found[0].text
    assert "SIGNING_SECRET" in found[0].text
    assert "none is named" in found[1].text
    assert "slack.teams" in found[1].mend
    assert "slack.admin_team" in found[2].text
    assert [each.level for each in found] == [Level.PROBLEM] * 3


def test_who_may_install_it_is_named() -> None:
    several = {"client_id": "1.2", "admin_team": "T0123456789"}
    for teams, level, text in (
        ([], Level.OK, "T0123456789 may install"),
        (["T0123456788"], Level.OK, "T0123456788, T0123456789 may install"),
        (["*"], Level.NOTE, "Any workspace"),
    ):
        found = slack_tokens(SlackSettings.model_validate({**several, "teams": teams}))
        assert [each.level for each in found if text in each.text] == [level]


def asked(slack: Slack, **changes: str) -> list[Finding]:
    """Return what the doctor hears from Slack."""
    tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_url": slack.url}
    found = list(slack_answers(SlackSettings.model_validate({**tokens, **changes})))
    assert not any(slack.bot_token in f"{each.text}{each.mend}" for each in found)
    return found


def test_slack_is_asked_whether_it_takes_the_tokens() -> None:
    with slack_workspace() as slack:
        assert [each.level for each in asked(slack)] == [Level.OK, Level.OK]
        assert "in Harbour" in asked(slack)[0].text
        slack.team.org_wide = True
        assert "whole organization" in asked(slack)[1].text
        slack.team.org_wide = False
        slack.scopes = {*bot_scopes()} - {"chat:write"}
        lacks = [each for each in asked(slack) if each.level is Level.PROBLEM]
        assert ["chat:write" in each.text for each in lacks] == [True]
        slack.revoke()
        refused = asked(slack, app_token="xapp-wrong")
        assert [each.text.rpartition(": ")[2] for each in refused] == [
            "token_revoked.",
            "invalid_auth.",
        ]
        several = {"client_id": "1.2", "mode": "http"}
        assert asked(slack, **several) == []
    (gone, _) = asked(slack)
    assert "can't be reached" in gone.text
    assert all(each.mend for each in (*lacks, *refused, gone))


@contextmanager
def behind_tls(url: str, folder: Path) -> Iterator[str]:
    """Yield a server's address behind TLS; who signed its certificate is in ca.pem."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with proxy_before(url, context) as proxy:
        yield proxy.url + urlsplit(url).path


def test_slacks_certificate_must_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slack_workspace() as slack, behind_tls(slack.url, tmp_path) as url:
        for found in asked(slack, api_url=url):
            assert found.level is Level.PROBLEM
            assert (
                "certificate isn't trusted here (URLError: SSLCertVerificationError)" in found.text
            )
            assert "SSL_CERT_FILE" in found.mend
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert Level.PROBLEM not in {each.level for each in asked(slack, api_url=url)}


def test_slacks_name_must_be_known() -> None:
    unknown = SlackSettings.model_validate({**GOOD, "api_url": "https://slack.invalid/api/"})
    for found in slack_answers(unknown):
        assert "can't be reached (URLError: gaierror)" in found.text
        assert "HTTPS_PROXY" in found.mend


def test_the_endpoints_certificate_must_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(url: str) -> Finding:
        settings = ModelSettings(name="openai:some", base_url=url, api_key="s3cret")
        return list(model(Nightshift(Settings(data_dir=tmp_path, model=settings))))[-1]

    with openai_server() as server, behind_tls(server.url, tmp_path) as url:
        found = finding(url)
        assert (found.check, found.level) == ("model endpoint", Level.PROBLEM)
        assert "certificate" in found.text
        assert "SSL_CERT_FILE" in found.mend
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert finding(url).level is Level.OK
    away = finding(url)
    assert "can't be reached (ConnectError)" in away.text
    assert "Start it" in away.mend


def named(folder: Path, **slack: object) -> list[str]:
    """Return what the doctor says of the names in Slack's settings."""
    sources = [SourceSettings(path=Path("docs/handbook"))]
    given = SlackSettings.model_validate(slack)
    found = slack_names(Settings(data_dir=folder, sources=sources, slack=given))
    return [finding.text for finding in found]


def test_names_in_slacks_settings_have_the_form_of_ids(tmp_path: Path) -> None:
    people = ["U0123456789", "S0123456789", "it-admins", "@it-admins", "IT-Admins", "webmasters"]
    channel = {"channel": "C0123456789", "experts": people, "sources": ["handbook"]}
    good = {
        "admins": people,
        "experts": people,
        "channels": [channel],
        "expert_channel": "#help",
    }
    assert named(tmp_path, **good) == []
    assert "'#people' in slack.channels" in named(tmp_path, channels=[{"channel": "#people"}])[0]
    assert "'Quay' in slack.teams" in named(tmp_path, teams=["Quay", "*", "T0123456789"])[0]
    assert "'#people' in slack.channels" not in str(named(tmp_path, channels=[channel]))
    assert "more than once" in named(tmp_path, channels=[channel, channel])[0]
    wrong = named(tmp_path, channels=[{**channel, "sources": ["handbok", "*"]}])
    assert wrong == ["slack.channels (C0123456789) names 'handbok', which is no source."]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("u0123456789", "ids are in capitals"),
        ("@U0123456789", "ids are in capitals"),
        ("S0123456789a", "ids are in capitals"),
        ("C0123456789", "no handle"),
        ("T0123456789", "no handle"),
        ("SUPPORT", "no handle"),  # which the bot takes for an id
        ("#help", "no handle"),
        ("Ada Lovelace", "no handle"),
        ("ada@harbour.example", "no handle"),
        ("", "no handle"),
    ],
)
def test_names_that_nobody_in_slack_has_are_problems(name: str, told: str, tmp_path: Path) -> None:
    channel = {"channel": "C0123456789", "experts": [name]}
    for slack in ({"admins": [name]}, {"experts": [name]}, {"channels": [channel]}):
        (text,) = named(tmp_path, **slack)
        assert f"'{name}' in slack." in text
        assert told in text
    given = SlackSettings.model_validate({"admins": ["u0123456789"]})
    (found,) = slack_names(Settings(data_dir=tmp_path, slack=given))
    assert found.level is Level.PROBLEM
    assert "Write U0123456789." in found.mend


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bot_token", "xoxp-1234567890-abcdef"),
        ("bot_token", "xapp-1234567890-abcdef"),
        ("bot_token", "xoxb-1234567890-abcdef\n"),
        ("app_token", "xoxb-1234567890-abcdef"),
        ("signing_secret", "0123456789ABCDEF0123456789ABCDEF"),
        ("signing_secret", "0123"),
    ],
)
def test_tokens_of_the_wrong_form_are_problems_and_never_shown(name: str, value: str) -> None:
    found = list(slack_tokens(SlackSettings.model_validate({**GOOD, name: value})))
    problems = [each for each in found if each.level is Level.PROBLEM]
    assert len(problems) == 1
    assert name.upper() in problems[0].text
    assert problems[0].mend
    assert not any(value.strip() in f"{each.text}{each.mend}" for each in found)


def test_admin_channel_must_be_one() -> None:
    assert Level.PROBLEM in levels({**GOOD, "admin_channel": "the admins"})


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("http://localhost:8000/v1", True),
        ("https://models.example/v1", True),
        ("localhost:8000", False),
        ("http://", False),
        ("http://host:port/", False),
        ("ftp://host/", False),
    ],
)
def test_endpoint_form(url: str, good: bool) -> None:
    assert is_web_address(url) is good
    (finding,) = endpoint_form(Settings(model=ModelSettings(name="openai:m", base_url=url)))
    assert (finding.level is Level.OK) is good


def test_each_source_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, file = tmp_path / "handbook", tmp_path / "policy.md"
    folder.mkdir()
    file.write_text("# Policy\n", encoding="utf-8")
    csv = SourceSettings(loader="langchain_community.document_loaders:CSVLoader")
    both = csv.model_copy(update={"path": folder})
    given = [
        SourceSettings(path=folder),
        SourceSettings(path=file),
        csv,
        SourceSettings(path=tmp_path / "nowhere", name="wiki"),
        SourceSettings(path=Path(os.devnull)),
        SourceSettings(),
        both,
    ]
    found = list(sources(Settings(sources=given)))
    assert [each.level for each in found] == [Level.OK] * 3 + [Level.PROBLEM] * 4
    assert str(folder) in found[0].text
    for number, text in ((3, "'wiki' isn't there"), (4, "neither"), (5, "neither"), (6, "both")):
        assert text in found[number].text
        assert found[number].mend
    assert "[[sources]] number 6" in found[5].text

    def refused(_place: object) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    (closed,) = sources(Settings(sources=[SourceSettings(path=folder)]))
    assert (closed.level, closed.mend) == (Level.PROBLEM, "Check its rights.")


def test_a_source_without_links_in_slack_is_noted(tmp_path: Path) -> None:
    linked = SourceSettings(path=tmp_path, base_url="https://wiki.example.com")
    given = [SourceSettings(path=tmp_path), linked]
    slack = SlackSettings.model_validate(GOOD)
    found = list(sources(Settings(sources=given, slack=slack)))
    assert [each.level for each in found] == [Level.OK, Level.NOTE, Level.OK]
    assert "base_url" in found[1].mend


def test_schedule() -> None:
    assert "03:30" in schedule(Settings(training=TrainingSettings(schedule="30 3 * * *"))).text
    assert schedule(Settings(training=TrainingSettings(enabled=False))).level is Level.NOTE
    with pytest.raises(ScheduleError):
        schedule(Settings(training=TrainingSettings(schedule="at night")))


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 99), "note")]
)
def test_python_version(version: tuple[int, int], level: str) -> None:
    assert python_version(version).level == level


def test_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder(tmp_path).level is Level.OK
    assert data_folder(tmp_path / "a" / "b").level is Level.OK
    assert "made at first use" in data_folder(tmp_path / "a" / "b").text
    monkeypatch.chdir(tmp_path.parent)
    assert "made at first use" not in data_folder(Path(tmp_path.name)).text
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert data_folder(tmp_path / "file" / "data").level is Level.PROBLEM
    assert data_folder(Path("/proc/nightshift")).level is Level.PROBLEM  # root can't write there


def test_a_check_that_fails_is_a_finding_and_the_others_go_on() -> None:
    def broken() -> list[Finding]:
        raise SettingsError("It is broken.", "Mend it.")

    fine = Finding("fine", Level.OK, "fine")
    found = list(run_checks([("one", broken), ("two", lambda: [fine])]))
    assert found == [Finding("one", Level.PROBLEM, "It is broken.", "Mend it."), fine]


def test_quick_checks_in_an_empty_folder_find_no_problem(tmp_path: Path) -> None:
    found = list(run_checks(quick_checks(Settings(data_dir=tmp_path / "data"))))
    assert Level.PROBLEM not in {each.level for each in found}
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_quick_doctor_needs_nothing(tmp_path: Path) -> None:
    done = nightshift("doctor", "--quick", data=tmp_path / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All is well." in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor_fails_where_half_of_slacks_tokens_are_set(tmp_path: Path) -> None:
    half = {"SLACK__BOT_TOKEN": GOOD["bot_token"]}
    done = nightshift("doctor", "--quick", data=tmp_path / "data", **half)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Slack needs SLACK_APP_TOKEN too" in done.stdout
    assert "All is well." not in done.stdout


def test_doctor_names_wrong_settings(tmp_path: Path) -> None:
    (tmp_path / "nightshift.toml").write_text("[pairs]\nmin_upp = 2\n", encoding="utf-8")
    done = nightshift("doctor", "--json", data=tmp_path / "data")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert "Did you mean 'min_up'?" in report["findings"][0]["text"]


@pytest.mark.slow
def test_full_doctor_opens_the_parts(indexed: Path) -> None:
    done = nightshift("doctor", "--json", data=indexed)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert "26 documents" in found["index"]["text"]
    assert {"database", "embedder", "model", "adapters", "GPU", "CPU", "memory"} <= found.keys()


@pytest.mark.slow
def test_full_doctor_finds_what_is_broken(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "nightshift.db").write_text("no database at all, but some text", encoding="utf-8")
    (data / "adapters").mkdir()
    (data / "adapters" / "current.json").write_text("{", encoding="utf-8")
    (data / "index").mkdir()
    (data / "index" / "current.json").write_text("{", encoding="utf-8")
    broken = {"EMBEDDING__MODEL": "", "MODEL__NAME": str(tmp_path / "nowhere")}
    done = nightshift("doctor", "--json", data=data, MODEL__DEVICE="cuda:9", **broken)
    assert done.returncode == 1
    problems = {
        each["check"]: each
        for each in json.loads(done.stdout)["findings"]
        if each["level"] == "problem"
    }
    assert {"database", "adapters", "index", "model"} <= problems.keys()
    assert all(each["mend"] for each in problems.values())
    assert not (data / "models").exists()


def test_a_hub_that_is_silent_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(doctor_hub, "_SECONDS", 0.1)
    named = Settings(model=ModelSettings(name="owner/model"))
    assert list(hub(Settings(model=ModelSettings(name=str(tmp_path))))) == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        (found,) = hub(named)
    assert found.level is Level.NOTE
    assert "owner/model" in found.text
    assert "folder" in found.mend
    assert list(hub(named)) == []  # this process is offline from now on


def test_a_hub_that_answers_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with openai_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        (found,) = hub(Settings(embedding=EmbeddingSettings(model="all-mpnet-base-v2")))
    assert found.level is Level.OK


@pytest.mark.slow
def test_full_doctor_reaches_the_endpoint(tmp_path: Path) -> None:
    def finding(url: str) -> dict[str, str]:
        settings = {"MODEL__NAME": "openai:some", "MODEL__BASE_URL": url}
        done = nightshift("doctor", "--json", data=tmp_path / "data", **settings)
        found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
        return [each for each in found if each["check"] == "model endpoint"][-1]

    with openai_server() as server:
        assert finding(server.url)["level"] == "ok"
        address = server.url
    assert finding(address)["level"] == "problem"
