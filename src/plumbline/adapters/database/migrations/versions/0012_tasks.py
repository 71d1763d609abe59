"""Processing workitems that this system performs, and the scheduled station of each workitem as a column.

It follows 0020, which came before it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from plumbline.adapters.database.forward_only import refuse_the_way_back

revision = "0012"
down_revision = "0020"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_STATION_NAMES = "00404025"
_ROWS_AT_A_TIME = 500


def upgrade() -> None:
    """Apply. Where a workitem names a station the column stays empty: its dataset has to be looked at."""
    op.add_column("workitems", sa.Column("station", sa.Text(), nullable=True))
    op.create_index("ix_workitems_station", "workitems", ["station"])
    _fill_where_there_is_none()
    op.create_table(
        "tasks",
        sa.Column("task_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("workitem_uid", sa.String(64), nullable=False, unique=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
    )
    op.create_index("ix_tasks_study_instance_uid", "tasks", ["study_instance_uid"])


def _fill_where_there_is_none() -> None:
    workitems = sa.table("workitems", sa.column("workitem_uid"), sa.column("dataset", _DOCUMENT), sa.column("station"))
    connection = op.get_bind()
    after = ""
    while True:
        page = sa.select(workitems.c.workitem_uid, workitems.c.dataset).where(workitems.c.workitem_uid > after)
        rows = connection.execute(page.order_by(workitems.c.workitem_uid).limit(_ROWS_AT_A_TIME)).all()
        if not rows:
            return
        without = [uid for uid, dataset in rows if not _names_a_station(dataset)]
        connection.execute(sa.update(workitems).where(workitems.c.workitem_uid.in_(without)).values(station=""))
        after = rows[-1][0]


def _names_a_station(dataset: dict[str, Any]) -> bool:
    return bool((dataset.get(_STATION_NAMES) or {}).get("Value"))


def downgrade() -> None:
    """Refuse: what is under way would be lost."""
    refuse_the_way_back("the tasks that are under way")
