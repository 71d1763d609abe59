"""Tables of what other systems tell: messages as received, orders, merged records, and news that came late.

Nothing in them is ever rewritten in place but the marks of what is current and what was settled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from plumbline.adapters.database.tables import Base, Document, Moment, RowId


class MessageRow(Base):
    """One message as it came in, with what became of it."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("channel", "sender", "control_id", "sha256"),
        Index("ix_messages_subject", "subject", "message_id"),
    )

    message_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    channel: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(40))
    sender: Mapped[str] = mapped_column(Text)
    control_id: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(12), index=True)
    sentence: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    received_at: Mapped[datetime] = mapped_column(Moment)


class OrderNoticeRow(Base):
    """What one message said of one order; the current row of an order is what counts."""

    __tablename__ = "order_notices"
    __table_args__ = (
        Index("ix_order_notices_key", "order_key"),
        Index(
            "ix_order_notices_current",
            "order_key",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
    )

    notice_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    message_id: Mapped[int] = mapped_column(RowId, index=True)
    order_key: Mapped[str] = mapped_column(Text)
    is_current: Mapped[bool] = mapped_column()
    accession_number: Mapped[str | None] = mapped_column(Text, index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    document: Mapped[dict[str, Any]] = mapped_column(Document)


class OrderPatientRow(Base):
    """One identifier of the patient of one order notice."""

    __tablename__ = "order_patients"
    __table_args__ = (Index("ix_order_patients_identifier", "identifier", "issuer"),)

    notice_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    identifier: Mapped[str] = mapped_column(Text, primary_key=True)
    issuer: Mapped[str] = mapped_column(Text, primary_key=True)


class PatientLinkRow(Base):
    """Two identifiers that a merge says are of one patient. ``issuer`` is empty where none is known."""

    __tablename__ = "patient_links"
    __table_args__ = (
        Index("ix_patient_links_surviving", "surviving_id", "surviving_issuer"),
        Index("ix_patient_links_retired", "retired_id", "retired_issuer"),
    )

    link_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    message_id: Mapped[int] = mapped_column(RowId)
    surviving_id: Mapped[str] = mapped_column(Text)
    surviving_issuer: Mapped[str] = mapped_column(Text)
    retired_id: Mapped[str] = mapped_column(Text)
    retired_issuer: Mapped[str] = mapped_column(Text)


class ExpectingExamRow(Base):
    """What ties news to an exam: its accession number and its day."""

    __tablename__ = "expecting_exams"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    accession_number: Mapped[str | None] = mapped_column(Text, index=True)
    performed_on: Mapped[str | None] = mapped_column(String(10))
    """ISO 8601 date."""


class ExpectingPatientRow(Base):
    """One identifier of the patient of one exam that expects news."""

    __tablename__ = "expecting_patients"
    __table_args__ = (Index("ix_expecting_patients_identifier", "identifier", "issuer"),)

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    identifier: Mapped[str] = mapped_column(Text, primary_key=True)
    issuer: Mapped[str] = mapped_column(Text, primary_key=True)


class NewsRow(Base):
    """One piece of news for one exam, and what came of it once judged."""

    __tablename__ = "news"
    __table_args__ = (Index("ix_news_unsettled", "settled_at", "study_instance_uid"),)

    news_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    arrived_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
