"""The state of the workspaces, and the clock. Whoever reads or writes it holds `changed`."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.bot.slack.server.model import (
    Call,
    Channel,
    Json,
    Message,
    Person,
    SlackFailure,
    StoredFile,
    Team,
    View,
)

APP = "A0NIGHTSHIFT"
TRIGGER_SECONDS = 3.0
RESPONSE_URL_SECONDS = 1800.0
RESPONSE_URL_USES = 5
STREAM_SECONDS = 300.0
STREAM_CHARACTERS = 12_000


@dataclass
class Trigger:
    """A ticket for one view: docs.slack.dev/interactivity/handling-user-interaction (3 seconds)."""

    user: str
    team: str
    until: float
    used: bool = False


@dataclass
class ResponseUrl:
    """Where the app may answer an interaction: five times within 30 minutes."""

    user: str
    team: str
    channel: str
    until: float
    message_ts: str = ""
    thread_ts: str = ""
    uses: int = 0
    responses: list[Json] = field(default_factory=list)


@dataclass
class Session:
    """The state of an agent's thread: status line, title, prompts.

    Attributes:
        statuses: All that were shown, in order; "" takes the line away.
        lifecycle: What `agents.sessions.setStatus` said last.
    """

    statuses: list[str] = field(default_factory=list)
    loading: list[str] = field(default_factory=list)
    title: str = ""
    prompts: list[Json] = field(default_factory=list)
    prompts_title: str = ""
    lifecycle: str = ""
    initiator: str = ""

    @property
    def status(self) -> str:
        return self.statuses[-1] if self.statuses else ""


class Workspace:
    """Teams, people, channels, messages: what Slack would know."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.app_token = "xapp-1-A0NIGHTSHIFT-1000000000-secretsocket"
        self.signing_secret = "8f742231b10e8888abcd99yyyzzz85a5"
        self.client_id, self.client_secret = "1000000000.2000000000", "client-secret"
        self.teams: dict[str, Team] = {}
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, list[Message]] = {}
        self.usergroups: dict[str, tuple[str, str, list[str]]] = {}
        self.files: dict[str, StoredFile] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[tuple[str, str], View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.codes: dict[str, tuple[str, str, bool]] = {}
        self.calls: list[Call] = []
        self.scopes: set[str] | None = None
        self.missing: set[str] = set()
        self.stream_seconds = STREAM_SECONDS
        self.stream_characters = STREAM_CHARACTERS
        self.stream_dies_at = 0
        self.trigger_seconds = TRIGGER_SECONDS
        self.url = ""
        self._ahead = 0.0
        # No two Slacks give the same ids: a bot's data folder may have met another one before.
        self._numbers = itertools.count(secrets.randbelow(16**8))
        self._last_ts = 0.0

    # Time and names

    def now(self) -> float:
        """Return Slack's time: the machine's, and what tests have moved on."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass for streams, triggers and response URLs, without waiting."""
        with self.changed:
            self._ahead += seconds

    def next_id(self, kind: str) -> str:
        """Return an id as Slack writes them: a letter, and capitals and digits."""
        return f"{kind}0{next(self._numbers):09X}"

    def next_ts(self) -> str:
        """Return a timestamp that no other message has: it is the message's id."""
        with self.changed:
            self._last_ts = max(self._last_ts + 1e-6, round(self.now(), 6))
            return f"{self._last_ts:.6f}"

    # What there is

    def add_team(self, name: str) -> Team:
        """Install the app in one more workspace."""
        with self.changed:
            bot = self.next_id("U")
            number = 1_000_000 + len(self.teams)
            domain = name.lower().replace(" ", "-")
            team = Team(
                self.next_id("T"), name, domain, bot, self.next_id("B"), f"xoxb-{number}-secretbot"
            )
            self.teams[team.id] = team
            self.people[bot] = Person(bot, "nightshift", team.id, bot=True, real_name="Nightshift")
            return team

    def team_of_token(self, token: str) -> Team:
        """Return the workspace of a bot token.

        Raises:
            SlackFailure: not_authed, invalid_auth or token_revoked.
        """
        if not token:
            raise SlackFailure("not_authed")
        for team in self.teams.values():
            if team.bot_token == token:
                if team.revoked:
                    raise SlackFailure("token_revoked")
                return team
        raise SlackFailure("invalid_auth")

    def person(self, user: str, error: str = "user_not_found") -> Person:
        """Return somebody, or fail as Slack does."""
        if user not in self.people:
            raise SlackFailure(error)
        return self.people[user]

    def channel(self, name: str, team: Team) -> Channel:
        """Return a channel as the bot sees it, by id or, as in postMessage, by #name.

        Raises:
            SlackFailure: channel_not_found, also for private ones that the bot isn't in.
        """
        found = self.channels.get(name)
        if found is None and name.startswith("#"):
            named = (c for c in self.channels.values() if c.name == name[1:] and c.team == team.id)
            found = next(named, None)
        if found is None or (found.team != team.id and not found.shared):
            raise SlackFailure("channel_not_found")
        if found.kind != "channel" and team.bot_user not in found.members:
            raise SlackFailure("channel_not_found")
        return found

    def direct(self, user: str, team: Team) -> Channel:
        """Return the conversation of the bot and somebody, made if it isn't there."""
        with self.changed:
            for channel in self.channels.values():
                if channel.direct and set(channel.members) == {user, team.bot_user}:
                    return channel
            made = Channel(self.next_id("D"), "", team.id, "im", [team.bot_user, user])
            self.channels[made.id] = made
            self.messages[made.id] = []
            return made

    def message(self, channel: str, ts: str) -> Message:
        """Return a message that everyone in the channel can see.

        Raises:
            SlackFailure: message_not_found.
        """
        for message in self.messages.get(channel, []):
            if message.ts == ts and not message.deleted and not message.ephemeral_to:
                return message
        raise SlackFailure("message_not_found")

    def store(self, message: Message) -> Message:
        """Keep a message, and wake who waits for it."""
        with self.changed:
            self.messages[message.channel].append(message)
            self.changed.notify_all()
            return message

    def replies(self, channel: str, thread: str) -> list[Message]:
        """Return the answers in a thread, without the parent."""
        return [
            message
            for message in self.messages.get(channel, [])
            if message.thread_ts == thread
            and message.ts != thread
            and not message.deleted
            and not message.ephemeral_to
        ]

    def session(self, channel: str, thread: str) -> Session:
        """Return the state of an agent's thread."""
        return self.sessions.setdefault((channel, thread), Session())

    # Tickets

    def new_trigger(self, user: str, team: str) -> str:
        """Return a trigger id, good for one view within three seconds."""
        number = next(self._numbers)
        name = f"{number}.{1_000_000 + number}.{abs(hash((user, number))):x}"
        self.triggers[name] = Trigger(user, team, self.now() + self.trigger_seconds)
        return name

    def use_trigger(self, name: Any) -> Trigger:
        """Take a trigger id: docs.slack.dev/reference/methods/views.open, errors.

        Raises:
            SlackFailure: invalid_trigger_id, expired_trigger_id, exchanged_trigger_id.
        """
        if not name:
            raise SlackFailure("invalid_arguments")
        trigger = self.triggers.get(str(name))
        if trigger is None:
            raise SlackFailure("invalid_trigger_id")
        if trigger.used:
            raise SlackFailure("exchanged_trigger_id")
        if self.now() > trigger.until:
            raise SlackFailure("expired_trigger_id")
        trigger.used = True
        return trigger

    def new_response_url(self, user: str, channel: Channel, message: Message | None = None) -> str:
        """Return an address for five answers within half an hour."""
        key = f"{channel.team}/{next(self._numbers)}/{abs(hash((user, channel.id))):x}"
        ticket = ResponseUrl(user, channel.team, channel.id, self.now() + RESPONSE_URL_SECONDS)
        if message is not None:
            ticket.message_ts, ticket.thread_ts = message.ts, message.thread_ts
        self.response_urls[key] = ticket
        return f"{self.url.removesuffix('/api/')}/actions/{key}"
