"""Where somebody pressed a button or ran a command, and how to answer them there."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import replace as changed
from typing import Any

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.errors import PERSON_ERRORS
from bot.slack.blocks import Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.mrkdwn import escape
from bot.slack.parts import Parts
from bot.slack.request import team_of

_TIMEOUT_SECONDS = 30
_FAILED = "Sorry, Slack didn't let me do that. Please try again."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in Slack that somebody acts from.

    Attributes:
        team, user: Who acts.
        ts, thread_ts: Of the message that the button is on and of its thread; "" for none.
        ephemeral: Only they see that message.
        response_url: Slack's address for answers, for half an hour.
    """

    team: str
    user: str
    channel: str = ""
    ts: str = ""
    thread_ts: str = ""
    ephemeral: bool = False
    response_url: str = ""

    def as_text(self) -> str:
        """Return it as a modal keeps it; `origin_kept` reads it."""
        return json.dumps(asdict(self))


def origin_of(body: Mapping[str, Any]) -> Origin:
    """Return where a button was pressed, a shortcut used or a modal sent from. Pure."""
    container = body.get("container") or {}
    message = body.get("message") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id")
    return Origin(
        team=team_of(body),
        user=str((body.get("user") or {}).get("id") or ""),
        channel=str(channel or ""),
        ts=str(container.get("message_ts") or message.get("ts") or body.get("message_ts") or ""),
        thread_ts=str(container.get("thread_ts") or message.get("thread_ts") or ""),
        ephemeral=bool(container.get("is_ephemeral")),
        response_url=str(body.get("response_url") or ""),
    )


def origin_kept(body: Mapping[str, Any]) -> Origin:
    """Return where a window was opened from, with the person who acts in it now. Pure.

    The window keeps `Origin.as_text` as ``origin`` in its metadata.
    """
    kept = Origin(**json.loads(kept_in(body)["origin"]))
    return changed(kept, user=origin_of(body).user)


def kept_in(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a window keeps in its metadata. Pure."""
    kept: Mapping[str, Any] = json.loads(body["view"]["private_metadata"])
    return kept


def whisper(client: WebClient, origin: Origin, part: Part) -> None:
    """Show something to the person who acted, and to nobody else; never raises."""
    try:
        client.chat_postEphemeral(
            channel=origin.channel,
            user=origin.user,
            thread_ts=origin.thread_ts or None,
            text=part.text,
            blocks=list(part.blocks) or None,
        )
    except OUTSIDE_ERRORS as error:
        # The bot isn't in the channel, for example; Slack's own address works there too.
        if not _respond(origin, part, replace=False):
            logger.warning("Slack took no notice for a person: %s", kind_of(error))


def replace(client: WebClient, origin: Origin, part: Part) -> None:
    """Show something else in the message that the button is on; never raises."""
    if origin.ephemeral or not origin.ts:
        if not _respond(origin, part, replace=True):
            logger.warning("Slack changed no message that one person sees")
        return
    try:
        client.chat_update(
            channel=origin.channel, ts=origin.ts, text=part.text, blocks=list(part.blocks)
        )
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack changed no message: %s", kind_of(error))


def remove(origin: Origin) -> None:
    """Take away the message that the button is on, which one person sees; never raises."""
    if not _send(origin, delete_original=True):
        logger.warning("Slack removed no message that one person sees")


def late(
    parts: Parts,
    work: Callable[[WebClient, Mapping[str, Any], Origin], None],
    where: Callable[[Mapping[str, Any]], Origin] = origin_of,
) -> Callable[..., None]:
    """Return a lazy listener. Where it fails, the person is told so in a sentence.

    Args:
        parts: What to work with.
        work: Called with the workspace's client, the body and its origin.
        where: Finds the origin; a modal's comes from what the modal keeps.
    """

    def run(body: Mapping[str, Any]) -> None:
        origin = where(body)
        client = parts.clients.of(origin.team)
        try:
            work(client, body, origin)
        except PERSON_ERRORS as error:
            whisper(client, origin, Part(escape(f"{error.problem} {error.mend}".strip())))
        except OUTSIDE_ERRORS as error:
            logger.warning("Slack refused what a button asks for: %s", kind_of(error))
            whisper(client, origin, Part(_FAILED))

    return run


def action_value(body: Mapping[str, Any]) -> str:
    """Return the value of the button that was pressed. Pure."""
    return str(((body.get("actions") or [{}])[0]).get("value") or "")


def _respond(origin: Origin, part: Part, *, replace: bool) -> bool:
    return _send(
        origin,
        text=part.text,
        blocks=list(part.blocks) or None,
        response_type="ephemeral",
        replace_original=replace,
    )


def _send(origin: Origin, **said: Any) -> bool:
    if not origin.response_url:
        return False
    # Without retries: one of a message that Slack had taken would show it twice.
    webhook = WebhookClient(origin.response_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    try:
        response = webhook.send(**said)
    except OUTSIDE_ERRORS:
        return False
    return response.status_code == 200
