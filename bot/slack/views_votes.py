"""What people see of their votes: the tally, the thanks, and the question why. Pure.

Limits: https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.slack.blocks import ASK_HUMAN, Part
from bot.slack.elements import Block, button, context, input_block, option, plain, section
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
        shown = [section(piece) for piece in split(text, MAX_CHARACTERS - 1_000)]
    if (up or down) and len(shown) < _BLOCKS:
        shown.append({**context(f"👍 {up} · 👎 {down}"), "block_id": _TALLY})
    # With blocks, the text is what notifications show; chat.update takes 4,000 characters.
    return Part((split(text) or [""])[0], tuple(shown))


def build_thanks(answer_id: str, value: int, *, human: bool = False) -> Part:
    """Return what the person sees who pressed a thumb; `human`: whether they may ask one."""
    thumb = "👍" if value > 0 else "👎"
    text = f"Thank you. Your {thumb} counts; only your last vote does."
    buttons = [button("Take it back", VOTE_BACK, answer_id)]
    if value < 0:
        buttons = [*_after_down(answer_id, human=human), *buttons]
    return Part(text, (section(text), {"type": "actions", "elements": buttons}))


def build_why_offer(answer_id: str, *, human: bool = False) -> Part:
    """Return what the person sees who gave a thumbs-down by reaction; see `build_thanks`."""
    text = "Thank you for the 👎. What was wrong, and do you know the right answer?"
    buttons = _after_down(answer_id, human=human)
    return Part(text, (section(text), {"type": "actions", "elements": buttons}))


def build_why_modal(metadata: str) -> Block:
    """Return the modal that asks why, and for the right answer.

    Args:
        metadata: Comes back with the submission.
    """
    options = [option(label, value) for value, label in REASONS.items()]
    reason = {"type": "radio_buttons", "action_id": "choice", "options": options}
    return {
        "type": "modal",
        "callback_id": WHY_VIEW,
        "private_metadata": metadata,
        "title": plain("What was wrong?"),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": [
            input_block("reason", "Your 👎 counts already. Why was it?", reason, optional=True),
            input_block("words", "In your words", _text(_WORDS), optional=True),
            input_block(
                "right",
                "The right answer, if you know it",
                _text(_RIGHT),
                optional=True,
                hint="A person reviews it before I learn from it.",
            ),
        ],
    }


def build_note_modal(text: str) -> Block:
    """Return a modal that only says something."""
    return {
        "type": "modal",
        "title": plain("Nightshift"),
        "close": plain("Close"),
        "blocks": [{"type": "section", "text": plain(text)}],
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


def _after_down(answer_id: str, *, human: bool) -> list[Block]:
    why = button("Tell why", WHY, answer_id)
    return [why, button("Ask a human", ASK_HUMAN, answer_id)] if human else [why]


def _text(most: int) -> Block:
    return {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": True,
        "max_length": most,
    }
