"""Messages for any Slack: some take no `markdown` blocks and no feedback buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from slack_sdk.errors import SlackApiError

from bot.slack.blocks import plain_blocks
from bot.slack.clients import kind_of
from bot.slack.elements import Block

T = TypeVar("T")

_INVALID = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_arguments"})


def send_fitting(send: Callable[..., T], blocks: Sequence[Block]) -> T:
    """Send a message with its blocks, or with plain ones where the workspace refuses those.

    Args:
        send: Called with the keyword `blocks`.
        blocks: As they look best.

    Raises:
        What `send` raises for any other reason, or for plain blocks too.
    """
    try:
        return send(blocks=list(blocks))
    except SlackApiError as error:
        plain = plain_blocks(blocks)
        if kind_of(error) not in _INVALID or plain == list(blocks):
            raise
        return send(blocks=plain)
