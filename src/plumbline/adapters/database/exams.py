"""Exams and their revisions in the store (port ``Exams``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.instances import patient_document, patient_from_document
from plumbline.adapters.database.tables import OPEN_STATES, ExamRow, InstanceRow, StepRow
from plumbline.errors import InvalidInput
from plumbline.exams.study import Study
from plumbline.pipeline.ports import Exam, ExamState, StepName


class DatabaseExams:
    """``Exams`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exam(self, study_instance_uid: str) -> Exam:
        """See ``Exams.exam``."""
        with self._store.read() as session:
            row = session.get(ExamRow, study_instance_uid)
            if row is None:
                raise InvalidInput("no such exam", where=study_instance_uid)
            return exam_from_row(row)

    def exams(self, limit: int = 200) -> list[Exam]:
        """Exams, the ones with the newest instances first."""
        with self._store.read() as session:
            rows = session.scalars(select(ExamRow).order_by(ExamRow.last_instance_at.desc()).limit(limit))
            return [exam_from_row(row) for row in rows]

    def quiet_since(self, moment: datetime) -> list[str]:
        """See ``Exams.quiet_since``."""
        is_counted = exists().where(
            StepRow.study_instance_uid == ExamRow.study_instance_uid,
            StepRow.revision == ExamRow.revision + 1,
            StepRow.name == StepName.COMPLETE.value,
            StepRow.state.in_(OPEN_STATES),
        )
        with self._store.read() as session:
            query = select(ExamRow.study_instance_uid).where(
                ExamRow.has_grown,
                ExamRow.last_instance_at <= moment,
                ExamRow.state != ExamState.REFERENCE.value,
                ~is_counted,
            )
            return list(session.scalars(query.order_by(ExamRow.last_instance_at)))

    def expect_references(self, studies: Sequence[Study], *, sender: str, at: datetime) -> None:
        """See ``Exams.expect_references``."""
        with self._store.begin() as session:
            for study in studies:
                row = session.get(ExamRow, study.study_instance_uid, with_for_update=True)
                if row is None:
                    session.add(_reference(study, sender, at))
                elif row.state == ExamState.REFERENCE.value:
                    row.sender = sender

    def stop_counting(self, study_instance_uid: str, *, instance_count: int) -> None:
        """See ``Exams.stop_counting``."""
        with self._store.begin() as session:
            row = session.get_one(ExamRow, study_instance_uid, with_for_update=True)
            row.has_grown = self._held(session, study_instance_uid) != instance_count

    @staticmethod
    def _held(session: Session, study_instance_uid: str) -> int | None:
        counted = select(func.count()).select_from(InstanceRow)
        return session.scalar(counted.where(InstanceRow.study_instance_uid == study_instance_uid))

    def begin_revision(
        self,
        study_instance_uid: str,
        *,
        digest: str,
        instance_count: int,
        completed_at: datetime,
        reopened_from: int | None = None,
    ) -> int:
        """See ``Exams.begin_revision``."""
        with self._store.begin() as session:
            row = session.get_one(ExamRow, study_instance_uid, with_for_update=True)
            row.has_grown = self._held(session, study_instance_uid) != instance_count
            if row.revision_digest == digest and row.revision != reopened_from:
                return row.revision
            row.revision += 1
            row.revision_digest = digest
            row.completed_at = completed_at
            row.state = ExamState.COMPLETE.value
            row.note = None
            return row.revision


def _reference(study: Study, sender: str, at: datetime) -> ExamRow:
    return ExamRow(
        study_instance_uid=study.study_instance_uid,
        revision=0,
        state=ExamState.REFERENCE.value,
        has_grown=False,
        patient=patient_document(study.patient),
        sender=sender,
        first_instance_at=at,
        last_instance_at=at,
    )


def exam_from_row(row: ExamRow) -> Exam:
    """Plain value of a row."""
    return Exam(
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        state=ExamState(row.state),
        patient=patient_from_document(row.patient),
        first_instance_at=row.first_instance_at,
        last_instance_at=row.last_instance_at,
        completed_at=row.completed_at,
        revision_digest=row.revision_digest,
        note=row.note,
    )
