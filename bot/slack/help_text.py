"""What `/nightshift help` says. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.settings import Settings
from bot.slack.blocks import Reply
from bot.slack.mrkdwn import escape
from bot.slack.reports import build_report

_ASKING = (
    "*Asking*",
    "• Mention me in a channel: I answer in the thread, from what everyone may read.",
    "• Write to me directly, or use `/ask`: only you see the answer, and it may use all that you "
    "may read.",
    "Each answer names its sources. When the documents don't say, I tell you so.",
)
_VOTING = (
    "*Voting*",
    "React to an answer with {up} or {down}, or use the buttons below it. You have one vote for "
    "each answer, your last one counts, and you can take it back. Good answers teach me, at night.",
)
_PRIVACY = (
    "*Privacy*",
    "Questions, answers and votes are kept on your company's own server. {learning} "
    "In my Home tab you can choose that I don't learn from you.",
)
_PUBLIC_ONLY = (
    "I learn only from answers in public channels that were made of pages that everyone may read."
)
_PRIVATE_TOO = (
    "Whoever runs me has chosen that I also learn from direct messages, private channels and "
    "restricted pages."
)
ADMIN_COMMANDS = (
    "*For admins*",
    "`/nightshift status` · what is live, indexed, waiting and due",
    "`/nightshift pairs` · what waits for a review",
    "`/nightshift adapters` · the adapters, their scores, and which is live",
    "`/nightshift rollback` · back to the adapter before",
    "`/nightshift channels` · what holds in this channel",
    "`/reindex [source] [--full]` · read the documents again",
    "`/retrain [--dry-run]` · run the night now",
)


def build_help(settings: Settings, hint: str = "", *, admin: bool) -> Reply:
    """Return the help.

    Args:
        settings: For what holds here.
        hint: Said first, in mrkdwn.
        admin: Whether to show the admin commands.
    """
    slack = settings.slack
    votes = {"up": _emoji(slack.up_emoji[:1]), "down": _emoji(slack.down_emoji[:1])}
    learning = _PRIVATE_TOO if settings.pairs.include_private else _PUBLIC_ONLY
    lines = [hint, ""] if hint else []
    lines += [*_ASKING, "", *(line.format(**votes) for line in _VOTING), ""]
    lines += [line.format(learning=learning) for line in _PRIVACY]
    if settings.answer.human:
        lines += ["", f"When I can't help: {escape(settings.answer.human)}"]
    if admin:
        lines += ["", *ADMIN_COMMANDS]
    return build_report(lines)


def _emoji(names: Sequence[str]) -> str:
    return " ".join(f":{escape(name)}:" for name in names) or "nothing"
