"""The experts' side of 'Ask a human': who they are, what they write, how their answer gets home."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from slack_sdk import WebClient

from bot.slack.blocks import Part
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.escalations import Escalation
from bot.slack.mrkdwn import question_in
from bot.slack.origin import Origin
from bot.slack.outbox import find_marked, post_marked
from bot.slack.pacing import is_outage
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.places import PlaceKind
from bot.slack.request import ONLY_ASKER
from bot.slack.views_human import build_call, build_human_answer
from bot.slack.voting import may_vote
from training.errors import FeedbackError

_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})
_GROUP_MESSAGE = "mpdm-"

logger = logging.getLogger(__name__)


def experts_of(parts: Parts, team: str, channel: str) -> tuple[str, ...]:
    """Return the user and user group ids that are asked in a channel."""
    return parts.channels.policy(team, channel).experts


def is_private(parts: Parts, origin: Origin, answer_id: str) -> bool:
    """Return whether the answer there is seen by people whom experts don't meet in that place."""
    if origin.channel.startswith("D"):
        return True
    if origin.ephemeral and not _stands_for_all(parts, answer_id, origin):
        return True
    place = parts.places.place(origin.team, origin.channel)
    return place.kind is PlaceKind.DIRECT or place.name.startswith(_GROUP_MESSAGE)


def thread_of(parts: Parts, answer_id: str, origin: Origin) -> str:
    """Return the thread that an answer stands in; a notice about it may name none."""
    found = parts.queue.find(answer_id)
    if found and (found[0].team, found[0].channel) == (origin.team, origin.channel):
        return found[0].thread_ts or origin.thread_ts or origin.ts
    return origin.thread_ts or origin.ts


def offers_human(parts: Parts, answer_id: str, origin: Origin) -> bool:
    """Return whether to offer 'Ask a human' to who just gave a thumbs-down there.

    Once for a person and an answer, where there is somebody to ask who wasn't asked yet.
    """
    private = is_private(parts, replace(origin, ephemeral=True), answer_id)
    settings = parts.settings
    asked = settings.expert_channel if private else experts_of(parts, origin.team, origin.channel)
    if not asked or parts.escalations.of_answer(answer_id) is not None:
        return False
    return parts.queue.claim(origin.team, [f"human:{answer_id}:{origin.user}"])


def is_expert(parts: Parts, escalation: Escalation, origin: Origin) -> bool:
    """Return whether the answer of who acts there counts.

    Experts and admins are named in the settings; where a question went to the experts' channel,
    all who act in that channel are experts.
    """
    team, user = escalation.team, origin.user
    if origin.team != team or not user:
        return False
    person = parts.people.person(team, user)
    if person.bot:
        return False
    in_sight = escalation.private and origin.channel == escalation.channel
    if in_sight and user != escalation.asked_by and may_vote(person, parts.settings):
        return True
    named_ones = (*experts_of(parts, team, escalation.channel), *parts.settings.admins)
    return parts.people.is_one_of(team, user, named_ones)


def may_resolve(parts: Parts, escalation: Escalation, origin: Origin) -> bool:
    """Return whether who acts there may close it."""
    asked = (origin.team, origin.user) == (escalation.team, escalation.asked_by)
    return asked or is_expert(parts, escalation, origin)


def post_call(
    parts: Parts,
    client: WebClient,
    escalation: Escalation,
    experts: Sequence[str],
    channel: str,
    thread_ts: str,
) -> Escalation:
    """Ask the experts in a channel, once; what can't be posted may be asked for again.

    When Slack's answer was lost, or a process died before it was noted, the call may stand there:
    so it is looked for before it is posted.

    Raises:
        What `bot.slack.clients.OUTSIDE_ERRORS` names: Slack takes no message there.
    """
    call = build_call(escalation, parts.people.by_id(escalation.team, experts))
    mark = {"key": f"human:{escalation.answer_id}"}
    try:
        where, ts = _post_once(client, channel, call, mark, thread_ts)
    except OUTSIDE_ERRORS:
        parts.escalations.forget(escalation.id)
        raise
    return parts.escalations.posted(escalation, where, thread_ts or ts, ts)


