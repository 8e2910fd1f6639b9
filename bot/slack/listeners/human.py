"""'Ask a human': the experts are asked, and what they answer reaches the asker and the review."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import ASK_HUMAN, Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.elements import Block
from bot.slack.experts import (
    close,
    experts_of,
    is_expert,
    is_private,
    may_resolve,
    post_call,
    thread_of,
)
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
from bot.slack.sight import GONE, saw_answer
from bot.slack.views_human import (
    ANSWER,
    ANSWER_VIEW,
    CONFIRM_VIEW,
    RESOLVE,
    build_answer_modal,
    build_asked,
    build_confirm_modal,
    build_nobody_modal,
    nobody_text,
    problem_of,
    text_in,
)
from bot.slack.voting import may_vote

_ALREADY = "The experts are asked already."
_RESOLVED = "That question is resolved already."
_NOT_YOU = "Only experts, admins and who asked can do that."
_GUESTS = "I do that for members of this workspace only."
_EXPERTS_ONLY = "Only experts and admins answer here."
_CLOSED = "You marked this as resolved."

logger = logging.getLogger(__name__)


def register(app: App, parts: Parts) -> None:
    """Listen to the buttons and the modals."""

    def wanted(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        if is_private(parts, origin_of(body), action_value(body)):
            _confirm(parts, body)

    def ask_in_thread(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if not is_private(parts, origin, action_value(body)):
            _ask_in_thread(parts, client, action_value(body), origin)

    def confirmed(ack: Ack, body: Mapping[str, Any]) -> None:
        _check(ack, body, "question")

    def ask_in_private(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _ask_in_private(parts, client, body, origin)

    def now(ack: Ack) -> None:
        ack()

    def resolve(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _resolve(parts, client, action_value(body), origin)

    def answer(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        _open_answer(parts, body)

    def answered(ack: Ack, body: Mapping[str, Any]) -> None:
        _take_answer(ack, body, parts)

    def send(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _send_answer(parts, client, body, origin)

    app.action(ASK_HUMAN)(ack=wanted, lazy=[late(parts, ask_in_thread)])
    app.view(CONFIRM_VIEW)(ack=confirmed, lazy=[late(parts, ask_in_private, origin_kept)])
    app.action(RESOLVE)(ack=now, lazy=[late(parts, resolve)])
    app.action(ANSWER)(answer)
    app.view(ANSWER_VIEW)(ack=answered, lazy=[late(parts, send, origin_kept)])


def _confirm(parts: Parts, body: Mapping[str, Any]) -> None:
    """Ask whether a private question may be shown to the experts."""
    origin, answer_id = origin_of(body), action_value(body)
    settings, nightshift = parts.settings, parts.nightshift
    client = parts.clients.of(origin.team)
    if not saw_answer(parts, answer_id, origin):
        whisper(client, origin, Part(GONE))
        return
    if settings.expert_channel:
        kept = json.dumps({"answer": answer_id, "origin": origin.as_text()})
        question = nightshift.feedback.answer(answer_id).question
        view = build_confirm_modal(question, settings.expert_channel, kept)
    else:
        view = build_nobody_modal(settings.admins, nightshift.settings.answer.human)
    _open(client, body, view)


def _ask_in_thread(parts: Parts, client: WebClient, answer_id: str, origin: Origin) -> None:
    experts = experts_of(parts, origin.team, origin.channel)
    nightshift = parts.nightshift
    if not _is_member(parts, origin):
        whisper(client, origin, Part(_GUESTS))
    elif not saw_answer(parts, answer_id, origin):
        whisper(client, origin, Part(GONE))
    elif not experts:
        human = nightshift.settings.answer.human
        whisper(client, origin, Part(nobody_text(parts.settings.admins, human)))
    else:
        question = nightshift.feedback.answer(answer_id).question
        escalation, mine = parts.escalations.start(
            answer_id, origin.team, origin.user, question, private=False
        )
        if mine:
            thread = thread_of(parts, answer_id, origin)
            post_call(parts, client, escalation, experts, origin.channel, thread)
        else:
            whisper(client, origin, Part(_RESOLVED if escalation.resolved else _ALREADY))


def _ask_in_private(
    parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin
) -> None:
    question = text_in(body["view"]["state"]["values"], "question")
    if problem_of(question):  # the modal is still open
        return
    if not _is_member(parts, origin):
        whisper(client, origin, Part(_GUESTS))
        return
    answer_id = kept_in(body)["answer"]
    if not saw_answer(parts, answer_id, origin):
        whisper(client, origin, Part(GONE))
        return
    escalation, mine = parts.escalations.start(
        answer_id, origin.team, origin.user, question, private=True
    )
    if not mine:
        whisper(client, origin, Part(_RESOLVED if escalation.resolved else _ALREADY))
        return
    channel = parts.settings.expert_channel
    experts = experts_of(parts, origin.team, channel)
    done = post_call(parts, client, escalation, experts, channel, "")
    whisper(client, origin, build_asked(done))


def _resolve(parts: Parts, client: WebClient, escalation_id: str, origin: Origin) -> None:
    escalation = parts.escalations.get(escalation_id)
    if escalation is None or escalation.resolved:
        whisper(client, origin, Part(_RESOLVED))
    elif not may_resolve(parts, escalation, origin):
        whisper(client, origin, Part(_NOT_YOU))
    else:
        close(parts, client, escalation, origin.user)
        if origin.ts != escalation.ts:
            replace(client, origin, Part(_CLOSED))


def _open_answer(parts: Parts, body: Mapping[str, Any]) -> None:
    origin = origin_of(body)
    client = parts.clients.of(origin.team)
    escalation = parts.escalations.get(action_value(body))
    if escalation is None or escalation.resolved:
        whisper(client, origin, Part(_RESOLVED))
    elif not is_expert(parts, escalation, origin):
        whisper(client, origin, Part(_EXPERTS_ONLY))
    else:
        kept = json.dumps({"escalation": escalation.id, "origin": origin.as_text()})
        _open(client, body, build_answer_modal(escalation, kept))


def _take_answer(ack: Ack, body: Mapping[str, Any], parts: Parts) -> None:
    """Keep what an expert wrote before the modal closes; it stays open where that fails.

    The right to answer is asked for again: it may be gone since the modal was opened.
    """
    if not _check(ack, body, "answer"):
        return
    text = text_in(body["view"]["state"]["values"], "answer")
    found, origin = parts.escalations.get(kept_in(body)["escalation"]), origin_kept(body)
    if found is not None and not is_expert(parts, found, origin):
        ack(response_action="errors", errors={"answer": _EXPERTS_ONLY})
    elif not found or not parts.escalations.propose(
        found.id, text, origin.user, f"{time.time():.6f}"
    ):
        ack(response_action="errors", errors={"answer": _RESOLVED})


def _send_answer(parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
    """Resolve a question with the answer that was typed, if it was kept."""
    typed = text_in(body["view"]["state"]["values"], "answer")
    found = parts.escalations.get(kept_in(body)["escalation"])
    if found is None or found.resolved or not is_expert(parts, found, origin):
        return
    if (found.proposal, found.proposed_by) == (typed, origin.user):
        close(parts, client, found, origin.user, by_form=True)


def _check(ack: Ack, body: Mapping[str, Any], block_id: str) -> bool:
    problem = problem_of(text_in(body["view"]["state"]["values"], block_id))
    if problem:
        ack(response_action="errors", errors={block_id: problem})
    else:
        ack()
    return not problem


def _is_member(parts: Parts, origin: Origin) -> bool:
    return may_vote(parts.people.person(origin.team, origin.user), parts.settings)


def _open(client: WebClient, body: Mapping[str, Any], view: Block) -> None:
    try:
        client.views_open(trigger_id=body["trigger_id"], view=view)
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack opened no modal: %s", kind_of(error))
