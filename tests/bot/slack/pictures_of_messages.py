"""Draw the main messages into docs/pictures: ``python -m tests.bot.slack.pictures_of_messages``."""

from __future__ import annotations

from pathlib import Path

from bot.slack.blocks import (
    Part,
    Reply,
    build_answer_reply,
    build_growing_part,
    build_notice_reply,
    build_waiting_part,
    plain_blocks,
)
from bot.support import Confidence
from tests.bot.slack.pictures import Shown, message_page, paint
from tests.bot.slack.sample_answers import passage, quoted, refusal

PICTURES = Path("docs/pictures")

_SITE = "https://handbook.harbour.example"
_HOTELS = passage(
    "Book a room yourself and hand in the invoice. A night may cost:\n\n"
    "| City | Per night | With breakfast |\n| --- | --- | --- |\n| Amsterdam | €210 | €230 |\n"
    "| Bremen | €140 | €155 |\n| Rotterdam | €180 | €195 |\n\n"
    "Anything above that needs your lead's **written** approval *before* you book.",
    "Travel and expenses",
    "Hotels",
    url=f"{_SITE}/travel#hotels",
)
_CLAIM = passage(
    "1. Take a picture of the receipt.\n2. Send it with\n\n"
    "```sh\nharbour claim --trip 2026-11 receipt.jpg\n```\n\n"
    "3. The money comes with the next salary.",
    "Travel and expenses",
    "Claiming",
    url=f"{_SITE}/travel#claiming",
)
_LEAVE = passage(
    "Parents have 16 weeks at full pay.", "Leave", "Parents", url=f"{_SITE}/leave#parents"
)
_NOTES = passage("x", "Minutes of the works council", url="file:///srv/x.md", path="council/x.md")


def shown(reply: Reply, *, only_you: bool = False, plain: bool = False) -> list[Shown]:
    """Return a reply's messages."""
    return [_shown(part, only_you, plain) for part in reply.parts]


def _shown(part: Part, only_you: bool = False, plain: bool = False) -> Shown:
    blocks = plain_blocks(part.blocks) if plain else part.blocks
    return Shown(part.text, tuple(blocks), only_you=only_you)


def pages() -> dict[str, str]:
    """Return the pages to be drawn, by name."""
    asked = Shown("@Nightshift how much may a hotel in Amsterdam cost?", who="Alice")
    answer = build_answer_reply(quoted([_HOTELS]))
    both = build_answer_reply(quoted([_HOTELS, _CLAIM]))
    unknown = build_answer_reply(refusal([_LEAVE, _NOTES, _CLAIM], "#help-people"))
    unsure = build_answer_reply(quoted([_LEAVE], Confidence.UNSURE))
    private = build_answer_reply(quoted([_LEAVE]), may_share=True)
    note = [
        "I couldn't read your file *floor-plan.png*: I read text, Markdown, HTML, PDF and DOCX."
    ]
    growing = build_growing_part("t", "Book a room yourself and hand in the invoice. [1]")
    return {
        "answer": message_page([asked, *shown(answer)]),
        "answer-with-table-and-code": message_page(shown(both)),
        "answer-on-older-slack": message_page(shown(both, plain=True)),
        "refusal": message_page([Shown("Who won the boat race?", who="Alice"), *shown(unknown)]),
        "unsure": message_page(shown(unsure)),
        "ask": message_page(shown(private, only_you=True)),
        "waiting": message_page([_shown(build_waiting_part("t", 3)), _shown(growing)]),
        "file-not-read": message_page(shown(build_answer_reply(quoted([_LEAVE]), notes=note))),
        "notice": message_page(
            shown(build_notice_reply("I answer members of this workspace only."))
        ),
    }


if __name__ == "__main__":
    for name, page in pages().items():
        paint(page, PICTURES / f"{name}.png")
