"""One question from the queue, answered to its end or to an apology."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.answer import Answer, Question
from bot.attachments import SOURCE
from bot.conversation import Turn
from bot.curation import stands_in
from bot.errors import PERSON_ERRORS
from bot.slack.audience import Decision, decide
from bot.slack.blocks import Reply, build_answer_reply, build_notice_reply, reply_json
from bot.slack.clients import OUTSIDE_ERRORS
from bot.slack.delivery import Delivery, open_delivery
from bot.slack.files import ReadFiles, read_files
from bot.slack.let_go import read_while
from bot.slack.pacing import SlackBusyError
from bot.slack.parts import Parts
from bot.slack.people import named
from bot.slack.posting import Surroundings
from bot.slack.request import FOR_ALL, ONLY_ASKER, SlackRequest, request_from_json
from bot.slack.threads import asked_before, conversation_of, files_before, shown_before
from bot.small_talk import SmallTalk, said_to, small_talk
from bot.task import VOID, QuestionStatus, Refusal, Stop, Task
from ingestion.documents import Reader
from training.errors import where_raised
from training.records import SourceRecord

MAX_ATTEMPTS = 3
# How long Slack may be silent on who asks, and where, until that is told in place of an answer.
_PATIENCE = timedelta(minutes=2)
_PREPARED_PATIENCE = timedelta(days=1)  # where that would take the place of an answer that is there
_ASK_AGAIN_SECONDS = (3.0, 60.0)
_PREPARED_AT = "prepared_at"
_TURNS = 6

_FAILED = "Sorry, something went wrong with this question, and it has been noted. Please ask again."
_STOPPED = "Stopped."
_CLOSED = (
    "Slack took no answer for a while, and meanwhile what this one rests on has changed. "
    "Please ask again."
)
_WHAT_ABOUT = "What would you like to know about {}? Ask here in the thread, and I'll read it."
_REFUSALS = {
    Refusal.WAITING: "You have several questions waiting already. I'll answer those first; "
    "please ask this one again afterwards.",
    Refusal.PERSON_DAY: "You have asked as many questions today as one person may. "
    "Please ask again tomorrow.",
    Refusal.DAY: "I have answered as many questions today as I may. Please ask again tomorrow.",
}

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Held:
    """A task in work, with what the keeper learned of it."""

    task: Task
    stop: Stop = Stop.NO
    lost: bool = False


class LostError(Exception):
    """The question is answered by another process."""


class Answering:
    """Answers one question.

    Args:
        parts: What to work with.
        surroundings: What this process knows of Slack.
        held: The question.
    """

    def __init__(self, parts: Parts, surroundings: Surroundings, held: Held) -> None:
        self._parts = parts
        self._held = held
        self._task = held.task
        self._kept: dict[str, Any] = {}
        request = request_from_json(held.task.request)
        # For whose eyes an answer is stays as it was begun, whatever the channel's setting is now:
        # what was prepared for one person must not be shown to all.
        begun = held.task.reply.get(ONLY_ASKER)
        request = replace(request, only_asker=request.only_asker or bool(begun))
        self._unasked = False
        self._decision = self._decide(request, to_all=begun is False)
        only_asker = self._decision.only_asker or request.only_asker
        self._request = replace(request, only_asker=only_asker)
        self.delivery: Delivery = open_delivery(
            parts.clients.of(held.task.team),
            held.task,
            self._request,
            parts.posts,
            self._save,
            surroundings,
        )

    def acknowledge(self, position: int) -> None:
        """Tell that the question waits."""
        if not self._decision.refusal and not self._held.stop:
            self.delivery.begin(position)

    def run(self) -> QuestionStatus:
        """Answer, and return how it ended.

        Raises:
            LostError: Another process has the question.
            SlackBusyError: Slack wants to be waited for.
            OUTSIDE_ERRORS: Slack can't be reached or refuses.
        """
        status = self._run()
        # Asked once more: the question may be deleted or changed while its answer is on its way.
        if VOID & {self._held.stop, self._parts.queue.renew(self._task.id)}:
            self.delivery.withdraw()
            return QuestionStatus.CANCELLED
        return status

    def _run(self) -> QuestionStatus:
        delivery = self.delivery
        if self._held.stop in VOID:
            return QuestionStatus.CANCELLED
        if delivery.prepared and not self._decision.refusal:
            recorded = self._parts.nightshift.feedback.knows(self._task.id)
            if self._is_fresh() or (recorded and self._is_open()):
                delivery.finish()
                return QuestionStatus.DONE
            if recorded:  # else it was a notice, which is thought of anew
                self._finish(build_notice_reply(_CLOSED))
                return QuestionStatus.DONE
        if self._held.stop:
            return self._cancelled()
        if self._task.attempts > MAX_ATTEMPTS:
            self._finish(build_notice_reply(_FAILED))
            return QuestionStatus.FAILED
        if self._decision.refusal:
            self._have_patience()
            self._finish(build_notice_reply(self._decision.refusal))
            return QuestionStatus.DONE
        if self._request.files and not any(map(str.isalnum, self._request.text)):
            names = " and ".join(file.name for file in self._request.files)
            self._finish(build_notice_reply(_WHAT_ABOUT.format(names)))
            return QuestionStatus.DONE
        talk = None if self._request.files else small_talk(self._request.text)
        if talk is not None:
            self._finish(build_notice_reply(self._said_to(talk)))
            return QuestionStatus.DONE
        delivery.begin(0)
        return self._reply()

    def _finish(self, reply: Reply) -> None:
        self._kept[_PREPARED_AT] = time.time()
        self.delivery.finish(reply)

    def _is_fresh(self) -> bool:
        """Whether what was prepared is no older than what is remembered of rights."""
        age = time.time() - self._task.reply.get(_PREPARED_AT, 0.0)
        return bool(abs(age) <= self._parts.settings.rights_seconds)

    def _is_open(self) -> bool:
        """Whether a prepared answer may still be read by whom it is for.

        It may have waited for Slack for long: meanwhile its asker may have lost their rights, or a
        page have been closed.
        """
        nightshift, reader = self._parts.nightshift, self._reader()
        allowed = self._parts.channels.policy(self._task.team, self._task.channel).sources

        def may_be_read(source: SourceRecord) -> bool:
            if source.document_id.startswith(f"{SOURCE}:"):  # the asker's own file
                return True
            chunks = nightshift.index.document_chunks(source.document_id, reader)
            known = bool(chunks) and (allowed is None or chunks[0].source in allowed)
            return known and stands_in(source, chunks)

        try:
            return all(map(may_be_read, nightshift.feedback.answer(self._task.id).sources))
        except PERSON_ERRORS:
            return False

    def _reader(self) -> Reader:
        if not self._decision.with_own_rights:
            return Reader()
        return self._parts.people.reader(self._task.team, self._task.asker)

    def _have_patience(self) -> None:
        """Ask again before somebody is told that Slack doesn't say who asks, or where."""
        age = datetime.now(UTC) - self._task.created_at
        patience = _PREPARED_PATIENCE if self.delivery.prepared else _PATIENCE
        if self._unasked and age < patience:
            shortest, longest = _ASK_AGAIN_SECONDS
            raise SlackBusyError(min(max(age.total_seconds() / 20, shortest), longest))

    def _said_to(self, talk: SmallTalk) -> str:
        if talk is not SmallTalk.ABOUT:
            return said_to(talk, 0, ())
        question, knowledge = self._question(), self._parts.knowledge
        try:
            counts = knowledge.documents(question.reader)
            titles = knowledge.titles(question.reader, question.sources)
        except PERSON_ERRORS as error:
            return f"{error.problem} {error.mend}".strip()
        used = counts if question.sources is None else question.sources
        return said_to(talk, sum(counts.get(source, 0) for source in used), titles)

    def _save(self, reply: Any) -> None:
        kept = {**reply, **self._kept, ONLY_ASKER: self._request.only_asker}
        if not self._parts.queue.save_reply(self._task.id, kept):
            raise LostError

    def _decide(self, request: SlackRequest, *, to_all: bool) -> Decision:
        parts, task = self._parts, self._task
        policy = parts.channels.policy(task.team, task.channel)
        if to_all:
            policy = replace(policy, visibility="thread")
        refusal = _REFUSALS.get(Refusal(task.request.get("refusal", "")), "")
        person = parts.people.person(task.team, task.asker)
        place = parts.places.place(task.team, task.channel)
        self._unasked = person.unasked or place.unasked
        decision = decide(
            request,
            person,
            place,
            policy,
            parts.settings,
            goes_on=asked_before(parts, task),
        )
        return replace(decision, refusal=decision.refusal or refusal)

    def _reply(self) -> QuestionStatus:
        try:
            files = self._files()
            answer = self._stream(replace(self._question(), attached=files.chunks))
        except PERSON_ERRORS as error:
            self._finish(build_notice_reply(f"{error.problem} {error.mend}".strip()))
            return QuestionStatus.FAILED
        except (LostError, SlackBusyError, *OUTSIDE_ERRORS):
            raise
        except Exception as error:
            details = logger.isEnabledFor(logging.DEBUG)
            logger.error("An answer failed: %s", where_raised(error), exc_info=details)
            self._finish(build_notice_reply(_FAILED))
            return QuestionStatus.FAILED
        if answer is None:
            return self._cancelled()
        may_share = self._request.only_asker
        if may_share and files.notes:  # they name the asker's files
            self._kept = {FOR_ALL: reply_json(build_answer_reply(answer, may_share=True))}
        self._finish(build_answer_reply(answer, may_share=may_share, notes=files.notes))
        return QuestionStatus.DONE

    def _cancelled(self) -> QuestionStatus:
        if self._held.stop not in VOID:
            self._finish(build_notice_reply(_STOPPED))
        return QuestionStatus.CANCELLED

    def _question(self) -> Question:
        parts, task = self._parts, self._task
        return Question(
            self._request.text,
            reader=self._reader(),
            asker=named(task.team, task.asker),
            audience=self._decision.audience,
            conversation=conversation_of(task.team, task.channel, task.thread_ts),
            history=self._history(),
            sources=parts.channels.policy(task.team, task.channel).sources,
            id=task.id,
            quoted=self._request.quoted,
        )

    def _files(self) -> ReadFiles:
        """Read the question's files; a question without one may be about those before it."""
        task, files = self._task, self._request.files
        if not files and task.thread_ts:
            files = files_before(self._parts, task)
        if not files:
            return ReadFiles()
        return read_files(files, self._parts.clients.of(task.team), self._parts.nightshift)

    def _history(self) -> tuple[Turn, ...]:
        if not self._task.thread_ts:
            return ()
        return shown_before(self._parts, self._task, self._request.only_asker, _TURNS)

    def _stream(self, question: Question) -> Answer | None:
        """Show the answer as it grows, and return it; None where it is no longer wanted."""
        held, ask = self._held, self._parts.nightshift.ask
        with closing(read_while(lambda: not (held.lost or held.stop), ask(question))) as events:
            for event in events:
                if held.lost or held.stop:
                    break
                if isinstance(event, Answer):
                    return event
                self.delivery.push(event.text)
        if held.lost:
            raise LostError
        if not held.stop:
            raise AssertionError("an answer ends what is asked")
        return None
