"""The buttons that make an adapter live or go back to the one before; each has asked once more."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

from bot.slack.adapter_blocks import PROMOTE, ROLLBACK, build_change_notice, rollback_of
from bot.slack.admins import is_admin_channel, name_of, refusal
from bot.slack.blocks import Part
from bot.slack.commands import acknowledge
from bot.slack.elements import section
from bot.slack.origin import Origin, action_value, late, origin_of, remove, replace, whisper
from bot.slack.parts import Parts

_NO_SUCH = "What a rollback goes back to has changed in the meantime. Look again before you do it."
_ALREADY = "That adapter is live already."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the buttons. Rights are checked again: a message outlives them."""

    def roll_back(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if _may(parts, client, origin):
            _roll_back(parts, client, body, origin)

    def promote(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if _may(parts, client, origin):
            _promote(parts, client, body, origin)

    app.action(ROLLBACK)(ack=acknowledge, lazy=[late(parts, roll_back, origin_of)])
    app.action(PROMOTE)(ack=acknowledge, lazy=[late(parts, promote, origin_of)])


def _may(parts: Parts, client: WebClient, origin: Origin) -> bool:
    refused = refusal(parts, origin.team, origin.user)
    if refused:
        whisper(client, origin, Part(refused))
    return not refused


def _roll_back(parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
    registry = parts.nightshift.registry
    live, wanted = rollback_of(action_value(body))
    found = registry.rollback_target()
    if registry.live_version() == live and (found.version if found else None) != wanted:
        whisper(client, origin, Part(_NO_SUCH))
        return
    now = registry.rollback(leaving=live)
    _tell(parts, client, body, origin, live, now.version if now else None)


def _promote(parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
    registry = parts.nightshift.registry
    before, wanted = registry.live_version(), action_value(body)
    if before == wanted:
        whisper(client, origin, Part(_ALREADY))
        return
    registry.promote(wanted)
    _tell(parts, client, body, origin, before, wanted)


def _tell(
    parts: Parts,
    client: WebClient,
    body: Mapping[str, Any],
    origin: Origin,
    before: str | None,
    after: str | None,
) -> None:
    """Log who changed what is live, and show it: in the message, and in the admin channel.

    Where the message is one that only its admin sees there, all see the change in its place.
    """
    logger.info(
        "live adapter changed in Slack",
        extra={"by": f"{origin.team}:{origin.user}", "before": before, "after": after},
    )
    notice = build_change_notice(name_of(parts, origin.team, origin.user), before, after)
    channel = parts.settings.admin_channel
    there = bool(channel) and is_admin_channel(parts, origin.team, origin.channel)
    if there and origin.ephemeral:
        remove(origin)
    else:
        replace(client, origin, _without_buttons(body, notice.parts[0]))
    if channel and (origin.ephemeral or not there):
        parts.outbox.put(f"adapter:{uuid.uuid4().hex}", parts.settings.admin_team, channel, notice)


def _without_buttons(body: Mapping[str, Any], notice: Part) -> Part:
    """Return the message that was clicked in, with the change in place of its buttons. Pure."""
    message = body.get("message") or {}
    kept = [block for block in message.get("blocks") or () if block.get("type") == "section"]
    plain = [{k: v for k, v in block.items() if k not in {"accessory"}} for block in kept]
    text = "\n".join([str(message.get("text") or ""), notice.text]).strip()
    # The list of adapters says what was live: wrong from now on, so only the change is shown.
    if any("accessory" in block for block in kept) or not kept:
        return notice
    return Part(text, (*plain, section(notice.text)))
