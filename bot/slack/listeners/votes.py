"""Thumbs: by reaction or by button they are one vote; a thumbs-down may say why."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import VOTE, VOTE_DOWN, Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.experts import offers_human
from bot.slack.origin import (
    Origin,
    action_value,
    kept_in,
    late,
    origin_kept,
    origin_of,
    replace,
    whisper,
)
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.request import team_of
from bot.slack.sight import GONE, saw_answer
from bot.slack.views_votes import (
    NOT_COUNTED,
    VOTE_BACK,
    WHY,
    WHY_VIEW,
    build_note_modal,
    build_thanks,
    build_why_modal,
    given_in,
    problems_of,
)
from bot.slack.voting import Ballot, emoji_value, may_vote, moment_in
from training.errors import FeedbackError
from training.votes import BUTTON, REASON, reaction

_BACK = "Your vote is taken back."
_THANKS = "Thank you, that helps."
_THANKS_RIGHT = "Thank you. A person reviews your answer; then I can learn from it."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to reactions, to the buttons and to the modal."""

    def reacted(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        take_reaction(body, parts, str(context.get("bot_user_id") or ""))

    def pressed(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        if take_press(body, parts) < 0:
            _ask_why(parts, body, _answer_in(action_value(body)))

    def thank(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _thank(parts, client, body, origin)

    def take_back(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        put_press(body, parts, action_value(body), 0)

    def taken_back(client: WebClient, _body: Mapping[str, Any], origin: Origin) -> None:
        replace(client, origin, Part(_BACK))

    def why(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        if not _ask_why(parts, body, action_value(body)):
            origin = origin_of(body)
            whisper(parts.clients.of(origin.team), origin, Part(GONE))

    def given(ack: Ack, body: Mapping[str, Any]) -> None:
        take_reason(ack, body, parts)

    def thank_for_reason(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        filled = given_in(body["view"]["state"]["values"])
        counts = may_vote(parts.people.person(origin.team, origin.user), parts.settings)
        counts = counts and saw_answer(parts, kept_in(body)["answer"], origin)
        if counts and not problems_of(filled) and (filled.reason or filled.right):
            whisper(client, origin, Part(_THANKS_RIGHT if filled.right else _THANKS))

    app.event("reaction_added")(reacted)
    app.event("reaction_removed")(reacted)
    app.action(re.compile(f"^({VOTE}|{VOTE_DOWN})$"))(ack=pressed, lazy=[late(parts, thank)])
    app.action(VOTE_BACK)(ack=take_back, lazy=[late(parts, taken_back)])
    app.action(WHY)(why)
    app.view(WHY_VIEW)(ack=given, lazy=[late(parts, thank_for_reason, origin_kept)])


def take_reaction(body: Mapping[str, Any], parts: Parts, bot_user: str = "") -> None:
    """Store the vote of a reaction that was put or taken away, if it is one."""
    event = body["event"]
    item, name, user = event.get("item") or {}, str(event.get("reaction")), str(event.get("user"))
    value = emoji_value(name, parts.settings)
    author = event.get("item_user") or bot_user
    if not value or item.get("type") != "message" or user == bot_user or author != bot_user:
        return
    added = event["type"] == "reaction_added"
    parts.ballots.put(
        Ballot(
            team=team_of(body),
            voter=user,
            value=value if added else 0,
            means=reaction(str(item["ts"]), name),
            at=moment_in(event, "event_ts"),
            channel=str(item["channel"]),
            ts=str(item["ts"]),
        )
    )


def take_press(body: Mapping[str, Any], parts: Parts) -> int:
    """Store the vote of a button; return it, or 0 where the button says something else."""
    answer_id, _, value = action_value(body).rpartition(":")
    if not answer_id or value not in {"1", "-1"}:
        return 0
    put_press(body, parts, answer_id, int(value))
    return int(value)


def put_press(body: Mapping[str, Any], parts: Parts, answer_id: str, value: int) -> None:
    """Store a vote by button; where it was pressed says later whether the answer was seen."""
    origin = origin_of(body)
    at = moment_in(body["actions"][0], "action_ts")
    ballot = Ballot(origin.team, origin.user, value, BUTTON, at, answer_id, origin.channel)
    parts.ballots.put(ballot)


def take_reason(ack: Ack, body: Mapping[str, Any], parts: Parts) -> None:
    """Store why somebody gave a thumbs-down, and the right answer; else the modal stays open."""
    kept, origin = kept_in(body), origin_kept(body)
    filled = given_in(body["view"]["state"]["values"])
    problems = problems_of(filled)
    person = parts.people.person(origin.team, origin.user)
    if person.known and not may_vote(person, parts.settings):
        ack(response_action="update", view=build_note_modal(NOT_COUNTED))
        return
    if not saw_answer(parts, kept["answer"], origin):
        ack(response_action="update", view=build_note_modal(GONE))
        return
    if filled.right and not problems:
        try:
            voter = named(origin.team, origin.user)
            parts.nightshift.feedback.correct(kept["answer"], voter, filled.right)
        except FeedbackError as error:
            problems["right"] = f"{error.problem} {error.mend}"
    if problems:
        ack(response_action="errors", errors=problems)
        return
    if filled.reason:
        parts.ballots.put(
            Ballot(
                origin.team,
                origin.user,
                -1,
                REASON,
                datetime.fromisoformat(kept["at"]),
                kept["answer"],
                origin.channel,
                reason=filled.reason,
            )
        )
    ack()


def _thank(parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
    answer_id, _, value = action_value(body).rpartition(":")
    person = parts.people.person(origin.team, origin.user)
    if not saw_answer(parts, answer_id, origin):
        whisper(client, origin, Part(GONE))
    elif not person.known or may_vote(person, parts.settings):
        human = int(value) < 0 and offers_human(parts, answer_id, origin)
        whisper(client, origin, build_thanks(answer_id, int(value), human=human))
    else:
        whisper(client, origin, Part(NOT_COUNTED))


def _ask_why(parts: Parts, body: Mapping[str, Any], answer_id: str) -> bool:
    """Open the modal at once: Slack gives three seconds. Return whether one may tell why."""
    origin = origin_of(body)
    if not saw_answer(parts, answer_id, origin):
        return False
    at = moment_in(body["actions"][0], "action_ts")
    kept = {"answer": answer_id, "at": at.isoformat(), "origin": origin.as_text()}
    try:
        parts.clients.of(origin.team).views_open(
            trigger_id=body["trigger_id"], view=build_why_modal(json.dumps(kept))
        )
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack opened no modal: %s", kind_of(error))
    return True


def _answer_in(value: str) -> str:
    return value.rpartition(":")[0]
