"""The Slack bot: its Bolt app with all listeners, and the way Slack's events come in."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_bolt.error import BoltError
from slack_sdk import WebClient

from bot.errors import SettingsError, SlackDownError
from bot.settings import SlackSettings
from bot.slack.bolt_log import bolt_logger
from bot.slack.clients import OUTSIDE_ERRORS, no_slack, open_client
from bot.slack.counter import VoteCounter
from bot.slack.listeners import (
    adapters,
    admin,
    agent,
    ask,
    channels,
    home,
    human,
    messages,
    reindex,
    retrain,
    review,
    share,
    shortcut,
    votes,
)
from bot.slack.night_report import build_night_report
from bot.slack.oauth import ORG_WIDE, ORG_WIDE_MEND, Installations
from bot.slack.parts import Parts
from bot.slack.socket_mode import close_socket, open_socket
from bot.slack.status import standing_of
from bot.slack.worker import Worker
from training.errors import DatabaseError
from training.nights import NightRecord

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LAZY_THREADS = 8
_TIME_DIGITS = 12
_FAMILIES = (
    messages,
    agent,
    ask,
    review,
    votes,
    channels,
    home,
    admin,
    adapters,
    reindex,
    retrain,
    human,
    share,
    shortcut,
)

logger = logging.getLogger(__name__)


class SlackBot:
    """Takes events from Slack and answers them.

    Args:
        parts: What to work with.
        installations: Where several workspaces are served; else the settings' token is used.

    Raises:
        SettingsError: Slack refuses the bot's token, or can't be reached.
    """

    def __init__(self, parts: Parts, installations: Installations | None = None) -> None:
        self._parts = parts
        self._settings = parts.settings
        self.app = build_app(parts, installations)
        self._worker = Worker(parts)
        self._counter = VoteCounter(parts)
        self._socket: SocketModeHandler | None = None

    def start(self, connect: bool = True) -> None:
        """Start answering.

        Args:
            connect: Open the socket; without it, events come through `pages` or `app`.

        Raises:
            SettingsError: The socket can't be opened.
        """
        self._worker.start()
        self._counter.start()
        self._parts.outbox.start()
        if connect:
            self._socket = open_socket(self.app, self._settings)

    def stop(self) -> None:
        """Take no more; the answers under way are finished or handed back."""
        if self._socket is not None:
            close_socket(self._socket)
        self._parts.jobs.stop()
        self._worker.stop()
        self._counter.stop()
        self._parts.outbox.stop()

    @property
    def pages(self) -> WSGIApplication:
        """What is under ``/slack/`` in HTTP mode: Slack's requests, and the installation."""
        return _dated(SlackRequestHandler(self.app))

    def alive(self) -> str:
        """Say that the threads run.

        Raises:
            SlackDownError: One has ended.
        """
        threads = {
            "answers": self._worker.is_alive(),
            "counts votes": self._counter.is_alive(),
            "posts reports": self._parts.outbox.is_alive(),
        }
        for what, lives in threads.items():
            if not lives:
                raise SlackDownError(f"A thread that {what} has ended.", "Start Nightshift again.")
        return f"{self._settings.workers} threads answer, {self._worker.running} questions at work"

    def connected(self) -> str:
        """Say how Slack's events come in.

        Raises:
            SlackDownError: The socket is closed; it is opened again by itself.
        """
        if self._socket is None:
            return "by HTTP"
        if not self._socket.client.is_connected():
            raise SlackDownError(
                "The connection to Slack is closed.", "It is opened again; look at the network."
            )
        return "by Socket Mode"

    def index_answers(self) -> str:
        """Say which chunks are served.

        Raises:
            IndexUnavailableError: The index can't be searched.
        """
        return f"{self._parts.nightshift.index.count()} chunks"

    def report_night(self, night: NightRecord) -> None:
        """Report a night in the admin channel, once and until Slack has taken it; never raises."""
        channel = self._settings.admin_channel
        if not channel:
            return
        parts = self._parts
        key = f"night:{night.id}:{night.attempts}:{night.outcome.value}"
        reply = build_night_report(night, standing_of(parts.nightshift))
        try:
            parts.outbox.put(key, parts.settings.admin_team, channel, reply)
        except DatabaseError as error:
            logger.error("A night's report can't be stored: %s", error.problem)


def build_app(parts: Parts, installations: Installations | None = None) -> App:
    """Return the Bolt app. An event is acknowledged after its handler: what came in is stored.

    Raises:
        SettingsError: Slack refuses the bot's token, or can't be reached.
    """
    settings = parts.settings
    token = "" if installations else settings.bot_token.get_secret_value()
    client = open_client(settings, token)
    try:
        app = _bolt_app(client, settings, installations)
        org_wide = token and client.auth_test().get("is_enterprise_install")
    except (BoltError, *OUTSIDE_ERRORS) as error:
        raise no_slack("the bot's token (xoxb-…)", error) from error
    if org_wide:
        raise SettingsError(ORG_WIDE, f"{ORG_WIDE_MEND} Then use that token.")
    for family in _FAMILIES:
        family.register(app, parts)
    return app


def _bolt_app(
    client: WebClient, settings: SlackSettings, installations: Installations | None
) -> App:
    return App(
        name="nightshift",  # else Bolt looks for a name in the source of all frames, for long
        client=client,
        oauth_settings=installations.flow_settings() if installations else None,
        signing_secret=settings.signing_secret.get_secret_value() or None,
        logger=bolt_logger(),
        process_before_response=True,
        listener_executor=ThreadPoolExecutor(_LAZY_THREADS, thread_name_prefix="slack-lazy"),
    )


def _dated(pages: WSGIApplication) -> WSGIApplication:
    """Refuse a request whose time is no number: Bolt fails on it before it looks who signed."""

    def page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stamp = environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", "0")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _TIME_DIGITS):
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b"The request has no time that Slack would write.\n"]
        return pages(environ, start_response)

    return page
