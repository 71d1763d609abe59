"""Erasing one patient from the store: every row of theirs, in one transaction, and no row of anybody else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Table, delete, func, or_, select, text, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from plumbline.adapters.database.delivery_tables import DeliveryRow
from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.instances import batched_uids, patient_from_document
from plumbline.adapters.database.patients import Identifier, merged_with
from plumbline.adapters.database.reader_tables import ClaimRow, DeedRow, LandmarkRow, OpinionRow
from plumbline.adapters.database.receiving_tables import DeclarationRow, StudyCountRow
from plumbline.adapters.database.record_tables import (
    ExpectingExamRow,
    ExpectingPatientRow,
    MessageRow,
    NewsRow,
    OrderNoticeRow,
    OrderPatientRow,
    PatientLinkRow,
)
from plumbline.adapters.database.steps import HELD, READY
from plumbline.adapters.database.subscriptions import note_change
from plumbline.adapters.database.tables import (
    ExamRow,
    InstanceRow,
    PictureRow,
    PublicationRow,
    QuarantineRow,
    ReportObjectRow,
    ResultRow,
    StepEventRow,
    StepRow,
    SubscriptionRow,
    TaskRow,
    WorkitemEventRow,
    WorkitemRow,
)
from plumbline.errors import Conflict
from plumbline.exams.identity import IdentityPolicy, identifiers_of, same_patients
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import Clock, ExamState, RecordOutcome

OF_A_STUDY: tuple[InstrumentedAttribute[Any], ...] = (
    InstanceRow.study_instance_uid,
    QuarantineRow.study_instance_uid,
    StepRow.study_instance_uid,
    StepEventRow.study_instance_uid,
    PublicationRow.study_instance_uid,
    ResultRow.study_instance_uid,
    PictureRow.study_instance_uid,
    ReportObjectRow.study_instance_uid,
    StudyCountRow.study_instance_uid,
    DeclarationRow.study_instance_uid,
    ExpectingExamRow.study_instance_uid,
    ExpectingPatientRow.study_instance_uid,
    NewsRow.study_instance_uid,
    OpinionRow.study_instance_uid,
    LandmarkRow.study_instance_uid,
    DeedRow.study_instance_uid,
    DeliveryRow.study_instance_uid,
    TaskRow.study_instance_uid,
    ExamRow.study_instance_uid,
)
"""Tables whose rows are of one study. What is in quarantine because it is of another patient than its study stays."""

OF_A_WORKITEM: tuple[InstrumentedAttribute[Any], ...] = (
    SubscriptionRow.workitem_uid,
    WorkitemEventRow.workitem_uid,
    ClaimRow.workitem_uid,
    WorkitemRow.workitem_uid,
)
"""Tables whose rows are of one workitem."""

OF_NOBODY = frozenset({"cursors", "worklist_changes", "commitments", "reader_sessions", "canaries", "event_turns"})
"""Tables without patients. A commitment names instances by their UIDs and nothing else."""

_LONGEST_NAME = 64
_UNDER_WAY = (ExamState.RECEIVING.value, ExamState.COMPLETE.value)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What the store has of one patient."""

    identifiers: frozenset[Identifier]
    """(patient ID, issuer) pairs, those of merged records too."""
    study_instance_uids: tuple[str, ...]
    workitem_uids: tuple[str, ...]
    notice_ids: tuple[int, ...]
    message_ids: tuple[int, ...]
    shared_message_ids: tuple[int, ...]
    """Messages that also speak of others: their text goes, their row stays."""
    link_ids: tuple[int, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether the store does not know the patient."""
        return not any((self.study_instance_uids, self.workitem_uids, self.notice_ids, self.link_ids))


class DatabaseErasure:
    """Finds and removes one patient."""

    def __init__(self, store: Store, clock: Clock, policy: IdentityPolicy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    def look(self, patient_id: str, issuer: str) -> tuple[Belongings, dict[str, int]]:
        """What would be erased, and how many rows of each table; nothing is changed.

        Raises
        ------
        Conflict
            Exams under these identifiers contradict each other, so that they may be of two people.
        """
        with self._store.read() as session:
            found = self._belongings(session, patient_id, issuer)
            return found, {
                column.class_.__tablename__: _count(session, column, keys) for column, keys in _rows_of(found)
            }

    @contextmanager
    def erasing(self, patient_id: str, issuer: str, *, by: str) -> Iterator[tuple[Belongings, dict[str, int]]]:
        """Erase in a transaction that commits when the context ends well: bytes elsewhere are overwritten within it.

        Yields what was found, and how many rows of each table were deleted.

        Raises
        ------
        Conflict
            As ``look``; or an exam of the patient is under way, and would write while this erases.
        """
        with self._store.begin() as session:
            self._leave_nothing_behind(session)
            found = self._belongings(session, patient_id, issuer)
            _refuse_under_way(session, found.study_instance_uids)
            counts = {column.class_.__tablename__: _delete(session, column, keys) for column, keys in _rows_of(found)}
            session.execute(
                update(MessageRow)
                .where(MessageRow.message_id.in_(found.shared_message_ids))
                .values(body=b"", subject=None)
            )
            yield found, counts
            deed = f"Erased a patient: {len(found.study_instance_uids)} studies, {sum(counts.values())} rows."
            session.add(DeedRow(who=by[:_LONGEST_NAME], deed=deed, study_instance_uid=None, at=self._clock.now()))
            note_change(session)  # whoever keeps answers to searches has them no longer
        self._shred()

    def _belongings(self, session: Session, patient_id: str, issuer: str) -> Belongings:
        asked = identifiers_of(PatientIdentity(patient_id, issuer), self._policy)
        identifiers = merged_with(session, asked)
        studies = self._studies(session, identifiers)
        notices = _notices(session, identifiers)
        links = _links(session, identifiers)
        messages, shared = _messages(session, notices, links)
        return Belongings(
            identifiers=frozenset(identifiers),
            study_instance_uids=studies,
            workitem_uids=self._workitems(session, studies, identifiers),
            notice_ids=notices,
            message_ids=messages,
            shared_message_ids=shared,
            link_ids=links,
        )

    def _studies(self, session: Session, identifiers: Collection[Identifier]) -> tuple[str, ...]:
        patients = {
            uid: patient_from_document(document)
            for uid, document in session.execute(select(ExamRow.study_instance_uid, ExamRow.patient))
        }
        theirs = {uid: each for uid, each in patients.items() if identifiers_of(each, self._policy) & set(identifiers)}
        known = tuple(sorted(identifiers))
        as_one = [replace(each, other_ids=(*each.other_ids, *known)) for each in theirs.values()]  # as merges have it
        _refuse_contradictions(as_one, self._policy, sorted(theirs))
        return tuple(sorted(theirs))

    def _workitems(
        self, session: Session, studies: Sequence[str], identifiers: Collection[Identifier]
    ) -> tuple[str, ...]:
        """Readings of the studies, and workitems of others for the same patient."""
        ids = {patient_id for patient_id, _ in identifiers}
        found: set[str] = set()
        for chunk in batched_uids(studies):
            found |= set(
                session.scalars(select(WorkitemRow.workitem_uid).where(WorkitemRow.study_instance_uid.in_(chunk)))
            )
        of_the_id = select(WorkitemRow.workitem_uid, WorkitemRow.dataset).where(WorkitemRow.patient_id.in_(ids))
        for uid, dataset in session.execute(of_the_id):
            patient = PatientIdentity(_text(dataset, "00100020"), _text(dataset, "00100021") or None)
            if identifiers_of(patient, self._policy) & set(identifiers):
                found.add(uid)
        return tuple(sorted(found))

    @staticmethod
    def _leave_nothing_behind(session: Session) -> None:
        if session.get_bind().dialect.name == "sqlite":
            session.execute(text("PRAGMA secure_delete=ON"))  # freed pages are overwritten

    def _shred(self) -> None:
        """Take deleted rows off the disk, where the store would keep them for a while."""
        statement = "PRAGMA wal_checkpoint(TRUNCATE)" if self._store.engine.dialect.name == "sqlite" else "VACUUM"
        raw = self._store.engine.raw_connection()
        try:
            if statement == "VACUUM":
                raw.driver_connection.autocommit = True  # type: ignore[union-attr]  # no VACUUM in a transaction
            cursor = raw.cursor()
            cursor.execute(statement)
            cursor.close()
        finally:
            raw.invalidate()
            raw.close()


def _rows_of(found: Belongings) -> Iterator[tuple[InstrumentedAttribute[Any], Sequence[Any]]]:
    """Every table with the column by which, and the keys under which, rows of the patient are found."""
    yield OrderPatientRow.notice_id, found.notice_ids
    yield OrderNoticeRow.notice_id, found.notice_ids
    yield PatientLinkRow.link_id, found.link_ids
    yield MessageRow.message_id, found.message_ids
    for column in OF_A_WORKITEM:
        yield column, found.workitem_uids
    for column in OF_A_STUDY:
        yield column, found.study_instance_uids


def _delete(session: Session, column: InstrumentedAttribute[Any], keys: Sequence[Any]) -> int:
    deleted = 0
    for chunk in batched_uids(keys):
        result = session.execute(delete(_table_of(column)).where(*_are_theirs(column, chunk)))
        assert isinstance(result, CursorResult)
        deleted += result.rowcount
    return deleted


def _count(session: Session, column: InstrumentedAttribute[Any], keys: Sequence[Any]) -> int:
    counted = select(func.count()).select_from(_table_of(column))
    return sum(session.scalar(counted.where(*_are_theirs(column, chunk))) or 0 for chunk in batched_uids(keys))


def _are_theirs(column: InstrumentedAttribute[Any], keys: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    yield column.in_(keys)
    if column.class_ is QuarantineRow:
        yield QuarantineRow.reason != RecordOutcome.CONFLICTING_PATIENT.value


def _table_of(column: InstrumentedAttribute[Any]) -> Table:
    return column.class_.__table__


def _notices(session: Session, identifiers: Collection[Identifier]) -> tuple[int, ...]:
    pair = tuple_(OrderPatientRow.identifier, OrderPatientRow.issuer)
    query = select(OrderPatientRow.notice_id).where(pair.in_(sorted(identifiers))).distinct()
    return tuple(sorted(session.scalars(query)))


def _links(session: Session, identifiers: Collection[Identifier]) -> tuple[int, ...]:
    surviving = tuple_(PatientLinkRow.surviving_id, PatientLinkRow.surviving_issuer)
    retired = tuple_(PatientLinkRow.retired_id, PatientLinkRow.retired_issuer)
    asked = sorted(identifiers)
    query = select(PatientLinkRow.link_id).where(or_(surviving.in_(asked), retired.in_(asked)))
    return tuple(sorted(session.scalars(query)))


def _messages(
    session: Session, notices: Sequence[int], links: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Messages that speak of the patient alone, and those that speak of others too."""
    tables = (
        (OrderNoticeRow.message_id, OrderNoticeRow.notice_id, notices),
        (PatientLinkRow.message_id, PatientLinkRow.link_id, links),
    )
    theirs = {row for of, key, keys in tables for row in session.scalars(select(of).where(key.in_(keys)))}
    others = {
        row for of, key, keys in tables for row in session.scalars(select(of).where(of.in_(theirs), key.not_in(keys)))
    }
    return tuple(sorted(theirs - others)), tuple(sorted(theirs & others))


def _refuse_contradictions(patients: list[PatientIdentity], policy: IdentityPolicy, studies: Sequence[str]) -> None:
    if patients and not all(answer.is_same for answer in same_patients(patients[0], patients[1:], policy)):
        raise Conflict(
            "exams under these identifiers do not agree on who they are of, and may be of two people",
            where=", ".join(studies),
            remedy="Have the records corrected first",
        )


def _refuse_under_way(session: Session, studies: Sequence[str]) -> None:
    for chunk in batched_uids(studies):
        exams = select(ExamRow.study_instance_uid).where(
            ExamRow.study_instance_uid.in_(chunk),
            or_(ExamRow.state.in_(_UNDER_WAY), ExamRow.has_grown & (ExamRow.state != ExamState.REFERENCE.value)),
        )
        steps = select(StepRow.study_instance_uid).where(
            StepRow.study_instance_uid.in_(chunk), StepRow.state.in_((READY, HELD))
        )
        busy = {*session.scalars(exams), *session.scalars(steps)}
        if busy:
            raise Conflict(
                "an exam of the patient is under way",
                where=", ".join(sorted(busy)),
                remedy="Wait until it is done, or declare it complete",
            )


def _text(dataset: dict[str, Any], tag: str) -> str:
    values = dataset.get(tag, {}).get("Value") or [""]
    return str(values[0])


def known_tables() -> frozenset[str]:
    """Names of all tables of which it is settled what an erasure does with them."""
    by_key = (OrderPatientRow, OrderNoticeRow, PatientLinkRow, MessageRow)
    classes = [*by_key, *(column.class_ for column in (*OF_A_STUDY, *OF_A_WORKITEM))]
    return OF_NOBODY | {each.__tablename__ for each in classes}
