"""What a search returns of a workitem beside it, its usual matching keys as columns, a number that counts changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEXED = ("patient_id", "accession_number")


def upgrade() -> None:
    """Apply. In rows that are there the columns stay empty, which means that the dataset has to be looked at."""
    for name in (*_INDEXED, "worklist_label", "workitem_code"):
        op.add_column("workitems", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("workitems", sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workitems", sa.Column("rendered", sa.LargeBinary(), nullable=True))
    for name in (*_INDEXED, "starts_at"):
        op.create_index(f"ix_workitems_{name}", "workitems", [name])
    changes = op.create_table(
        "worklist_changes",
        sa.Column("row_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(changes, [{"row_id": 1, "number": 1}])


def downgrade() -> None:
    """Take back; everything here can be told from the datasets."""
    op.drop_table("worklist_changes")
    for name in (*_INDEXED, "starts_at"):
        op.drop_index(f"ix_workitems_{name}", "workitems")
    for name in ("rendered", "starts_at", "workitem_code", "worklist_label", *reversed(_INDEXED)):
        op.drop_column("workitems", name)
