"""Brings an answer to Slack: acknowledged at once, shown as it grows, finished whatever happens.

How far a delivery is stands in the queue (`WorkQueue.save_reply`), so that another process goes on
where one died, and posts nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from slack_sdk import WebClient

from bot.slack.blocks import Reply, reply_from_json, reply_json
from bot.slack.posts import Post, Posts
from bot.slack.request import SlackRequest
from bot.work import Task

SaveReply = Callable[[Mapping[str, Any]], None]

_LOOKING = "Looking that up …"


class Delivery(Protocol):
    """One answer on its way.

    Its methods raise what `bot.slack.clients.OUTSIDE_ERRORS` names where Slack can't be reached or
    refuses; the question is then tried again later.
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


def open_delivery(
    client: WebClient, task: Task, request: SlackRequest, posts: Posts, save: SaveReply
) -> Delivery:
    """Return the delivery that fits the question."""
    if request.only_asker:
        return AskerDelivery(client, task, request, save)
    return ThreadDelivery(client, task, posts, save)


class ThreadDelivery:
    """A message in a thread or a direct message: posted at once, then updated."""

    def __init__(self, client: WebClient, task: Task, posts: Posts, save: SaveReply) -> None:
        self._client = client
        self._task = task
        self._posts = posts
        self._save = save
        self._state: dict[str, Any] = {"posted": [], "reply": None, **task.reply}

    @property
    def prepared(self) -> bool:
        """See `Delivery`."""
        return self._state["reply"] is not None

    def begin(self, position: int) -> None:
        """See `Delivery`."""
        if not self._state["posted"]:
            self._post(0, _LOOKING, [])

    def push(self, text: str) -> None:
        """See `Delivery`."""

    def finish(self, reply: Reply | None = None) -> None:
        """See `Delivery`."""
        if reply is not None:
            self._state["reply"] = reply_json(reply)
            self._save(self._state)
        for number, part in enumerate(reply_from_json(self._state["reply"]).parts):
            if number < len(self._state["posted"]):
                ts = self._state["posted"][number]
                self._client.chat_update(
                    channel=self._task.channel, ts=ts, text=part.text, blocks=list(part.blocks)
                )
            else:
                ts = self._post(number, part.text, list(part.blocks))
            self._posts.record(self._as_post(ts, number, part.text, part.blocks))

    def withdraw(self) -> None:
        """See `Delivery`."""
        for ts in self._state["posted"]:
            self._client.chat_delete(channel=self._task.channel, ts=ts)

    def _post(self, number: int, text: str, blocks: list[Any]) -> str:
        response = self._client.chat_postMessage(
            channel=self._task.channel,
            thread_ts=self._task.thread_ts or None,
            text=text,
            blocks=blocks or None,
            unfurl_links=False,
            unfurl_media=False,
        )
        ts = str(response["ts"])
        self._state["posted"].append(ts)
        self._save(self._state)
        self._posts.record(self._as_post(ts, number, text, tuple(blocks)))
        return ts

    def _as_post(self, ts: str, number: int, text: str, blocks: Any) -> Post:
        task = self._task
        return Post(task.team, task.channel, ts, task.id, number, text, blocks)


class AskerDelivery:
    """An answer that only its asker sees: to a command's address, or ephemeral in the channel."""

    def __init__(
        self, client: WebClient, task: Task, request: SlackRequest, save: SaveReply
    ) -> None:
        self._client = client
        self._task = task
        self._request = request
        self._save = save
        self._state: dict[str, Any] = {"posted": [], "reply": None, **task.reply}

    @property
    def prepared(self) -> bool:
        """See `Delivery`."""
        return self._state["reply"] is not None

    def begin(self, position: int) -> None:
        """See `Delivery`; the command's own acknowledgement said so already."""

    def push(self, text: str) -> None:
        """See `Delivery`; nothing is shown before the whole answer."""

    def finish(self, reply: Reply | None = None) -> None:
        """See `Delivery`."""
        if reply is not None:
            self._state["reply"] = reply_json(reply)
            self._save(self._state)
        parts = reply_from_json(self._state["reply"]).parts
        for number in range(len(self._state["posted"]), len(parts)):
            self._client.chat_postEphemeral(
                channel=self._task.channel,
                user=self._task.asker,
                thread_ts=self._task.thread_ts or None,
                text=parts[number].text,
                blocks=list(parts[number].blocks) or None,
            )
            self._state["posted"].append("ephemeral")
            self._save(self._state)

    def withdraw(self) -> None:
        """See `Delivery`; what only the asker saw goes by itself."""
