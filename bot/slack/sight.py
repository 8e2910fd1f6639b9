"""Which answers somebody has seen: the id in a button or a window proves nothing by itself."""

from __future__ import annotations

from bot.slack.origin import Origin
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.request import ONLY_ASKER

GONE = "I can't find this answer any more. Please ask again."


def saw_answer(parts: Parts, answer_id: str, origin: Origin) -> bool:
    """Return whether an answer is this person's own, or was shown to all where they are.

    Raises:
        DatabaseError: The database can't be used.
    """
    feedback = parts.nightshift.feedback
    if not feedback.knows(answer_id):
        return False
    if feedback.answer(answer_id).asker == named(origin.team, origin.user):
        return True
    here = (origin.team, origin.channel)
    if any((post.team, post.channel) == here for post in parts.posts.of_answer(answer_id)):
        return True
    # A message can be clicked on a moment before it is stored where it stands.
    found = parts.queue.find(answer_id)
    task = found[0] if found else None
    to_all = task is not None and task.reply.get(ONLY_ASKER) is False
    return task is not None and to_all and (task.team, task.channel) == here
