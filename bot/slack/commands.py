"""What all slash commands share: they are taken once, and answered to their caller alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_bolt import Ack, Respond
from slack_sdk import WebClient

from bot.slack.blocks import Reply
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.origin import Origin, late, whisper
from bot.slack.parts import Parts

# A response URL may be used five times.
_USES = 5
BEGAN_HERE = "It has begun; see below."
BEGAN_DIRECT = "It has begun: see our direct messages."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command that somebody gave."""

    team: str
    channel: str
    user: str
    words: tuple[str, ...]
    trigger: str


def command_of(values: Mapping[str, Any]) -> Command:
    """Return a command from what Slack sent."""
    return Command(
        team=str(values["team_id"]),
        channel=str(values["channel_id"]),
        user=str(values["user_id"]),
        words=tuple(str(values.get("text") or "").split()),
        trigger=str(values["trigger_id"]),
    )


def pressed(origin: Origin, body: Mapping[str, Any]) -> Command:
    """Return the command, without any words, that a button of the Home tab stands for."""
    return Command(origin.team, "", origin.user, (), str(body.get("trigger_id") or ""))


def is_new(parts: Parts, command: Command) -> bool:
    """Return whether a command comes for the first time; Slack may send it again."""
    return parts.queue.claim(command.team, [f"command:{command.trigger}"])


def job_listeners(
    parts: Parts, begin: Callable[[Parts, Command], str]
) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the listeners to a command that starts a long job, and to the Home tab's button.

    Args:
        parts: What the job works with.
        begin: Starts the job, if it may be; returns what the person is told (mrkdwn).
    """

    def start(command: Mapping[str, Any], respond: Respond) -> None:
        asked = command_of(command)
        if is_new(parts, asked):
            say(respond, begin(parts, asked))

    def press(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        asked = pressed(origin, body)
        if is_new(parts, asked):
            said = begin(parts, asked)
            if said != BEGAN_DIRECT:
                write_to(client, origin.user, said)

    return start, late(parts, press)


def acknowledge(ack: Ack) -> None:
    """Tell Slack that a command or a click was taken; its answer follows."""
    ack()


def say(respond: Respond, text: str) -> None:
    """Show a text (mrkdwn) to whoever gave a command or clicked, and to nobody else."""
    _respond(respond, text=text, response_type="ephemeral", replace_original=False)


def say_reply(respond: Respond, reply: Reply, client: WebClient, asked: Command) -> None:
    """Show messages to whoever gave a command, and to nobody else."""
    for part in reply.parts[:_USES]:
        _respond(
            respond,
            text=part.text,
            blocks=list(part.blocks),
            response_type="ephemeral",
            replace_original=False,
        )
    here = Origin(asked.team, asked.user, asked.channel)
    for part in reply.parts[_USES:]:
        whisper(client, here, part)


def write_to(client: WebClient, user: str, text: str) -> None:
    """Write to somebody directly (mrkdwn); there is no other place where a button is pressed.

    Raises:
        SlackApiError: Slack refuses it (`OUTSIDE_ERRORS`).
    """
    room = client.conversations_open(users=user)["channel"]["id"]
    client.chat_postMessage(channel=room, text=text)


def _respond(respond: Respond, **message: Any) -> None:
    try:
        response = respond(**message)
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack took no response: %s", kind_of(error))
        return
    if response.status_code != 200:
        logger.warning("Slack took no response: status %s", response.status_code)
