"""Whose turn it is to tell an application its events, so that several listeners on one store do not tell each twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "event_turns",
        sa.Column("receiving_ae", sa.String(16), primary_key=True),
        sa.Column("holder", sa.String(40), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take back; the turns are taken anew."""
    op.drop_table("event_turns")
