"""Questions that wait for the worker, each once, however often Slack sends it."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.slack.mrkdwn import question_in

# Slack repeats an event for an hour at most.
_REMEMBERED = 10_000
_WAITING = 500


@dataclass(frozen=True, slots=True)
class SlackQuestion:
    """A question as it came.

    Attributes:
        thread: The thread's timestamp for the reply, or "" for none.
        direct: Whether it came in a direct message.
        outsiders: Whether people of other companies read the channel.
    """

    text: str
    user: str
    channel: str
    thread: str
    direct: bool
    outsiders: bool


class Inbox:
    """A bounded queue. Safe in several threads.

    What was claimed is known to this process only: a durable queue comes with the next release.
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[SlackQuestion | None] = queue.Queue(_WAITING)
        self._claimed: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, body: Mapping[str, Any]) -> bool:
        """Queue the question of an event; return False if it has none, is known, or all is full.

        A mention comes as two events with two ids; channel and time make them one.
        """
        event = body["event"]
        question = question_of(body)
        if question is None:
            return False
        keys = [
            (str(body.get("team_id", "")), str(body.get("event_id", ""))),
            (question.channel, str(event["ts"])),
        ]
        with self._lock:
            if any(key in self._claimed for key in keys):
                return False
            try:
                self._queue.put_nowait(question)
            except queue.Full:
                return False
            self._claimed.update(dict.fromkeys(keys))
            while len(self._claimed) > _REMEMBERED:
                self._claimed.popitem(last=False)
        return True

    def next(self) -> SlackQuestion | None:
        """Wait for a question; None means that no more is wanted."""
        return self._queue.get()

    def close(self) -> None:
        """Let the worker end, before the questions that still wait."""
        with self._lock:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)


def question_of(body: Mapping[str, Any]) -> SlackQuestion | None:
    """Return the question of an event, or None for what nobody asked the bot.

    Answered are mentions, and messages of people in direct messages; not edits, joins, bots.
    """
    event = body["event"]
    direct = event.get("channel_type") == "im"
    if event.get("bot_id") or event.get("subtype") or not event.get("user"):
        return None
    if event["type"] != "app_mention" and not direct:
        return None
    return SlackQuestion(
        text=question_in(str(event.get("text") or "")),
        user=str(event["user"]),
        channel=str(event["channel"]),
        thread=str(event.get("thread_ts") or ("" if direct else event["ts"])),
        direct=direct,
        outsiders=bool(body.get("is_ext_shared_channel")),
    )
