"""'Share to channel': an answer that one person saw, for all, where everyone may know it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.curation import open_to_everyone
from bot.slack.blocks import SHARE, Part, Reply, reply_from_json
from bot.slack.clients import OUTSIDE_ERRORS
from bot.slack.origin import Origin, action_value, late, whisper
from bot.slack.pacing import Abilities, Pacing, SlackBusyError, is_outage
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.places import PlaceKind
from bot.slack.posting import Poster, Surroundings
from bot.slack.posts import Post
from bot.slack.request import FOR_ALL
from bot.slack.sight import GONE
from bot.slack.views_share import build_shared
from bot.slack.voting import may_vote
from bot.task import Task
from ingestion.documents import Reader
from training.records import AnswerRecord

_NOT_YOURS = "Only who asked can share this answer."
_ALREADY = "This answer is in the channel already."
_HERE_ALONE = "There is nobody else here to share it with."
_ELSEWHERE = "I can't share answers here: people of another company may read along."
_OFF = "I'm switched off in this channel, so I don't post the answer."
_RESTRICTED = (
    "I can't share this answer: not everyone may read all that it rests on. "
    "Ask in the channel by mentioning me; then I use only what everyone may read."
)
_OTHER_SOURCES = (
    "I can't share this answer: it rests on documents that aren't used in this channel."
)
_BUSY = "Slack doesn't take it right now. Please share it again in a minute."
_NO_POST = "Slack didn't let me post here. Invite me to the channel, then share it again."


def register(app: App, parts: Parts) -> None:
    """Listen to the button."""

    def now(ack: Ack) -> None:
        ack()

    def share(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        refusal = share_answer(parts, client, action_value(body), origin)
        if refusal:
            whisper(client, origin, Part(refusal))

    app.action(SHARE)(ack=now, lazy=[late(parts, share)])


def share_answer(parts: Parts, client: WebClient, answer_id: str, origin: Origin) -> str:
    """Post an answer where its asker saw it; return why not, for people, or "".

    It never names a page: who may not read it mustn't hear of it.
    """
    feedback = parts.nightshift.feedback
    found = parts.queue.find(answer_id)
    task = found[0] if found else None
    if task is None or not feedback.knows(answer_id):
        return GONE
    if (task.team, task.channel) != (origin.team, origin.channel):
        return GONE  # it isn't there that its asker saw it
    record = feedback.answer(answer_id)
    refusal = _refusal(parts, record, origin)
    if refusal:
        return refusal
    key = f"share:{answer_id}:{origin.channel}"
    if not parts.queue.claim(origin.team, [key]):
        return _ALREADY
    saved = (
        task.reply.get(FOR_ALL)
        or task.reply.get("reply")
        or [{"text": record.answer, "blocks": []}]
    )
    reply = build_shared(reply_from_json(saved), origin.user, record.question, SHARE)
    try:
        _post(parts, client, task, reply)
    except (SlackBusyError, *OUTSIDE_ERRORS) as error:
        parts.queue.unclaim(origin.team, [key])
        return _BUSY if is_outage(error) else _NO_POST
    return ""


def _refusal(parts: Parts, record: AnswerRecord, origin: Origin) -> str:
    if record.asker != named(origin.team, origin.user):
        return _NOT_YOURS
    if any(post.channel == origin.channel for post in parts.posts.of_answer(record.id)):
        return _ALREADY
    place = parts.places.place(origin.team, origin.channel)
    if place.kind is PlaceKind.DIRECT:
        return _HERE_ALONE
    person = parts.people.person(origin.team, origin.user)
    if place.shared and not parts.settings.allow_shared_channels:
        return _ELSEWHERE
    policy = parts.channels.policy(origin.team, origin.channel)
    if not policy.on or not may_vote(person, parts.settings):
        return _OFF
    if not _has_open_sources(parts, record):
        return _RESTRICTED
    if policy.sources is not None and not _all_in(parts, record, policy.sources):
        return _OTHER_SOURCES
    return ""


def _all_in(parts: Parts, record: AnswerRecord, allowed: Collection[str]) -> bool:
    """Whether all that the answer rests on is of these sources. Everyone may read it."""
    ids = {source.document_id for source in record.sources}
    found = (parts.nightshift.index.document_chunks(id_, Reader()) for id_ in ids)
    return all(bool(chunks) and chunks[0].source in allowed for chunks in found)


def _has_open_sources(parts: Parts, record: AnswerRecord) -> bool:
    """Whether everyone may read all that the answer rests on; what rests on nothing says nothing.

    An answer without sources that isn't a refusal may come from a file that its asker attached.
    """
    if not record.sources:
        return record.refused
    return open_to_everyone(parts.nightshift)(record.sources)


def _post(parts: Parts, client: WebClient, task: Task, reply: Reply) -> None:
    """Post where the question was asked; what stands there already, though that was lost, stays."""
    poster = Poster(client, task, Surroundings(Pacing(), Abilities()))
    there = poster.own_posts()
    for number, part in enumerate(reply.parts):
        ts = there.get(number) or poster.post(number, part)
        parts.posts.record(
            Post(task.team, task.channel, ts, task.id, number, part.text, part.blocks)
        )
