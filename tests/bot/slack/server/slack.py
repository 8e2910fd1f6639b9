"""The other side: a Slack on a free port of this machine, as tests hold it.

with slack_workspace() as slack:
    alice = slack.add_user("alice", email="alice@harbour.example")
    general = slack.add_channel("general", members=(alice,))
    ts = slack.say(alice, general, f"<@{slack.bot_user}> hotel limit?")
    slack.wait_for(lambda: slack.messages(general, thread=ts)[1:], "an answer")
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.bot.slack.server.courier import Sent, signed
from tests.bot.slack.server.faults import Faults, RateLimits
from tests.bot.slack.server.model import Json, Team
from tests.bot.slack.server.people import People
from tests.bot.slack.server.pressing import Pressing
from tests.bot.slack.server.service import Service
from tests.bot.slack.server.watching import Watching
from tests.bot.slack.server.workspace import Workspace

_PATIENCE = 30.0


class Slack(People, Pressing, Watching):
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

    def oauth_code(self, team: Team, enterprise: str = "", org_wide: bool = False) -> str:
        """Return the code that Slack hands over after somebody agreed to install the app.

        Args:
            team: The workspace.
            enterprise: The id of the organization that it belongs to.
            org_wide: Install it for all of the organization's workspaces.
        """
        with self.workspace.changed:
            code = f"{team.id}.{self.workspace.next_id('c')}"
            self.workspace.codes[code] = (team.id, enterprise, org_wide)
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

    def post(
        self, raw: str, kind: str = "application/json", secret: str = "", at: float | None = None
    ) -> tuple[int, str]:
        """Post to the app's request URL by hand; return status and text.

        Args:
            raw: The body.
            kind: Its content type.
            secret: Sign with this instead of the signing secret.
            at: The Unix time that the request claims to be from.
        """
        headers = signed(secret or self.signing_secret, raw, at or self.workspace.now())
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.service.courier.request_url, raw.encode(), headers | {"Content-Type": kind}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def verify_url(self) -> tuple[int, str]:
        """Ask for the challenge back, as Slack does when a request URL is entered."""
        body = {"token": "verification-token", "challenge": "3eZbrw1a", "type": "url_verification"}
        return self.post(json.dumps(body))

    def check_ssl(self) -> tuple[int, str]:
        """Ask whether the certificate is good, as Slack does from time to time."""
        form = urlencode({"ssl_check": "1", "token": "verification-token"})
        return self.post(form, "application/x-www-form-urlencoded")

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


@contextmanager
def slack_workspace() -> Iterator[Slack]:
    """Run the other side on a free port of this machine."""
    slack = Slack()
    slack.service.start()
    try:
        yield slack
    finally:
        slack.service.stop()
