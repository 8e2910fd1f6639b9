"""Slack's agent surface: suggested prompts, and the ways to stop an answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import STOP, Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.listeners.messages import team_of
from bot.slack.manifest import PROMPTS
from bot.slack.origin import Origin, action_value, late, whisper
from bot.slack.parts import Parts

_TITLE = "I answer from our documents, for example:"
_NOT_YOURS = "Only who asked and the admins can stop this answer."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the conversation being opened, and to Stop."""

    def opened(body: Mapping[str, Any], client: WebClient) -> None:
        suggest_prompts(client, str(body["event"]["channel"]))

    def session_stopped(body: Mapping[str, Any]) -> None:
        event = body["event"]
        stop_thread(
            parts, team_of(body), str(event["channel"]), str(event["thread_ts"]), str(event["user"])
        )

    def pressed(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        stop_task(parts, team_of(body), str(body["actions"][0]["value"]), str(body["user"]["id"]))

    def refuse(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if not may_stop(parts, origin.team, action_value(body), origin.user):
            whisper(client, origin, Part(_NOT_YOURS))

    app.event("app_home_opened", matchers=[_is_conversation])(ack=_taken, lazy=[opened])
    app.event("agent_session_stopped")(session_stopped)
    app.action(STOP)(ack=pressed, lazy=[late(parts, refuse)])


def suggest_prompts(client: WebClient, channel: str) -> None:
    """Show what one may ask, where Slack can."""
    prompts = [{"title": title, "message": message} for title, message in PROMPTS]
    try:
        client.assistant_threads_setSuggestedPrompts(
            channel_id=channel, title=_TITLE, prompts=prompts
        )
    except OUTSIDE_ERRORS as error:
        logger.info("Slack shows no prompts: %s", kind_of(error))


def stop_thread(parts: Parts, team: str, channel: str, thread_ts: str, user: str) -> None:
    """Stop what a person asked in a thread; an admin stops all that is asked there."""
    for task in parts.queue.in_thread(team, channel, thread_ts):
        stop_task(parts, team, task.id, user)


def stop_task(parts: Parts, team: str, task_id: str, user: str) -> bool:
    """Stop a question's answer, if it is this person's or an admin asks."""
    found = parts.queue.find(task_id)
    if found is None or not may_stop(parts, team, task_id, user):
        return False
    return parts.queue.stop_one(task_id, found[0].asker)


def may_stop(parts: Parts, team: str, task_id: str, user: str) -> bool:
    """Return whether a question is this person's, or they are an admin."""
    found = parts.queue.find(task_id)
    if found is None or found[0].team != team:
        return False
    return user == found[0].asker or parts.people.is_admin(team, user)


def _is_conversation(event: Mapping[str, Any]) -> bool:
    return bool(event.get("tab") == "messages")


def _taken() -> None:
    """Nothing is to be stored: Slack hears at once that the event came."""
