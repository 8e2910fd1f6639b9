"""What passes between the day and the night: answers, votes, pairs. Pure data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class Audience(enum.StrEnum):
    """Who saw an answer. Only PUBLIC ones train unless an admin opts in: weights know no ACL."""

    PUBLIC = "public"
    PRIVATE = "private"


class Split(enum.StrEnum):
    """On which side of the evaluation a pair stands, for ever."""

    TRAIN = "train"
    HELD_OUT = "held_out"


class PairStatus(enum.StrEnum):
    """What became of a candidate pair."""

    APPROVED = "approved"  # trains, or judges
    PENDING = "pending"  # waits for a person
    REJECTED = "rejected"  # a person or a rule said no


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message as it was sent to the model."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One source of an answer, as it was served.

    Attributes:
        content_hash: The document's at the time, to know later whether the page has changed.
        restricted: Whether not everyone may read the document.
        text: The verbatim text that was quoted or that supports the answer.
    """

    chunk_id: str
    document_id: str
    path: str
    title: str
    url: str
    heading: str
    content_hash: str
    restricted: bool
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer with all that it takes to train on it or to explain it.

    Attributes:
        id: Chosen by whoever answers; recording the same id twice keeps the first.
        asker: Stable id of the person (workspace and user in Slack, or the local user's name).
        conversation: Channel and thread, or the terminal session.
        question: As it was asked. standalone: As it was searched for.
        messages: The exact messages that a written answer is given for, also when it was quoted.
        style: "quoted" or "written". refused: The documents do not say.
        adapter: Version of the adapter, or "" for the bare base model.
        timings: Seconds by step.
        others_quoted: Whose words stand in `standalone` besides the asker's: those of earlier
            questions of the conversation, or of the message that it was asked about.
    """

    id: str
    asked_at: datetime
    asker: str
    audience: Audience
    conversation: str
    question: str
    standalone: str
    messages: tuple[Message, ...]
    answer: str
    style: str
    refused: bool
    sources: tuple[SourceRecord, ...]
    index_generation: str
    model: str
    adapter: str
    timings: Mapping[str, float] = field(default_factory=dict)
    others_quoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A curated training pair: the messages that were served, and the answer people stand by.

    Attributes:
        id: Hash of question and answer, so that curating twice gives the same pair.
        answer_id: The answer that it was made from.
        quoted: What the bot would show by quoting, to compare a written answer with.
        cluster: Name of the near-duplicate cluster of its question; the split hangs on it alone.
        reason: Why it has its status, for people.
        reviewed_by: Who approved, edited or rejected it; a rule never overrules a person. Empty
            where no person did.
        reviewed_at: When its text was last approved by a person, as pair or as correction.
    """

    id: str
    answer_id: str
    question: str
    messages: tuple[Message, ...]
    answer: str
    quoted: str
    sources: tuple[SourceRecord, ...]
    audience: Audience
    cluster: str
    split: Split
    status: PairStatus
    reason: str
    votes_up: int
    votes_down: int
    created_at: datetime
    reviewed_by: str = ""
    reviewed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody says that an answer should have been.

    Attributes:
        status: PENDING until somebody approves or rejects it.
        reviewer: Who did, or "".
    """

    id: str
    answer_id: str
    author: str
    text: str
    status: PairStatus
    reviewer: str
    created_at: datetime
    reviewed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """An answer with what people said about it.

    Attributes:
        correction: The newest approved one, else the newest that waits, else None.
        opted_out: Somebody whose words are in it doesn't want to be learnt from: who asked, whom
            the question quotes (`AnswerRecord.others_quoted`), or who corrected.
    """

    record: AnswerRecord
    up: int
    down: int
    correction: Correction | None
    opted_out: bool
