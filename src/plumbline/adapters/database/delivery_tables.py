"""Table of what is owed to destinations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from plumbline.adapters.database.tables import Base, Document, Moment, RowId


class DeliveryRow(Base):
    """One thing owed to one destination, until and after it arrived."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("destination", "key"),
        Index("ix_deliveries_due", "destination", "state", "not_before"),
        Index("ix_deliveries_exam", "destination", "study_instance_uid", "state"),
    )

    delivery_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    destination: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(12))
    key: Mapped[str] = mapped_column(String(200))
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int] = mapped_column()
    notice: Mapped[dict[str, Any]] = mapped_column(Document)
    state: Mapped[str] = mapped_column(String(12))
    """``waiting``, ``sent``, ``dead``, ``superseded``."""
    attempts: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    not_before: Mapped[datetime] = mapped_column(Moment)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
