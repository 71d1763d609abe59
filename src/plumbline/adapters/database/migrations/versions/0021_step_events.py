"""The log of an exam: failed attempts, lost workers and waits, step by step."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from plumbline.adapters.database.forward_only import refuse_the_way_back

revision = "0021"
down_revision = "0012"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "step_events",
        sa.Column("event_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("holder", sa.String(120), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_step_events_study_instance_uid", "step_events", ["study_instance_uid"])


def downgrade() -> None:
    """Refuse: nothing else keeps what went wrong before."""
    refuse_the_way_back("the log of what went wrong with exams")
