"""The curated pairs as they are stored: list, show, review, export, bring up to date."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection, Engine

from training.database import reading, writing
from training.durable import write_text
from training.errors import FeedbackError
from training.feedback import rated_answers
from training.pairs import Curation, TrainingPairs, curate, training_pairs
from training.records import Pair, PairStatus, Split
from training.rows import messages_to_json, pair_from_row, pair_to_row
from training.rules import CountTokens
from training.settings import PairSettings
from training.tables import pairs, storable

MAX_ANSWER = 8_000


class PairStore:
    """The pairs in the database. Safe in several processes.

    Args:
        engine: From `training.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def update(self, settings: PairSettings, count_tokens: CountTokens) -> Curation:
        """Curate all rated answers and store what that changes; twice is once.

        Raises:
            DatabaseError: The database can't be used.
        """
        counted = functools.cache(count_tokens)
        with reading(self._engine) as connection:
            curation = _curated(connection, settings, counted)
        if not curation.new and not curation.changed:
            return curation
        # One curation at a time: two would found two clusters for one question. The tokens are
        # counted by now, so that votes wait less for the lock.
        with writing(self._engine, lock="pairs") as connection:
            curation = _curated(connection, settings, counted)
            if curation.new:
                connection.execute(pairs.insert(), [pair_to_row(pair) for pair in curation.new])
            for pair in curation.changed:
                row = pair_to_row(pair)
                connection.execute(pairs.update().where(pairs.c.id == pair.id).values(row))
        return curation

    def list(self, status: PairStatus | None = None, split: Split | None = None) -> list[Pair]:
        """Return pairs, oldest first; all of them or those of one status or side."""
        query = pairs.select().order_by(pairs.c.created_at, pairs.c.id)
        if status is not None:
            query = query.where(pairs.c.status == status.value)
        if split is not None:
            query = query.where(pairs.c.split == split.value)
        with reading(self._engine) as connection:
            return [pair_from_row(row) for row in connection.execute(query)]

    def show(self, pair_id: str) -> Pair:
        """Return the pair whose id begins so.

        Raises:
            FeedbackError: None does, or several do.
        """
        wanted = storable(pair_id.strip().lower())
        query = pairs.select().where(pairs.c.id.startswith(wanted, autoescape=True)).limit(2)
        with reading(self._engine) as connection:
            found = connection.execute(query).all()
        if not wanted or len(found) != 1:
            problem = "Several pairs have ids that begin so." if found else "There is no such pair."
            raise FeedbackError(problem, "See the ids with: nightshift pairs list.")
        return pair_from_row(found[0])

    def review(
        self, pair_id: str, approve: bool, reviewer: str, answer: str = "", reason: str = ""
    ) -> Pair:
        """Approve or reject a pair, with another answer if one is given; no rule overrules it.

        Args:
            pair_id: Its id, or how it begins.
            approve: Whether it may be used.
            reviewer: Who says so.
            answer: The answer to teach instead, at most `MAX_ANSWER` characters.
            reason: Why, for others.

        Raises:
            FeedbackError: No such pair, no reviewer, or an answer that is too long.
        """
        answer, reviewer = storable(answer).strip(), storable(reviewer).strip()
        if not reviewer:
            raise FeedbackError("A review needs a reviewer.", "Say who reviews.")
        if len(answer) > MAX_ANSWER:
            raise FeedbackError(f"The answer is over {MAX_ANSWER} characters.", "Make it shorter.")
        pair = self.show(pair_id)
        edited = bool(answer) and answer != pair.answer
        word = ("Edited" if edited else "Approved") if approve else "Rejected"
        pair = replace(
            pair,
            answer=answer or pair.answer,
            status=PairStatus.APPROVED if approve else PairStatus.REJECTED,
            reason=storable(reason).strip() or f"{word} by {reviewer}.",
            reviewed_by=reviewer,
            reviewed_at=datetime.now(UTC),
        )
        with writing(self._engine, lock="pairs") as connection:
            row = pair_to_row(pair)
            names = ("answer", "status", "reason", "reviewed_by", "reviewed_at")
            changes = {name: row[name] for name in names}
            connection.execute(pairs.update().where(pairs.c.id == pair.id).values(changes))
        return pair

    def selection(self, settings: PairSettings) -> TrainingPairs:
        """Return what may be trained on and judged by now; see `training.pairs.training_pairs`.

        Whoever opted out since the last curation is left out too, also of what a person approved.
        """
        with reading(self._engine) as connection:
            left_out = {each.record.id for each in rated_answers(connection) if each.opted_out}
            rows = connection.execute(pairs.select()).all()
        found = [pair_from_row(row) for row in rows if row.answer_id not in left_out]
        return training_pairs(found, settings.include_private, settings.near_duplicate)


def json_lines(chosen: TrainingPairs) -> str:
    """Return what may be used as JSON lines."""
    return "".join(_json_line(pair) for pair in chosen.train + chosen.held_out)


def export(file: Path, chosen: TrainingPairs) -> int:
    """Write what may be used as JSON lines; return how many. The file is whole or old.

    Raises:
        FeedbackError: The file can't be written.
    """
    lines = json_lines(chosen)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, lines)
    except OSError as error:
        raise FeedbackError(
            f"{file} can't be written: {error.strerror}.", "Choose another file."
        ) from error
    return lines.count("\n")


def _curated(connection: Connection, settings: PairSettings, count_tokens: CountTokens) -> Curation:
    existing = [pair_from_row(row) for row in connection.execute(pairs.select())]
    return curate(rated_answers(connection), existing, settings, count_tokens)


def _json_line(pair: Pair) -> str:
    reply = {"role": "assistant", "content": pair.answer}
    line: dict[str, Any] = {
        "id": pair.id,
        "split": pair.split.value,
        "cluster": pair.cluster,
        "messages": [*messages_to_json(pair.messages), reply],
        "quoted": pair.quoted,
        "sources": [asdict(source) for source in pair.sources],
        "votes_up": pair.votes_up,
        "votes_down": pair.votes_down,
        "reason": pair.reason,
    }
    return json.dumps(line, ensure_ascii=False) + "\n"
