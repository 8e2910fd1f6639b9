"""An answer as it is shared in a channel. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.blocks import Part, Reply
from bot.slack.elements import Block, section
from bot.slack.mrkdwn import escape

_SHOWN_QUESTION = 400


def build_shared(reply: Reply, sharer: str, question: str, action_id: str) -> Reply:
    """Return an answer that one person saw, as all may see it.

    Args:
        reply: As it was shown to them.
        sharer: The Slack user.
        question: As it was asked.
        action_id: Of the button that shared it, which goes.
    """
    head = f"<@{sharer}> shared an answer to: “{_short(question)}”"
    first = True
    parts = []
    for part in reply.parts:
        blocks = without_action(part.blocks or (section(part.text),), action_id)
        if first:
            blocks = [section(head), *blocks]
        parts.append(Part(f"{head}\n{part.text}" if first else part.text, tuple(blocks)))
        first = False
    return Reply(tuple(parts))


def without_action(blocks: Sequence[Block], action_id: str) -> list[Block]:
    """Return blocks without one button; a row that had no other one goes too."""
    kept = []
    for block in blocks:
        elements = block.get("elements")
        if block.get("type") == "actions" and elements:
            left = [each for each in elements if each.get("action_id") != action_id]
            if not left:
                continue
            block = {**block, "elements": left}
        kept.append(block)
    return kept


def _short(question: str) -> str:
    line = " ".join(question.split())
    return escape(line if len(line) <= _SHOWN_QUESTION else f"{line[:_SHOWN_QUESTION]}…")
