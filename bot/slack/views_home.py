"""What the Home tab looks like. Pure.

Limits: https://docs.slack.dev/surfaces/app-home and .../reference/block-kit/blocks (100 blocks).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from bot.plural import counted
from bot.slack.elements import Block, button, context, divider, header, mrkdwn, section
from bot.slack.home import UNANSWERED_DAYS, Asked, Desk, Home, SourceShown
from bot.slack.mrkdwn import escape
from bot.slack.picture import in_signs, in_words
from training.nights import NightRecord

TRAINING = "nightshift_home_training"
REINDEX = "nightshift_home_reindex"
RETRAIN = "nightshift_home_retrain"
PAIRS = "nightshift_home_pairs"
CHANNELS = "nightshift_home_channels"

OUT, IN = "out", "in"
_SHOWN_SOURCES = 40
_SOURCE_CHARACTERS, _QUESTION_CHARACTERS, _REASON_CHARACTERS = 80, 140, 400
_LINES_A_SECTION = 10


def build_home(home: Home) -> Block:
    """Return the view to be published."""
    if home.refusal:
        return _view([header("Nightshift"), section(escape(home.refusal))])
    return _view(
        [
            *_how_to_ask(home.bot_user),
            *_known(home.sources),
            *_recent(home.asked),
            *_privacy(home.opted_out, home.learns_private),
            *(_for_admins(home.desk) if home.desk else []),
        ]
    )


def _how_to_ask(bot_user: str) -> list[Block]:
    bot = f"<@{bot_user}>" if bot_user else "me"
    return [
        header("Ask your company's documents"),
        section(
            "I answer from the pages that you may read, and name them so that you can check.\n"
            "• *Here, under Messages:* only you see the answer.\n"
            f"• *In a channel:* mention {bot}. Everyone there reads along, so I use only what "
            "everyone may read.\n"
            "• *Anywhere:* `/ask how much may a hotel cost?` Only you see the answer.\n"
            "React with :+1: or :-1: to an answer: that is how I learn."
        ),
    ]


def _known(sources: Sequence[SourceShown] | None) -> list[Block]:
    blocks: list[Block] = [divider(), header("What I know")]
    if sources is None:
        return [*blocks, section("I can't reach the documents at the moment. Please try again.")]
    if not sources:
        return [*blocks, section("No documents that you may read yet.")]
    lines = [_source_line(source) for source in sources[:_SHOWN_SOURCES]]
    left = len(sources) - _SHOWN_SOURCES
    note = "Counted are the documents that you may read."
    more = f"{left} more sources. " if left > 0 else ""
    return [*blocks, *_sections(lines), context(more + note)]


def _source_line(source: SourceShown) -> str:
    count = counted(source.documents, "document")
    fresh = f", last read {_moment(source.read_at)}" if source.read_at else ""
    return f"*{_one_line(source.name, _SOURCE_CHARACTERS)}*: {count}{fresh}"


def _recent(asked: Sequence[Asked]) -> list[Block]:
    blocks: list[Block] = [divider(), header("Your last questions")]
    if not asked:
        return [*blocks, section("None yet. Write me one under Messages.")]
    return [*blocks, *_sections([_asked_line(each) for each in asked])]


def _asked_line(asked: Asked) -> str:
    question = _one_line(asked.question, _QUESTION_CHARACTERS)
    # A bar would end a link's address, not its words; only the words come from people.
    shown = f"<{_address(asked.link)}|{question}>" if _address(asked.link) else question
    vote = {1: " · you voted :+1:", -1: " · you voted :-1:"}.get(asked.vote, "")
    unanswered = " · the documents didn't say" if asked.refused else ""
    return f"• {shown}\n   {_moment(asked.asked_at)}{unanswered}{vote}"


def _privacy(opted_out: bool, learns_private: bool) -> list[Block]:
    trains = (
        "this installation also learns from private questions and restricted pages."
        if learns_private
        else "never from direct messages, private channels, `/ask` or restricted pages."
    )
    now = (
        "*Your questions and corrections don't train.*"
        if opted_out
        else "*Your questions and corrections may train.*"
    )
    label = "Let them train" if opted_out else "Don't learn from me"
    change = button(label, TRAINING, IN if opted_out else OUT)
    return [
        divider(),
        header("Your privacy"),
        section(
            "*Stored:* your questions, the answers with their pages, your votes and corrections, "
            "in your company's own database.\n"
            f"*Learnt from, at night:* answers that people voted up; {trains}\n"
            "*Who sees it:* an answer is seen by those who see the conversation. Admins review "
            "what trains, and read public questions that I couldn't answer. Whoever runs the "
            "database could read all of it."
        ),
        {**section(now), "accessory": change},
    ]


def _for_admins(desk: Desk) -> list[Block]:
    fields = [
        f"*Queue*\n{desk.waiting} waiting, {desk.running} being answered",
        f"*Live adapter*\n{_live(desk)}",
        f"*Pairs to review*\n{desk.pairs}",
        f"*Documents that couldn't be read*\n{desk.failed_documents}",
    ]
    return [
        divider(),
        header("For admins"),
        {"type": "section", "fields": [mrkdwn(field) for field in fields]},
        section(f"*Last night*\n{_night(desk.last_night)}"),
        _figures(desk),
        section(_gaps(desk)),
        {
            "type": "actions",
            "elements": [
                button("Reindex documents", REINDEX),
                button("Run the night now", RETRAIN),
                button("Review pairs", PAIRS),
                button("Channels", CHANNELS),
            ],
        },
    ]


def _live(desk: Desk) -> str:
    if desk.live_problem:
        return escape(desk.live_problem)
    return f"`{escape(desk.live)}`" if desk.live else "none: the base model"


def _night(night: NightRecord | None) -> str:
    if night is None:
        return "There was none yet."
    outcome = str(night.report.get("outcome") or night.outcome.value)
    reason = _one_line(str(night.report.get("reason") or ""), _REASON_CHARACTERS)
    return f"{_moment(night.started_at)}: *{escape(outcome)}*. {reason}".strip()


def _figures(desk: Desk) -> Block:
    if not desk.picture:
        return section(in_signs(desk.days, desk.weeks))
    return {
        "type": "image",
        "slack_file": {"id": desk.picture},
        "alt_text": in_words(desk.days, desk.weeks),
    }


def _gaps(desk: Desk) -> str:
    title = f"*Not answered in the last {UNANSWERED_DAYS} days*"
    lines = [
        f"• {_one_line(topic.example, _QUESTION_CHARACTERS)}"
        + (f" ({topic.count} times)" if topic.count > 1 else "")
        for topic in desk.topics
    ]
    if desk.private_unanswered:
        n = desk.private_unanswered
        asked = "1 more was asked" if n == 1 else f"{n} more were asked"
        only = "1 was asked" if n == 1 else f"{n} were asked"
        lines.append(f"_{asked if lines else only} in private; not shown._")
    return "\n".join([title, *(lines or ["Nothing: the documents had an answer each time."])])


def _sections(lines: Sequence[str]) -> list[Block]:
    return [
        section("\n".join(lines[start : start + _LINES_A_SECTION]))
        for start in range(0, len(lines), _LINES_A_SECTION)
    ]


def _moment(at: datetime) -> str:
    """Return a moment that Slack shows in the reader's own time zone."""
    stamp = int(at.timestamp())
    return f"<!date^{stamp}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def _address(link: str) -> str:
    """Return a link's address as it may stand in angle brackets; "" for anything else."""
    safe = urlsplit(link).scheme in {"http", "https"} and not set("<>|") & set(link)
    return link if safe else ""


def _one_line(text: str, limit: int) -> str:
    """Return the text in one line, escaped; where it is cut, it says so."""
    line = " ".join(text.split())
    return escape(line if len(line) <= limit else f"{line[: limit - 1]}…")


def _view(blocks: list[Block]) -> Block:
    return {"type": "home", "blocks": blocks}
