"""Which of the bot's messages belong to which answer: a reaction to any of them is a vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from bot.tables import posts
from training.database import reading, writing
from training.tables import storable

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Post:
    """One message of the bot.

    Attributes:
        part: Place among the messages of one answer, from 0.
        blocks: As posted, to be changed when a vote is counted.
    """

    team: str
    channel: str
    ts: str
    answer_id: str
    part: int
    text: str = ""
    blocks: Sequence[Block] = ()


class Posts:
    """The posts in the database. Safe in several processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def record(self, post: Post) -> None:
        """Store a post, or what it shows now."""
        row = {
            "answer_id": post.answer_id,
            "part": post.part,
            "text": storable(post.text),
            "blocks": list(post.blocks),
            "posted_at": datetime.now(UTC),
        }
        key = {"team": post.team, "channel": post.channel, "ts": post.ts}
        with writing(self._engine) as connection:
            connection.execute(
                self._insert(posts)
                .values(**key, **row)
                .on_conflict_do_update(index_elements=list(key), set_=row)
            )

    def at(self, team: str, channel: str, ts: str) -> Post | None:
        """Return the post with this timestamp, if it is one of an answer."""
        query = posts.select().where(
            posts.c.team == team, posts.c.channel == channel, posts.c.ts == ts
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _post(dict(row._mapping))

    def of_answer(self, answer_id: str) -> list[Post]:
        """Return an answer's posts in order."""
        query = posts.select().where(posts.c.answer_id == answer_id).order_by(posts.c.part)
        with reading(self._engine) as connection:
            return [_post(dict(row._mapping)) for row in connection.execute(query)]


def _post(row: Mapping[str, Any]) -> Post:
    names = ("team", "channel", "ts", "answer_id", "part", "text")
    return Post(**{name: row[name] for name in names}, blocks=tuple(row["blocks"]))
