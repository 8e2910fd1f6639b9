"""The tables of the day: questions that wait, what was posted, channels, escalations.

They stand beside those of `training.tables` in one database, under one chain of migrations.
"""

from __future__ import annotations

import sqlalchemy as sa

from training.tables import UtcTime, metadata

# What was taken from Slack, so that nothing is taken twice.
claims = sa.Table(
    "claims",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("claims_by_time", "at"),
)

# id: also the id of the answer. turn: the round in which it is answered, fair among people.
# expires_at, not_before: seconds since 1970 by the database's own clock.
questions = sa.Table(
    "questions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("message_ts", sa.Text, nullable=False),
    sa.Column("thread_ts", sa.Text, nullable=False),
    sa.Column("asker", sa.Text, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("reply", sa.JSON, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("stop", sa.Text, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Float(53), nullable=False),
    sa.Column("not_before", sa.Float(53), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Index("questions_by_status", "status", "turn"),
    sa.Index("questions_by_asker", "asker", "created_at"),
    sa.Index("questions_by_message", "team", "channel", "message_ts"),
    sa.Index("questions_by_thread", "team", "channel", "thread_ts"),
)

# The messages that make up an answer: a reaction to any of them is a vote on it.
posts = sa.Table(
    "posts",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("ts", sa.Text, primary_key=True),
    sa.Column("answer_id", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("blocks", sa.JSON, nullable=False),
    sa.Column("posted_at", UtcTime, nullable=False),
    sa.Index("posts_by_answer", "answer_id", "part"),
)

# Votes that wait to be counted: until it is known who cast them, and their answer is recorded.
# answer_id: "" where it is found by the message (channel, ts) that was reacted to.
ballots = sa.Table(
    "ballots",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("ts", sa.Text, nullable=False),
    sa.Column("answer_id", sa.Text, nullable=False),
    sa.Column("voter", sa.Text, nullable=False),
    sa.Column("value", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("means", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
)

# What admins chose in Slack for a channel; it wins over nightshift.toml.
channels = sa.Table(
    "channels",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
)

# Questions that were handed to a human. channel, thread_ts: where the experts see it; ts: of the
# message that asks them. private: asked where only the asker sees the answer.
escalations = sa.Table(
    "escalations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("answer_id", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("thread_ts", sa.Text, nullable=False),
    sa.Column("ts", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("proposal", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposal_ts", sa.Text, nullable=False),
    sa.Column("resolved_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("resolved_at", UtcTime),
    sa.Index("escalations_by_answer", "answer_id", unique=True),
    sa.Index("escalations_by_thread", "team", "channel", "thread_ts"),
)

# Pictures in Slack, which are uploaded anew only when what they show has changed.
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
)

# Reports to be posted, until Slack has taken them. ts: the message that the first part replaces, or
# "". posted: timestamps of the parts that Slack took. not_before: seconds since 1970 by the
# database's own clock; a report that somebody works on, or promised, isn't due before that.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("ts", sa.Text, nullable=False),
    sa.Column("reply", sa.JSON, nullable=False),
    sa.Column("posted", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.Float(53), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("done_at", UtcTime),
)

# The last run over each source, for freshness.
syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("finished_at", UtcTime, nullable=False),
    sa.Column("documents", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
)
