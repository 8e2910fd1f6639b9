"""What the bot's messages look like: Block Kit, built by pure functions.

Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.answer import Answer
from bot.slack.mrkdwn import answer_message, escape, split

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One message.

    Attributes:
        text: What notifications and old clients show; all that the blocks say, in mrkdwn.
        blocks: Block Kit; empty where the text alone is posted.
    """

    text: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer or another reply to a question: one message, or several where it is long."""

    parts: tuple[Part, ...]


def build_answer_reply(answer: Answer, *, may_share: bool = False) -> Reply:
    """Return an answer as messages, its sources numbered below it.

    Args:
        answer: With its sources.
        may_share: Whether a button offers to post it in the channel (for an ephemeral answer).
    """
    texts = split(answer_message(answer.text, answer.sources))
    return Reply(tuple(Part(text) for text in texts))


def build_notice_reply(text: str) -> Reply:
    """Return a short notice; its text is shown as it stands and acts on nothing."""
    return Reply(tuple(Part(part) for part in split(escape(text))))


def reply_json(reply: Reply) -> list[dict[str, Any]]:
    """Return a reply as the queue keeps it."""
    return [{"text": part.text, "blocks": list(part.blocks)} for part in reply.parts]


def reply_from_json(values: Sequence[Mapping[str, Any]]) -> Reply:
    """Return what `reply_json` stored."""
    return Reply(tuple(Part(value["text"], tuple(value["blocks"])) for value in values))
