"""Reports for admins as messages: split where they are long, never cut. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from bot.slack.blocks import Part, Reply
from bot.slack.elements import Block, plain, section
from bot.slack.mrkdwn import split

# A section takes 3,000 characters, and chat.update 4,000 of plain text.
_SECTION = 2_900


def build_report(lines: Sequence[str], buttons: Sequence[Block] = ()) -> Reply:
    """Return lines of mrkdwn as messages, with buttons below the last one.

    Args:
        lines: Escaped where they hold others' text; empty ones leave a gap.
        buttons: Elements of an actions block.
    """
    parts = [Part(text, (section(text),)) for text in split("\n".join(lines), _SECTION)]
    if buttons and parts:
        last = parts[-1]
        actions = {"type": "actions", "elements": list(buttons)}
        parts[-1] = Part(last.text, (*last.blocks, actions))
    return Reply(tuple(parts))


def confirmed_button(
    label: str, action_id: str, value: str, question: str, *, danger: bool = False
) -> Block:
    """Return a button that asks once more before it acts.

    Args:
        label: On the button and on the confirmation, at most 30 characters.
        action_id: Of the button.
        value: What it acts on: ids only.
        question: What will happen, plain, at most 300 characters.
        danger: Whether to show it in red.
    """
    style = {"style": "danger"} if danger else {}
    return {
        "type": "button",
        "action_id": action_id,
        "value": value,
        "text": plain(label),
        "confirm": {
            "title": plain("Are you sure?"),
            "text": plain(question),
            "confirm": plain(label),
            "deny": plain("Leave it"),
            **style,
        },
        **style,
    }


def duration(seconds: float) -> str:
    """Return a time span as people say it."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(when: datetime, zone: tzinfo | None = None) -> str:
    """Return a time as people read it, with its zone."""
    return f"{when.astimezone(zone) if zone else when:%A %d %B %Y, %H:%M %Z}"
