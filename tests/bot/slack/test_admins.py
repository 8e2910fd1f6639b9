"""Who is an admin, what others are told, and what becomes of work when the bot is stopped."""

from __future__ import annotations

import html
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.assembly import Nightshift
from bot.settings import Settings, SlackSettings
from bot.slack.admins import admin_room, is_admin_channel, refusal
from bot.slack.clients import Clients
from bot.slack.commands import BEGAN_DIRECT, Command
from bot.slack.jobs import Jobs, JobStopped
from bot.slack.listeners.admin import reply_to
from bot.slack.listeners.reindex import start_reindex, wanted_of
from bot.slack.listeners.retrain import dry_run_of
from bot.slack.parts import Parts, build_parts
from bot.source_names import with_stable_names
from ingestion.settings import SourceSettings
from tests.bot.slack.server.slack import Slack
from training.nights import NightRecord

MakeParts = Callable[..., Parts]


@pytest.fixture
def make_parts(slack: Slack, tmp_path: Path) -> Iterator[MakeParts]:
    opened: list[Nightshift] = []

    def no_night(*_: Any) -> NightRecord:
        raise AssertionError("no night is asked for here")

    def make(**slack_settings: Any) -> Parts:
        values = {"bot_token": slack.bot_token, "api_url": slack.url, **slack_settings}
        settings = Settings(data_dir=tmp_path, slack=SlackSettings.model_validate(values))
        opened.append(Nightshift(settings))
        return build_parts(opened[-1], Clients(settings.slack), no_night)

    yield make
    for nightshift in opened:
        nightshift.close()


def test_without_admins_everybody_is_told_how_to_name_one(
    slack: Slack, make_parts: MakeParts
) -> None:
    bob = slack.add_user("bob")
    said = refusal(make_parts(), slack.team_id, bob)
    assert "`admins` under `[slack]` in nightshift.toml" in said
    assert f"Your own id is {bob}." in said


def test_admins_are_named_without_a_mention(slack: Slack, make_parts: MakeParts) -> None:
    ada, bob = slack.add_user("ada", real_name="Ada <!here>"), slack.add_user("bob")
    group = slack.add_usergroup("it-admins", [ada])
    parts = make_parts(admins=[ada, group, "@helpers"])
    said = refusal(parts, slack.team_id, bob)
    assert "admins of this bot: Ada &lt;!here&gt;, @it-admins and @helpers." in said
    assert "<" not in said
    assert refusal(parts, slack.team_id, ada) == ""


@pytest.mark.parametrize("named", ["id", "handle"])
def test_a_user_group_of_admins(slack: Slack, make_parts: MakeParts, named: str) -> None:
    ada, bob = slack.add_user("ada"), slack.add_user("bob")
    group = slack.add_usergroup("it-admins", [ada])
    parts = make_parts(admins=[group if named == "id" else "it-admins"])
    assert refusal(parts, slack.team_id, ada) == ""
    assert refusal(parts, slack.team_id, bob) != ""


def test_a_handle_of_another_workspace_makes_nobody_an_admin(
    slack: Slack, make_parts: MakeParts
) -> None:
    ada = slack.add_user("ada")
    slack.add_usergroup("it-admins", [ada])
    several = {"client_id": "1.2", "client_secret": "s", "admins": ["it-admins"]}
    home = make_parts(**several, admin_team=slack.team_id)
    elsewhere = make_parts(**several, admin_team="T0ELSEWHERE")
    assert refusal(home, slack.team_id, ada) == ""
    assert refusal(elsewhere, slack.team_id, ada) != ""


@pytest.mark.parametrize("several", [{}, {"client_id": "1.2", "client_secret": "s"}])
def test_a_handle_that_is_an_id_gives_no_rights(
    slack: Slack, make_parts: MakeParts, several: dict[str, str]
) -> None:
    ada, mallory = slack.add_user("ada"), slack.add_user("mallory")
    group = slack.add_usergroup("it-admins", [ada])
    parts = make_parts(**several, admins=[ada, group])
    slack.add_usergroup(ada.lower(), [mallory])
    slack.add_usergroup(group.lower(), [mallory])
    slack.add_usergroup("u1nobody9", [mallory])
    team = slack.team_id
    assert refusal(parts, team, ada) == ""
    assert refusal(parts, team, mallory) != ""
    names = parts.people.reader(team, mallory).names
    assert names.isdisjoint({ada.lower(), group.lower()})
    assert ("u1nobody9" in names) == (not several), "any other handle opens what is open to it"
    assert ada.lower() in parts.people.reader(team, ada).names
    assert parts.people.by_id(team, [ada, group]) == (ada, group), "the group isn't pinged for her"


