"""What people do on the pages: sessions, claims, opinions, landmarks, deeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reader_sessions",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("workitem_uid", sa.String(64), primary_key=True),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("claimed_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_claims_changed_at", "claims", ["changed_at"])
    _create_marks()
    op.create_index("ix_workitems_updated_at", "workitems", ["updated_at"])


def _create_marks() -> None:
    op.create_table(
        "opinions",
        sa.Column("opinion_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("ix_opinions_study_instance_uid", "opinions", ["study_instance_uid"])
    op.create_table(
        "landmarks",
        sa.Column("landmark_id", _ROW_ID, primary_key=True, autoincrement=True),
        *(sa.Column(f"{level}_instance_uid", sa.String(64), nullable=False) for level in ("study", "series", "sop")),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("column", sa.Float(), nullable=True),
        sa.Column("row", sa.Float(), nullable=True),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("ix_landmarks_study", "landmarks", ["study_instance_uid", "name"])
    op.create_table(
        "deeds",
        sa.Column("deed_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("deed", sa.String(200), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
    )
    for name in ("study_instance_uid", "at"):
        op.create_index(f"ix_deeds_{name}", "deeds", [name])


def downgrade() -> None:
    """Take back; claims, opinions and landmarks are lost."""
    op.drop_index("ix_workitems_updated_at", "workitems")
    for name in ("deeds", "landmarks", "opinions", "claims", "reader_sessions"):
        op.drop_table(name)
