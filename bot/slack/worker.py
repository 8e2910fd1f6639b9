"""Answers the questions of the queue, several at a time, each to its end or to an apology."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bot.answer import Answer, Question
from bot.conversation import Turn
from bot.errors import PERSON_ERRORS
from bot.metrics import QUESTIONS, SLACK_ERRORS
from bot.respond import AnswerText
from bot.slack.audience import Decision, decide
from bot.slack.blocks import Reply, build_answer_reply, build_notice_reply
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.delivery import Delivery, open_delivery
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.request import SlackRequest, request_from_json
from bot.slack.threads import asked_before, conversation_of, shown_before
from bot.work import QuestionStatus, Refusal, Stop, Task
from ingestion.documents import Reader
from training.errors import DatabaseError

_POLL_SECONDS = 0.5
_KEEP_SECONDS = 1.0
_STOP_SECONDS = 40.0
_MAX_ATTEMPTS = 3
_RETRY_SECONDS = 15.0
_TURNS = 6

_FAILED = "Sorry, something went wrong with this question, and it has been noted. Please ask again."
_STOPPED = "Stopped."
_REFUSALS = {
    Refusal.WAITING: "You have several questions waiting already. I'll answer those first; "
    "please ask this one again afterwards.",
    Refusal.PERSON_DAY: "You have asked as many questions today as one person may. "
    "Please ask again tomorrow.",
    Refusal.DAY: "I have answered as many questions today as I may. Please ask again tomorrow.",
}

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Held:
    """A task in work, with what the keeper learned of it."""

    task: Task
    stop: Stop = Stop.NO
    lost: bool = False


class _Lost(Exception):  # noqa: N818 - nothing failed: another process has the question now
    """The question is answered by somebody else."""


@dataclass(slots=True)
class Worker:
    """Threads that answer. Start it once, and stop it at the end.

    Attributes:
        parts: What to work with.
    """

    parts: Parts
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _held: set[_Held] = field(default_factory=set)

    def start(self) -> None:
        """Start to answer in the background."""
        targets = [self._work] * self.parts.settings.workers + [self._keep]
        for number, target in enumerate(targets):
            thread = threading.Thread(target=target, name=f"slack-worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Take no more questions; finish those under way, or hand them back after a while."""
        self._ending.set()
        *workers, keeper = self._threads
        for thread in workers:
            thread.join(_STOP_SECONDS)
        for held in list(self._held):
            self.parts.queue.hand_back(held.task.id, tried=False)
        keeper.join()

    def is_alive(self) -> bool:
        """Whether all its threads run."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def running(self) -> int:
        """How many questions are being answered here."""
        return len(self._held)

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                task = self.parts.queue.take()
                if task is None:
                    self.parts.queue.wait(_POLL_SECONDS)
                    continue
                self._answer(_Held(task, task.stop))
            except DatabaseError as error:
                logger.error("The queue can't be used: %s", error.problem)
                self._ending.wait(_RETRY_SECONDS)
            except Exception:
                logger.error(
                    "A question from Slack failed", exc_info=logger.isEnabledFor(logging.DEBUG)
                )

    def _keep(self) -> None:
        """Hold what is worked on, and hear whether it is still wanted."""
        while not self._ending.is_set() or self._held:
            for held in list(self._held):
                try:
                    stop = self.parts.queue.renew(held.task.id)
                except DatabaseError:
                    continue
                held.lost = stop is None
                held.stop = stop or held.stop
            self._ending.wait(_KEEP_SECONDS)
            if self._ending.is_set() and not any(
                thread.is_alive() for thread in self._threads[:-1]
            ):
                return

    def _answer(self, held: _Held) -> None:
        self._held.add(held)
        queue, task = self.parts.queue, held.task
        try:
            status = self._deliver(held)
            queue.finish(task.id, status)
            QUESTIONS.labels(status.value).inc()
        except _Lost:
            logger.info("A question went to another process")
        except OUTSIDE_ERRORS as error:
            logger.warning("Slack took no message: %s", kind_of(error))
            SLACK_ERRORS.labels(kind_of(error)).inc()
            if task.attempts < _MAX_ATTEMPTS:
                queue.hand_back(task.id, _RETRY_SECONDS)
            else:
                queue.finish(task.id, QuestionStatus.FAILED)
        finally:
            self._held.discard(held)

    def _deliver(self, held: _Held) -> QuestionStatus:
        task, request = held.task, request_from_json(held.task.request)
        decision = self._decide(task, request)
        request = replace(request, only_asker=decision.only_asker or request.only_asker)

        def save(reply: Any) -> None:
            if not self.parts.queue.save_reply(task.id, reply):
                raise _Lost

        client = self.parts.clients.of(task.team)
        delivery = open_delivery(client, task, request, self.parts.posts, save)
        if held.stop is Stop.DELETED:
            delivery.withdraw()
            return QuestionStatus.CANCELLED
        if delivery.prepared:
            delivery.finish()
            return QuestionStatus.DONE
        if task.attempts > _MAX_ATTEMPTS:
            delivery.finish(build_notice_reply(_FAILED))
            return QuestionStatus.FAILED
        delivery.begin(0)
        return self._reply(held, request, decision, delivery)

    def _decide(self, task: Task, request: SlackRequest) -> Decision:
        refusal = _REFUSALS.get(Refusal(task.request.get("refusal", "")), "")
        parts = self.parts
        decision = decide(
            request,
            parts.people.person(task.team, task.asker),
            parts.places.place(task.team, task.channel),
            parts.channels.policy(task.team, task.channel),
            parts.settings,
            goes_on=asked_before(parts, task),
        )
        return replace(decision, refusal=decision.refusal or refusal)

    def _reply(
        self, held: _Held, request: SlackRequest, decision: Decision, delivery: Delivery
    ) -> QuestionStatus:
        if decision.refusal:
            delivery.finish(build_notice_reply(decision.refusal))
            return QuestionStatus.DONE
        try:
            answer = self._stream(held, self._question(held.task, request, decision), delivery)
        except PERSON_ERRORS as error:
            delivery.finish(build_notice_reply(f"{error.problem} {error.mend}".strip()))
            return QuestionStatus.FAILED
        except (_Lost, *OUTSIDE_ERRORS):
            raise
        except Exception:
            logger.error("An answer failed", exc_info=logger.isEnabledFor(logging.DEBUG))
            delivery.finish(build_notice_reply(_FAILED))
            return QuestionStatus.FAILED
        if answer is None:
            return self._cancelled(held, delivery)
        delivery.finish(self._as_reply(answer, request))
        return QuestionStatus.DONE

    def _as_reply(self, answer: Answer, request: SlackRequest) -> Reply:
        return build_answer_reply(answer, may_share=request.only_asker)

    def _cancelled(self, held: _Held, delivery: Delivery) -> QuestionStatus:
        if held.stop is Stop.DELETED:
            delivery.withdraw()
        else:
            delivery.finish(build_notice_reply(_STOPPED))
        return QuestionStatus.CANCELLED

    def _question(self, task: Task, request: SlackRequest, decision: Decision) -> Question:
        parts = self.parts
        own = decision.with_own_rights
        conversation = conversation_of(task.team, task.channel, task.thread_ts)
        return Question(
            request.text,
            reader=parts.people.reader(task.team, task.asker) if own else Reader(),
            asker=named(task.team, task.asker),
            audience=decision.audience,
            conversation=conversation,
            history=self._history(task, request),
            sources=parts.channels.policy(task.team, task.channel).sources,
            id=task.id,
        )

    def _history(self, task: Task, request: SlackRequest) -> tuple[Turn, ...]:
        if not task.thread_ts:
            return ()
        return shown_before(self.parts, task, request.only_asker, _TURNS)

    def _stream(self, held: _Held, question: Question, delivery: Delivery) -> Answer | None:
        """Show the answer as it grows, and return it; None where it is no longer wanted."""
        events: Iterator[AnswerText | Answer] = self.parts.nightshift.ask(question)
        for event in events:
            if held.lost:
                raise _Lost
            if held.stop:
                return None
            if isinstance(event, Answer):
                return event
            delivery.push(event.text)
        raise AssertionError("an answer ends what is asked")
