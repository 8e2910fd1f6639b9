"""Whose words a message holds: their wish not to be learnt from counts where it is asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.slack.origin import Origin
from bot.slack.parts import Parts
from bot.slack.people import named

_MENTIONED = re.compile(r"<@([UW][A-Z0-9]+)")
# They go with a modal, which has no room for more.
_MOST = 20


def authors_in(message: Mapping[str, Any]) -> list[str]:
    """Return the Slack ids of those whose words a message may hold. Pure.

    Its author's; a bot's message, ours too, names those whose words it passes on.
    """
    author = str(message.get("user") or "")
    passed_on = _MENTIONED.findall(str(message.get("text") or "")) if message.get("bot_id") else []
    return list(dict.fromkeys(filter(None, [author, *passed_on])))[:_MOST]


def quoted_in(parts: Parts, origin: Origin, authors: list[str]) -> tuple[str, ...]:
    """Return the stable ids of those whose words a message may hold.

    Args:
        origin: Where the message stands; one of ours that shows an answer repeats its question.
        authors: As `authors_in` found them.
    """
    people = [named(origin.team, author) for author in authors]
    post = parts.posts.at(origin.team, origin.channel, origin.ts)
    call = parts.escalations.open_in(origin.team, origin.channel, origin.thread_ts or origin.ts)
    feedback = parts.nightshift.feedback
    for shown in (post, call):
        if shown and shown.ts == origin.ts and feedback.knows(shown.answer_id):
            record = feedback.answer(shown.answer_id)
            people += [record.asker, *record.others_quoted]
    return tuple(dict.fromkeys(people))
