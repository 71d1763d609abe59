"""The long sequences of a workitem in a column of their own, and an index for the whole reading order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Rows that are there keep their sequences in ``dataset`` until they change."""
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("workitems", sa.Column("references", document, nullable=True))
    op.create_index("ix_workitems_order", "workitems", ["priority_rank", "created_at", "workitem_uid"])


def downgrade() -> None:
    """Take back; only for an empty worklist, the sequences are lost."""
    op.drop_index("ix_workitems_order", "workitems")
    op.drop_column("workitems", "references")
