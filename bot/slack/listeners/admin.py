"""`/nightshift`: how the bot is, what waits for a review, which adapter is live; help for all."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slack_bolt import Ack, App, Respond

from bot.errors import PERSON_ERRORS
from bot.slack.adapter_blocks import build_adapters_message, build_rollback_message
from bot.slack.admins import refusal
from bot.slack.blocks import Reply
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.commands import Command, command_of, is_new, say, say_reply
from bot.slack.help_text import build_help
from bot.slack.listeners.channels import open_channel_modal
from bot.slack.listeners.review import pairs_message
from bot.slack.mrkdwn import escape
from bot.slack.parts import Parts
from bot.slack.reports import build_report
from bot.slack.status import build_status, gather_status, standing_of
from training.errors import where_raised

_HELP = "help"
_CHANNELS = "channels"
_NO_WINDOW = "Slack didn't open the window. Please try again."
_FAILED = "Sorry, that went wrong; the bot's log has the details."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the command."""

    def begin(ack: Ack, command: Mapping[str, Any], respond: Respond) -> None:
        ack()
        asked = command_of(command)
        # A window must be opened within three seconds, so this can't wait for its turn below.
        if _opens_window(parts, asked):
            _open_channels(parts, asked, respond)

    def answer(command: Mapping[str, Any], respond: Respond) -> None:
        asked = command_of(command)
        if not _opens_window(parts, asked) and is_new(parts, asked):
            _answer(parts, asked, respond)

    app.command("/nightshift")(ack=begin, lazy=[answer])


def _answer(parts: Parts, asked: Command, respond: Respond) -> None:
    try:
        say_reply(respond, reply_to(parts, asked), parts.clients.of(asked.team), asked)
    except PERSON_ERRORS as error:
        say(respond, escape(f"{error.problem} {error.mend}".strip()))
    except Exception as error:
        details = logger.isEnabledFor(logging.DEBUG)
        logger.error("A command failed: %s", where_raised(error), exc_info=details)
        say(respond, _FAILED)


def _open_channels(parts: Parts, asked: Command, respond: Respond) -> None:
    client = parts.clients.of(asked.team)
    try:
        open_channel_modal(client, asked.trigger, asked.team, asked.channel, parts)
    except PERSON_ERRORS as error:
        say(respond, escape(f"{error.problem} {error.mend}".strip()))
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack opened no window: %s", kind_of(error))
        say(respond, _NO_WINDOW)


def _opens_window(parts: Parts, asked: Command) -> bool:
    return _name(asked) == _CHANNELS and parts.people.is_admin(asked.team, asked.user)


def _name(asked: Command) -> str:
    return asked.words[0].casefold() if asked.words else _HELP


def reply_to(parts: Parts, asked: Command) -> Reply:
    """Return what `/nightshift` answers to somebody.

    Raises:
        TrainingError: The database or the registry can't be used.
    """
    name = _name(asked)
    admin = parts.people.is_admin(asked.team, asked.user)
    if name == _HELP:
        return build_help(parts.nightshift.settings, admin=admin)
    if name not in _NAMES:
        hint = _hint(asked.words[0], _NAMES if admin else (_HELP,))
        return build_help(parts.nightshift.settings, hint, admin=admin)
    if not admin:
        return build_report([refusal(parts, asked.team, asked.user)])
    return _BUILDERS[name](parts) if name in _BUILDERS else build_report([_NO_WINDOW])


def _hint(word: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
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


_BUILDERS: Mapping[str, Callable[[Parts], Reply]] = {
    "status": _status,
    "pairs": _pairs,
    "adapters": _adapters,
    "rollback": _rollback,
}
_NAMES = (_HELP, _CHANNELS, *_BUILDERS)
