"""Storage commitments, counts of studies against the archive, and persons' words that a study is complete."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from plumbline.adapters.database.tables import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, Moment(timezone=True), nullable=nullable)


def _row_id(name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=True, primary_key=True, nullable=False)


def upgrade() -> None:
    """Apply."""
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "commitments",
        _row_id("commitment_id"),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("requester", sa.String(length=16), nullable=False),
        sa.Column("requester_address", sa.String(length=64), nullable=False),
        sa.Column("instances", document, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("doubts", document, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("not_before"),
        sa.Column("error", sa.Text(), nullable=True),
        _moment("created_at"),
        _moment("reported_at", nullable=True),
        sa.UniqueConstraint("requester", "transaction_uid"),
    )
    op.create_index("ix_commitments_due", "commitments", ["state", "not_before"])
    op.create_table(
        "study_counts",
        sa.Column("study_instance_uid", sa.String(length=64), primary_key=True, nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False),
        _moment("waiting_since", nullable=True),
        _moment("counted_at"),
    )
    op.create_index("ix_study_counts_counted_at", "study_counts", ["counted_at"])
    op.create_table(
        "declarations",
        _row_id("declaration_id"),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("declared_by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment("declared_at"),
        sa.Column("revision", sa.Integer(), nullable=True),
    )
    op.create_index("ix_declarations_study_instance_uid", "declarations", ["study_instance_uid"])


def downgrade() -> None:
    """Take back; what was promised to requesters and said by persons is lost."""
    for table in ("declarations", "study_counts", "commitments"):
        op.drop_table(table)
