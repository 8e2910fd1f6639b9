"""What people see when a human is asked: the call for help, the modals, the outcome. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.blocks import Part
from bot.slack.elements import Block, button, context, input_block, plain, section
from bot.slack.escalations import Escalation
from bot.slack.mrkdwn import escape, split

RESOLVE = "nightshift_resolve"
ANSWER = "nightshift_answer_human"
CONFIRM_VIEW = "nightshift_human_confirmed"
ANSWER_VIEW = "nightshift_human_answered"

MAX_TEXT = 3_000
_SHOWN_QUESTION = 1_500
_SECTION = 2_900
_MOST_PINGED = 20
_USER = re.compile(r"[UW][A-Z0-9]{4,}\Z")
_GROUP = re.compile(r"S[A-Z0-9]{4,}\Z")


def mentions(names: Sequence[str]) -> str:
    """Return people and user groups by their ids as Slack pings them; other names as text."""
    return " ".join(_mention(name) for name in names[:_MOST_PINGED])


def build_call(escalation: Escalation, experts: Sequence[str]) -> Part:
    """Return the message that asks the experts, or what became of it.

    Args:
        escalation: What is asked, by whom.
        experts: User or user group ids.
    """
    who = f"<@{escalation.asked_by}>"
    called = f"{mentions(experts)}\n" if experts and not escalation.resolved else ""
    text = f"{called}{who} asks for a human's answer:\n{_quoted(escalation.question)}"
    blocks: list[Block] = [section(text)]
    if escalation.resolved:
        outcome = f"✅ Resolved by <@{escalation.resolved_by}>."
        return Part(f"{text}\n{outcome}", (*blocks, context(outcome)))
    hint = "Answer in this thread or by the button. Your answer is kept, for an admin to review."
    blocks.append(context(hint))
    blocks.append(
        {
            "type": "actions",
            "elements": [
                button("Answer", ANSWER, escalation.id, style="primary"),
                button("Mark as resolved", RESOLVE, escalation.id),
            ],
        }
    )
    return Part(text, tuple(blocks))


def build_asked(escalation: Escalation) -> Part:
    """Return what the asker of a private question sees once the experts are asked."""
    text = f"I've asked the experts in <#{escalation.channel}>. Their answer comes here."
    resolve = button("Mark as resolved", RESOLVE, escalation.id)
    return Part(text, (section(text), {"type": "actions", "elements": [resolve]}))


def build_human_answer(escalation: Escalation, *, with_question: bool) -> tuple[Part, ...]:
    """Return a human's answer for the asker: one message, or several where it is long.

    Args:
        escalation: With the answer.
        with_question: Whether the question is repeated: in its own thread it needn't be.
    """
    lines = [f"<@{escalation.asked_by}>, <@{escalation.proposed_by}> has answered your question."]
    if with_question:
        lines.append(_quoted(escalation.question))
    head = "\n".join(lines)
    first, *others = split(escape(escalation.proposal), _SECTION)
    return (
        Part(f"{head}\n{first}", (section(head), section(first))),
        *(Part(piece, (section(piece),)) for piece in others),
    )


def build_confirm_modal(question: str, channel: str, metadata: str) -> Block:
    """Return the modal that says who will see a private question, and lets it be worded anew."""
    return {
        "type": "modal",
        "callback_id": CONFIRM_VIEW,
        "private_metadata": metadata,
        "title": plain("Ask a human"),
        "submit": plain("Ask"),
        "close": plain("Cancel"),
        "blocks": [
            section(
                f"The experts in {_channel(channel)} will see your name and this question. "
                "They won't see what I answered."
            ),
            _text_input("question", "Your question", question[:MAX_TEXT]),
        ],
    }


def build_answer_modal(escalation: Escalation, metadata: str) -> Block:
    """Return the modal in which an expert answers."""
    return {
        "type": "modal",
        "callback_id": ANSWER_VIEW,
        "private_metadata": metadata,
        "title": plain("Answer"),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": [
            section(f"<@{escalation.asked_by}> asks:\n{_quoted(escalation.question)}"),
            _text_input("answer", "Your answer", escalation.proposal[:MAX_TEXT]),
        ],
    }


def build_nobody_modal(admins: Sequence[str], human: str) -> Block:
    """Return the modal that says that no expert is named."""
    return {
        "type": "modal",
        "title": plain("Ask a human"),
        "close": plain("Close"),
        "blocks": [section(nobody_text(admins, human))],
    }


def nobody_text(admins: Sequence[str], human: str) -> str:
    """Return what somebody reads where no expert is named.

    Args:
        admins: Of Nightshift: ids or names.
        human: Whom the settings name for questions, such as "#help-people".
    """
    lines = ["Nobody is named here who could be asked."]
    if human:
        lines.append(f"{escape(human)} can help.")
    if admins:
        lines.append(f"Who can name experts: {mentions(admins)}.")
    return " ".join(lines)


def text_in(values: Mapping[str, Any], block_id: str) -> str:
    """Return what was typed into a modal."""
    return str(values[block_id]["text"].get("value") or "").strip()


def problem_of(text: str) -> str:
    """Return what is wrong with a typed text, or ""."""
    if not text:
        return "Write something."
    if len(text) > MAX_TEXT:
        return f"That's {len(text)} characters; {MAX_TEXT} are allowed."
    return ""


def _mention(name: str) -> str:
    bare = name.lstrip("@")
    if _USER.match(bare):
        return f"<@{bare}>"
    if _GROUP.match(bare):
        return f"<!subteam^{bare}>"
    return escape(name)


def _channel(name: str) -> str:
    return escape(name) if name.startswith("#") else f"<#{name}>"


def _quoted(text: str) -> str:
    cut = text if len(text) <= _SHOWN_QUESTION else f"{text[:_SHOWN_QUESTION]} …"
    lines = [f"> {escape(line)}" for line in cut.splitlines() if line.strip()]
    shown = "\n".join(lines)
    # Escapes and marks make it longer; Slack takes 3,000 characters in a section.
    return shown if len(shown) <= _SECTION - 600 else _quoted(cut[: len(cut) * 2 // 3])


def _text_input(block_id: str, label: str, text: str) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": True,
        "max_length": MAX_TEXT,
    }
    if text:
        element["initial_value"] = text
    return input_block(block_id, label, element)
