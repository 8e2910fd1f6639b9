"""The pieces that blocks and modals are built of. Pure; nothing here escapes.

Source: https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

from typing import Any

Block = dict[str, Any]


def plain(text: str, *, emoji: bool = False) -> Block:
    """Return plain text; with `emoji`, Slack is told to show names of emoji as such."""
    return {"type": "plain_text", "text": text} | ({"emoji": True} if emoji else {})


def mrkdwn(text: str) -> Block:
    """Return text in mrkdwn; whoever calls has escaped what others wrote."""
    return {"type": "mrkdwn", "text": text}


def section(text: str) -> Block:
    """Return a section with mrkdwn."""
    return {"type": "section", "text": mrkdwn(text)}


def context(text: str) -> Block:
    """Return mrkdwn in small print."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def header(text: str) -> Block:
    """Return a heading, plain."""
    return {"type": "header", "text": plain(text)}


def divider() -> Block:
    """Return a line across."""
    return {"type": "divider"}


def button(
    text: str, action_id: str, value: str | None = None, *, style: str = "", emoji: bool = False
) -> Block:
    """Return a button.

    Args:
        text: On it, plain.
        action_id: What is pressed.
        value: What it acts on; None for nothing.
        style: "primary" or "danger"; empty for neither.
        emoji: As of `plain`.
    """
    block: Block = {"type": "button", "text": plain(text, emoji=emoji), "action_id": action_id}
    if value is not None:
        block["value"] = value
    return block | ({"style": style} if style else {})


def option(text: str, value: str) -> Block:
    """Return one line of a menu or of a list of choices."""
    return {"text": plain(text), "value": value}


def input_block(
    block_id: str, label: str, element: Block, *, optional: bool | None = None, hint: str = ""
) -> Block:
    """Return a field of a modal.

    Args:
        block_id: By which it is found in what is submitted.
        label: Above it, plain.
        element: What is filled in.
        optional: Whether it may stay empty; None leaves it to Slack, which wants it filled in.
        hint: Below it, plain.
    """
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": plain(label),
        "element": element,
    }
    if optional is not None:
        block["optional"] = optional
    return block | ({"hint": plain(hint)} if hint else {})
