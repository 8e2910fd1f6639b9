"""The Home tab: shown whenever somebody opens it, with its buttons."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.errors import PERSON_ERRORS
from bot.slack.blocks import Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.home import Home, gather_home
from bot.slack.listeners.channels import open_channel_list
from bot.slack.listeners.messages import team_of
from bot.slack.listeners.review import pairs_message
from bot.slack.origin import Origin, late
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.views_home import CHANNELS, OUT, PAIRS, TRAINING, build_home

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the tab and to its buttons, but for those that stand for a command."""

    def now(ack: Ack) -> None:
        ack()

    def show(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        user = str(body["event"]["user"])
        show_home(parts, team_of(body), user, str(context.get("bot_user_id") or ""))

    def choose(ack: Ack, body: Mapping[str, Any]) -> None:
        person = named(team_of(body), str(body["user"]["id"]))
        parts.nightshift.feedback.opt_out(person, body["actions"][0].get("value") == OUT)
        ack()

    def show_again(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        user = str(body["user"]["id"])
        show_home(parts, team_of(body), user, str(context.get("bot_user_id") or ""))

    def channels(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        _open_channels(parts, body)

    def pairs(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if parts.people.is_admin(origin.team, origin.user):
            _write_to(client, origin.user, pairs_message(parts))

    app.event("app_home_opened", matchers=[is_home])(ack=now, lazy=[show])
    app.action(TRAINING)(ack=choose, lazy=[show_again])
    app.action(CHANNELS)(channels)
    app.action(PAIRS)(ack=now, lazy=[late(parts, pairs)])


def is_home(event: Mapping[str, Any]) -> bool:
    """Return whether it is the Home tab that was opened; Messages is another. Pure."""
    return bool(event.get("tab", "home") == "home")


def show_home(parts: Parts, team: str, user: str, bot_user: str) -> None:
    """Publish somebody's Home tab; never raises what a person or Slack may cause."""
    client = parts.clients.of(team)
    try:
        home = gather_home(parts, client, team, user, bot_user)
    except PERSON_ERRORS as error:
        logger.error("A Home tab can't be shown: %s", error.problem)
        home = Home(refusal="Something went wrong here, and it has been noted.")
    try:
        client.views_publish(user_id=user, view=build_home(home))
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack took no Home tab: %s", kind_of(error))
        _publish_without_picture(parts, home, team, user)


def _publish_without_picture(parts: Parts, home: Home, team: str, user: str) -> None:
    """Slack may not be done with a picture that was just uploaded, or have deleted it."""
    if home.desk is None or not home.desk.picture:
        return
    plain = replace(home, desk=replace(home.desk, picture=""))
    try:
        parts.clients.of(team).views_publish(user_id=user, view=build_home(plain))
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack took no Home tab: %s", kind_of(error))


def _open_channels(parts: Parts, body: Mapping[str, Any]) -> None:
    team = team_of(body)
    if not parts.people.is_admin(team, str(body["user"]["id"])):
        return
    try:
        open_channel_list(parts.clients.of(team), str(body["trigger_id"]), team, parts)
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack opened no window: %s", kind_of(error))


def _write_to(client: WebClient, user: str, part: Part) -> None:
    """Write to somebody directly."""
    room = client.conversations_open(users=user)["channel"]["id"]
    client.chat_postMessage(channel=room, text=part.text, blocks=list(part.blocks) or None)
