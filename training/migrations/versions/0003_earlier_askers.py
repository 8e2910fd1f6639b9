"""Whose earlier questions stand in a follow-up, so that their wish not to be learnt from counts."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column. What a stored follow-up leans on isn't known: all of its thread count."""
    column = sa.Column("earlier_askers", sa.JSON, nullable=False, server_default="[]")
    op.add_column("answers", column)
    names = ("id", "asker", "conversation", "question", "standalone")
    answers = sa.table("answers", *map(sa.column, names), sa.column("earlier_askers", sa.JSON))
    others = answers.alias()
    in_thread = (answers.c.conversation == others.c.conversation) & (answers.c.conversation != "")
    query = sa.select(answers.c.id, others.c.asker).distinct()
    query = query.where(in_thread, answers.c.standalone != answers.c.question)
    query = query.where(~answers.c.conversation.like("%:"))  # questions by /ask have no thread
    askers = defaultdict(list)
    for answer_id, asker in op.get_bind().execute(query):
        askers[answer_id].append(asker)
    for answer_id, found in askers.items():
        filled = answers.update().where(answers.c.id == answer_id)
        op.execute(filled.values(earlier_askers=found))
