"""What must hold below each question, whatever happened on the way."""

from __future__ import annotations

import sqlalchemy as sa

from bot.tables import posts, questions
from bot.task import QuestionStatus
from tests.bot.slack.server.model import Message
from tests.bot.slack.server.slack import Slack
from training.database import writing

OPEN = [QuestionStatus.WAITING.value, QuestionStatus.RUNNING.value]


def leases_pass(database: sa.Engine) -> None:
    """Let what dead processes hold become free, as it does by itself after some seconds."""
    held = questions.c.status == QuestionStatus.RUNNING.value
    with writing(database) as connection:
        connection.execute(questions.update().where(held).values(expires_at=0.0))


def assert_one_answer(
    slack: Slack, database: sa.Engine, channel: str, ts: str
) -> tuple[Message, str]:
    """Check that all that stands below a question is one answer or apology, whole and recorded.

    Returns:
        The answer's first message, and its id.
    """
    found = slack.from_bot(channel, ts)
    told = f"\n{_thread(slack.messages(channel, ts))}"
    assert found, f"no answer{told}"
    rows = sa.select(posts.c.ts, posts.c.answer_id, posts.c.part).where(posts.c.channel == channel)
    with database.connect() as connection:
        known = {row.ts: (row.answer_id, row.part) for row in connection.execute(rows)}
    assert {message.ts for message in found} <= known.keys(), f"messages that nobody knows{told}"
    parts = sorted(known[message.ts] for message in found)
    assert len({answer for answer, _ in parts}) == 1, f"several answers{told}"
    assert [part for _, part in parts] == list(range(len(parts))), f"a part is doubled{told}"
    for message in found:
        assert not message.streaming, f"a stream is left open{told}"
        assert "Looking that up" not in message.visible_text, f"a placeholder is left{told}"
    return found[0], parts[0][0]


def _thread(messages: list[Message]) -> str:
    return "\n".join(
        f"{message.ts} {'deleted ' * message.deleted}{message.user}: {message.visible_text[:80]!r}"
        for message in messages
    )
