"""Slack by Socket Mode: a mention or a direct message is answered, with everyone's rights only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.error import BoltError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import default_retry_handlers
from slack_sdk.http_retry.builtin_handlers import (
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from bot.answer import Answer, Question
from bot.errors import PERSON_ERRORS, SettingsError
from bot.respond import AnswerText
from bot.settings import SlackSettings
from bot.slack.inbox import Inbox, SlackQuestion
from bot.slack.mrkdwn import answer_message, escape, split
from training.records import Audience

Ask = Callable[[Question], Iterator[AnswerText | Answer]]

_RETRIES = 3
_STOP_SECONDS = 30.0
_OUTSIDERS = (
    "This channel is shared with another company, so I don't answer here. Ask me in another one."
)
_FAILED = "Something went wrong, and it has been noted. Please ask again later."
_OUTSIDE_ERRORS = (SlackClientError, URLError, HTTPException, OSError)

logger = logging.getLogger(__name__)


class SlackBot:
    """Takes events from Slack and answers them, one after another, in a thread of its own.

    Args:
        settings: With both tokens.
        ask: Answers; `bot.assembly.Nightshift.ask` does.

    Raises:
        SettingsError: Slack refuses the bot's token, or can't be reached.
    """

    def __init__(self, settings: SlackSettings, ask: Ask) -> None:
        self._settings = settings
        self._ask = ask
        self._inbox = Inbox()
        self._client = open_client(settings)
        self.app = build_app(self._client, self._inbox)
        self._socket: SocketModeHandler | None = None
        self._worker = threading.Thread(target=self._work, name="slack-worker", daemon=True)

    def start(self, connect: bool = True) -> None:
        """Start answering.

        Args:
            connect: Open the socket; without it, events are handed to `app`.

        Raises:
            SettingsError: The socket can't be opened.
        """
        self._worker.start()
        if connect:
            token = self._settings.app_token.get_secret_value()
            self._socket = SocketModeHandler(self.app, token)
            try:
                self._socket.connect()  # type: ignore[no-untyped-call]
            except _OUTSIDE_ERRORS as error:
                raise _no_slack("the app's token (xapp-…)", error) from error

    def stop(self) -> None:
        """Take no more; the answer under way is finished."""
        if self._socket is not None:
            self._socket.close()  # type: ignore[no-untyped-call]
        self._inbox.close()
        if self._worker.is_alive():
            self._worker.join(_STOP_SECONDS)

    def tell_admins(self, text: str) -> None:
        """Post to the admin channel, if there is one."""
        if self._settings.admin_channel:
            self._post(self._settings.admin_channel, "", escape(text))

    def _work(self) -> None:
        while (question := self._inbox.next()) is not None:
            self._post(question.channel, question.thread, self._reply(question))

    def _reply(self, question: SlackQuestion) -> str:
        if question.outsiders:
            return _OUTSIDERS
        try:
            answer = _last(self._ask(self._asked(question)))
        except PERSON_ERRORS as error:
            return escape(f"{error.problem} {error.mend}".strip())
        except Exception:
            logger.error(
                "a question from Slack failed", exc_info=logger.isEnabledFor(logging.DEBUG)
            )
            return _FAILED
        return answer_message(answer.text, answer.sources)

    def _asked(self, question: SlackQuestion) -> Question:
        """Return the question with no one's rights: what everyone may read is all it searches."""
        public = not question.direct and self._is_public(question.channel)
        return Question(
            question.text,
            asker=question.user,
            audience=Audience.PUBLIC if public else Audience.PRIVATE,
            conversation=f"{question.channel}:{question.thread}",
        )

    def _is_public(self, channel: str) -> bool:
        """Whether everyone in the company can read a channel; if that isn't known, it is not."""
        try:
            info = self._client.conversations_info(channel=channel)["channel"]
        except _OUTSIDE_ERRORS:
            return False
        return bool(info.get("is_channel")) and not info.get("is_private", True)

    def _post(self, channel: str, thread: str, text: str) -> None:
        for part in split(text):
            try:
                self._client.chat_postMessage(
                    channel=channel,
                    thread_ts=thread or None,
                    text=part,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            except _OUTSIDE_ERRORS as error:
                logger.error("Slack took no message: %s", _kind(error))
                return


def open_client(settings: SlackSettings) -> WebClient:
    """Return a client that waits when Slack says so, and tries again when Slack fails."""
    return WebClient(
        settings.bot_token.get_secret_value(),
        base_url=settings.api_url,
        retry_handlers=[
            *default_retry_handlers(),
            RateLimitErrorRetryHandler(max_retry_count=_RETRIES),
            ServerErrorRetryHandler(max_retry_count=_RETRIES),
        ],
    )


def build_app(client: WebClient, inbox: Inbox) -> App:
    """Return the Bolt app, whose handlers only put questions into the inbox.

    Raises:
        SettingsError: Slack refuses the bot's token, or can't be reached.
    """
    try:
        app = App(client=client, logger=logging.getLogger("bot.slack.bolt"))
    except (BoltError, *_OUTSIDE_ERRORS) as error:
        raise _no_slack("the bot's token (xoxb-…)", error) from error

    def take(body: Mapping[str, Any]) -> None:
        inbox.take(body)

    app.event("app_mention")(take)
    app.event("message")(take)
    return app


def _last(events: Iterator[AnswerText | Answer]) -> Answer:
    for event in events:
        if isinstance(event, Answer):
            return event
    raise AssertionError("an answer ends what is asked")


def _no_slack(token: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"Slack can't be used with {token}: {_kind(error)}.",
        "Check the token and the network: nightshift doctor.",
    )


def _kind(error: Exception) -> str:
    """Return Slack's word for an error, without what was sent."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error", "unknown_error"))
    return type(error).__name__
