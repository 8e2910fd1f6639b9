"""`/nightshift`: how the bot is, what waits for a review, which adapter is live; help for all."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import Ack, App, Respond

from bot.errors import PERSON_ERRORS
from bot.slack.adapter_blocks import build_adapters_message, build_rollback_message
from bot.slack.admins import refusal
from bot.slack.blocks import Reply
from bot.slack.commands import Command, command_of, is_new, say, say_reply
from bot.slack.help_text import build_help
from bot.slack.listeners.review import pairs_message
from bot.slack.mrkdwn import escape
from bot.slack.parts import Parts
from bot.slack.reports import build_report
from bot.slack.status import build_status, gather_status, standing_of

_HELP = "help"
_CHANNELS = "channels"
_CHANNELS_ELSEWHERE = (
    "What holds in a channel stands in nightshift.toml, in blocks `[[slack.channels]]`."
)
_FAILED = "Sorry, that went wrong; the bot's log has the details."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the command."""

    def begin(ack: Ack) -> None:
        ack()

    def answer(command: Mapping[str, Any], respond: Respond) -> None:
        asked = command_of(command)
        if is_new(parts, asked):
            _answer(parts, asked, respond)

    app.command("/nightshift")(ack=begin, lazy=[answer])


def _answer(parts: Parts, asked: Command, respond: Respond) -> None:
    try:
        say_reply(respond, reply_to(parts, asked))
    except PERSON_ERRORS as error:
        say(respond, escape(f"{error.problem} {error.mend}".strip()))
    except Exception:
        logger.error("A command failed", exc_info=True)
        say(respond, _FAILED)


def reply_to(parts: Parts, asked: Command) -> Reply:
    """Return what `/nightshift` answers to somebody.

    Raises:
        TrainingError: The database or the registry can't be used.
    """
    name = asked.words[0].casefold() if asked.words else _HELP
    refused = refusal(parts, asked.team, asked.user)
    if name == _HELP:
        return build_help(parts.nightshift.settings, admin=not refused)
    if name not in _BUILDERS:
        return build_help(parts.nightshift.settings, _hint(asked.words[0]), admin=not refused)
    if refused:
        return build_report([refused])
    return _BUILDERS[name](parts)


def _hint(word: str) -> str:
    near = difflib.get_close_matches(word.casefold(), [*_BUILDERS, _HELP], n=1, cutoff=0.5)
    guess = f" Did you mean `/nightshift {near[0]}`?" if near else ""
    return f"I don't know `{escape(word[:40])}`.{guess}"


def _status(parts: Parts) -> Reply:
    return build_status(gather_status(parts))


def _pairs(parts: Parts) -> Reply:
    return Reply((pairs_message(parts),))


def _adapters(parts: Parts) -> Reply:
    standing = standing_of(parts.nightshift)
    return build_adapters_message(parts.nightshift.registry.list(), standing.live, standing.target)


def _rollback(parts: Parts) -> Reply:
    standing = standing_of(parts.nightshift)
    return build_rollback_message(standing.live, standing.target)


def _channels(_parts: Parts) -> Reply:
    return build_report([_CHANNELS_ELSEWHERE])


_BUILDERS: Mapping[str, Callable[[Parts], Reply]] = {
    "status": _status,
    "pairs": _pairs,
    "adapters": _adapters,
    "rollback": _rollback,
    "channels": _channels,
}
