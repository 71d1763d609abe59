"""Canaries in the store (port ``Canaries``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.operation_tables import CanaryRow
from plumbline.pipeline.readiness import Canary


class DatabaseCanaries:
    """``Canaries`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> Mapping[str, Canary]:
        """See ``Canaries.all``."""
        with self._store.read() as session:
            rows = session.scalars(select(CanaryRow))
            return {row.queue: Canary(row.queue, row.sent_at, row.returned_at, row.round_trip_s) for row in rows}

    def sent(self, queue: str, at: datetime) -> None:
        """See ``Canaries.sent``."""
        with self._store.begin() as session:
            row = session.get(CanaryRow, queue, with_for_update=True)
            if row is None:
                session.add(CanaryRow(queue=queue, sent_at=at))
            else:
                row.sent_at = at

    def returned(self, queue: str, sent_at: datetime, at: datetime) -> None:
        """See ``Canaries.returned``."""
        with self._store.begin() as session:
            row = session.get(CanaryRow, queue, with_for_update=True)
            if row is None:
                return  # of a store that was replaced meanwhile
            row.returned_at = at
            row.round_trip_s = (at - sent_at).total_seconds()
