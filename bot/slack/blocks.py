"""What the bot's messages look like: Block Kit, built by pure functions.

Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.answer import Answer
from bot.attachments import SOURCE as ATTACHED
from bot.passages import Passage
from bot.respond import NEAREST
from bot.slack.elements import Block, button, context, plain, section
from bot.slack.inline import (
    links_in,
    markdown_link,
    mrkdwn_link,
    mrkdwn_text,
    no_links,
    render,
    scheme_of,
)
from bot.slack.mrkdwn import split
from bot.slack.rendering import MAX_TEXT, Body, render_body
from bot.support import Confidence

# What can be pressed. A value is the answer's id; of a vote, the vote stands behind it.
VOTE = "nightshift_vote"
VOTE_DOWN = "nightshift_vote_down"  # two plain buttons in one row need two names
ASK_HUMAN = "nightshift_ask_human"
SHARE = "nightshift_share"
STOP = "nightshift_stop"

LOOKING = "Looking that up …"
MAX_SECTION = 3_000
_MAX_URL = 500  # a longer address is no help to anybody
_MAX_PLACE = 150
_NEAREST = 3
_MAX_GROWING = 3_500


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


def build_answer_reply(
    answer: Answer, *, may_share: bool = False, notes: Sequence[str] = ()
) -> Reply:
    """Return an answer as messages: its sources numbered below the last, then what can be pressed.

    Args:
        answer: With its sources.
        may_share: Whether a button offers to post it in the channel (for an ephemeral answer).
        notes: What else the asker must know, as which file couldn't be read.
    """
    said = [_said(note) for note in notes]
    if answer.refused:
        bodies, listed = [_joined([*said, *_refusal(answer)])], ""
    else:
        known = (text for each in answer.shown for text in (each.chunk.text, each.chunk.url))
        bodies = render_body(answer.text, links_in(known), MAX_TEXT - _length(said))
        bodies[0] = _joined([*said, bodies[0]])
        listed = "\n".join(_listed(answer.sources))
    unsure = answer.refused or answer.confidence is Confidence.UNSURE
    pressed = [vote_block(answer.id), *_buttons(answer.id, ask=unsure, share=may_share)]
    *parts, last = [
        *(Part(body.mrkdwn, (_markdown(body),)) for body in bodies),
        *(Part(lines, (context(lines),)) for lines in split(listed, MAX_SECTION)),
    ]
    if parts and len(parts[-1].text) + len(last.text) < MAX_TEXT and listed == last.text:
        above = parts.pop()
        last = Part(f"{above.text}\n\n{last.text}", (*above.blocks, *last.blocks))
    return Reply((*parts, Part(last.text, (*last.blocks, *pressed))))


def build_notice_reply(text: str) -> Reply:
    """Return a short notice; its text is shown as it stands and acts on nothing."""
    return Reply(tuple(Part(part) for part in split(mrkdwn_text(text))))


def build_waiting_part(task_id: str, position: int) -> Part:
    """Return what is shown until an answer begins.

    Args:
        task_id: For the Stop button.
        position: How many questions are answered before this one.
    """
    before = "one question is" if position == 1 else f"{position} questions are"
    waiting = f"You are number {position + 1}: {before} before yours. I'll answer here."
    text = waiting if position else LOOKING
    return Part(text, (section(text), _stop(task_id)))


def build_growing_part(task_id: str, text: str) -> Part:
    """Return an answer that is still being written, with a Stop button.

    No links yet: which ones its sources have is known at its end.
    """
    body = render_body(text, no_links, _MAX_GROWING)[-1]
    shown = Body(f"{body.markdown} …", f"{body.mrkdwn} …")
    return Part(shown.mrkdwn, (_markdown(shown), _stop(task_id)))


def vote_block(answer_id: str) -> Block:
    """Return Slack's own feedback buttons.

    Source: https://docs.slack.dev/reference/block-kit/block-elements/feedback-buttons-element
    """
    up, down = (
        {
            "text": plain(sign, emoji=True),
            "value": f"{answer_id}:{value}",
            "accessibility_label": label,
        }
        for sign, value, label in (("👍", 1, "This helped"), ("👎", -1, "This didn't help"))
    )
    element = {"type": "feedback_buttons", "action_id": VOTE}
    return {
        "type": "context_actions",
        "elements": [{**element, "positive_button": up, "negative_button": down}],
    }


def plain_blocks(blocks: Sequence[Block]) -> list[Block]:
    """Return blocks for a Slack that has neither `markdown` nor `context_actions` blocks."""
    shown: list[Block] = []
    for block in blocks:
        if block["type"] == "markdown":
            texts = (body.mrkdwn for body in render_body(block["text"], _any_link, MAX_SECTION))
            shown += [section(text) for text in texts]
        elif block["type"] == "context_actions":
            shown.append({"type": "actions", "elements": _plain_votes(block["elements"])})
        elif block["type"] == "actions" and shown and shown[-1]["type"] == "actions":
            shown[-1]["elements"] += block["elements"]
        else:
            shown.append(block)
    return shown


def reply_json(reply: Reply) -> list[dict[str, Any]]:
    """Return a reply as the queue keeps it."""
    return [{"text": part.text, "blocks": list(part.blocks)} for part in reply.parts]


def reply_from_json(values: Sequence[Mapping[str, Any]]) -> Reply:
    """Return what `reply_json` stored."""
    return Reply(tuple(Part(value["text"], tuple(value["blocks"])) for value in values))


def _refusal(answer: Answer) -> list[Body]:
    """Return what a refusal says, with the nearest pages as links and not once more below."""
    head, _, rest = answer.text.partition(NEAREST)
    tail = rest.rpartition("\n\n")[2] if rest else ""
    bodies = [_said(head)]
    if answer.sources:
        found = dict.fromkeys((place_of(each), web_address(each)) for each in answer.sources)
        pages = list(found)[:_NEAREST]
        marked = [
            markdown_link(url, place) if url else render(place, no_links).markdown
            for place, url in pages
        ]
        mrk = [
            mrkdwn_link(url, mrkdwn_text(place)) if url else mrkdwn_text(place)
            for place, url in pages
        ]
        bodies.append(
            Body(
                "\n".join([NEAREST, *(f"- {line}" for line in marked)]),
                "\n".join([NEAREST, *(f"• {line}" for line in mrk)]),
            )
        )
    if tail.strip():
        bodies.append(_said(tail))
    return bodies


def place_of(source: Passage) -> str:
    """Return where a source stands, for people, on one line."""
    place = " ".join(source.chunk.place.split())
    return place if len(place) <= _MAX_PLACE else f"{place[: _MAX_PLACE - 1]}…"


def web_address(source: Passage) -> str:
    """Return a source's address where others can open it, else ""."""
    url = source.chunk.url
    web = scheme_of(url) in {"http", "https"} and len(url) <= _MAX_URL
    return url if web else ""


