"""Messages and mentions become questions in the queue; a deleted question is answered no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt import App

from bot.slack.experts import note_reply
from bot.slack.mrkdwn import names_somebody, question_in
from bot.slack.parts import Parts
from bot.slack.request import RequestKind, SlackRequest, files_of
from bot.slack.request import team_of as team_of
from bot.slack.small_talk import small_talk
from bot.slack.threads import takes_part
from bot.work import NewQuestion, Stop

# What people send; edits, joins and the like are no questions.
_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})


def register(app: App, parts: Parts) -> None:
    """Listen to what people write. A handler returns when its question is stored."""

    def mention(body: Mapping[str, Any]) -> None:
        take(body, parts)

    def message(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        event = body["event"]
        bot_user = str(context.get("bot_user_id") or "")
        if note_reply(event, team_of(body), parts, bot_user):
            return
        deleted = deleted_ts(event)
        if deleted:
            # Events may overtake each other: a question that comes after its deletion isn't taken.
            parts.queue.claim(team_of(body), [_key_of(event["channel"], deleted)])
            parts.queue.stop(team_of(body), event["channel"], deleted, Stop.DELETED)
        else:
            take(body, parts, bot_user)

    app.event("app_mention")(mention)
    app.event("message")(message)


def take(body: Mapping[str, Any], parts: Parts, bot_user: str = "") -> None:
    """Put the question of an event into the queue, if it asks one."""
    event, team = body["event"], team_of(body)
    kind = kind_of_message(event, bot_user)
    if kind is None or (kind is RequestKind.FOLLOW_UP and not _follows_up(event, team, parts)):
        return
    request = SlackRequest(
        text=question_in(str(event.get("text") or "")),
        kind=kind,
        files=files_of(event),
        shared=bool(body.get("is_ext_shared_channel")),
    )
    parts.queue.put(
        NewQuestion(
            team=team,
            channel=str(event["channel"]),
            asker=str(event["user"]),
            keys=(f"event:{body.get('event_id')}", _key_of(event["channel"], event["ts"])),
            message_ts=str(event["ts"]),
            thread_ts=str(event.get("thread_ts") or event["ts"]),
            request=request.as_json(),
        ),
        parts.limits,
    )


def kind_of_message(event: Mapping[str, Any], bot_user: str) -> RequestKind | None:
    """Return what a message is to the bot; None for what nobody asks it. Pure.

    A mention comes twice, as ``app_mention`` and as ``message``; the queue takes the first.
    """
    if event.get("bot_id") or not event.get("user") or event["user"] == bot_user:
        return None
    if event["type"] == "app_mention":
        return RequestKind.MENTION
    if event.get("subtype") not in _SUBTYPES:
        return None
    if event.get("channel_type") == "im":
        return RequestKind.DIRECT
    if bot_user and f"<@{bot_user}" in str(event.get("text") or ""):
        return RequestKind.MENTION
    return RequestKind.FOLLOW_UP if event.get("thread_ts") else None


def deleted_ts(event: Mapping[str, Any]) -> str:
    """Return the timestamp of the message that an event says was deleted, or "". Pure.

    A deleted message with replies becomes a tombstone, which is a change.
    """
    if event.get("subtype") == "message_deleted":
        return str(event.get("deleted_ts") or "")
    message = event.get("message") or {}
    if event.get("subtype") == "message_changed" and message.get("subtype") == "tombstone":
        return str(message.get("ts") or "")
    return ""


def _follows_up(event: Mapping[str, Any], team: str, parts: Parts) -> bool:
    """Whether an unmentioned message in a thread is for the bot."""
    channel, thread = str(event["channel"]), str(event["thread_ts"])
    policy = parts.channels.policy(team, channel)
    if not policy.on or policy.follow_up != "always":
        return False
    text = str(event.get("text") or "")
    if names_somebody(text):  # said to them, not to the bot
        return False
    if small_talk(question_in(text)):  # as "thanks", which may be said to anybody
        return False
    return takes_part(parts, team, channel, thread, str(event["user"]))


def _key_of(channel: str, ts: str) -> str:
    return f"message:{channel}:{ts}"
