"""Answers and what people say about them: votes, reasons, corrections, the wish to be left out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from training.database import reading, writing
from training.errors import FeedbackError
from training.records import AnswerRecord, Correction, PairStatus, RatedAnswer
from training.rows import answer_from_row, answer_to_row, correction_from_row
from training.tables import answers, corrections, opt_outs, storable, vote_events, votes
from training.votes import COMMAND, VoteEvent, standing

MAX_REASON = 2_000
MAX_CORRECTION = 8_000
MAX_ID = 200


class Feedback:
    """The record of answers and of what people said about them. Safe in several threads.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def record_answer(self, record: AnswerRecord) -> bool:
        """Store an answer; return False when its id is there already (the first one is kept).

        Raises:
            FeedbackError: The id or the asker is empty or too long.
            DatabaseError: It can't be stored.
        """
        values = answer_to_row(record)
        values["id"] = _id(record.id, "answer's id")
        values["asker"] = _id(record.asker, "asker's id")
        with writing(self._engine) as connection:
            statement = self._insert(answers).values(values).on_conflict_do_nothing()
            return connection.execute(statement.returning(answers.c.id)).first() is not None

    def answer(self, answer_id: str) -> AnswerRecord:
        """Return an answer.

        Raises:
            FeedbackError: There is none with this id.
        """
        with reading(self._engine) as connection:
            row = connection.execute(answers.select().where(answers.c.id == storable(answer_id)))
            found = row.first()
        if found is None:
            raise _unknown_answer()
        return answer_from_row(found)

    def knows(self, answer_id: str) -> bool:
        """Return whether an answer is recorded."""
        query = sa.select(answers.c.id).where(answers.c.id == storable(answer_id))
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def recent(self, asker: str, limit: int = 10) -> list[AnswerRecord]:
        """Return the newest answers that a person got, newest first."""
        query = (
            answers.select()
            .where(answers.c.asker == storable(asker))
            .order_by(answers.c.asked_at.desc(), answers.c.id.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [answer_from_row(row) for row in connection.execute(query)]

    def in_conversation(self, conversation: str, limit: int) -> list[AnswerRecord]:
        """Return the last answers of a conversation, oldest first."""
        query = (
            answers.select()
            .where(answers.c.conversation == storable(conversation))
            .order_by(answers.c.asked_at.desc(), answers.c.id.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [answer_from_row(row) for row in connection.execute(query)][::-1]

    def vote(
        self,
        answer_id: str,
        voter: str,
        value: int,
        reason: str = "",
        *,
        at: datetime | None = None,
        means: str = COMMAND,
    ) -> int:
        """Store a person's vote on an answer, or take it back; see `training.votes` for the rules.

        A repeated vote (events come twice) changes nothing and keeps the reason given before; a
        changed vote drops it.

        Args:
            answer_id: The answer.
            voter: Stable id of the person.
            value: 1, -1 or 0.
            reason: In the person's words, at most `MAX_REASON` characters.
            at: When the person acted; an older act changes nothing about a newer one. By default
                now, after all others.
            means: By what the person acted, as `training.votes.VoteEvent` says.

        Returns:
            The person's vote that counts now: 1, -1 or 0.

        Raises:
            FeedbackError: No such answer, another value, or a reason that is too long.
            DatabaseError: It can't be stored.
        """
        if value not in (-1, 0, 1):
            raise FeedbackError("A vote is up, down or taken back.", "Use 1, -1 or 0.")
        answer_id, voter = storable(answer_id), _id(voter, "voter's id")
        reason = _text(reason, "reason", MAX_REASON)
        with writing(self._engine) as connection:
            _lock_answer(connection, answer_id)
            known = _vote_events(connection, answer_id, voter)
            now = standing(known)
            repeated = known and now.value == value and reason in ("", now.reason)
            if at is None and repeated:
                return value
            event = VoteEvent(at or _after(known), storable(means), value, reason)
            if event in known:
                return now.value
            self._count(connection, answer_id, voter, known, event)
            return standing([*known, event]).value

    def _count(
        self,
        connection: Connection,
        answer_id: str,
        voter: str,
        known: list[VoteEvent],
        event: VoteEvent,
    ) -> None:
        """Store an act, and what counts after it."""
        key = {"answer_id": answer_id, "voter": voter}
        connection.execute(
            vote_events.insert().values(
                **key, at=event.at, means=event.means, value=event.value, reason=event.reason
            )
        )
        new = standing([*known, event])
        changes = {"value": new.value, "reason": new.reason}
        changes["updated_at"] = max(each.at for each in [*known, event])
        connection.execute(
            self._insert(votes)
            .values(**key, **changes)
            .on_conflict_do_update(index_elements=list(key), set_=changes)
        )

    def vote_of(self, answer_id: str, voter: str) -> int:
        """Return a person's vote that counts: 1, -1, or 0 for none."""
        key = (votes.c.answer_id == storable(answer_id)) & (votes.c.voter == storable(voter))
        with reading(self._engine) as connection:
            return int(connection.scalar(sa.select(votes.c.value).where(key)) or 0)

    def votes(self, answer_id: str) -> tuple[int, int]:
        """Return how many people stand by thumbs-up and thumbs-down; (0, 0) if unknown."""
        with reading(self._engine) as connection:
            return _counts(connection, storable(answer_id)).get(storable(answer_id), (0, 0))

    def correct(self, answer_id: str, author: str, text: str) -> Correction:
        """Store what the answer should have been; it waits for a review.

        The same text by the same author is one correction, whatever became of it.

        Raises:
            FeedbackError: No such answer; the text is empty or over `MAX_CORRECTION` characters.
            DatabaseError: It can't be stored.
        """
        answer_id, author = storable(answer_id), _id(author, "author's id")
        text = _text(text, "correction", MAX_CORRECTION)
        if not text:
            raise FeedbackError("The correction is empty.", "Write what the answer should say.")
        correction_id = _hash_of(answer_id, author, text)
        with writing(self._engine) as connection:
            _lock_answer(connection, answer_id)
            statement = self._insert(corrections).values(
                id=correction_id,
                answer_id=answer_id,
                author=author,
                text=text,
                status=PairStatus.PENDING.value,
                reviewer="",
                created_at=datetime.now(UTC),
            )
            connection.execute(statement.on_conflict_do_nothing())
            return _correction(connection, correction_id)

    def review_correction(self, correction_id: str, approve: bool, reviewer: str) -> Correction:
        """Approve or reject a correction; the last review counts.

        Raises:
            FeedbackError: There is none with this id.
            DatabaseError: It can't be stored.
        """
        status = PairStatus.APPROVED if approve else PairStatus.REJECTED
        values = {"status": status.value, "reviewer": _id(reviewer, "reviewer's id")}
        with writing(self._engine) as connection:
            connection.execute(
                corrections.update()
                .where(corrections.c.id == storable(correction_id))
                .values(reviewed_at=datetime.now(UTC), **values)
            )
            return _correction(connection, storable(correction_id))

    def corrections(self, status: PairStatus | None = None) -> list[Correction]:
        """Return the corrections, oldest first; all of them or those of one status."""
        query = corrections.select().order_by(corrections.c.created_at, corrections.c.id)
        if status is not None:
            query = query.where(corrections.c.status == status.value)
        with reading(self._engine) as connection:
            return [correction_from_row(row) for row in connection.execute(query)]

    def opt_out(self, person: str, on: bool) -> None:
        """Leave a person's questions out of all training from now on, or take them in again."""
        person = _id(person, "person's id")
        with writing(self._engine) as connection:
            if on:
                row = self._insert(opt_outs).values(person=person, at=datetime.now(UTC))
                connection.execute(row.on_conflict_do_nothing())
            else:
                connection.execute(opt_outs.delete().where(opt_outs.c.person == person))

    def opted_out(self, person: str) -> bool:
        """Return whether a person has opted out."""
        query = sa.select(opt_outs.c.person).where(opt_outs.c.person == storable(person))
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None


def rated_answers(connection: Connection) -> list[RatedAnswer]:
    """Return every answer that somebody voted on or corrected, oldest first.

    An answer whose votes were all taken back is among them: its pair must go.
    """
    counts = _counts(connection)
    standing = _standing_corrections(connection)
    left_out = set(connection.scalars(sa.select(opt_outs.c.person)))
    voted = sa.exists().where(votes.c.answer_id == answers.c.id)
    corrected = sa.exists().where(corrections.c.answer_id == answers.c.id)
    query = answers.select().where(voted | corrected).order_by(answers.c.asked_at, answers.c.id)
    rated = []
    for row in connection.execute(query):
        up, down = counts.get(row.id, (0, 0))
        correction = standing.get(row.id)
        authors = {row.asker, *row.others_quoted} | ({correction.author} if correction else set())
        opted_out = not authors.isdisjoint(left_out)
        rated.append(RatedAnswer(answer_from_row(row), up, down, correction, opted_out))
    return rated


def _standing_corrections(connection: Connection) -> dict[str, Correction]:
    """Return, by answer, the correction approved last, else the newest one that waits."""
    found = [correction_from_row(row) for row in connection.execute(corrections.select())]
    found = [each for each in found if each.status != PairStatus.REJECTED]
    found.sort(
        key=lambda each: (
            each.status == PairStatus.APPROVED,
            each.reviewed_at or each.created_at,
            each.id,
        )
    )
    return {each.answer_id: each for each in found}  # the last of each answer stays


def _counts(connection: Connection, answer_id: str | None = None) -> dict[str, tuple[int, int]]:
    query = sa.select(
        votes.c.answer_id,
        sa.func.sum(sa.case((votes.c.value == 1, 1), else_=0)),
        sa.func.sum(sa.case((votes.c.value == -1, 1), else_=0)),
    ).group_by(votes.c.answer_id)
    if answer_id is not None:
        query = query.where(votes.c.answer_id == answer_id)
    return {answer: (int(up), int(down)) for answer, up, down in connection.execute(query)}


def _lock_answer(connection: Connection, answer_id: str) -> None:
    """Make those who judge the same answer take turns, and refuse one that isn't there."""
    query = sa.select(answers.c.id).where(answers.c.id == answer_id).with_for_update()
    if connection.execute(query).first() is None:
        raise _unknown_answer()


def _vote_events(connection: Connection, answer_id: str, voter: str) -> list[VoteEvent]:
    query = vote_events.select().where(
        vote_events.c.answer_id == answer_id, vote_events.c.voter == voter
    )
    found = connection.execute(query)
    return [VoteEvent(row.at, row.means, row.value, row.reason) for row in found]


def _after(known: list[VoteEvent]) -> datetime:
    """Return now, but later than all that is known: clocks go back at times."""
    now = datetime.now(UTC)
    return max([now, *(event.at + timedelta(microseconds=1) for event in known)])


def _unknown_answer() -> FeedbackError:
    return FeedbackError(
        "There is no answer with this id.", "Ask again and rate the new answer; this one is gone."
    )


def _correction(connection: Connection, correction_id: str) -> Correction:
    row = connection.execute(corrections.select().where(corrections.c.id == correction_id)).first()
    if row is None:
        raise FeedbackError("There is no correction with this id.", "List them and copy the id.")
    return correction_from_row(row)


def _id(value: str, what: str) -> str:
    value = storable(value)
    if not value.strip() or len(value) > MAX_ID:
        raise FeedbackError(f"The {what} is empty or over {MAX_ID} characters.", "Use a short id.")
    return value


def _text(value: str, what: str, limit: int) -> str:
    value = storable(value).strip()
    if len(value) > limit:
        raise FeedbackError(
            f"The {what} has {len(value)} characters; {limit} are allowed.", "Make it shorter."
        )
    return value


def _hash_of(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