def _listed(sources: Sequence[Passage]) -> list[str]:
    """Return the sources with their numbers; passages of one place share a line."""
    numbers: dict[str, str] = {}
    for number, source in enumerate(sources, 1):
        shown = _source(source)
        numbers[shown] = f"{numbers.get(shown, '')}[{number}] "
    return [f"{found}{shown}" for shown, found in numbers.items()]


def _source(source: Passage) -> str:
    place, url = mrkdwn_text(place_of(source)), web_address(source)
    if url:
        return mrkdwn_link(url, place)
    path = "" if source.chunk.source == ATTACHED else source.chunk.path
    return f"{place} ({mrkdwn_text(path)})" if path else place


def _buttons(answer_id: str, *, ask: bool, share: bool) -> list[Block]:
    wanted = ((ask, "Ask a human", ASK_HUMAN), (share, "Share to channel", SHARE))
    elements = [
        button(text, action, answer_id, emoji=True) for shown, text, action in wanted if shown
    ]
    return [{"type": "actions", "elements": elements}] if elements else []


def _stop(task_id: str) -> Block:
    return {"type": "actions", "elements": [button("Stop", STOP, task_id, emoji=True)]}


def _plain_votes(elements: Sequence[Block]) -> list[Block]:
    buttons = []
    for element in elements:
        for side, action in (("positive_button", VOTE), ("negative_button", VOTE_DOWN)):
            label = element[side]["accessibility_label"]
            text, value = element[side]["text"]["text"], element[side]["value"]
            pressed = button(text, action, value, emoji=True)
            buttons.append({**pressed, "accessibility_label": label})
    return buttons


def _said(text: str) -> Body:
    shown = render(text.strip(), no_links)
    return Body(shown.markdown, shown.mrkdwn)


def _markdown(body: Body) -> Block:
    return {"type": "markdown", "text": body.markdown}


def _any_link(_url: str) -> bool:
    return True


def _length(bodies: Sequence[Body]) -> int:
    return sum(max(len(body.markdown), len(body.mrkdwn)) + 2 for body in bodies)


def _joined(bodies: Sequence[Body]) -> Body:
    return Body(
        "\n\n".join(body.markdown for body in bodies), "\n\n".join(body.mrkdwn for body in bodies)
    )
