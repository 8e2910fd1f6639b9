"""Answers the questions of the queue, several at a time, and tells those who must wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.metrics import QUESTIONS, SLACK_ERRORS
from bot.slack.answering import MAX_ATTEMPTS, Answering, Held, LostError
from bot.slack.clients import OUTSIDE_ERRORS, kind_of
from bot.slack.pacing import Abilities, Pacing, SlackBusyError, is_closed, is_outage
from bot.slack.parts import Parts
from bot.slack.posting import Surroundings
from bot.task import QuestionStatus, Task
from training.errors import DatabaseError, where_raised

_POLL_SECONDS = 0.5
_KEEP_SECONDS = 1.0
_STOP_SECONDS = 40.0
_RETRY_SECONDS = 15.0
# A question that Slack itself keeps from being answered is tried again, ever more rarely.
_OUTAGE_SECONDS = (5.0, 600.0)
_LONGEST_OUTAGE = timedelta(days=1)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """Threads that answer. Start it once, and stop it at the end.

    Attributes:
        parts: What to work with.
    """

    parts: Parts
    _surroundings: Surroundings = field(default_factory=lambda: Surroundings(Pacing(), Abilities()))
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _held: set[Held] = field(default_factory=set)
    _telling: set[Held] = field(default_factory=set)

    def start(self) -> None:
        """Start to answer in the background."""
        targets = [self._work] * self.parts.settings.workers + [self._tell, self._keep]
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
        for held in [*self._held, *self._telling]:
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
        self._repeat(self._answer_next)

    def _tell(self) -> None:
        self._repeat(self._tell_next)

    def _repeat(self, do_next: Callable[[], bool]) -> None:
        """Do one thing after the other until the end; wait where there is nothing to do."""
        while not self._ending.is_set():
            self.parts.queue.let_arrive()
            try:
                if not do_next():
                    self.parts.queue.wait(_POLL_SECONDS)
            except DatabaseError as error:
                logger.error("The queue can't be used: %s", error.problem)
                self._ending.wait(_RETRY_SECONDS)
            except Exception as error:
                details = logger.isEnabledFor(logging.DEBUG)
                logger.error(
                    "A question from Slack failed: %s", where_raised(error), exc_info=details
                )

    def _answer_next(self) -> bool:
        task = self.parts.queue.take()
        if task is None:
            return False
        self._answer(Held(task, task.stop))
        return True

    def _tell_next(self) -> bool:
        """Acknowledge a question that has to wait, once, and give it back to those who answer."""
        if len(self._held) < self.parts.settings.workers:
            return False  # somebody is about to take it
        found = self.parts.queue.take_unheard()
        if found is None:
            return False
        task, position = found
        held = Held(task, task.stop)
        self._telling.add(held)
        try:
            Answering(self.parts, self._surroundings, held).acknowledge(position)
        except (LostError, SlackBusyError, *OUTSIDE_ERRORS) as error:
            logger.info("A question that waits wasn't acknowledged: %s", type(error).__name__)
        finally:
            self.parts.queue.hand_back(task.id, tried=False)
            self._telling.discard(held)
        return True

    def _keep(self) -> None:
        """Hold what is worked on, and hear whether it is still wanted."""
        while not self._ending.is_set() or self._held or self._telling:
            for held in [*self._held, *self._telling]:
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

    def _answer(self, held: Held) -> None:
        self._held.add(held)
        queue, task = self.parts.queue, held.task
        answering: Answering | None = None
        try:
            answering = Answering(self.parts, self._surroundings, held)
            self._finish(task, answering.run())
        except LostError:
            logger.info("A question went to another process")
        except SlackBusyError as busy:
            queue.hand_back(task.id, busy.seconds, tried=False)
        except OUTSIDE_ERRORS as error:
            logger.warning("Slack took no message: %s", kind_of(error))
            SLACK_ERRORS.labels(kind_of(error)).inc()
            self._not_taken(task, answering, error)
        finally:
            self._held.discard(held)

    def _not_taken(self, task: Task, answering: Answering | None, error: Exception) -> None:
        """Try again later what Slack didn't take, or tell the asker where the channel is closed."""
        queue, age = self.parts.queue, datetime.now(UTC) - task.created_at
        if is_outage(error) and age < _LONGEST_OUTAGE:
            shortest, longest = _OUTAGE_SECONDS
            seconds = min(max(age.total_seconds() / 2, shortest), longest)
            queue.hand_back(task.id, seconds, tried=False)
        elif is_closed(error) and answering is not None:
            told = answering.delivery.go_private()
            self._finish(task, QuestionStatus.DONE if told else QuestionStatus.FAILED)
        elif task.attempts < MAX_ATTEMPTS:
            queue.hand_back(task.id, _RETRY_SECONDS)
        else:
            self._finish(task, QuestionStatus.FAILED)

    def _finish(self, task: Task, status: QuestionStatus) -> None:
        self.parts.queue.finish(task.id, status)
        QUESTIONS.labels(status.value).inc()
