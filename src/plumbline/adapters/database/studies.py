"""Counts of studies and declarations in the store (port ``Studies``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.receiving_tables import DeclarationRow, StudyCountRow
from plumbline.adapters.database.tables import ExamRow, InstanceRow
from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.ports import ExamState
from plumbline.pipeline.studies import Basis, Declaration, StudyCount, StudyState

LONGEST_NAME = 120
LONGEST_REASON = 1000
NOT_COUNTED = "Not counted against the archive yet."
_WAITING = (ExamState.RECEIVING.value, ExamState.FAILED.value)


class DatabaseStudies:
    """``Studies`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counted(self, count: StudyCount, at: datetime) -> None:
        """See ``Studies.counted``."""
        with self._store.begin() as session:
            row = session.get(StudyCountRow, count.study_instance_uid, with_for_update=True)
            if row is None:
                row = StudyCountRow(study_instance_uid=count.study_instance_uid)
                session.add(row)
            row.held, row.listed, row.missing, row.set_aside = count.held, count.listed, count.missing, count.set_aside
            row.sentence, row.counted_at = count.sentence, at
            row.basis = count.basis.value if count.basis else None
            row.waiting_since = None if count.basis else row.waiting_since or at

    def declare(self, study_instance_uid: str, *, by: str, reason: str, at: datetime) -> None:
        """See ``Studies.declare``."""
        by, reason = by.strip(), reason.strip()
        if not by or not reason or len(by) > LONGEST_NAME or len(reason) > LONGEST_REASON:
            raise InvalidInput("name who says so, and why, briefly", where=study_instance_uid)
        with self._store.begin() as session:
            exam = session.get(ExamRow, study_instance_uid, with_for_update=True)
            if exam is None:
                raise InvalidInput("no such study is held", where=study_instance_uid)
            if not exam.has_grown and exam.state not in _WAITING:
                raise Conflict("the study is complete already", where=study_instance_uid)
            exam.has_grown = True  # so that it is counted once more, also where counting had come to an end
            session.add(
                DeclarationRow(study_instance_uid=study_instance_uid, declared_by=by, reason=reason, declared_at=at)
            )

    def declaration(self, study_instance_uid: str) -> Declaration | None:
        """See ``Studies.declaration``."""
        query = _declarations_of(study_instance_uid).where(DeclarationRow.revision.is_(None)).limit(1)
        with self._store.read() as session:
            row = session.scalar(query)
            return _declaration(row) if row else None

    def went_by(self, declaration: Declaration, revision: int) -> None:
        """See ``Studies.went_by``; an earlier word on the same study is settled with it."""
        with self._store.begin() as session:
            row = session.get_one(DeclarationRow, declaration.declaration_id)
            earlier = _declarations_of(row.study_instance_uid).where(
                DeclarationRow.revision.is_(None), DeclarationRow.declaration_id <= row.declaration_id
            )
            for each in session.scalars(earlier):
                each.revision = revision

    def study(self, study_instance_uid: str) -> StudyState:
        """See ``Studies.study``."""
        with self._store.read() as session:
            exam = session.get(ExamRow, study_instance_uid)
            if exam is None:
                raise InvalidInput("no such study is held", where=study_instance_uid)
            count = session.get(StudyCountRow, study_instance_uid)
            held = _held(session, [study_instance_uid])
            declared = session.scalars(_declarations_of(study_instance_uid))
            return _state(exam, count, held, tuple(_declaration(row) for row in declared))

    def studies(self, *, limit: int, offset: int = 0, only_waiting: bool = False) -> Sequence[StudyState]:
        """See ``Studies.studies``."""
        query = select(ExamRow, StudyCountRow).join(
            StudyCountRow, StudyCountRow.study_instance_uid == ExamRow.study_instance_uid, isouter=True
        )
        if only_waiting:
            query = query.where(ExamRow.state == ExamState.RECEIVING.value)
        ordered = query.order_by(ExamRow.last_instance_at.desc(), ExamRow.study_instance_uid)
        with self._store.read() as session:
            rows = session.execute(ordered.limit(limit).offset(offset)).all()
            held = _held(session, [exam.study_instance_uid for exam, _ in rows])
            return [_state(exam, count, held) for exam, count in rows]


def _declarations_of(study_instance_uid: str) -> Select[DeclarationRow]:
    return (
        select(DeclarationRow)
        .where(DeclarationRow.study_instance_uid == study_instance_uid)
        .order_by(DeclarationRow.declaration_id.desc())
    )


def _held(session: Session, study_instance_uids: Sequence[str]) -> dict[str, int]:
    query = select(InstanceRow.study_instance_uid, func.count()).where(
        InstanceRow.study_instance_uid.in_(study_instance_uids)
    )
    rows = session.execute(query.group_by(InstanceRow.study_instance_uid))
    return {row[0]: row[1] for row in rows}


def _declaration(row: DeclarationRow) -> Declaration:
    return Declaration(row.declaration_id, row.declared_by, row.reason, row.declared_at, row.revision)


def _state(
    exam: ExamRow, row: StudyCountRow | None, held: dict[str, int], declarations: tuple[Declaration, ...] = ()
) -> StudyState:
    uid = exam.study_instance_uid
    count = StudyCount(
        study_instance_uid=uid,
        held=held.get(uid, 0),
        listed=row.listed if row else None,
        missing=row.missing if row else 0,
        set_aside=row.set_aside if row else 0,
        sentence=row.sentence if row else NOT_COUNTED,
        basis=Basis(row.basis) if row and row.basis else None,
    )
    waiting_since = row.waiting_since if row and row.waiting_since else exam.last_instance_at
    return StudyState(
        count=count,
        state=exam.state,
        revision=exam.revision,
        note=exam.note,
        since=waiting_since if count.basis is None else exam.completed_at or exam.last_instance_at,
        first_instance_at=exam.first_instance_at,
        last_instance_at=exam.last_instance_at,
        counted_at=row.counted_at if row else None,
        declarations=declarations,
    )
