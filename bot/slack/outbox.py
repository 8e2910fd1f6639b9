"""Posts the reports of `bot.slack.notices`: tried until Slack takes them, and never twice.

When Slack's answer to a post was lost, nobody knows whether it was taken. So a post carries its
key as metadata, and before it is tried again the channel is asked for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.blocks import Part, Reply
from bot.slack.clients import OUTSIDE_ERRORS, Clients, kind_of
from bot.slack.notices import Notice, Notices
from bot.slack.pacing import is_outage
from bot.slack.single_try import asked_to_wait, without_retries
from training.errors import DatabaseError, where_raised

_LEASE_SECONDS = 120.0
_POLL_SECONDS = 2.0
_STOP_SECONDS = 15.0
_LONGEST_WAIT = 300.0
_DOUBLINGS = 9
_GIVE_UP = timedelta(days=7)
_LOOK_BACK = 50
_PAGE = 200
_EVENT = "nightshift_report"
_CANT_CHANGE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})

logger = logging.getLogger(__name__)


class Outbox:
    """A thread that posts reports.

    Args:
        notices: What to post.
        clients: Of the workspaces.
    """

    def __init__(self, notices: Notices, clients: Clients) -> None:
        self.notices = notices
        self._clients = clients
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to post in the background."""
        self._thread = threading.Thread(target=self._run, name="slack-outbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Post no more; what waits is posted after the next start."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def put(self, key: str, team: str, channel: str, reply: Reply) -> None:
        """Report something once; it is stored when this returns.

        Raises:
            DatabaseError: It can't be stored.
        """
        self.notices.put(key, team, channel, reply)
        self._wake.set()

    def settle(self, key: str, team: str, channel: str, ts: str, reply: Reply) -> None:
        """As `Notices.settle`, and go to work."""
        self.notices.settle(key, team, channel, ts, reply)
        self._wake.set()

    def _run(self) -> None:
        self._tidy()
        while not self._ending.is_set():
            try:
                if not self.post_next():
                    self._wake.wait(_POLL_SECONDS)
                    self._wake.clear()
            except DatabaseError as error:
                logger.error("Reports can't be read: %s", error.problem)
                self._ending.wait(_POLL_SECONDS)
            except Exception as error:
                details = logger.isEnabledFor(logging.DEBUG)
                logger.error("A report failed: %s", where_raised(error), exc_info=details)
                self._ending.wait(_POLL_SECONDS)

    def _tidy(self) -> None:
        try:
            self.notices.forget()
        except DatabaseError as error:
            logger.error("Old reports can't be removed: %s", error.problem)

    def post_next(self) -> bool:
        """Post the oldest report that is due; return False where there is none."""
        notice = self.notices.take(_LEASE_SECONDS)
        if notice is None:
            return False
        try:
            self._post(notice)
        except OUTSIDE_ERRORS as error:
            self._try_later(notice, error)
        return True

    def _post(self, notice: Notice) -> None:
        client = without_retries(self._clients.of(notice.team))
        posted = notice.posted
        for number in range(len(posted), len(notice.reply.parts)):
            ts = self._show(client, notice, number)
            posted = (*posted, ts)
            if not self.notices.save(notice, posted, _LEASE_SECONDS):
                return
        self.notices.finish(notice)

    def _show(self, client: WebClient, notice: Notice, number: int) -> str:
        part = notice.reply.parts[number]
        if number == 0 and notice.ts and _replace(client, notice, part):
            return notice.ts
        mark = {"key": notice.key, "part": number}
        found = find_marked(client, notice.channel, mark) if notice.attempts > 1 else ""
        return found or str(post_marked(client, notice.channel, part, mark)["ts"])

    def _try_later(self, notice: Notice, error: Exception) -> None:
        if datetime.now(UTC) - notice.created_at > _GIVE_UP:
            logger.error("A report was given up after a week: %s", kind_of(error))
            self.notices.finish(notice)
            return
        seconds = min(_LONGEST_WAIT, 2.0 ** min(notice.attempts, _DOUBLINGS))
        level = logging.ERROR if notice.attempts == 1 else logging.INFO
        logger.log(level, "Slack took no report (%s); it is tried again", kind_of(error))
        self.notices.put_off(notice, max(seconds, asked_to_wait(error)))


def _replace(client: WebClient, notice: Notice, part: Part) -> bool:
    """Show a part in the place of a message; return False where that is gone."""
    try:
        client.chat_update(
            channel=notice.channel, ts=notice.ts, text=part.text, blocks=list(part.blocks)
        )
    except SlackApiError as error:
        if kind_of(error) not in _CANT_CHANGE:
            raise
        return False
    return True


def post_marked(
    client: WebClient, channel: str, part: Part, mark: Mapping[str, Any], thread_ts: str = ""
) -> SlackResponse:
    """Post a message that can be found again by its mark.

    Raises:
        What `bot.slack.clients.OUTSIDE_ERRORS` names: it may have been taken all the same.
    """
    return client.chat_postMessage(
        channel=channel,
        thread_ts=thread_ts or None,
        text=part.text,
        blocks=list(part.blocks) or None,
        metadata={"event_type": _EVENT, "event_payload": dict(mark)},
        unfurl_links=False,
        unfurl_media=False,
    )


def find_marked(
    client: WebClient, channel: str, mark: Mapping[str, Any], thread_ts: str = ""
) -> str:
    """Return the timestamp of a post that was taken though its answer was lost, or "".

    Raises:
        What `bot.slack.clients.OUTSIDE_ERRORS` names: Slack can't be asked now.
    """
    try:
        messages = _standing(client, channel, thread_ts)
    except SlackApiError as error:
        if is_outage(error):
            raise
        # No right to read there, or the channel is only named.
        logger.info("Earlier reports can't be looked for: %s", kind_of(error))
        return ""
    for message in messages:
        said = message.get("metadata") or {}
        if said.get("event_type") == _EVENT and said.get("event_payload") == dict(mark):
            return str(message["ts"])
    return ""


def _standing(client: WebClient, channel: str, thread_ts: str) -> list[dict[str, Any]]:
    """Return a thread's messages, or the last ones of a channel."""
    if not thread_ts:
        found = client.conversations_history(
            channel=channel, limit=_LOOK_BACK, include_all_metadata=True
        )
        return list(found["messages"])
    pages = client.conversations_replies(
        channel=channel, ts=thread_ts, limit=_PAGE, include_all_metadata=True
    )
    return [message for page in pages for message in page.get("messages") or ()]
