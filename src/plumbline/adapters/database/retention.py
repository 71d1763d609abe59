"""Which images are no longer needed, as the store knows it (port ``Retention``)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, CursorResult, delete, exists, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.instances import batched_uids, patient_from_document
from plumbline.adapters.database.tables import (
    OPEN_STATES,
    CursorRow,
    ExamRow,
    InstanceRow,
    PublicationRow,
    QuarantineRow,
    StepRow,
)
from plumbline.pipeline.ports import ExamState, PublicationState
from plumbline.pipeline.receive import CURSOR_PREFIX, FINISHED

_OVER = (ExamState.DONE.value, ExamState.NOT_APPLICABLE.value, ExamState.REFERENCE.value)
"""A failed exam is not over: somebody may have it repeated."""
_UNDER_WAY = (ExamState.RECEIVING.value, ExamState.COMPLETE.value)


class DatabaseRetention:
    """``Retention`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def over(self, *, quiet_since: datetime, after: str, limit: int) -> list[str]:
        """See ``Retention.over``."""
        query = select(ExamRow.study_instance_uid).where(*_is_over(quiet_since), ExamRow.study_instance_uid > after)
        with self._store.read() as session:
            return list(session.scalars(query.order_by(ExamRow.study_instance_uid).limit(limit)))

    def release(self, study_instance_uid: str, sop_instance_uids: Collection[str], *, quiet_since: datetime) -> int:
        """See ``Retention.release``."""
        with self._store.begin() as session:
            exam = session.get(ExamRow, study_instance_uid, with_for_update=True)
            still_over = select(ExamRow).where(*_is_over(quiet_since), ExamRow.study_instance_uid == study_instance_uid)
            if exam is None or session.scalar(still_over) is None or _ids(exam) & _patients_under_way(session):
                return 0
            return sum(self._delete(session, study_instance_uid, chunk) for chunk in batched_uids(sop_instance_uids))

    @staticmethod
    def _delete(session: Session, study_instance_uid: str, uids: list[str]) -> int:
        result = session.execute(
            delete(InstanceRow).where(
                InstanceRow.study_instance_uid == study_instance_uid, InstanceRow.sop_instance_uid.in_(uids)
            )
        )
        assert isinstance(result, CursorResult)
        return result.rowcount

    def referenced_segments(self) -> set[str]:
        """See ``Retention.referenced_segments``."""
        with self._store.read() as session:
            held = session.scalars(select(InstanceRow.segment).distinct())
            set_aside = session.scalars(select(QuarantineRow.segment).distinct())
            return {*held, *(segment for segment in set_aside if segment)}

    def finished_segments(self) -> set[str]:
        """See ``Retention.finished_segments``."""
        query = select(CursorRow.name).where(CursorRow.name.startswith(CURSOR_PREFIX), CursorRow.value == FINISHED)
        with self._store.read() as session:
            return {name.removeprefix(CURSOR_PREFIX) for name in session.scalars(query)}

    def forget_segment(self, segment: str) -> None:
        """See ``Retention.forget_segment``."""
        with self._store.begin() as session:
            session.execute(delete(CursorRow).where(CursorRow.name == CURSOR_PREFIX + segment))


def _is_over(quiet_since: datetime) -> tuple[ColumnElement[bool], ...]:
    step_left = exists().where(StepRow.study_instance_uid == ExamRow.study_instance_uid, StepRow.state.in_(OPEN_STATES))
    is_owed = exists().where(
        PublicationRow.study_instance_uid == ExamRow.study_instance_uid,
        PublicationRow.state == PublicationState.OWED.value,
    )
    is_held = exists().where(InstanceRow.study_instance_uid == ExamRow.study_instance_uid)
    return (
        ExamRow.state.in_(_OVER),
        ExamRow.has_grown.is_(False) | (ExamRow.state == ExamState.REFERENCE.value),
        ExamRow.last_instance_at < quiet_since,
        is_held,
        ~step_left,
        ~is_owed,
    )


def _patients_under_way(session: Session) -> set[str]:
    """Every ID of every patient of whom an exam is under way."""
    has_grown = ExamRow.has_grown.is_(True) & (ExamRow.state != ExamState.REFERENCE.value)
    rows = session.scalars(select(ExamRow).where(ExamRow.state.in_(_UNDER_WAY) | has_grown))
    return {each for row in rows for each in _ids(row)}


def _ids(row: ExamRow) -> set[str]:
    """Patient IDs, whoever issued them: one too many keeps images longer, and no more."""
    patient = patient_from_document(row.patient)
    return {patient.patient_id, *(other for other, _ in patient.other_ids)}
