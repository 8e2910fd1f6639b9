"""The review of pairs and corrections in Slack: what waits, and the modal to edit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.plural import counted
from bot.slack.blocks import Part
from bot.slack.elements import Block, button, context, divider, input_block, plain, section
from bot.slack.inline import no_links, render
from bot.slack.mrkdwn import escape, split
from training.records import AnswerRecord, Correction, Pair, SourceRecord

APPROVE = "nightshift_pair_approve"
EDIT = "nightshift_pair_edit"
REJECT = "nightshift_pair_reject"
PAGE = "nightshift_pairs_page"
EDIT_VIEW = "nightshift_pair_edited"

PAIR, CORRECTION = "pair", "correction"
PER_PAGE = 4
# Four items of at most 2,500 characters stay below the 13,000 that a message's blocks may have.
_QUESTION, _SERVED, _ANSWER, _WHY = 400, 500, 1_200, 400
_INPUT = 3_000
_CUT = " … (cut; Edit shows all of it)"
_CUT_HERE = " … (cut)"
_NOTHING = "Nothing waits for a review."


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to decide on.

    Attributes:
        kind: `PAIR` or `CORRECTION`.
        served: What was answered, where something else is proposed.
        why: Why it waits, or whose it is, in mrkdwn.
    """

    kind: str
    id: str
    question: str
    served: str
    answer: str
    why: str


def waiting_items(
    pairs: Sequence[Pair], corrections: Sequence[tuple[Correction, AnswerRecord]]
) -> list[Waiting]:
    """Return what there is to decide: corrections first, then pairs without one that waits."""
    corrected = {answer.id for _, answer in corrections}
    items = [
        Waiting(
            CORRECTION,
            correction.id,
            answer.standalone,
            answer.answer,
            correction.text,
            f"Corrected by {_mention(correction.author)}. {_pages(answer.sources)}",
        )
        for correction, answer in corrections
    ]
    return items + [
        Waiting(
            PAIR,
            pair.id,
            pair.question,
            "",
            pair.answer,
            f"{escape(pair.reason)} 👍 {pair.votes_up} · 👎 {pair.votes_down}. "
            f"{_pages(pair.sources)}",
        )
        for pair in pairs
        if pair.answer_id not in corrected
    ]


def build_pairs_message(
    pairs: Sequence[Pair],
    corrections: Sequence[tuple[Correction, AnswerRecord]],
    page: int = 0,
    *,
    note: str = "",
    hidden: int = 0,
) -> Part:
    """Return one page of what waits for a review, with its buttons.

    Args:
        pairs: The pairs that wait.
        corrections: The corrections that wait, each with the answer that it corrects.
        page: From 0; the last one where there are fewer.
        note: What was just decided, in mrkdwn.
        hidden: How many pairs and corrections aren't shown, since not everyone may see them.
    """
    items = waiting_items(pairs, corrections)
    last = max(0, (len(items) - 1) // PER_PAGE)
    page = min(max(page, 0), last)
    blocks: list[Block] = [context(note)] if note else []
    count = f"*{len(items)} wait for a review.*" if len(items) != 1 else "*1 waits for a review.*"
    blocks.append(section(count if items else _NOTHING))
    for item in items[page * PER_PAGE : (page + 1) * PER_PAGE]:
        blocks += _item_blocks(item, page)
    if hidden:
        blocks.append(
            context(
                f"Not shown: {counted(hidden, 'item')} from answers or pages that not everyone may "
                "see now; such things don't train."
            )
        )
    if last:
        blocks.append(_pager(page, last))
    return Part((count if items else _NOTHING).strip("*"), tuple(blocks))


def build_edit_modal(item: Waiting, metadata: str) -> Block:
    """Return the modal in which an admin changes the answer and approves it.

    Args:
        item: What is edited.
        metadata: Comes back with the submission.
    """
    pieces = split(item.answer, _INPUT) or [""]
    inputs = [
        input_block(
            f"answer{number}",
            "Answer to be taught" if number == 0 else "Answer, continued",
            {
                "type": "plain_text_input",
                "action_id": "text",
                "multiline": True,
                "max_length": _INPUT,
                "initial_value": piece,
            },
            optional=number > 0,
        )
        for number, piece in enumerate(pieces)
    ]
    return {
        "type": "modal",
        "callback_id": EDIT_VIEW,
        "private_metadata": metadata,
        "title": plain("Edit and approve"),
        "submit": plain("Approve"),
        "close": plain("Cancel"),
        "blocks": [*_asked_and_served(item), *inputs],
    }


def _asked_and_served(item: Waiting) -> list[Block]:
    blocks = [section(f"*Question*\n{_quoted(item.question, 2_000, _CUT_HERE)}")]
    if item.served:
        blocks.append(
            section(f"*Was answered*\n{_quoted(item.served, 2_800, _CUT_HERE, _without_marks)}")
        )
    return blocks


def edited_answer(values: Mapping[str, Any]) -> str:
    """Return the answer that stands in a submitted edit modal."""
    names = sorted((name for name in values if name.startswith("answer")), key=lambda n: int(n[6:]))
    pieces = [str(values[name]["text"].get("value") or "") for name in names]
    return "\n".join(piece for piece in pieces if piece.strip()).strip()


def _item_blocks(item: Waiting, page: int) -> list[Block]:
    lines = [f"*Question*\n{_quoted(item.question, _QUESTION)}"]
    if item.served:
        lines.append(f"*Was answered*\n{_quoted(item.served, _SERVED, shown=_without_marks)}")
    label = "Correction" if item.kind == CORRECTION else "Answer to be taught"
    lines.append(f"*{label}*\n{_quoted(item.answer, _ANSWER)}")
    value = f"{item.kind}:{item.id}:{page}"
    buttons = [
        button("Approve", APPROVE, value, style="primary"),
        button("Edit", EDIT, value),
        button("Reject", REJECT, value, style="danger"),
    ]
    return [
        divider(),
        section("\n".join(lines)),
        context(item.why),
        {"type": "actions", "elements": buttons},
    ]


def _pager(page: int, last: int) -> Block:
    buttons = []
    if page:
        buttons.append(button("Previous page", f"{PAGE}_back", str(page - 1)))
    if page < last:
        buttons.append(button("Next page", PAGE, str(page + 1)))
    return {"type": "actions", "elements": buttons}


def _mention(name: str) -> str:
    """Return a person of Slack as a mention, and anybody else by name."""
    team, _, user = name.rpartition(":")
    return f"<@{user}>" if team and user.isalnum() else escape(name)


def _pages(sources: Sequence[SourceRecord]) -> str:
    titles = list(dict.fromkeys(source.title for source in sources))
    if not titles:
        return "No pages."
    shown = escape(", ".join(titles[:3]))
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    return f"Pages: {shown[:_WHY]}{more}."


def _quoted(text: str, limit: int, cut: str = _CUT, shown: Callable[[str], str] = escape) -> str:
    """Return the text escaped as a quotation of at most about so many characters.

    Where it is cut, it says so.
    """
    quotation = _as_quotation(text, shown)
    if len(quotation) <= limit:
        return quotation
    end = limit
    while len(quotation) > limit:
        end -= max(1, (len(quotation) - limit) // 5)
        quotation = _as_quotation(text[:end], shown)
    return quotation + cut


def _as_quotation(text: str, shown: Callable[[str], str]) -> str:
    return "\n".join(f"> {shown(line)}" for line in text.splitlines() if line.strip())


def _without_marks(line: str) -> str:
    """Return a line of an answer as its reader saw it, without links."""
    return render(line, no_links).mrkdwn
