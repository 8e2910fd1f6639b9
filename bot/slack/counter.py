"""Counts the votes that wait, and shows the tally below the answers."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.experts import offers_human
from bot.slack.fitting import send_fitting
from bot.slack.origin import Origin
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.posts import Post
from bot.slack.sight import saw_answer
from bot.slack.views_votes import build_why_offer, with_tally
from bot.slack.voting import Ballot, may_vote
from bot.task import QuestionStatus
from training.errors import DatabaseError, FeedbackError, where_raised

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 10.0
_STOP_SECONDS = 10.0
# A reaction may be heard of before its message is stored; who voted may be asked for later.
_NO_POST = timedelta(minutes=2)
_UNKNOWN_PERSON = timedelta(hours=6)
_ROUNDS = 10

logger = logging.getLogger(__name__)


class VoteCounter:
    """Counts in a thread of its own. Several processes may count the same votes.

    Args:
        parts: What to work with.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before: dict[int, float] = {}

    def start(self) -> None:
        """Start to count in the background."""
        self._thread = threading.Thread(target=self._run, name="slack-votes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; what isn't counted yet waits for the next start."""
        self._ending.set()
        self._parts.ballots.wake()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self.count()
            except DatabaseError as error:
                logger.error("Votes can't be counted now: %s", error.problem)
                self._ending.wait(_RETRY_SECONDS)
            except Exception as error:
                details = logger.isEnabledFor(logging.DEBUG)
                logger.error("Counting votes failed: %s", where_raised(error), exc_info=details)
                self._ending.wait(_RETRY_SECONDS)
            self._parts.ballots.wait(_POLL_SECONDS)

    def count(self) -> None:
        """Count what can be counted now, then show the tallies that changed.

        Raises:
            DatabaseError: The database can't be used; the votes stay.
        """
        after, ballots = 0, self._parts.ballots
        while found := ballots.waiting(after):
            after = found[-1].id
            done = {ballot.id: self._count(ballot) for ballot in found}
            for answer_id in {answer for answer in done.values() if answer}:
                show_tally(self._parts, answer_id)
            ballots.remove(each for each, answer in done.items() if answer is not None)

    def _count(self, ballot: Ballot) -> str | None:
        """Count a vote; return its answer's id, "" where it can't count, None for later."""
        if time.monotonic() < self._not_before.get(ballot.id, 0.0):
            return None
        answer_id = self._answer_of(ballot)
        if not answer_id:
            return answer_id
        parts = self._parts
        person = parts.people.person(ballot.team, ballot.voter)
        if not person.known and _age(ballot) < _UNKNOWN_PERSON:
            self._not_before[ballot.id] = time.monotonic() + _RETRY_SECONDS
            return None
        self._not_before.pop(ballot.id, None)
        if not may_vote(person, parts.settings):
            return ""
        try:
            value = parts.nightshift.feedback.vote(
                answer_id,
                named(ballot.team, ballot.voter),
                ballot.value,
                ballot.reason,
                at=ballot.at,
                means=ballot.means,
            )
        except FeedbackError as error:
            logger.warning("A vote can't be counted: %s", error.problem)
            return ""
        if ballot.ts and ballot.value == value == -1:
            self._ask_why(ballot, answer_id)
        return answer_id

    def _answer_of(self, ballot: Ballot) -> str | None:
        """Return the id of a finished answer, "" where there will be none, None for later."""
        parts, answer_id = self._parts, ballot.answer_id
        pressed = bool(answer_id)
        if not pressed:
            post = parts.posts.at(ballot.team, ballot.channel, ballot.ts)
            if post is None:
                return None if _age(ballot) < _NO_POST else ""
            answer_id = post.answer_id
        question = parts.queue.find(answer_id)
        if question and question[1] in (QuestionStatus.WAITING, QuestionStatus.RUNNING):
            return None
        if not parts.nightshift.feedback.knows(answer_id):
            return ""
        where = Origin(ballot.team, ballot.voter, ballot.channel)
        if pressed and not saw_answer(parts, answer_id, where):
            return None if _age(ballot) < _NO_POST else ""
        return answer_id

    def _ask_why(self, ballot: Ballot, answer_id: str) -> None:
        """Offer to tell why and to ask a human, once; a reaction can open no modal."""
        parts = self._parts
        if not parts.queue.claim(ballot.team, [f"why:{answer_id}:{ballot.voter}"]):
            return
        question = parts.queue.find(answer_id)
        in_thread = question is not None and question[0].channel == ballot.channel
        where = Origin(ballot.team, ballot.voter, ballot.channel)
        offer = build_why_offer(answer_id, human=offers_human(parts, answer_id, where))
        try:
            parts.clients.of(ballot.team).chat_postEphemeral(
                channel=ballot.channel,
                user=ballot.voter,
                thread_ts=question[0].thread_ts or None if question and in_thread else None,
                text=offer.text,
                blocks=list(offer.blocks),
            )
        except OUTSIDE_ERRORS as error:
            logger.info("Slack took no question why: %s", kind_of(error))


def show_tally(parts: Parts, answer_id: str) -> None:
    """Show the votes below the last message of an answer, in each channel that has it.

    Who writes last may have counted first: so it is written until it says what is counted.
    """
    for post in _last_of_each(parts.posts.of_answer(answer_id)):
        client = parts.clients.of(post.team)
        shown: tuple[int, int] | None = None
        for _ in range(_ROUNDS):
            counts = parts.nightshift.feedback.votes(answer_id)
            if counts == shown:
                break
            part = with_tally(post.text, post.blocks, *counts)
            update = partial(client.chat_update, channel=post.channel, ts=post.ts, text=part.text)
            try:
                send_fitting(update, part.blocks)
            except OUTSIDE_ERRORS as error:
                logger.warning("Slack showed no tally: %s", kind_of(error))
                break
            shown = counts


def _last_of_each(posts: list[Post]) -> list[Post]:
    """Return the last message of an answer in each channel."""
    last = {(post.team, post.channel): post for post in posts}
    return list(last.values())


def _age(ballot: Ballot) -> timedelta:
    return datetime.now(UTC) - ballot.received_at
