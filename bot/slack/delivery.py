"""Brings an answer to Slack: acknowledged at once, shown as it grows, finished whatever happens.

How far a delivery is stands in the queue (`WorkQueue.save_reply`), so that another process goes on
where one died, and posts nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Protocol

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.blocks import Reply, reply_from_json, reply_json
from bot.slack.posts import Post, Posts
from bot.slack.request import SlackRequest
from bot.work import Task

SaveReply = Callable[[Mapping[str, Any]], None]

_LOOKING = "Looking that up …"
_MARK = "nightshift_answer"


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


def post_mark(task: Task, part: int) -> dict[str, Any]:
    """Return the metadata by which a post is found again."""
    return {"event_type": _MARK, "event_payload": {"answer": task.id, "part": part}}


def find_post(client: WebClient, task: Task, part: int) -> str:
    """Return the timestamp of a part that was posted but perhaps not noted, or "".

    Where it stands twice, all but the first are deleted. One look at the thread, and only after a
    process died or a connection broke at that very moment.

    Raises:
        SlackApiError: The thread can't be read.
    """
    wanted = post_mark(task, part)["event_payload"]
    try:
        pages = list(
            client.conversations_replies(
                channel=task.channel, ts=task.thread_ts, include_all_metadata=True, limit=200
            )
        )
    except SlackApiError as error:
        if error.response.get("error") == "thread_not_found":
            return ""
        raise
    messages = [message for page in pages for message in page["messages"]]
    found = [
        str(message["ts"])
        for message in messages
        if (message.get("metadata") or {}).get("event_payload") == wanted and message.get("bot_id")
    ]
    for extra in found[1:]:
        client.chat_delete(channel=task.channel, ts=extra)
    return found[0] if found else ""


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
        number = len(self._state["posted"])
        lost = find_post(self._client, self._task, number) if self._may_be_posted(number) else ""
        for ts in [*self._state["posted"], *([lost] if lost else [])]:
            self._client.chat_delete(channel=self._task.channel, ts=ts)

    def _post(self, number: int, text: str, blocks: list[Any]) -> str:
        """Post a part, unless a process that died did so and couldn't note it any more."""
        before = find_post(self._client, self._task, number) if self._may_be_posted(number) else ""
        if before:
            ts = before
            self._client.chat_update(
                channel=self._task.channel, ts=ts, text=text, blocks=blocks or []
            )
        else:
            self._state["posting"] = number
            self._save(self._state)
            ts = self._send(number, text, blocks)
        self._state["posted"].append(ts)
        self._save(self._state)
        self._posts.record(self._as_post(ts, number, text, tuple(blocks)))
        return ts

    def _may_be_posted(self, number: int) -> bool:
        return bool(self._state.get("posting") == number)

    def _send(self, number: int, text: str, blocks: list[Any]) -> str:
        try:
            response = self._client.chat_postMessage(
                channel=self._task.channel,
                thread_ts=self._task.thread_ts or None,
                text=text,
                blocks=blocks or None,
                metadata=post_mark(self._task, number),
                unfurl_links=False,
                unfurl_media=False,
            )
        except (HTTPException, OSError):
            # The connection broke: Slack may have posted all the same.
            ts = find_post(self._client, self._task, number)
            if not ts:
                raise
            return ts
        return str(response["ts"])

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
