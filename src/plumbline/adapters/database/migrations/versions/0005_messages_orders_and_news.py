"""Messages of other systems as received, the orders and merges in them, and news that reaches an exam late."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from plumbline.adapters.database.forward_only import refuse_the_way_back

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply. The table ``orders`` gives way: nothing ever wrote to it."""
    op.drop_table("orders")
    _create_messages()
    _create_order_notices()
    _create_patient_links()
    _create_news()


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("channel", "sender", "control_id", "sha256"),
    )
    op.create_index("ix_messages_subject", "messages", ["subject", "message_id"])
    op.create_index("ix_messages_outcome", "messages", ["outcome"])


def _create_order_notices() -> None:
    op.create_table(
        "order_notices",
        sa.Column("notice_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("message_id", _ROW_ID, nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=True),
        sa.Column("document", _DOCUMENT, nullable=False),
    )
    op.create_index("ix_order_notices_key", "order_notices", ["order_key"])
    op.create_index(
        "ix_order_notices_current",
        "order_notices",
        ["order_key"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )
    for column in ("message_id", "accession_number", "study_instance_uid"):
        op.create_index(f"ix_order_notices_{column}", "order_notices", [column])
    _create_identifiers("order_patients", sa.Column("notice_id", _ROW_ID, primary_key=True, autoincrement=False))


def _create_identifiers(table: str, owner: sa.Column[object]) -> None:
    """Create a table of (patient ID, issuer) pairs."""
    op.create_table(
        table,
        owner,
        sa.Column("identifier", sa.Text(), primary_key=True),
        sa.Column("issuer", sa.Text(), primary_key=True),
    )
    op.create_index(f"ix_{table}_identifier", table, ["identifier", "issuer"])


def _create_patient_links() -> None:
    sides = ("surviving", "retired")
    op.create_table(
        "patient_links",
        sa.Column("link_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("message_id", _ROW_ID, nullable=False),
        *(sa.Column(f"{side}_{part}", sa.Text(), nullable=False) for side in sides for part in ("id", "issuer")),
    )
    for side in sides:
        op.create_index(f"ix_patient_links_{side}", "patient_links", [f"{side}_id", f"{side}_issuer"])


def _create_news() -> None:
    op.create_table(
        "expecting_exams",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("accession_number", sa.Text(), nullable=True),
        sa.Column("performed_on", sa.String(10), nullable=True),
    )
    op.create_index("ix_expecting_exams_accession_number", "expecting_exams", ["accession_number"])
    _create_identifiers("expecting_patients", sa.Column("study_instance_uid", sa.String(64), primary_key=True))
    op.create_table(
        "news",
        sa.Column("news_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("arrived_at", _MOMENT, nullable=False),
        sa.Column("settled_at", _MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
    )
    op.create_index("ix_news_unsettled", "news", ["settled_at", "study_instance_uid"])


def downgrade() -> None:
    """Refuse: the messages that were received would be lost."""
    refuse_the_way_back("the messages that were received")