def close(
    parts: Parts, client: WebClient, escalation: Escalation, by: str, *, by_form: bool = False
) -> None:
    """Resolve a question: keep the human's answer for a review, and tell the asker.

    Args:
        parts: What to work with.
        client: Of the workspace.
        escalation: With the answer that is kept, if there is one.
        by: Who resolves it.
        by_form: The answer came by the form, so nobody in the thread has seen it yet.
    """
    if escalation.proposal:
        author = named(escalation.team, escalation.proposed_by)
        try:
            parts.nightshift.feedback.correct(escalation.answer_id, author, escalation.proposal)
        except FeedbackError as error:
            logger.warning("A human's answer can't be kept: %s", error.problem)
    if not parts.escalations.resolve(escalation.id, by):
        return
    done = parts.escalations.get(escalation.id)
    if done is None:
        return
    call = build_call(done, ())
    _try(
        lambda: client.chat_update(
            channel=done.channel, ts=done.ts, text=call.text, blocks=list(call.blocks)
        )
    )
    if done.proposal and (done.private or by_form):
        _try(lambda: _bring_home(parts, client, done))


def note_reply(event: Mapping[str, Any], team: str, parts: Parts, bot_user: str) -> bool:
    """Keep what an expert writes in a thread where a human was asked for.

    Returns:
        Whether it is said among people, and so no question to the bot.
    """
    deleted = event.get("subtype") == "message_deleted"
    changed = event.get("subtype") == "message_changed"
    inner = "previous_message" if deleted else "message"
    message: Mapping[str, Any] = event.get(inner) or {} if deleted or changed else event
    thread, ts = str(message.get("thread_ts") or ""), str(message.get("ts") or "")
    if not thread or ts == thread or message.get("bot_id") or not message.get("user"):
        return False
    escalation = parts.escalations.open_in(team, str(event.get("channel")), thread)
    text = str(message.get("text") or "")
    if escalation is None or (bot_user and f"<@{bot_user}" in text):
        return False
    if deleted or message.get("subtype") == "tombstone":
        parts.escalations.withdraw(escalation.id, ts)
        return False
    user, words = str(message["user"]), question_in(text)
    if message.get("subtype") not in _SUBTYPES:
        return False
    edited = changed and escalation.proposal_ts != ts
    here = Origin(team, user, escalation.channel)
    if words and not edited and is_expert(parts, escalation, here):
        parts.escalations.propose(escalation.id, words, user, ts)
    return not changed


def _post_once(
    client: WebClient, channel: str, call: Part, mark: Mapping[str, Any], thread_ts: str
) -> tuple[str, str]:
    """Return channel and timestamp of a call that stands there, posted now or before."""
    found = find_marked(client, channel, mark, thread_ts)
    if found:
        return channel, found
    try:
        done = post_marked(client, channel, call, mark, thread_ts)
    except OUTSIDE_ERRORS as error:
        found = find_marked(client, channel, mark, thread_ts) if is_outage(error) else ""
        if not found:
            raise
        return channel, found
    return str(done.get("channel") or channel), str(done["ts"])


def _stands_for_all(parts: Parts, answer_id: str, origin: Origin) -> bool:
    """Whether an answer was asked for and given before all who are where somebody acts."""
    found, here = parts.queue.find(answer_id), (origin.team, origin.channel)
    if not found or found[0].reply.get(ONLY_ASKER) or found[0].request.get(ONLY_ASKER):
        return False
    return any((post.team, post.channel) == here for post in parts.posts.of_answer(answer_id))


def _bring_home(parts: Parts, client: WebClient, escalation: Escalation) -> None:
    """Post the human's answer where its asker is: in the thread, or in a direct message."""
    found = parts.queue.find(escalation.answer_id)
    channel, thread = escalation.channel, escalation.thread_ts
    if escalation.private:
        channel, thread = escalation.asked_by, ""
        if found and found[0].channel.startswith("D"):
            channel, thread = found[0].channel, found[0].thread_ts
    for part in build_human_answer(escalation, with_question=escalation.private):
        client.chat_postMessage(
            channel=channel,
            thread_ts=thread or None,
            text=part.text,
            blocks=list(part.blocks),
            unfurl_links=False,
        )


def _try(call: Any) -> None:
    try:
        call()
    except OUTSIDE_ERRORS as error:
        logger.warning("Slack took no word about a resolved question: %s", kind_of(error))
