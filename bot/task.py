"""A question in the queue, and what can become of it. Data only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class QuestionStatus(enum.StrEnum):
    """Where a question stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # its asker got an apology
    CANCELLED = "cancelled"


class Stop(enum.StrEnum):
    """Why no more of an answer is wanted."""

    NO = ""
    ASKED = "asked"  # the stop button
    DELETED = "deleted"  # the question was deleted
    EDITED = "edited"  # its author changed the question


VOID = frozenset({Stop.DELETED, Stop.EDITED})
"""The question doesn't stand any more as it was asked: nothing of its answer may."""


class Refusal(enum.StrEnum):
    """Why a question isn't taken; its asker is told."""

    NO = ""
    WAITING = "waiting"  # this person has too many waiting
    PERSON_DAY = "person day"  # this person has asked enough today
    DAY = "day"  # all together have


@dataclass(frozen=True, slots=True)
class Limits:
    """How many questions are taken; 0 is no limit."""

    waiting_per_person: int = 0
    per_person_and_day: int = 0
    per_day: int = 0


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A question as it comes in.

    Attributes:
        keys: What it is known by; where one of them was taken before, so was the question.
        message_ts, thread_ts: Where the question stands and where its answer goes; "" for none.
        request: What else its answer depends on, JSON-able.
        version: When its author changed it last; "" where they didn't. A later version of the
            same message takes the place of those before it, and an earlier one isn't taken.
    """

    team: str
    channel: str
    asker: str
    keys: tuple[str, ...]
    message_ts: str = ""
    thread_ts: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A question that somebody works on.

    Attributes:
        id: Also the id of its answer.
        reply: How far its delivery is, as `WorkQueue.save_reply` stored it.
        attempts: How often it was taken, this time included.
    """

    id: str
    team: str
    channel: str
    message_ts: str
    thread_ts: str
    asker: str
    request: Mapping[str, Any]
    reply: Mapping[str, Any]
    attempts: int
    created_at: datetime
    stop: Stop


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a new question.

    Attributes:
        id: "" where it was known already.
        refusal: Why it is not answered; it is in the queue all the same, for its asker to be told.
    """

    id: str
    refusal: Refusal = Refusal.NO
