"""`/ask`: a question whose answer only its asker sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App

from bot.slack.mrkdwn import question_in
from bot.slack.parts import Parts
from bot.slack.request import RequestKind, SlackRequest
from bot.work import NewQuestion

_USAGE = (
    "Write your question after the command, for example: "
    "`/ask how much may a hotel cost?` Only you see the answer."
)
_LOOKING = "Looking that up …"


def register(app: App, parts: Parts) -> None:
    """Listen to the command."""

    def ask(ack: Ack, command: Mapping[str, Any]) -> None:
        text = question_in(str(command.get("text") or ""))
        if not text or text.casefold() == "help":
            ack(_USAGE)
            return
        take_command(command, text, parts)
        ack(_LOOKING)

    app.command("/ask")(ask)


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