def test_what_was_read_by_hand_is_named_in_the_settings_that_reindex_needs(
    slack: Slack, make_parts: MakeParts, tmp_path: Path
) -> None:
    ada = slack.add_user("ada")
    parts = make_parts(admins=[ada])
    command = Command(slack.team_id, "", ada, (), "t")
    assert 'path = "/path/of/the/documents"' in start_reindex(parts, command)
    docs = tmp_path / "hand <book>"
    with_stable_names([SourceSettings(path=docs)], tmp_path)
    said = html.unescape(start_reindex(parts, command))
    (written,) = tomllib.loads(said.split("```")[1])["sources"]
    assert written == {"name": "hand <book>", "path": str(docs)}


def test_a_rank_that_cant_be_looked_up_is_none(slack: Slack, make_parts: MakeParts) -> None:
    ada = slack.add_user("ada")
    slack.add_usergroup("it-admins", [ada])
    slack.faults.fail("usergroups.list", error="fatal_error", times=9)
    assert refusal(make_parts(admins=["it-admins"]), slack.team_id, ada) != ""


def test_reports_go_where_only_admins_read(slack: Slack, make_parts: MakeParts) -> None:
    ada = slack.add_user("ada")
    private = slack.add_channel("bot-admins", private=True, members=(ada,))
    public = slack.add_channel("announcements", members=(ada,))
    team, direct = slack.team_id, slack.dm(ada)
    for wanted in (private, "#bot-admins", "bot-admins"):
        parts = make_parts(admin_channel=wanted)
        assert admin_room(parts, team, private, ada) == private
        assert admin_room(parts, team, public, ada) == direct
    assert admin_room(make_parts(admin_channel=public), team, public, ada) == direct
    assert is_admin_channel(make_parts(admin_channel=public), team, public)
    assert admin_room(make_parts(), team, "", ada) == direct
    slack.without("conversations.open")
    assert admin_room(make_parts(), team, public, ada) == ada


def command(slack: Slack, user: str, *words: str) -> Command:
    return Command(slack.team_id, "", user, words, "t")


def test_without_sources_it_is_said_how_to_add_them(slack: Slack, make_parts: MakeParts) -> None:
    ada = slack.add_user("ada")
    said = start_reindex(make_parts(admins=[ada]), command(slack, ada))
    assert "[[sources]]" in said
    assert said != BEGAN_DIRECT


def test_a_status_of_an_empty_installation(slack: Slack, make_parts: MakeParts) -> None:
    ada = slack.add_user("ada")
    reply = reply_to(make_parts(admins=[ada]), command(slack, ada, "adapters"))
    assert "*Live:* the bare base model" in reply.parts[0].text


@pytest.mark.parametrize(
    ("words", "source", "full"),
    [
        ([], "", False),
        (["wiki"], "wiki", False),
        (["wiki", "--full"], "wiki", True),
        (["—full", "wiki"], "wiki", True),
        (["--full"], "", True),
    ],
)
def test_what_reindex_takes(words: list[str], source: str, full: bool) -> None:
    wanted = wanted_of(words)
    assert wanted is not None
    assert (wanted.source, wanted.full) == (source, full)


@pytest.mark.parametrize("words", [["a", "b"], ["--fast"], ["wiki", "--full", "--force"]])
def test_what_reindex_does_not_take(words: list[str]) -> None:
    assert wanted_of(words) is None


def test_what_retrain_takes() -> None:
    assert dry_run_of([]) is False
    assert dry_run_of(["--dry-run"]) is dry_run_of(["—dry-run"]) is True
    assert dry_run_of(["--dry-run", "now"]) is dry_run_of(["now"]) is None


def test_one_job_of_a_name_runs_and_is_left_when_the_bot_stops() -> None:
    jobs, ended = Jobs(), threading.Event()
    step = threading.Event()

    def work() -> None:
        try:
            while True:
                jobs.go_on()
                step.wait(0.01)
        except JobStopped:
            ended.set()

    assert jobs.start("reindex", work)
    assert not jobs.start("reindex", work)
    assert jobs.start("retrain", lambda: None)
    jobs.stop()
    assert ended.is_set()
    assert not jobs.is_running("reindex")
    assert not jobs.start("reindex", work)
