"""Readers on the pages: who they say they are, what they claimed and what they made of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.reader_tables import (
    ClaimRow,
    DeedRow,
    LandmarkRow,
    OpinionRow,
    ReaderSessionRow,
)
from plumbline.anatomy.landmarks import Landmark
from plumbline.pipeline.ports import Clock

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Claim:
    """A reading that somebody has or had."""

    workitem_uid: str
    reader: str
    transaction_uid: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a reader made of a result."""

    revision: int
    reader: str
    agrees: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what."""

    who: str
    deed: str
    study_instance_uid: str | None
    at: datetime


class DatabaseReaders:
    """Sessions, claims, opinions, landmarks and deeds in the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin_session(self, reader: str) -> str:
        """Begin a session of a reader; return its secret, which is kept nowhere else."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._store.begin() as session:
            session.add(ReaderSessionRow(token_sha256=_digest(token), reader=reader, created_at=self._clock.now()))
        return token

    def reader_of(self, token: str) -> str | None:
        """Who a session belongs to; None where there is no such session."""
        with self._store.read() as session:
            row = session.get(ReaderSessionRow, _digest(token))
            return row.reader if row else None

    def end_session(self, token: str) -> None:
        """Forget a session."""
        with self._store.begin() as session:
            row = session.get(ReaderSessionRow, _digest(token))
            if row is not None:
                session.delete(row)

    def note_claim(self, workitem_uid: str, reader: str, transaction_uid: str) -> None:
        """Note who has a reading."""
        now = self._clock.now()
        with self._store.begin() as session:
            session.merge(
                ClaimRow(
                    workitem_uid=workitem_uid,
                    reader=reader,
                    transaction_uid=transaction_uid,
                    claimed_at=now,
                    changed_at=now,
                )
            )

    def claim_of(self, workitem_uid: str) -> Claim | None:
        """Who has or had a reading; None where nobody claimed it here."""
        with self._store.read() as session:
            row = session.get(ClaimRow, workitem_uid)
            return row and Claim(row.workitem_uid, row.reader, row.transaction_uid, row.claimed_at)

    def add_opinion(self, study_instance_uid: str, opinion: Opinion) -> None:
        """Keep what a reader made of a result."""
        with self._store.begin() as session:
            session.add(
                OpinionRow(
                    study_instance_uid=study_instance_uid,
                    revision=opinion.revision,
                    reader=opinion.reader,
                    agrees=opinion.agrees,
                    reason=opinion.reason,
                    at=opinion.at,
                )
            )

    def opinions(self, study_instance_uid: str) -> Sequence[Opinion]:
        """What readers made of the results of an exam, the newest first."""
        query = select(OpinionRow).where(OpinionRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            rows = session.scalars(query.order_by(OpinionRow.opinion_id.desc()))
            return [Opinion(row.revision, row.reader, row.agrees, row.reason, row.at) for row in rows]

    def set_landmark(self, study_instance_uid: str, landmark: Landmark) -> None:
        """Set or move a landmark; what it was before stays in the table."""
        self._note_landmark(study_instance_uid, landmark, column=landmark.column, row=landmark.row)

    def remove_landmark(self, study_instance_uid: str, landmark: Landmark) -> None:
        """Take a landmark away, with who did; what it was before stays in the table."""
        self._note_landmark(study_instance_uid, landmark, column=None, row=None)

    def _note_landmark(
        self, study_instance_uid: str, landmark: Landmark, *, column: float | None, row: float | None
    ) -> None:
        with self._store.begin() as session:
            session.add(
                LandmarkRow(
                    study_instance_uid=study_instance_uid,
                    series_instance_uid=landmark.series_instance_uid,
                    sop_instance_uid=landmark.sop_instance_uid,
                    name=landmark.name,
                    column=column,
                    row=row,
                    author=landmark.author,
                    at=landmark.at,
                )
            )

    def landmarks(self, study_instance_uid: str) -> Sequence[Landmark]:
        """Landmarks of a study as they stand: of each name on each image the last one, unless it was removed."""
        query = select(LandmarkRow).where(LandmarkRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            newest = {
                (row.sop_instance_uid, row.name): row
                for row in session.scalars(query.order_by(LandmarkRow.landmark_id))
            }
            return [
                Landmark(
                    row.series_instance_uid, row.sop_instance_uid, row.name, row.column, row.row, row.author, row.at
                )
                for row in newest.values()
                if row.column is not None and row.row is not None
            ]

    def note_deed(self, who: str, deed: str, study_instance_uid: str | None = None) -> None:
        """Note who did what."""
        with self._store.begin() as session:
            session.add(DeedRow(who=who, deed=deed, study_instance_uid=study_instance_uid, at=self._clock.now()))

    def deeds(self, *, limit: int, study_instance_uid: str | None = None) -> Sequence[Deed]:
        """What was done, the newest first."""
        query = select(DeedRow).order_by(DeedRow.deed_id.desc()).limit(limit)
        if study_instance_uid is not None:
            query = query.where(DeedRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            return [Deed(row.who, row.deed, row.study_instance_uid, row.at) for row in session.scalars(query)]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
