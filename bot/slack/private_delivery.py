"""Answers that only the asker sees: to a command's address, ephemeral, or in a direct message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.slack.blocks import (
    Part,
    Reply,
    reply_from_json,
    reply_json,
)
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.elements import Block
from bot.slack.pacing import SlackBusyError, is_outage
from bot.slack.posting import Poster
from bot.slack.request import SlackRequest

SaveReply = Callable[[Mapping[str, Any]], None]

# https://docs.slack.dev/interactivity/handling-user-interaction: five answers in half an hour.
_ADDRESS_USES = 5
_ADDRESS_AGE = timedelta(minutes=29)
_TIMEOUT_SECONDS = 20
_BY_ADDRESS, _EPHEMERAL = "address", "ephemeral"

_NOT_THERE = (
    "I couldn't answer in the channel <#{}>: I may not be a member there. So I answer here."
)
_NO_ANSWER = (
    "I couldn't answer in the channel <#{}>: I may not be a member there. Please ask me here, or "
    "invite me there."
)

logger = logging.getLogger(__name__)


class AskerDelivery:
    """Messages for the asker's eyes only."""

    def __init__(self, poster: Poster, request: SlackRequest, save: SaveReply) -> None:
        self._poster = poster
        self._task = poster.task
        self._address = request.response_url
        self._save = save
        self._state: dict[str, Any] = {"posted": [], "reply": None, **self._task.reply}

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
            self._state["posted"].append(self._send(number, parts[number]))
            self._save(self._state)

    def withdraw(self) -> None:
        """See `Delivery`; what only the asker saw goes by itself."""

    def go_private(self) -> bool:
        """See `Delivery`."""
        return post_privately(self._poster, self._state["reply"])

    def _send(self, number: int, part: Part) -> str:
        """Send one message by the first way that is open, and return which one."""
        if self._by_address(part):
            return _BY_ADDRESS
        try:
            self._poster.ephemeral(part)
        except SlackApiError as error:
            if is_outage(error):
                raise
            logger.info("No ephemeral message: %s", kind_of(error))
            return self._poster.post(number, part, direct_channel(self._poster))
        return _EPHEMERAL

    def _by_address(self, part: Part) -> bool:
        """Answer to the command's address, if it is still good."""
        uses = sum(way == _BY_ADDRESS for way in self._state["posted"])
        age = datetime.now(UTC) - self._task.created_at
        if not self._address or uses >= _ADDRESS_USES or age > _ADDRESS_AGE:
            return False
        try:
            sent = self._poster.in_blocks(part, lambda blocks: self._respond(part, blocks))
        except (SlackApiError, URLError, OSError) as error:
            logger.info("A command's address took no answer: %s", kind_of(error))
            return False
        return sent

    def _respond(self, part: Part, blocks: Sequence[Block]) -> bool:
        client = WebhookClient(self._address, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
        response = client.send(
            text=part.text,
            blocks=list(blocks) or None,
            response_type="ephemeral",
            replace_original=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        if "invalid_blocks" in str(response.body):
            raise SlackApiError("invalid_blocks", {"error": "invalid_blocks"})  # type: ignore[no-untyped-call]
        return bool(response.status_code == 200)


def direct_channel(poster: Poster) -> str:
    """Return the conversation of the bot and the asker.

    Raises:
        SlackBusyError, SlackApiError: Slack doesn't open it.
    """
    response = poster.call(lambda: poster.client.conversations_open(users=poster.task.asker))
    return str(response["channel"]["id"])


def post_privately(poster: Poster, reply: Sequence[Mapping[str, Any]] | None) -> bool:
    """Send what was to be said to the asker in a direct message; return whether that went.

    Args:
        poster: Of the question.
        reply: As it was prepared; None where it wasn't yet.
    """
    if poster.task.channel.startswith("D"):
        return False
    lead = Part((_NOT_THERE if reply else _NO_ANSWER).format(poster.task.channel))
    parts = [lead, *reply_from_json(reply or ()).parts]
    try:
        channel = direct_channel(poster)
        for number, part in enumerate(parts):
            poster.post(number, part, channel)
    except (SlackBusyError, *OUTSIDE_ERRORS) as error:
        logger.warning("The asker couldn't be told: %s", kind_of(error))
        return False
    return True
