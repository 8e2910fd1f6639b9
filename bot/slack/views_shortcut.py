"""The modal of 'Ask about this'. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.slack.elements import Block, input_block, option, plain

ASKED_VIEW = "nightshift_asked_about"
MAX_QUESTION = 3_000
ONLY_ME, IN_THREAD = "me", "thread"

_CHOICES = {ONLY_ME: "Only I see the answer", IN_THREAD: "In the message's thread, for all"}


def build_ask_modal(text: str, metadata: str, files: int = 0) -> Block:
    """Return the modal in which a question about a message is asked.

    Args:
        text: The message's.
        metadata: Comes back with the submission.
        files: How many files of the message are read for the question.
    """
    options = [option(label, value) for value, label in _CHOICES.items()]
    notes = []
    if len(text) > MAX_QUESTION:
        notes.append(f"The message is long; its first {MAX_QUESTION:,} characters are here.")
    if files:
        notes.append("I also read the file." if files == 1 else f"I also read the {files} files.")
    question: Block = {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": True,
        "max_length": MAX_QUESTION,
    }
    if text:
        question["initial_value"] = text[:MAX_QUESTION]
    where = {
        "type": "radio_buttons",
        "action_id": "choice",
        "options": options,
        "initial_option": options[0],
    }
    return {
        "type": "modal",
        "callback_id": ASKED_VIEW,
        "private_metadata": metadata,
        "title": plain("Ask about this"),
        "submit": plain("Ask"),
        "close": plain("Cancel"),
        "blocks": [
            input_block("question", "Your question", question, hint=" ".join(notes)),
            input_block("where", "Where should the answer be?", where),
        ],
    }


def question_typed(values: Mapping[str, Any]) -> str:
    """Return the question that stands in the submitted modal."""
    return str(values["question"]["text"].get("value") or "").strip()


def choice_in(values: Mapping[str, Any]) -> str:
    """Return who is to see the answer: `ONLY_ME` unless the other is chosen."""
    chosen = (values["where"]["choice"].get("selected_option") or {}).get("value")
    return IN_THREAD if chosen == IN_THREAD else ONLY_ME
