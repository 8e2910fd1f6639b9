"""The review of pairs and corrections in Slack; the list comes with `/nightshift pairs`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.curation import curate_votes, open_to_everyone
from bot.slack.blocks import Part
from bot.slack.clients import OUTSIDE_ERRORS
from bot.slack.mrkdwn import escape
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
from bot.slack.views_review import (
    APPROVE,
    CORRECTION,
    EDIT,
    EDIT_VIEW,
    PAGE,
    REJECT,
    Waiting,
    build_edit_modal,
    build_pairs_message,
    edited_answer,
    waiting_items,
)
from training.feedback import MAX_CORRECTION
from training.pair_store import MAX_ANSWER
from training.records import AnswerRecord, Audience, Correction, Pair, PairStatus

_LONGEST = min(MAX_CORRECTION, MAX_ANSWER)
_ADMINS_ONLY = "Only admins of Nightshift review pairs."
_DECIDED = "Somebody has decided on that one already, or not everyone may see it any more."


def register(app: App, parts: Parts) -> None:
    """Listen to the list's buttons and to the modal."""

    def now(ack: Ack) -> None:
        ack()

    def page(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        if _may_review(parts, client, origin):
            replace(client, origin, pairs_message(parts, int(action_value(body) or 0)))

    def approve(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _decide(parts, client, body, origin, approve=True)

    def reject(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _decide(parts, client, body, origin, approve=False)

    def edit(ack: Ack, body: Mapping[str, Any]) -> None:
        ack()
        _open_edit(parts, body)

    def edited(ack: Ack, body: Mapping[str, Any], view: Mapping[str, Any]) -> None:
        problem = _problem(edited_answer(view["state"]["values"]))
        if problem:
            ack(response_action="errors", errors={"answer0": problem})
        else:
            ack()

    def store_edited(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        _store_edited(parts, client, body, origin)

    app.action(APPROVE)(ack=now, lazy=[late(parts, approve)])
    app.action(REJECT)(ack=now, lazy=[late(parts, reject)])
    app.action(re.compile(f"^{PAGE}"))(ack=now, lazy=[late(parts, page)])
    app.action(EDIT)(edit)
    app.view(EDIT_VIEW)(ack=edited, lazy=[late(parts, store_edited, origin_kept)])


def pairs_message(parts: Parts, page: int = 0, note: str = "") -> Part:
    """Return what waits for a review now, with its buttons. For admins only: check before.

    Raises:
        DatabaseError, IndexStoreError: A store can't be used.
    """
    pairs, corrections, hidden = _waiting(parts)
    return build_pairs_message(pairs, corrections, page, note=note, hidden=hidden)


def _waiting(parts: Parts) -> tuple[list[Pair], list[tuple[Correction, AnswerRecord]], int]:
    """Return the pairs and corrections to show, and how many are not shown.

    Who reviews may not read every page. So what is shown is what everyone could see and may see
    now: a page may have been closed since, or have lost a passage.
    """
    nightshift = parts.nightshift
    settings = nightshift.settings.pairs
    curate_votes(nightshift.database, settings)
    pairs = nightshift.pairs.list(PairStatus.PENDING)
    feedback = nightshift.feedback
    found = [(each, feedback.answer(each.answer_id)) for each in _corrections(parts)]
    if settings.include_private:
        return pairs, found, 0
    is_open = open_to_everyone(nightshift)
    shown_pairs = [each for each in pairs if _is_public(each) and is_open(each.sources)]
    shown = [each for each in found if _is_public(each[1]) and is_open(each[1].sources)]
    hidden = len(waiting_items(pairs, found)) - len(waiting_items(shown_pairs, shown))
    return shown_pairs, shown, hidden


def _corrections(parts: Parts) -> list[Correction]:
    return parts.nightshift.feedback.corrections(PairStatus.PENDING)


def _is_public(seen: AnswerRecord | Pair) -> bool:
    return seen.audience is Audience.PUBLIC


def _may_review(parts: Parts, client: WebClient, origin: Origin) -> bool:
    if parts.people.is_admin(origin.team, origin.user):
        return True
    whisper(client, origin, Part(_ADMINS_ONLY))
    return False


def _find(parts: Parts, kind: str, item_id: str) -> Waiting | None:
    pairs, corrections, _ = _waiting(parts)
    items = waiting_items(pairs, corrections)
    return next((each for each in items if (each.kind, each.id) == (kind, item_id)), None)


def _decide(
    parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin, *, approve: bool
) -> None:
    if not _may_review(parts, client, origin):
        return
    kind, item_id, page = action_value(body).split(":")
    item = _find(parts, kind, item_id)
    note = _store(parts, item, origin, approve=approve) if item else _DECIDED
    replace(client, origin, pairs_message(parts, int(page), note))


def _store(parts: Parts, item: Waiting, origin: Origin, *, approve: bool, answer: str = "") -> str:
    """Store a decision, and return what became of the thing, for people."""
    nightshift = parts.nightshift
    reviewer = named(origin.team, origin.user)
    who = f"by <@{origin.user}>"
    if item.kind != CORRECTION:
        nightshift.pairs.review(item.id, approve, reviewer, answer)
        word = ("Edited and approved" if answer else "Approved") if approve else "Rejected"
        return f"{word} {who}: “{_short(item.question)}”"
    feedback = nightshift.feedback
    correction_id = item.id
    if answer and answer != item.answer:
        waiting = {each.id: each.answer_id for each in _corrections(parts)}
        if item.id not in waiting:  # decided, or its answer was forgotten, a moment ago
            return _DECIDED
        answer_id = waiting[item.id]
        feedback.review_correction(item.id, False, reviewer)
        correction_id = feedback.correct(answer_id, reviewer, answer).id
    done = feedback.review_correction(correction_id, approve, reviewer)
    curate_votes(nightshift.database, nightshift.settings.pairs)
    word = "Correction approved" if approve else "Correction rejected"
    return f"{word} {who}: “{_short(item.question)}”.{_outcome(parts, done)}"


def _outcome(parts: Parts, correction: Correction) -> str:
    """Say why an approved correction still doesn't train, where a rule says no."""
    if correction.status is not PairStatus.APPROVED:
        return ""
    text = correction.text.strip()
    for pair in parts.nightshift.pairs.list():
        mine = pair.answer_id == correction.answer_id and pair.answer == text
        if mine and pair.status is not PairStatus.APPROVED:
            return f" It isn't taught: {escape(pair.reason)}"
    return ""


def _open_edit(parts: Parts, body: Mapping[str, Any]) -> None:
    origin = origin_of(body)
    client = parts.clients.of(origin.team)
    if not _may_review(parts, client, origin):
        return
    kind, item_id, page = action_value(body).split(":")
    item = _find(parts, kind, item_id)
    if item is None:
        replace(client, origin, pairs_message(parts, int(page), _DECIDED))
        return
    metadata = json.dumps(
        {"kind": kind, "id": item_id, "page": int(page), "origin": origin.as_text()}
    )
    try:
        client.views_open(trigger_id=body["trigger_id"], view=build_edit_modal(item, metadata))
    except OUTSIDE_ERRORS:
        whisper(client, origin, Part("Slack didn't open the window. Press Edit once more."))


def _problem(answer: str) -> str:
    if not answer:
        return "Write the answer, or cancel and reject it."
    if len(answer) > _LONGEST:
        return f"That's {len(answer)} characters; {_LONGEST} are allowed."
    return ""


def _store_edited(parts: Parts, client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
    if not _may_review(parts, client, origin):
        return
    metadata = kept_in(body)
    answer = edited_answer(body["view"]["state"]["values"])
    if _problem(answer):  # the modal is still open
        return
    item = _find(parts, metadata["kind"], metadata["id"])
    note = _store(parts, item, origin, approve=True, answer=answer) if item else _DECIDED
    replace(client, origin, pairs_message(parts, metadata["page"], note))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return escape(line if len(line) <= 80 else f"{line[:80]}…")
