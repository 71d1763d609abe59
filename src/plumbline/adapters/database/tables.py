"""Tables of the store. The same on PostgreSQL and SQLite; migrations are in ``migrations/``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Document = JSON().with_variant(JSONB(), "postgresql")
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Moment(TypeDecorator[datetime]):
    """A point in time, UTC on both stores (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return UTC, without a zone where the store keeps none."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a timezone-aware UTC moment."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Registry of all tables."""


class ExamRow(Base):
    """One study under care."""

    __tablename__ = "exams"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(20), index=True)
    has_grown: Mapped[bool] = mapped_column(default=False)
    """Instances arrived after the current revision was completed."""
    patient: Mapped[dict[str, Any]] = mapped_column(Document)
    sender: Mapped[str] = mapped_column(String(64))
    first_instance_at: Mapped[datetime] = mapped_column(Moment)
    last_instance_at: Mapped[datetime] = mapped_column(Moment, index=True)
    completed_at: Mapped[datetime | None] = mapped_column(Moment)
    revision_digest: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(Text)


class InstanceRow(Base):
    """One held instance, and where its bytes lie."""

    __tablename__ = "instances"

    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    segment: Mapped[str] = mapped_column(String(64))
    offset: Mapped[int] = mapped_column(BigInteger)
    length: Mapped[int] = mapped_column(BigInteger)
    sender: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(Moment)
    order: Mapped[int] = mapped_column(BigInteger)
    """Order of recording within the study."""


class QuarantineRow(Base):
    """Received, not usable, kept for a person to look at."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("segment", "offset"),)

    entry_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    reason: Mapped[str] = mapped_column(String(40), index=True)
    sentence: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(Moment)
    segment: Mapped[str | None] = mapped_column(String(64))
    offset: Mapped[int | None] = mapped_column(BigInteger)
    length: Mapped[int | None] = mapped_column(BigInteger)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    sop_instance_uid: Mapped[str | None] = mapped_column(String(64))


class CursorRow(Base):
    """How far something was read: the journal, the archive's changes."""

    __tablename__ = "cursors"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


OPEN_STATES = ("ready", "held")
"""States of steps that are still to be carried out."""


class StepRow(Base):
    """One step of one revision of one exam; claimed by a lease."""

    __tablename__ = "steps"
    __table_args__ = (
        UniqueConstraint("study_instance_uid", "revision", "name"),
        Index("ix_steps_waiting", "state", "not_before"),
    )

    step_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12))
    """``ready``, ``held``, ``done``, ``ended``, ``failed``."""
    attempts: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    """Of a held step; and of a failed one, as long as the reader has not been told."""
    not_before: Mapped[datetime] = mapped_column(Moment)
    rung_at: Mapped[datetime | None] = mapped_column(Moment)
    """When the doorbell was last rung for it; a ready step that was never rung is the outbox."""
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict[str, Any] | None] = mapped_column(Document)
    hardware_seen: Mapped[bool | None] = mapped_column()
    """What its result says under that name: matching asks it of hundreds of exams, and results are long."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class StepEventRow(Base):
    """What went wrong with a step, or made it wait: the log of an exam, which a later attempt does not overwrite."""

    __tablename__ = "step_events"

    event_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int] = mapped_column()
    kind: Mapped[str] = mapped_column(String(12))
    """``waited``, ``retried``, ``lost``, ``failed``."""
    holder: Mapped[str | None] = mapped_column(String(120))
    sentence: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)


class WorkitemRow(Base):
    """One UPS workitem: its DICOM JSON, and apart from it the Transaction UID, which is the lock."""

    __tablename__ = "workitems"
    __table_args__ = (
        Index("ix_workitems_reading_order", "state", "priority_rank", "created_at"),
        Index("ix_workitems_order", "priority_rank", "created_at", "workitem_uid"),
        Index("ix_workitems_updated_at", "updated_at"),
    )

    workitem_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    priority_rank: Mapped[int] = mapped_column()
    """0 HIGH, 1 MEDIUM, 2 LOW."""
    transaction_uid: Mapped[str | None] = mapped_column(String(64))
    dataset: Mapped[dict[str, Any]] = mapped_column(Document)
    """The attributes but those of ``references``."""
    references: Mapped[dict[str, Any] | None] = mapped_column(Document, deferred=True)
    """Input Information and Performed Procedure Sequence: they list every instance, most searches need neither."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    patient_id: Mapped[str | None] = mapped_column(Text, index=True)
    accession_number: Mapped[str | None] = mapped_column(Text, index=True)
    """Of the one item of Referenced Request Sequence. In this and the other columns of matching keys None means that
    the dataset has to be looked at: it has several, or was stored before the column was."""
    worklist_label: Mapped[str | None] = mapped_column(Text)
    workitem_code: Mapped[str | None] = mapped_column(Text)
    """Code Value of the one item of Scheduled Workitem Code Sequence."""
    station: Mapped[str | None] = mapped_column(Text, index=True)
    """Code Value of the one item of Scheduled Station Name Code Sequence."""
    starts_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
    rendered: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """What a search returns, as it goes to the reader; None where nothing changed since before this column was."""


