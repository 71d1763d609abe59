"""Canaries of the queues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0011"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "canaries",
        sa.Column("queue", sa.String(20), primary_key=True),
        sa.Column("sent_at", _MOMENT, nullable=False),
        sa.Column("returned_at", _MOMENT, nullable=True),
        sa.Column("round_trip_s", sa.Float(), nullable=True),
    )


def downgrade() -> None:
    """Take back; the next beat sends new ones."""
    op.drop_table("canaries")
