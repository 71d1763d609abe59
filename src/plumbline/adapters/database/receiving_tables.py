"""Tables of what receiving owes and knows beside the ledger: storage commitments, counts of studies, persons' words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from plumbline.adapters.database.tables import Base, Document, Moment, RowId


class CommitmentRow(Base):
    """One transaction of the Storage Commitment Push Model (PS3.4 J), until long after it was reported."""

    __tablename__ = "commitments"
    __table_args__ = (
        UniqueConstraint("requester", "transaction_uid"),
        Index("ix_commitments_due", "state", "not_before"),
    )

    commitment_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    transaction_uid: Mapped[str] = mapped_column(String(64))
    requester: Mapped[str] = mapped_column(String(16))
    """Calling AE Title of the request."""
    requester_address: Mapped[str] = mapped_column(String(64))
    instances: Mapped[list[Any]] = mapped_column(Document)
    """(SOP Class UID, SOP Instance UID) each, as asked for."""
    state: Mapped[str] = mapped_column(String(12))
    """``accepted``, ``judged``, ``reported``, ``given-up``."""
    doubts: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """Why not, by SOP Instance UID; empty where all of them are held. None before it was judged."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Reports that were begun."""
    not_before: Mapped[datetime] = mapped_column(Moment)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    reported_at: Mapped[datetime | None] = mapped_column(Moment)


class StudyCountRow(Base):
    """What the last count of a study against the archive came to."""

    __tablename__ = "study_counts"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    held: Mapped[int] = mapped_column()
    listed: Mapped[int | None] = mapped_column()
    """Instances that the archive lists; None where it does not know the study."""
    missing: Mapped[int] = mapped_column()
    set_aside: Mapped[int] = mapped_column()
    basis: Mapped[str | None] = mapped_column(String(16))
    """What completeness rests on: ``archive``, ``person``, ``not-confirmed``; None while it is waited for."""
    sentence: Mapped[str] = mapped_column(Text)
    waiting_since: Mapped[datetime | None] = mapped_column(Moment)
    counted_at: Mapped[datetime] = mapped_column(Moment, index=True)


class DeclarationRow(Base):
    """A person's word that a study is complete as it is held."""

    __tablename__ = "declarations"

    declaration_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    declared_by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    declared_at: Mapped[datetime] = mapped_column(Moment)
    revision: Mapped[int | None] = mapped_column()
    """The revision that was begun on this word; None until then."""
