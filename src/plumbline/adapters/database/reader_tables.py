"""Tables of what people do on the pages: who reads, what they claimed, said, marked and had done again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from plumbline.adapters.database.tables import Base, Moment, RowId


class ReaderSessionRow(Base):
    """One browser in which somebody said who they are; only a digest of its secret is kept."""

    __tablename__ = "reader_sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    reader: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)


class ClaimRow(Base):
    """Who claimed a reading here, with the Transaction UID, which never leaves the server."""

    __tablename__ = "claims"

    workitem_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    reader: Mapped[str] = mapped_column(String(64))
    transaction_uid: Mapped[str] = mapped_column(String(64))
    claimed_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment, index=True)


class OpinionRow(Base):
    """Whether a reader agreed with the result of one revision, and why not."""

    __tablename__ = "opinions"

    opinion_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int] = mapped_column()
    reader: Mapped[str] = mapped_column(String(64))
    agrees: Mapped[bool] = mapped_column()
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)


class LandmarkRow(Base):
    """One anatomical point that a reader set on an image. Moving or removing it writes a new row: nothing is lost."""

    __tablename__ = "landmarks"
    __table_args__ = (Index("ix_landmarks_study", "study_instance_uid", "name"),)

    landmark_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    column: Mapped[float | None] = mapped_column(Float)
    """Position in pixels, the centre of the first pixel at 0.5 (PS3.3 C.10.5.1.2); None where it was removed."""
    row: Mapped[float | None] = mapped_column(Float)
    author: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Moment)


class DeedRow(Base):
    """Who did what on the pages, for operators."""

    __tablename__ = "deeds"

    deed_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    who: Mapped[str] = mapped_column(String(64))
    deed: Mapped[str] = mapped_column(String(200))
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
