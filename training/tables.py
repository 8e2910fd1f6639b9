"""The tables of the state. Migrations make them; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

metadata = sa.MetaData()

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC, aware on both databases (SQLite itself knows no time zones)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: sa.engine.Dialect
    ) -> datetime | None:
        """Refuse a time without a zone: nobody could say later what it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: datetime | None, dialect: sa.engine.Dialect
    ) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def storable(text: str) -> str:
    """Return the text as both databases can keep it.

    PostgreSQL refuses NUL and neither takes half a surrogate pair; both become U+FFFD.
    """
    if text.isascii() and "\x00" not in text:
        return text
    return "".join(
        _REPLACEMENT if char == "\x00" or "\ud800" <= char <= "\udfff" else char for char in text
    )


answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("asked_at", UtcTime, nullable=False),
    sa.Column("asker", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("conversation", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("standalone", sa.Text, nullable=False),
    sa.Column("messages", sa.JSON, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("style", sa.Text, nullable=False),
    sa.Column("refused", sa.Boolean, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("index_generation", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("adapter", sa.Text, nullable=False),
    sa.Column("timings", sa.JSON, nullable=False),
    sa.Column("others_quoted", sa.JSON, nullable=False, server_default="[]"),
    sa.Index("answers_by_asker", "asker", "asked_at"),
    sa.Index("answers_by_conversation", "conversation", "asked_at"),
)

# The vote that counts; what came before is in vote_events.
votes = sa.Table(
    "votes",
    metadata,
    sa.Column("answer_id", sa.Text, sa.ForeignKey("answers.id"), primary_key=True),
    sa.Column("voter", sa.Text, primary_key=True),
    sa.Column("value", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.CheckConstraint("value IN (-1, 0, 1)", name="votes_value"),
)

# All that people did, by whatever means; training.votes says what of it counts.
vote_events = sa.Table(
    "vote_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("answer_id", sa.Text, sa.ForeignKey("answers.id"), nullable=False),
    sa.Column("voter", sa.Text, nullable=False),
    sa.Column("value", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("means", sa.Text, nullable=False, server_default=""),
    sa.Index("vote_events_by_answer", "answer_id"),
)

corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("answer_id", sa.Text, sa.ForeignKey("answers.id"), nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("reviewed_at", UtcTime),
    sa.Index("corrections_by_answer", "answer_id"),
)

pairs = sa.Table(
    "pairs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("answer_id", sa.Text, sa.ForeignKey("answers.id"), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("messages", sa.JSON, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("quoted", sa.Text, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("cluster", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("votes_up", sa.Integer, nullable=False),
    sa.Column("votes_down", sa.Integer, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("reviewed_by", sa.Text, nullable=False),
    sa.Column("reviewed_at", UtcTime),
    sa.Index("pairs_by_answer", "answer_id"),
)

# slot: the moment of the schedule that the night stands for; unique, so that it runs once.
nights = sa.Table(
    "nights",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("slot", UtcTime, unique=True),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("exit_code", sa.Integer),
    sa.Column("report", sa.JSON, nullable=False),
)

opt_outs = sa.Table(
    "opt_outs",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)

# expires_at: seconds since 1970 by the database's own clock.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Float(53), nullable=False),
)

# APScheduler's own; made here because its "create if not there" fails when two start together.
scheduler_jobs = sa.Table(
    "apscheduler_jobs",
    metadata,
    sa.Column("id", sa.Unicode(191), primary_key=True),
    sa.Column("next_run_time", sa.Float(25), index=True),
    sa.Column("job_state", sa.LargeBinary, nullable=False),
)
