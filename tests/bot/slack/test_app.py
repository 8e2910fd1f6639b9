"""What becomes a question, and whose names are trusted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App, BoltRequest
from slack_bolt.oauth import OAuthFlow
from slack_bolt.response import BoltResponse

from bot.assembly import Nightshift
from bot.errors import SettingsError, SlackDownError
from bot.settings import Settings, SlackSettings
from bot.slack.app import SlackBot, build_app
from bot.slack.clients import Clients
from bot.slack.oauth import Installations
from bot.slack.parts import Parts, build_parts
from bot.slack.request import team_of
from tests.bot.slack.server.slack import Slack
from training.nights import NightRecord

MakeParts = Callable[..., Parts]


@pytest.fixture
def make_parts(slack: Slack, tmp_path: Path) -> Iterator[MakeParts]:
    opened: list[Nightshift] = []

    def no_night(*_: Any) -> NightRecord:
        raise AssertionError("no night is asked for here")

    def make(token_of: Callable[[str], str | None] | None = None, **changes: Any) -> Parts:
        values = {"bot_token": slack.bot_token, "api_url": slack.url, **changes}
        settings = Settings(data_dir=tmp_path, slack=SlackSettings.model_validate(values))
        opened.append(Nightshift(settings))
        return build_parts(opened[-1], Clients(settings.slack, token_of), no_night)

    yield make
    for nightshift in opened:
        nightshift.close()


class Taker:
    """A Bolt app that takes events, each as often as it is handed in."""

    def __init__(self, parts: Parts) -> None:
        self.app = build_app(parts)
        self.parts = parts
        self.number = 0

    def body(self, text: str, **event: Any) -> dict[str, Any]:
        self.number += 1
        stamp = f"1700000000.{self.number:06}"
        sent = {"type": "app_mention", "user": "U0ALICE000", "channel": "C0PUBLIC00", "text": text}
        return {
            "team_id": "T0TEAM0000",
            "api_app_id": "A0APP00000",
            "type": "event_callback",
            "event_id": f"Ev{self.number}",
            "event": {**sent, "ts": stamp, "event_ts": stamp, **event},
        }

    def take(self, *bodies: dict[str, Any]) -> list[str]:
        """Hand in events; return the questions that then wait."""
        for body in bodies:
            assert self.app.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200
        waiting = []
        while (task := self.parts.queue.take()) is not None:
            waiting.append(str(task.request["text"]))
        return sorted(waiting)


def test_each_question_is_taken_once(slack: Slack, make_parts: MakeParts) -> None:
    taker = Taker(make_parts())
    text = f"<@{slack.bot_user}> room?"
    first = taker.body(text)
    ts = first["event"]["ts"]
    as_message = taker.body(text, type="message", channel_type="channel", ts=ts)
    direct = taker.body("hello?", type="message", channel_type="im", channel="D0DIRECT00")
    assert taker.take(first, first, as_message, direct, direct) == ["hello?", "room?"]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "message", "channel_type": "channel"},
        {"type": "message", "channel_type": "im", "bot_id": "B0OTHER000"},
        {"type": "message", "channel_type": "im", "subtype": "channel_join"},
        {"type": "message", "channel_type": "im", "subtype": "message_changed", "message": {}},
        {"type": "app_mention", "bot_id": "B0OTHER000"},
    ],
)
def test_what_nobody_asks_is_not_taken(changes: dict[str, Any], make_parts: MakeParts) -> None:
    taker = Taker(make_parts())
    assert taker.take(taker.body("hello", **changes)) == []


def test_a_question_that_its_deletion_overtook_is_not_taken(make_parts: MakeParts) -> None:
    taker = Taker(make_parts())
    question, other = taker.body("room?"), taker.body("leave?")
    gone = {"subtype": "message_deleted", "deleted_ts": question["event"]["ts"]}
    deletion = taker.body("", type="message", channel_type="channel", **gone)
    assert taker.take(deletion, question, other) == ["leave?"]


def test_thanks_among_people_are_no_follow_up(make_parts: MakeParts) -> None:
    taker = Taker(make_parts(follow_up="always"))
    asked = taker.body("room?")
    thread = {"type": "message", "channel_type": "channel", "thread_ts": asked["event"]["ts"]}
    assert taker.take(asked) == ["room?"]
    said = [taker.body(text, **thread) for text in ("Thanks!", "and a bigger one?")]
    assert taker.take(*said) == ["and a bigger one?"]


def test_a_token_in_the_environment_is_no_news(
    make_parts: MakeParts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-environment")
    build_app(make_parts())
    assert caplog.messages == []


def test_a_refused_token_is_told_without_the_token(slack: Slack, make_parts: MakeParts) -> None:
    slack.revoke()
    with pytest.raises(SettingsError, match="bot's token") as caught:
        build_app(make_parts())
    assert slack.bot_token not in caught.value.problem


def test_in_another_workspace_a_handle_opens_nothing(slack: Slack, make_parts: MakeParts) -> None:
    other = slack.add_workspace("Quay")
    alice = slack.add_user("alice", email="alice@harbour.example")
    mallory = slack.add_user("mallory", email="alice@harbour.example", team=other)
    slack.add_usergroup("hr", [alice])
    group = slack.add_usergroup("hr", [mallory], team=other)
    tokens = {slack.team_id: slack.bot_token, other.id: other.bot_token}
    several = {"client_id": "1.2", "client_secret": "s", "admin_team": slack.team_id}
    parts = make_parts(tokens.get, email_domains=["harbour.example"], admins=["hr"], **several)
    ours = parts.people.reader(slack.team_id, alice)
    assert {"hr", "alice", "alice@harbour.example"} <= ours.names
    theirs = parts.people.reader(other.id, mallory)
    assert theirs.names == {mallory.casefold(), group.casefold()}
    assert parts.people.is_admin(slack.team_id, alice)
    assert not parts.people.is_admin(other.id, mallory)


@pytest.mark.parametrize(("level", "told"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_what_an_error_says_is_in_no_log_but_the_verbose_one(
    level: int, told: bool, make_parts: MakeParts, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("Alice earns 90,000")

    caplog.set_level(level, logger="bot")
    app = build_app(make_parts())
    app.action("at once")(fail)
    app.action("late")(ack=lambda ack: ack(), lazy=[fail])
    for action in ("at once", "late"):
        body = {
            "type": "block_actions",
            "user": {"id": "U0ALICE000"},
            "team": {"id": "T0TEAM0000"},
            "actions": [{"type": "button", "action_id": action, "block_id": "b"}],
        }
        app.dispatch(BoltRequest(body=body, mode="socket_mode"))
    app.listener_runner.listener_executor.shutdown()
    assert caplog.text.count("90,000" if told else "ValueError at test_app.py") >= 2
    assert ("90,000" in caplog.text) is told


@pytest.mark.parametrize(
    ("part", "what"), [("_worker", "answers"), ("_counter", "counts votes"), ("outbox", "reports")]
)
def test_a_thread_that_has_ended_is_told(part: str, what: str, make_parts: MakeParts) -> None:
    parts = make_parts()
    bot = SlackBot(parts)
    bot.start(connect=False)
    try:
        assert "threads answer" in bot.alive()
        (parts.outbox if part == "outbox" else getattr(bot, part)).stop()
        with pytest.raises(SlackDownError, match=f"A thread that .*{what} has ended"):
            bot.alive()
    finally:
        bot.stop()


@pytest.mark.parametrize(
    ("body", "team"),
    [
        ({"team": {"id": "T0OTHER000"}, "view": {"app_installed_team_id": "T0OURS0000"}}, "ours"),
        ({"team_id": "T0OTHER000", "context_team_id": "T0OURS0000"}, "ours"),
        ({"team_id": "T0OTHER000", "authorizations": [{"team_id": "T0OURS0000"}]}, "ours"),
        ({"team": {"id": "T0OURS0000"}, "user": {"team_id": "T0OTHER000"}}, "ours"),
        ({"team": {"id": "T0OURS0000"}, "view": {"team_id": "T0OURS0000"}}, "ours"),
        ({"team": None, "user": {"team_id": "T0OTHER000"}, "view": None}, ""),
    ],
)
def test_the_workspace_is_where_the_bot_is_installed(body: dict[str, Any], team: str) -> None:
    assert team_of(body) == ("T0OURS0000" if team else "")


def install(flow: OAuthFlow, code: str) -> BoltResponse:
    """Let a browser come back from Slack's page with its code."""
    begun = flow.handle_installation(BoltRequest(body=""))
    (cookie,) = begun.headers["set-cookie"]
    state = cookie.partition("=")[2].partition(";")[0]
    headers = {"cookie": cookie.partition(";")[0]}
    query = {"code": code, "state": state}
    return flow.handle_callback(BoltRequest(body="", query=query, headers=headers))


