"""What the bot did in a thread before, and what of it the next answer there may know."""

from __future__ import annotations

from bot.conversation import Turn
from bot.slack.parts import Parts
from bot.slack.request import FileRef, RequestKind, request_from_json
from bot.task import Task
from training.records import AnswerRecord

# Who asks about a message for themselves alone doesn't bring the bot into its thread.
_TAKING_PART = frozenset({RequestKind.MENTION.value, RequestKind.FOLLOW_UP.value})


def conversation_of(team: str, channel: str, thread_ts: str) -> str:
    """Return the name of a thread in the record of answers."""
    return f"{team}:{channel}:{thread_ts}"


def takes_part(parts: Parts, team: str, channel: str, thread_ts: str, user: str) -> bool:
    """Return whether somebody may know that the bot was asked in a thread before."""
    return any(
        _known_to(parts, task, user) for task in parts.queue.in_thread(team, channel, thread_ts)
    )


def asked_before(parts: Parts, task: Task) -> bool:
    """Return whether a question goes on with a thread in which the bot was asked before it."""
    if not task.thread_ts or task.thread_ts == task.message_ts:
        return False
    earlier = parts.queue.in_thread(task.team, task.channel, task.thread_ts)
    return any(
        each.message_ts != task.message_ts  # its own, before its author changed it
        and each.created_at <= task.created_at
        and _known_to(parts, each, task.asker)
        for each in earlier
    )


def shown_before(parts: Parts, task: Task, only_asker: bool, limit: int) -> tuple[Turn, ...]:
    """Return what was asked and answered in the thread before, oldest first.

    Only what everybody saw who will see the next answer: an answer for one person's eyes is
    nothing for another's question, nor for an answer that is shown to all.

    Args:
        parts: The bot's parts.
        task: The question that goes on.
        only_asker: Whether its asker alone sees its answer.
        limit: How many turns are looked at.
    """
    name = conversation_of(task.team, task.channel, task.thread_ts)
    asked = parts.queue.in_thread(task.team, task.channel, task.thread_ts)
    own = {each.id for each in asked if only_asker and each.asker == task.asker}
    changed = {each.id for each in asked if task.message_ts == each.message_ts != ""}
    return tuple(
        Turn(each.question, each.answer, each.asker, each.others_quoted)
        for each in parts.nightshift.feedback.in_conversation(name, limit)
        if each.id not in changed and (each.id in own or _shown_to_all(parts, task, each))
    )


def files_before(parts: Parts, task: Task) -> tuple[FileRef, ...]:
    """Return the files that the asker last brought along in this thread."""
    earlier = parts.queue.in_thread(task.team, task.channel, task.thread_ts)
    own = [
        request_from_json(each.request).files
        for each in earlier
        if each.asker == task.asker and each.created_at < task.created_at
    ]
    return next((files for files in reversed(own) if files), ())


def _known_to(parts: Parts, task: Task, user: str) -> bool:
    if parts.posts.of_answer(task.id):
        return True
    return task.asker == user and task.request.get("kind") in _TAKING_PART


def _shown_to_all(parts: Parts, task: Task, answer: AnswerRecord) -> bool:
    here = (task.team, task.channel)
    return any((post.team, post.channel) == here for post in parts.posts.of_answer(answer.id))
