"""`/ask`: a question whose answer only its asker sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App

from bot.slack.inline import mrkdwn_text
from bot.slack.mrkdwn import question_in
from bot.slack.parts import Parts
from bot.slack.request import RequestKind, SlackRequest
from bot.task import NewQuestion

_USAGE = (
    "Write your question after the command, for example: "
    "`/ask how much may a hotel cost?` Only you see the answer."
)
# Slack lets nobody change what stands there when the answer comes, so it must be true then too.
# https://docs.slack.dev/messaging/modifying-messages, https://github.com/slackapi/bolt-js/issues/2287
_TAKEN = "You asked: “{}” Only you see the answer."
_SHOWN_QUESTION = 400


def register(app: App, parts: Parts) -> None:
    """Listen to the command."""

    def ask(ack: Ack, command: Mapping[str, Any]) -> None:
        text = question_in(str(command.get("text") or ""))
        if not text or text.casefold() == "help":
            ack(_USAGE)
            return
        take_command(command, text, parts)
        ack(_TAKEN.format(mrkdwn_text(_short(text))))

    app.command("/ask")(ask)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_QUESTION else f"{line[:_SHOWN_QUESTION]} …"


def take_command(command: Mapping[str, Any], text: str, parts: Parts) -> None:
    """Put a command's question into the queue."""
    request = SlackRequest(
        text=text,
        kind=RequestKind.COMMAND,
        response_url=str(command.get("response_url") or ""),
        only_asker=True,
    )
    parts.queue.put(
        NewQuestion(
            team=str(command["team_id"]),
            channel=str(command["channel_id"]),
            asker=str(command["user_id"]),
            keys=(f"command:{command['trigger_id']}",),
            request=request.as_json(),
        ),
        parts.limits,
    )
