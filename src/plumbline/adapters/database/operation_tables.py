"""Tables of how the system itself is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from plumbline.adapters.database.tables import Base, Moment


class CanaryRow(Base):
    """The last canary of one queue."""

    __tablename__ = "canaries"

    queue: Mapped[str] = mapped_column(String(20), primary_key=True)
    sent_at: Mapped[datetime] = mapped_column(Moment)
    returned_at: Mapped[datetime | None] = mapped_column(Moment)
    round_trip_s: Mapped[float | None] = mapped_column(Float)


class EventTurnRow(Base):
    """Which process tells one application its events, and until when it does."""

    __tablename__ = "event_turns"

    receiving_ae: Mapped[str] = mapped_column(String(16), primary_key=True)
    holder: Mapped[str] = mapped_column(String(40))
    held_until: Mapped[datetime] = mapped_column(Moment)
