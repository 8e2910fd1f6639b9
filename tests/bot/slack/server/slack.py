"""The other side: a Slack on a free port of this machine, as tests hold it.

with slack_workspace() as slack:
    alice = slack.add_user("alice", email="alice@harbour.example")
    general = slack.add_channel("general", members=(alice,))
    ts = slack.say(alice, general, f"<@{slack.bot_user}> hotel limit?")
    slack.wait_for(lambda: slack.messages(general, thread=ts)[1:], "an answer")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.bot.slack.server.courier import Sent
from tests.bot.slack.server.faults import Faults, RateLimits
from tests.bot.slack.server.model import Call, Json, Message, Team, View
from tests.bot.slack.server.people import People
from tests.bot.slack.server.pressing import Pressing
from tests.bot.slack.server.service import Service
from tests.bot.slack.server.workspace import Session, Workspace

Value = TypeVar("Value")
_PATIENCE = 30.0


class Slack(People, Pressing):
    """A workspace with people in it, and all that the bot did there."""

    def __init__(self) -> None:
        self.workspace = Workspace()
        self.service = Service(self.workspace)
        self.team = self.workspace.add_team("Harbour")
        self.url = self.workspace.url

    # What settings need

    @property
    def bot_token(self) -> str:
        return self.team.bot_token

    @property
    def app_token(self) -> str:
        return self.workspace.app_token

    @property
    def signing_secret(self) -> str:
        return self.workspace.signing_secret

    @property
    def client_id(self) -> str:
        return self.workspace.client_id

    @property
    def client_secret(self) -> str:
        return self.workspace.client_secret

    @property
    def team_id(self) -> str:
        return self.team.id

    @property
    def bot_user(self) -> str:
        return self.team.bot_user

    @property
    def bot_id(self) -> str:
        return self.team.bot_id

    @property
    def scopes(self) -> set[str] | None:
        return self.workspace.scopes

    @scopes.setter
    def scopes(self, scopes: set[str] | None) -> None:
        self.workspace.scopes = set(scopes) if scopes is not None else None

    # More workspaces

    def add_workspace(self, name: str = "Quay") -> Team:
        """Add a workspace that may install the app: `team.id`, `.bot_user`, `.bot_token`."""
        return self.workspace.add_team(name)

    def oauth_code(self, team: Team) -> str:
        """Return the code that Slack hands over after somebody agreed to install the app."""
        with self.workspace.changed:
            code = f"{team.id}.{self.workspace.next_id('c')}"
            self.workspace.codes[code] = team.id
            return code

    def revoke(self, team: Team | None = None) -> None:
        """Take the bot's token back."""
        (team or self.team).revoked = True

    # How the app is reached

    def use_http(self, url: str) -> None:
        """Deliver by HTTP to this address; "" goes back to Socket Mode."""
        self.service.courier.request_url = url

    def hand_to(self, app: Callable[[Json, dict[str, str]], tuple[int, Any]] | None) -> None:
        """Deliver to a function in this process: (body, headers) → (status, acknowledgement)."""
        self.service.courier.app = app

    @property
    def courier(self) -> Any:
        """The delivery: `ack_seconds`, `retry_delays`, `lose`, `sockets`."""
        return self.service.courier

    def wait_for_sockets(self, count: int = 1) -> None:
        """Wait until so many sockets are open."""
        self.wait_for(lambda: len(self.service.courier.sockets) >= count, f"{count} sockets")

    def disconnect(self, reason: str = "warning", after: float = 0.2) -> None:
        """Tell the sockets to leave (`warning`, `refresh_requested`, `link_disabled`)."""
        self.service.run(self.service.courier.disconnect(reason, after))

    def drop_sockets(self) -> None:
        """Cut the sockets without a word."""
        self.service.run(self.service.courier.drop())

    @property
    def events_sent(self) -> list[Sent]:
        """All events that were sent, with their deliveries."""
        return [sent for sent in self.service.courier.sent if sent.kind == "events_api"]

    @property
    def deliveries(self) -> list[Sent]:
        """All events, commands and interactions that were sent."""
        return list(self.service.courier.sent)

    def deliver(self, body: Json, retry: int = 0, reason: str = "") -> Sent:
        """Deliver an event's body once more, or for the first time if it was held."""
        return self.service.deliver("events_api", body, retry, reason)

    def redeliver(self, event: Sent | Json, retry: int = 1, reason: str = "http_timeout") -> Sent:
        """Deliver an event again, as Slack does when it missed the acknowledgement."""
        return self.deliver(event.body if isinstance(event, Sent) else event, retry, reason)

    @contextmanager
    def holding(self) -> Iterator[list[Json]]:
        """Send no events inside, but gather their bodies, to be delivered by hand."""
        self.service.held = []
        self.service.holding = True
        try:
            yield self.service.held
        finally:
            self.service.holding = False

    def settle(self, seconds: float = _PATIENCE) -> None:
        """Wait until all that was sent is acknowledged or given up."""
        self.wait_for(lambda: all(sent.done.is_set() for sent in self.deliveries), "acks", seconds)

    # What goes wrong

    @property
    def faults(self) -> Faults:
        return self.service.faults

    @property
    def rate_limits(self) -> RateLimits:
        return self.service.rate_limits

    def without(self, *methods: str) -> None:
        """Let these methods be unknown, as in Slacks and emulators that lack them."""
        self.workspace.missing |= set(methods)

    def advance(self, seconds: float) -> None:
        """Let time pass for streams, triggers and response URLs."""
        self.workspace.advance(seconds)

    # What the bot did

    @property
    def calls(self) -> list[Call]:
        """All calls of the Web API, in order."""
        with self.workspace.changed:
            return list(self.workspace.calls)

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def messages(self, channel: str, thread: str | None = None) -> list[Message]:
        """Return all messages of a channel or a thread, ephemeral and deleted ones included."""
        with self.workspace.changed:
            found = list(self.workspace.messages[channel])
        return [m for m in found if thread is None or thread in {m.ts, m.thread_ts}]

    def from_bot(self, channel: str, thread: str | None = None) -> list[Message]:
        """Return what the bot posted for all to see, and didn't delete."""
        return [
            message
            for message in self.messages(channel, thread)
            if message.bot_id and not message.ephemeral_to and not message.deleted
        ]

    def message(self, channel: str, ts: str) -> Message:
        """Return one message."""
        return next(m for m in self.messages(channel) if m.ts == ts)

    def ephemerals(self, channel: str, user: str) -> list[Message]:
        """Return what only this person sees."""
        return [m for m in self.messages(channel) if m.ephemeral_to == user and not m.deleted]

    def session(self, channel: str, thread: str) -> Session:
        """Return status, title and prompts of a thread on the agent surface."""
        return self.workspace.session(channel, thread)

    def home_of(self, user: str) -> View:
        """Return somebody's Home tab once it is published."""
        key = (self.workspace.people[user].team, user)
        return self.wait_for(lambda: self.workspace.homes.get(key), f"the Home tab of {user}")

    def wait_for(
        self, predicate: Callable[[], Value], what: str = "", seconds: float = _PATIENCE
    ) -> Value:
        """Wait until something is true, and return it.

        Raises:
            AssertionError: It isn't in time; the text shows the conversations.
        """
        end = time.monotonic() + seconds
        with self.workspace.changed:
            while not (value := predicate()):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not in {seconds:g} s: {what}\n{self.transcript()}")
                self.workspace.changed.wait(min(left, 0.05))
            return value

    def transcript(self) -> str:
        """Return all that was said, for a failure's text."""
        lines = []
        for channel in self.workspace.channels.values():
            for message in self.workspace.messages[channel.id]:
                who = self.workspace.people.get(message.user)
                marks = [
                    f"thread {message.thread_ts}" if message.thread_ts else "",
                    f"only {message.ephemeral_to}" if message.ephemeral_to else "",
                    "deleted" if message.deleted else "",
                    "streaming" if message.streaming else "",
                ]
                note = " ".join(mark for mark in marks if mark)
                name = who.name if who else message.user
                lines.append(f"[{channel.name or channel.id} {message.ts} {note}] {name}:")
                lines += [f"    {line}" for line in message.visible_text.splitlines()]
        last = [f"  {c.method} {c.status} {c.answer.get('error', '')}" for c in self.calls[-15:]]
        return "\n".join(["Conversations:", *lines, "Last calls:", *last])


@contextmanager
def slack_workspace() -> Iterator[Slack]:
    """Run the other side on a free port of this machine."""
    slack = Slack()
    slack.service.start()
    try:
        yield slack
    finally:
        slack.service.stop()


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what people read in messages."""
    return [message.visible_text for message in messages]
