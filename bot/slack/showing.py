"""An answer as it is written: a status line or a placeholder, then a stream or updates.

Sources: https://docs.slack.dev/ai/agent-sessions, https://docs.slack.dev/reference/methods/
{assistant.threads.setStatus,chat.startStream,chat.appendStream,chat.stopStream}.
"""

from __future__ import annotations

import logging
import time

from slack_sdk.errors import SlackApiError
from slack_sdk.web.chat_stream import ChatStream

from bot.slack.blocks import LOOKING, build_growing_part, build_waiting_part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.inline import no_links
from bot.slack.pacing import SlackBusyError, is_outage
from bot.slack.posting import Poster
from bot.slack.rendering import render_body

_SESSIONS, _STATUS, _STREAM = "agent sessions", "assistant status", "message streams"
_BUFFER = 256
_LONGEST_STREAM = 11_000  # Slack ends a stream at 12,000 characters
_TITLE = 200
_SECONDS_BETWEEN_UPDATES = 1.5

logger = logging.getLogger(__name__)


class StatusLine:
    """Slack's own sign that an answer is under way, where there is one."""

    def __init__(self, poster: Poster, title: str) -> None:
        self._poster = poster
        self._title = " ".join(title.split())[:_TITLE]

    def show(self, position: int) -> bool:
        """Show it; return False where the workspace has none."""
        poster, task = self._poster, self._poster.task
        if not task.thread_ts:
            return False
        session = poster.abilities.attempt(
            task.team,
            _SESSIONS,
            lambda: poster.client.agents_sessions_setStatus(
                channel_id=task.channel,
                thread_ts=task.thread_ts,
                status="processing",
                title=self._title,
            ),
        )
        if session and not position:
            return True
        waiting = build_waiting_part(task.id, position).text
        line = self._line(waiting if position else f"is {LOOKING[0].lower()}{LOOKING[1:]}")
        return line or session

    def clear(self) -> None:
        """Take it away."""
        poster, task = self._poster, self._poster.task
        if not task.thread_ts:
            return
        done = poster.abilities.attempt(
            task.team,
            _SESSIONS,
            lambda: poster.client.agents_sessions_setStatus(
                channel_id=task.channel, thread_ts=task.thread_ts, status="active"
            ),
        )
        if not done:
            self._line("")

    def _line(self, text: str) -> bool:
        poster, task = self._poster, self._poster.task
        return poster.abilities.attempt(
            task.team,
            _STATUS,
            lambda: poster.client.assistant_threads_setStatus(
                channel_id=task.channel, thread_ts=task.thread_ts, status=text
            ),
        )


class GrowingStream:
    """An answer that Slack shows letter by letter. It may end at any time; then nothing grows."""

    def __init__(self, poster: Poster) -> None:
        task = poster.task
        self._poster = poster
        self._dead = not (task.thread_ts and poster.abilities.has(task.team, _STREAM))
        self._shown = 0
        self._stream: ChatStream | None = None

    @property
    def usable(self) -> bool:
        """Whether it shows more text."""
        return not self._dead

    @property
    def ts(self) -> str:
        """The message, once there is one."""
        return (self._stream.ts or "") if self._stream else ""

    def grow(self, text: str) -> None:
        """Show the whole text so far."""
        piece, self._shown = text[self._shown :], len(text)
        if self._dead or len(text) > _LONGEST_STREAM:
            return
        lead = piece[: len(piece) - len(piece.lstrip())]
        bodies = render_body(piece, no_links, _LONGEST_STREAM)
        task = self._poster.task
        try:
            self._stream = self._stream or self._poster.client.chat_stream(
                channel=task.channel,
                thread_ts=task.thread_ts,
                recipient_team_id=task.team,
                recipient_user_id=task.asker,
                buffer_size=_BUFFER,
            )
            self._stream.append(markdown_text=lead + "\n\n".join(b.markdown for b in bodies))
        except OUTSIDE_ERRORS as error:
            # What a lost answer has added is not known, so the rest comes by update.
            self._dead = True
            if not self.ts:
                self._poster.abilities.note(task.team, _STREAM, error)
            logger.info("A stream ended: %s", kind_of(error))


def stop_stream(poster: Poster, ts: str) -> None:
    """End a stream; one that ended by itself is fine.

    Raises:
        SlackBusyError, SlackApiError: Slack can't be asked now.
    """
    channel = poster.task.channel
    try:
        poster.call(lambda: poster.client.chat_stopStream(channel=channel, ts=ts))
    except SlackApiError as error:
        if is_outage(error):
            raise
        logger.info("A stream had ended: %s", kind_of(error))


class GrowingPost:
    """An answer that grows by updates of one message, at a polite rate."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._next = 0.0

    def grow(self, ts: str, text: str) -> None:
        """Show the whole text so far, unless that was done a moment ago."""
        task, now = self._poster.task, time.monotonic()
        if now < self._next or self._poster.pacing.busy(task.team, task.channel):
            return
        self._next = now + _SECONDS_BETWEEN_UPDATES
        try:
            self._poster.update(ts, 0, build_growing_part(task.id, text))
        except (SlackBusyError, *OUTSIDE_ERRORS) as error:
            logger.info("An update wasn't taken: %s", kind_of(error))
