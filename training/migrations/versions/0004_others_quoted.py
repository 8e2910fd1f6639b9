"""A question may quote a message too, not only earlier questions: the column gets a wider name."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename the column."""
    op.execute("ALTER TABLE answers RENAME COLUMN earlier_askers TO others_quoted")
