"""Subscriptions to workitems, and the events that wait for subscribers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import plumbline.adapters.database.tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "subscriptions",
        sa.Column("receiving_ae", sa.String(length=16), nullable=False),
        sa.Column("workitem_uid", sa.String(length=64), nullable=False),
        sa.Column("deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("keys", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("receiving_ae", "workitem_uid"),
    )
    op.create_index("ix_subscriptions_workitem", "subscriptions", ["workitem_uid"])
    op.create_table(
        "workitem_events",
        sa.Column(
            "event_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("receiving_ae", sa.String(length=16), nullable=False),
        sa.Column("workitem_uid", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.Integer(), nullable=False),
        sa.Column("information", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_workitem_events_receiver", "workitem_events", ["receiving_ae", "event_id"])
    op.create_index("ix_workitem_events_created_at", "workitem_events", ["created_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("workitem_events")
    op.drop_table("subscriptions")
