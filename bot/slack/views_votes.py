"""What people see of their votes: the tally, the thanks, and the question why. Pure.

Limits: https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.slack.blocks import Block, Part
from bot.slack.mrkdwn import MAX_CHARACTERS, split
from training.feedback import MAX_REASON

VOTE_BACK = "nightshift_vote_back"
WHY = "nightshift_why"
WHY_VIEW = "nightshift_why_given"

REASONS = {
    "wrong": "It is wrong",
    "outdated": "It is outdated",
    "incomplete": "Something is missing",
    "not my question": "It isn't what I asked",
    "other": "Something else",
}
_WORDS = MAX_REASON - 100
_RIGHT = 3_000
_BLOCKS = 50
_TALLY = "nightshift_tally"
NOT_COUNTED = "I count votes of members of this workspace only."


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody filled in after a thumbs-down.

    Attributes:
        reason: The chosen reason and their own words.
        right: What the answer should have been.
    """

    reason: str
    right: str


def with_tally(text: str, blocks: Sequence[Block], up: int, down: int) -> Part:
    """Return a message of an answer with the votes on it in a line below; 0 of each shows none."""
    shown = [block for block in blocks if block.get("block_id") != _TALLY]
    if not shown:
        shown = [
            {"type": "section", "text": {"type": "mrkdwn", "text": piece}}
            for piece in split(text, MAX_CHARACTERS - 1_000)
        ]
    if (up or down) and len(shown) < _BLOCKS:
        line = {"type": "mrkdwn", "text": f"👍 {up} · 👎 {down}"}
        shown.append({"type": "context", "block_id": _TALLY, "elements": [line]})
    # With blocks, the text is what notifications show; chat.update takes 4,000 characters.
    return Part((split(text) or [""])[0], tuple(shown))


def build_thanks(answer_id: str, value: int) -> Part:
    """Return what the person sees who pressed a thumb."""
    thumb = "👍" if value > 0 else "👎"
    text = f"Thank you. Your {thumb} counts; only your last vote does."
    buttons = [_button("Take it back", VOTE_BACK, answer_id)]
    if value < 0:
        buttons.insert(0, _button("Tell why", WHY, answer_id))
    return Part(text, (_section(text), {"type": "actions", "elements": buttons}))


def build_why_offer(answer_id: str) -> Part:
    """Return what the person sees who gave a thumbs-down by reaction."""
    text = "Thank you for the 👎. What was wrong, and do you know the right answer?"
    buttons = [_button("Tell why", WHY, answer_id)]
    return Part(text, (_section(text), {"type": "actions", "elements": buttons}))


def build_why_modal(metadata: str) -> Block:
    """Return the modal that asks why, and for the right answer.

    Args:
        metadata: Comes back with the submission.
    """
    options = [{"text": _plain(label), "value": value} for value, label in REASONS.items()]
    reason = {"type": "radio_buttons", "action_id": "choice", "options": options}
    return {
        "type": "modal",
        "callback_id": WHY_VIEW,
        "private_metadata": metadata,
        "title": _plain("What was wrong?"),
        "submit": _plain("Send"),
        "close": _plain("Cancel"),
        "blocks": [
            _input("reason", "Your 👎 counts already. Why was it?", reason),
            _input("words", "In your words", _text(_WORDS)),
            _input(
                "right",
                "The right answer, if you know it",
                _text(_RIGHT),
                hint="A person reviews it before I learn from it.",
            ),
        ],
    }


def build_note_modal(text: str) -> Block:
    """Return a modal that only says something."""
    return {
        "type": "modal",
        "title": _plain("Nightshift"),
        "close": _plain("Close"),
        "blocks": [{"type": "section", "text": _plain(text)}],
    }


def given_in(values: Mapping[str, Any]) -> Given:
    """Return what stands in the submitted modal."""
    choice = (values["reason"]["choice"].get("selected_option") or {}).get("value") or ""
    words = str(values["words"]["text"].get("value") or "").strip()
    right = str(values["right"]["text"].get("value") or "").strip()
    return Given(": ".join(part for part in (choice, words) if part), right)


def problems_of(given: Given) -> dict[str, str]:
    """Return what is wrong with what was filled in, by block; the modal stays open with it."""
    problems = {}
    if len(given.reason) > MAX_REASON:
        problems["words"] = f"That's too long: {_WORDS} characters are allowed."
    if len(given.right) > _RIGHT:
        problems["right"] = f"That's {len(given.right)} characters; {_RIGHT} are allowed."
    return problems


def _input(block_id: str, label: str, element: Block, hint: str = "") -> Block:
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": _plain(label),
        "element": element,
    }
    return block | ({"hint": _plain(hint)} if hint else {})


def _text(most: int) -> Block:
    return {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": True,
        "max_length": most,
    }


def _button(text: str, action_id: str, value: str) -> Block:
    return {"type": "button", "text": _plain(text), "action_id": action_id, "value": value}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
