"""Brings an answer to Slack: acknowledged at once, shown as it grows, finished whatever happens.

How far a delivery is stands in the queue (`WorkQueue.save_reply`), so that another process goes on
where one died. Where one died between posting and storing, the message is found again by its
metadata. So nothing is posted twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from slack_sdk import WebClient

from bot.slack.blocks import Part, Reply, build_waiting_part, reply_from_json, reply_json
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.posting import Poster, Surroundings
from bot.slack.posts import Post, Posts
from bot.slack.private_delivery import AskerDelivery, post_privately
from bot.slack.request import SlackRequest
from bot.slack.showing import GrowingPost, GrowingStream, StatusLine, stop_stream
from bot.task import Task

SaveReply = Callable[[Mapping[str, Any]], None]

# An answer that is complete sooner is shown at once, without growing.
GROWS_AFTER_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Delivery(Protocol):
    """One answer on its way.

    Its methods raise what `bot.slack.clients.OUTSIDE_ERRORS` names where Slack can't be reached or
    refuses, and `bot.slack.pacing.SlackBusyError` where it must be waited for; the question is
    then tried again later.
    """

    @property
    def prepared(self) -> bool:
        """Whether the whole reply was stored already, by a process that died: just finish it."""

    def begin(self, position: int) -> None:
        """Acknowledge the question; `position` questions are answered before it."""

    def push(self, text: str) -> None:
        """Show a further piece of the answer's Markdown, now or a little later."""

    def finish(self, reply: Reply | None = None) -> None:
        """Show the whole reply in place of what was shown; None: the one that was prepared."""

    def withdraw(self) -> None:
        """Remove what was shown: the question was deleted."""

    def go_private(self) -> bool:
        """Tell the asker alone, where the channel is closed; return whether that went."""


def open_delivery(
    client: WebClient,
    task: Task,
    request: SlackRequest,
    posts: Posts,
    save: SaveReply,
    surroundings: Surroundings,
) -> Delivery:
    """Return the delivery that fits the question."""
    poster = Poster(client, task, surroundings)
    if request.only_asker:
        return AskerDelivery(poster, request, save)
    return ThreadDelivery(poster, request, posts, save)


class ThreadDelivery:
    """Messages in a thread or a direct message."""

    def __init__(
        self, poster: Poster, request: SlackRequest, posts: Posts, save: SaveReply
    ) -> None:
        self._poster = poster
        self._task = poster.task
        self._posts = posts
        self._save = save
        self._status = StatusLine(poster, request.text)
        self._stream = GrowingStream(poster)
        self._growing = GrowingPost(poster)
        self._text = ""
        self._since = 0.0
        self._recovered = not self._task.reply
        self._state: dict[str, Any] = {
            "posted": [],
            "reply": None,
            "status": False,
            "waiting": False,
            "stream": "",
            **self._task.reply,
        }

    @property
    def prepared(self) -> bool:
        """See `Delivery`."""
        return self._state["reply"] is not None

    def begin(self, position: int) -> None:
        """See `Delivery`."""
        self._recover()
        if not self._state["posted"] and not self._state["status"]:
            # Stored first: who goes on after a crash must know that something may be there.
            self._save(self._state)
            self._state["status"] = self._status.show(position)
            if not self._state["status"]:
                self._post(0, build_waiting_part(self._task.id, position))
        elif self._state["waiting"] and not position:
            self._end_waiting()
        self._state["waiting"] = position > 0
        self._save(self._state)

    def push(self, text: str) -> None:
        """See `Delivery`."""
        self._text += text
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since < GROWS_AFTER_SECONDS:
            return
        if self._state["stream"] or not self._state["posted"]:
            self._stream.grow(self._text)
            if self._stream.ts and not self._state["stream"]:
                self._state["stream"] = self._stream.ts
                self._keep(0, self._stream.ts, Part(""))
            if self._stream.usable:
                return
        if not self._state["posted"]:
            self._post(0, build_waiting_part(self._task.id, 0))
        self._growing.grow(self._state["posted"][0], self._text)

    def finish(self, reply: Reply | None = None) -> None:
        """See `Delivery`."""
        self._recover()
        if reply is not None:
            self._state["reply"] = reply_json(reply)
            self._save(self._state)
        self._end_stream()
        parts = reply_from_json(self._state["reply"]).parts
        for number, part in enumerate(parts):
            self._show(number, part)
        for ts in self._state["posted"][len(parts) :]:
            self._poster.delete(ts)
        if self._state["status"]:
            self._status.clear()

    def withdraw(self) -> None:
        """See `Delivery`."""
        self._recover()
        self._end_stream()
        for ts in self._state["posted"]:
            self._poster.delete(ts)
        if self._state["status"]:
            self._status.clear()

    def go_private(self) -> bool:
        """See `Delivery`."""
        return post_privately(self._poster, self._state["reply"])

    def _recover(self) -> None:
        """Find the messages that a process posted which died before it could store them."""
        if self._recovered:
            return
        self._recovered = True
        found = self._poster.own_posts()
        posted = self._state["posted"]
        while len(posted) in found:
            posted.append(found[len(posted)])

    def _end_waiting(self) -> None:
        """Say that the question's turn has come; nothing depends on it."""
        if self._state["status"]:
            self._status.show(0)
            return
        try:
            ts = self._state["posted"][0]
            self._poster.update(ts, 0, build_waiting_part(self._task.id, 0))
        except OUTSIDE_ERRORS as error:
            logger.info("An update wasn't taken: %s", kind_of(error))

    def _end_stream(self) -> None:
        if self._state["stream"]:
            stop_stream(self._poster, self._state["stream"])
            self._state["stream"] = ""

    def _show(self, number: int, part: Part) -> None:
        """Let a message say its final words, wherever it stands."""
        posted = self._state["posted"]
        if number < len(posted) and self._poster.update(posted[number], number, part):
            self._record(posted[number], number, part)
        else:
            self._post(number, part)

    def _post(self, number: int, part: Part) -> None:
        self._keep(number, self._poster.post(number, part), part)

    def _keep(self, number: int, ts: str, part: Part) -> None:
        self._state["posted"][number : number + 1] = [ts]
        self._save(self._state)
        self._record(ts, number, part)

    def _record(self, ts: str, number: int, part: Part) -> None:
        task = self._task
        post = Post(task.team, task.channel, ts, task.id, number, part.text, part.blocks)
        self._posts.record(post)
