"""One answer's messages in Slack: posted once, changed, found again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.blocks import Part, plain_blocks
from bot.slack.clients import kind_of
from bot.slack.elements import Block
from bot.slack.pacing import Abilities, Pacing, impatient, is_outage
from bot.task import Task

T = TypeVar("T")

EVENT = "nightshift_answer"
"""Names the metadata of a message that is part of an answer."""

_INVALID = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_arguments"})
_GONE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"}
)
_NEW_BLOCKS = "markdown blocks and feedback buttons"
_HISTORY = "history"
_PAGE = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What deliveries of one process share.

    Attributes:
        pacing: Which channels are to be waited for.
        abilities: What workspaces lack.
    """

    pacing: Pacing
    abilities: Abilities


class Poster:
    """Posts and changes the messages of one answer.

    Args:
        client: Of the workspace.
        task: The question.
        surroundings: What this process knows of Slack.
    """

    def __init__(self, client: WebClient, task: Task, surroundings: Surroundings) -> None:
        self.client = impatient(client)
        self.task = task
        self.pacing, self.abilities = surroundings.pacing, surroundings.abilities

    def call(self, do: Callable[[], SlackResponse]) -> SlackResponse:
        """Make a call that may be made twice; raises as `Pacing.call` does."""
        return self.pacing.call(self.task.team, self.task.channel, do)

    def post(self, number: int, part: Part, channel: str = "") -> str:
        """Post a message and return its timestamp; one whose answer was lost is looked for.

        Args:
            number: Its place among the answer's messages.
            part: What it says.
            channel: Another one than the question's.
        """
        where = channel or self.task.channel
        thread = None if channel else self.task.thread_ts or None

        def send(blocks: Sequence[Block]) -> str:
            def do() -> str:
                response = self.client.chat_postMessage(
                    channel=where,
                    thread_ts=thread,
                    text=part.text,
                    blocks=list(blocks) or None,
                    metadata=self._metadata(number),
                    unfurl_links=False,
                    unfurl_media=False,
                )
                return str(response["ts"])

            found = None if channel else lambda: self.own_posts().get(number)
            return self.pacing.call(self.task.team, where, do, sent_already=found)

        return self.in_blocks(part, send)

    def ephemeral(self, part: Part) -> None:
        """Post a message that only the asker sees, in the question's channel and thread."""

        def send(blocks: Sequence[Block]) -> SlackResponse:
            return self.call(
                lambda: self.client.chat_postEphemeral(
                    channel=self.task.channel,
                    user=self.task.asker,
                    thread_ts=self.task.thread_ts or None,
                    text=part.text,
                    blocks=list(blocks) or None,
                )
            )

        self.in_blocks(part, send)

    def update(self, ts: str, number: int, part: Part) -> bool:
        """Change a message; return False where it isn't there any more."""

        def send(blocks: Sequence[Block]) -> SlackResponse:
            return self.call(
                lambda: self.client.chat_update(
                    channel=self.task.channel,
                    ts=ts,
                    text=part.text,
                    blocks=list(blocks),
                    metadata=self._metadata(number),
                )
            )

        try:
            self.in_blocks(part, send)
        except SlackApiError as error:
            if kind_of(error) in _GONE:
                return False
            raise
        return True

    def delete(self, ts: str) -> None:
        """Remove a message; one that isn't there is fine."""
        try:
            self.call(lambda: self.client.chat_delete(channel=self.task.channel, ts=ts))
        except SlackApiError as error:
            if kind_of(error) not in {*_GONE, "cant_delete_message"}:
                raise

    def own_posts(self) -> dict[int, str]:
        """Return the timestamps of this answer's messages by number, as Slack has them.

        One that stands twice is kept once. Where the workspace doesn't let the bot read, none are
        returned: a process that died is then believed to have stored what it posted.

        Raises:
            SlackBusyError, SlackApiError: Slack can't be asked now.
        """
        if not self.abilities.has(self.task.team, _HISTORY):
            return {}
        try:
            messages = self.pacing.call(self.task.team, self.task.channel, self._messages)
        except SlackApiError as error:
            if is_outage(error):
                raise
            self.abilities.note(self.task.team, _HISTORY, error)
            return {}
        found: dict[int, str] = {}
        for message in messages:
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") != EVENT or payload.get("id") != self.task.id:
                continue
            ts, number = str(message["ts"]), int(payload.get("part") or 0)
            if found.setdefault(number, ts) != ts:
                self.delete(ts)
        return found

    def _messages(self) -> list[dict[str, Any]]:
        task = self.task
        if not task.thread_ts:
            oldest = task.message_ts or f"{task.created_at.timestamp():.6f}"
            pages = self.client.conversations_history(
                channel=task.channel, oldest=oldest, limit=_PAGE, include_all_metadata=True
            )
        else:
            pages = self.client.conversations_replies(
                channel=task.channel,
                ts=task.thread_ts,
                oldest=task.message_ts or task.thread_ts,
                limit=_PAGE,
                include_all_metadata=True,
            )
        return [
            message
            for page in pages
            for message in page.get("messages") or ()
            if message.get("bot_id")
        ]

    def _metadata(self, number: int) -> dict[str, Any]:
        return {"event_type": EVENT, "event_payload": {"id": self.task.id, "part": number}}

    def in_blocks(self, part: Part, send: Callable[[Sequence[Block]], T]) -> T:
        """Send with the blocks that the workspace takes; with none if it takes none of them."""
        team = self.task.team
        if self.abilities.has(team, _NEW_BLOCKS):
            try:
                return send(part.blocks)
            except SlackApiError as error:
                if kind_of(error) not in _INVALID or not part.blocks:
                    raise
        try:
            sent = send(plain_blocks(part.blocks))
        except SlackApiError as error:
            if kind_of(error) not in _INVALID or not part.blocks:
                raise
            logger.warning("Slack took none of a message's blocks: %s", kind_of(error))
            return send(())
        if self.abilities.has(team, _NEW_BLOCKS):
            self.abilities.lacks(team, _NEW_BLOCKS)
        return sent