def test_an_organizations_workspace_installs_it_and_the_organization_cannot(
    slack: Slack, make_parts: MakeParts
) -> None:
    team = slack.add_workspace("Quay")
    secrets = {"client_id": slack.client_id, "client_secret": slack.client_secret}
    secrets |= {"bot_token": "", "signing_secret": slack.signing_secret}
    parts = make_parts(**secrets, teams=[team.id])
    installed = Installations(parts.settings, parts.nightshift.database)
    flow = build_app(parts, installed).oauth_flow
    assert flow is not None
    refused = install(flow, slack.oauth_code(team, "E0HARBOURS", org_wide=True))
    assert refused.status == 400
    assert "for a whole organization (Enterprise Grid) can't be used" in refused.body
    assert "Install it in each workspace" in refused.body
    assert installed.token_of(team.id) is None
    assert install(flow, slack.oauth_code(team, "E0HARBOURS")).status == 200
    assert installed.token_of(team.id) == team.bot_token
    assert installed.token_of("T0OTHER000") is None


@pytest.mark.parametrize("named", ["teams", "admin_team"])
def test_only_workspaces_that_are_named_install_it_and_are_served(
    slack: Slack, make_parts: MakeParts, named: str
) -> None:
    quay, pier = slack.add_workspace("Quay"), slack.add_workspace("Pier")
    secrets = {"client_id": slack.client_id, "client_secret": slack.client_secret}
    secrets |= {"bot_token": "", "signing_secret": slack.signing_secret, "mode": "http"}

    def begin(**who: Any) -> tuple[Installations, App]:
        parts = make_parts(**secrets, **who)
        installed = Installations(parts.settings, parts.nightshift.database)
        return installed, build_app(parts, installed)

    def heard(app: App) -> list[str]:
        """Let somebody in each workspace press a button; return those that are listened to."""
        teams: list[str] = []
        app.action("press")(lambda ack, body: [ack(), teams.append(body["team"]["id"])])
        for team in (quay, pier):
            press = {"type": "button", "action_id": "press", "block_id": "b"}
            body = {"type": "block_actions", "actions": [press], "team": {"id": team.id}}
            body["user"] = {"id": "U0BEA00000", "team_id": team.id}
            app.dispatch(BoltRequest(body=body, mode="socket_mode"))
        return teams

    only_quay = {named: [quay.id] if named == "teams" else quay.id}
    installed, app = begin(**only_quay)
    assert app.oauth_flow is not None
    assert install(app.oauth_flow, slack.oauth_code(quay)).status == 200
    refused = install(app.oauth_flow, slack.oauth_code(pier))
    assert refused.status == 400
    assert "isn't among those that may use this bot" in refused.body
    assert installed.token_of(pier.id) is None
    # Any other one too, where an admin wants that.
    everybody, app = begin(teams=["*"])
    assert app.oauth_flow is not None
    assert install(app.oauth_flow, slack.oauth_code(pier)).status == 200
    assert everybody.token_of(pier.id) == pier.bot_token
    assert heard(app) == [quay.id, pier.id]
    # And no longer: its token is still stored, but nobody there is answered.
    installed, app = begin(**only_quay)
    assert (installed.token_of(quay.id), installed.token_of(pier.id)) == (quay.bot_token, None)
    assert heard(app) == [quay.id]


def test_without_a_named_workspace_it_does_not_start(make_parts: MakeParts) -> None:
    parts = make_parts(client_id="1.2", client_secret="s")
    with pytest.raises(SettingsError, match="none is named") as caught:
        Installations(parts.settings, parts.nightshift.database)
    assert "slack.teams" in caught.value.mend


def test_the_token_of_an_organization_is_refused(slack: Slack, make_parts: MakeParts) -> None:
    slack.team.org_wide = True
    with pytest.raises(SettingsError, match="whole organization") as refused:
        build_app(make_parts())
    assert refused.value.mend.startswith("Install it in each workspace")
