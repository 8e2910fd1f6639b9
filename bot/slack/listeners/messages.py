"""Messages and mentions become questions in the queue.

A deleted question is answered no more; one that its author changes is answered as it stands now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slack_bolt import App

from bot.slack.experts import note_reply
from bot.slack.mrkdwn import names_somebody, question_in
from bot.slack.parts import Parts
from bot.slack.request import RequestKind, SlackRequest, files_of, request_from_json
from bot.slack.request import team_of as team_of
from bot.slack.threads import takes_part
from bot.slack.voting import moment_in
from bot.small_talk import small_talk
from bot.task import NewQuestion, QuestionStatus, Stop

# What people send; edits, joins and the like are no questions.
_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})
# Who changes a message later than this tidies up, and asks nothing.
_CHANGED_IN_TIME = timedelta(hours=1)
_OPEN = frozenset({QuestionStatus.WAITING, QuestionStatus.RUNNING})
_ADDRESSED = frozenset({RequestKind.MENTION, RequestKind.DIRECT})


def register(app: App, parts: Parts) -> None:
    """Listen to what people write. A handler returns when its question is stored."""

    def mention(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        changed, bot_user = changed_in(body["event"]), str(context.get("bot_user_id") or "")
        if changed:
            take_change(body, changed, parts, bot_user)
        else:
            take(body, parts)

    def message(body: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        event = body["event"]
        bot_user = str(context.get("bot_user_id") or "")
        if note_reply(event, team_of(body), parts, bot_user):
            return
        deleted, changed = deleted_ts(event), changed_in(event)
        if changed and not deleted:
            take_change(body, changed, parts, bot_user)
        elif deleted:
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
    _put(body, event, kind, parts)


def take_change(
    body: Mapping[str, Any], message: Mapping[str, Any], parts: Parts, bot_user: str
) -> None:
    """Answer a question as its author changed it, in place of what isn't answered yet.

    Args:
        body: Of the event; Slack may tell of one change twice, also as a mention.
        message: As it stands now; see `changed_in`.
        parts: The bot's parts.
        bot_user: The bot itself.
    """
    kind, team = kind_of_message(message, bot_user), team_of(body)
    if message.get("bot_id") or not message.get("user"):
        return
    channel, ts = str(message["channel"]), str(message["ts"])
    age = moment_in(message["edited"], "ts") - moment_in(message, "ts")
    asked = parts.queue.asked_at(team, channel, ts, str(message["user"]))
    if asked is None and kind in _ADDRESSED and age < _CHANGED_IN_TIME:
        # It asks only now, or the change came before the question; that may come this moment.
        _put(body, message, kind, parts)
        asked = parts.queue.asked_at(team, channel, ts, str(message["user"]))
    if asked is None:
        return
    task, status = asked
    if kind is None or (kind is RequestKind.FOLLOW_UP and not _follows_up(message, team, parts)):
        parts.queue.stop(team, channel, ts, Stop.EDITED)  # it isn't for the bot any more
        return
    same = question_in(str(message.get("text") or "")) == request_from_json(task.request).text
    if not same and (status in _OPEN or age < _CHANGED_IN_TIME):
        _put(body, message, kind, parts, known=True)


def changed_in(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a message as it stands after its author changed its words; else None. Pure.

    Slack changes messages too, for a link's preview say: then nothing is ``edited``, or the words
    stay. A mention comes again with every change of its message, though Slack's pages don't say so.

    Sources: https://docs.slack.dev/reference/events/message/message_changed;
    https://github.com/slackapi/bolt-js/issues/960
    """
    message: Mapping[str, Any] = event
    before: Mapping[str, Any] = {}
    if event.get("subtype") == "message_changed":
        message, before = event.get("message") or {}, event.get("previous_message") or {}
    elif event["type"] != "app_mention":
        return None
    if not (message.get("edited") or {}).get("ts") or message.get("text") == before.get("text"):
        return None
    named = ("type", "channel", "channel_type")
    return {**message, **{name: event[name] for name in named if name in event}}


def _put(
    body: Mapping[str, Any],
    message: Mapping[str, Any],
    kind: RequestKind,
    parts: Parts,
    *,
    known: bool = False,
) -> None:
    """Store a question; `known`: an earlier version of it is, so that its message is taken."""
    event, at = f"event:{body.get('event_id')}", _key_of(message["channel"], message["ts"])
    request = SlackRequest(
        text=question_in(str(message.get("text") or "")),
        kind=kind,
        files=files_of(message),
        shared=bool(body.get("is_ext_shared_channel")),
    )
    parts.queue.put(
        NewQuestion(
            team=team_of(body),
            channel=str(message["channel"]),
            asker=str(message["user"]),
            keys=(event,) if known else (event, at),
            message_ts=str(message["ts"]),
            thread_ts=str(message.get("thread_ts") or message["ts"]),
            request=request.as_json(),
            version=str((message.get("edited") or {}).get("ts") or ""),
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