class WorklistChangeRow(Base):
    """One row with a number that grows with every change of the worklist, in the same transaction and its last act."""

    __tablename__ = "worklist_changes"

    row_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)


class TaskRow(Base):
    """One processing workitem that this system performs, with the Transaction UID, which never leaves the server."""

    __tablename__ = "tasks"

    task_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    workitem_uid: Mapped[str] = mapped_column(String(64), unique=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    transaction_uid: Mapped[str] = mapped_column(String(64))


class SubscriptionRow(Base):
    """One application that is told the events of one workitem, or of every new one (the well-known UIDs)."""

    __tablename__ = "subscriptions"
    __table_args__ = (Index("ix_subscriptions_workitem", "workitem_uid"),)

    receiving_ae: Mapped[str] = mapped_column(String(16), primary_key=True)
    workitem_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    deletion_lock: Mapped[bool] = mapped_column()
    keys: Mapped[list[Any] | None] = mapped_column(Document)
    """Matching keys of a filtered global subscription: (path of tags, value) each."""
    created_at: Mapped[datetime] = mapped_column(Moment)


class WorkitemEventRow(Base):
    """One event that one application is to be told; kept while it is away."""

    __tablename__ = "workitem_events"
    __table_args__ = (Index("ix_workitem_events_receiver", "receiving_ae", "event_id"),)

    event_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    receiving_ae: Mapped[str] = mapped_column(String(16))
    workitem_uid: Mapped[str] = mapped_column(String(64))
    event_type: Mapped[int] = mapped_column()
    information: Mapped[dict[str, Any]] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)


class PublicationRow(Base):
    """One object owed to one destination, and whether it arrived."""

    __tablename__ = "publications"
    __table_args__ = (UniqueConstraint("study_instance_uid", "revision", "destination", "object_uid"),)

    publication_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int] = mapped_column()
    destination: Mapped[str] = mapped_column(String(64))
    object_uid: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12))
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    published_at: Mapped[datetime | None] = mapped_column(Moment)


class ResultRow(Base):
    """What the comparison of one revision came to: the JSON contract's document."""

    __tablename__ = "results"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Moment)


class PictureRow(Base):
    """One evidence picture of one revision, as PNG."""

    __tablename__ = "pictures"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    caption: Mapped[str] = mapped_column(Text)
    view: Mapped[str] = mapped_column(Text)
    checks: Mapped[list[str]] = mapped_column(Document)
    png: Mapped[bytes] = mapped_column(LargeBinary)


class ReportObjectRow(Base):
    """One DICOM object of a report, as a file."""

    __tablename__ = "report_objects"

    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int] = mapped_column()
    ordinal: Mapped[int] = mapped_column()
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    part10: Mapped[bytes] = mapped_column(LargeBinary)
