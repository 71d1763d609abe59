"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import plumbline.adapters.database.tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "exams",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("has_grown", sa.Boolean(), nullable=False),
        sa.Column("patient", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("first_instance_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("last_instance_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("completed_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.Column("revision_digest", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    with op.batch_alter_table("exams", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exams_last_instance_at"), ["last_instance_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_exams_state"), ["state"], unique=False)

    op.create_table(
        "instances",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("received_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("order", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
    )
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_instances_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("accession_number", sa.String(length=64), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("document", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("received_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_orders_accession_number"), ["accession_number"], unique=False)
        batch_op.create_index(batch_op.f("ix_orders_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "pictures",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("caption", sa.Text(), nullable=False),
        sa.Column("view", sa.String(length=20), nullable=False),
        sa.Column("checks", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "revision", "ordinal"),
    )
    op.create_table(
        "publications",
        sa.Column(
            "publication_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("object_uid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("published_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("publication_id"),
        sa.UniqueConstraint("study_instance_uid", "revision", "destination", "object_uid"),
    )
    with op.batch_alter_table("publications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_publications_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "quarantine",
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("received_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("entry_id"),
        sa.UniqueConstraint("segment", "offset"),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantine_reason"), ["reason"], unique=False)
        batch_op.create_index(batch_op.f("ix_quarantine_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "report_objects",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("part10", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
    )
    with op.batch_alter_table("report_objects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_report_objects_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "results",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "revision"),
    )
    op.create_table(
        "steps",
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=True),
        sa.Column("lease_until", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.Column("not_before", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("rung_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("started_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.Column("finished_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("step_id"),
        sa.UniqueConstraint("study_instance_uid", "revision", "name"),
    )
    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_steps_study_instance_uid"), ["study_instance_uid"], unique=False)
        batch_op.create_index("ix_steps_waiting", ["state", "not_before"], unique=False)

    op.create_table(
        "workitems",
        sa.Column("workitem_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority_rank", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("dataset", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", plumbline.adapters.database.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workitem_uid"),
    )
    with op.batch_alter_table("workitems", schema=None) as batch_op:
        batch_op.create_index("ix_workitems_reading_order", ["state", "priority_rank", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_workitems_study_instance_uid"), ["study_instance_uid"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("workitems", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_workitems_study_instance_uid"))
        batch_op.drop_index("ix_workitems_reading_order")

    op.drop_table("workitems")
    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.drop_index("ix_steps_waiting")
        batch_op.drop_index(batch_op.f("ix_steps_study_instance_uid"))

    op.drop_table("steps")
    op.drop_table("results")
    with op.batch_alter_table("report_objects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_report_objects_study_instance_uid"))

    op.drop_table("report_objects")
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quarantine_study_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_quarantine_reason"))

    op.drop_table("quarantine")
    with op.batch_alter_table("publications", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_publications_study_instance_uid"))

    op.drop_table("publications")
    op.drop_table("pictures")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_orders_study_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_orders_accession_number"))

    op.drop_table("orders")
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_instances_study_instance_uid"))

    op.drop_table("instances")
    with op.batch_alter_table("exams", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_exams_state"))
        batch_op.drop_index(batch_op.f("ix_exams_last_instance_at"))

    op.drop_table("exams")
    op.drop_table("cursors")
