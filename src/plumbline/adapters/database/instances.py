"""The receive ledger as the workers query it: instances, quarantine, cursors (port ``InstanceIndex``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import CursorRow, ExamRow, InstanceRow, QuarantineRow
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import ExamState, Location, QuarantineEntry, ReceivedInstance, RecordOutcome

_IN_LIMIT = 500
_STUDIES_REMEMBERED = 1000


def patient_document(patient: PatientIdentity) -> dict[str, Any]:
    """JSON form of a patient's identity, for the store only."""
    return {
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "birth_date": patient.birth_date.isoformat() if patient.birth_date else None,
        "sex": patient.sex,
        "other_ids": [list(pair) for pair in patient.other_ids],
    }


def patient_from_document(document: dict[str, Any]) -> PatientIdentity:
    """Inverse of ``patient_document``."""
    born = document.get("birth_date")
    return PatientIdentity(
        patient_id=document["patient_id"],
        issuer=document.get("issuer"),
        birth_date=date.fromisoformat(born) if born else None,
        sex=document.get("sex"),
        other_ids=tuple((pair[0], pair[1]) for pair in document.get("other_ids", [])),
    )


def _is_same_sender_identity(known: PatientIdentity, sent: PatientIdentity) -> bool:
    if known.patient_id != sent.patient_id:
        return False
    return known.issuer == sent.issuer or known.issuer is None or sent.issuer is None


class DatabaseInstanceIndex:
    """``InstanceIndex`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_order = _NextOrder()

    def record(
        self, received: Sequence[ReceivedInstance], *, cursor: tuple[str, str] | None = None
    ) -> list[RecordOutcome]:
        """See ``InstanceIndex.record``."""
        with self._store.begin() as session:
            batch = _Batch(session, received, self._next_order)
            outcomes = [batch.record(instance) for instance in received]
            batch.write()
            if cursor is not None:
                session.merge(CursorRow(name=cursor[0], value=cursor[1]))
            return outcomes

    def quarantine(self, entry: QuarantineEntry, *, cursor: tuple[str, str] | None = None) -> None:
        """See ``InstanceIndex.quarantine``."""
        with self._store.begin() as session:
            _enter_quarantine(session, entry)
            if cursor is not None:
                session.merge(CursorRow(name=cursor[0], value=cursor[1]))

    def quarantined(self, study_instance_uid: str | None = None) -> list[QuarantineEntry]:
        """See ``InstanceIndex.quarantined``."""
        query = select(QuarantineRow).order_by(QuarantineRow.entry_id.desc())
        if study_instance_uid is not None:
            query = query.where(QuarantineRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            return [_entry(row) for row in session.scalars(query)]

    def set_aside(self, sop_instance_uids: Iterable[str]) -> set[str]:
        """See ``InstanceIndex.set_aside``."""
        uids = list(sop_instance_uids)
        found: set[str] = set()
        with self._store.read() as session:
            for chunk in batched_uids(uids):
                query = select(QuarantineRow.sop_instance_uid).where(QuarantineRow.sop_instance_uid.in_(chunk))
                found.update(uid for uid in session.scalars(query) if uid)
            return found - set(_rows_by_uid(session, list(found)))

    def held(self, study_instance_uid: str) -> list[ReceivedInstance]:
        """See ``InstanceIndex.held``."""
        with self._store.read() as session:
            exam = session.get(ExamRow, study_instance_uid)
            if exam is None:
                return []
            patient = patient_from_document(exam.patient)
            rows = session.scalars(
                select(InstanceRow)
                .where(InstanceRow.study_instance_uid == study_instance_uid)
                .order_by(InstanceRow.order)
            )
            return [_received(row, patient) for row in rows]

    def find(self, sop_instance_uids: Iterable[str]) -> dict[str, ReceivedInstance]:
        """See ``InstanceIndex.find``."""
        with self._store.read() as session:
            rows = _rows_by_uid(session, list(sop_instance_uids)).values()
            exams = {
                row.study_instance_uid: session.get_one(ExamRow, row.study_instance_uid)
                for row in {row.study_instance_uid: row for row in rows}.values()
            }
            return {
                row.sop_instance_uid: _received(row, patient_from_document(exams[row.study_instance_uid].patient))
                for row in rows
            }

    def cursor(self, name: str) -> str | None:
        """See ``InstanceIndex.cursor``."""
        with self._store.read() as session:
            row = session.get(CursorRow, name)
            return row.value if row else None

    def set_cursor(self, name: str, value: str) -> None:
        """See ``InstanceIndex.set_cursor``."""
        with self._store.begin() as session:
            session.merge(CursorRow(name=name, value=value))


class _NextOrder:
    """The order that the next instance of a study gets; asked of the store once a study.

    One process records at a time (the indexer holds a lock for it), so what it gave last is known to it. A
    transaction that failed leaves a gap.
    """

    def __init__(self) -> None:
        self._next: OrderedDict[str, int] = OrderedDict()

    def take(self, session: Session, study_instance_uid: str) -> int:
        """The order for one more instance of a study."""
        order = self._next.pop(study_instance_uid, None) or self._highest(session, study_instance_uid) + 1
        self._next[study_instance_uid] = order + 1
        if len(self._next) > _STUDIES_REMEMBERED:
            self._next.popitem(last=False)
        return order

    @staticmethod
    def _highest(session: Session, study_instance_uid: str) -> int:
        query = select(func.max(InstanceRow.order)).where(InstanceRow.study_instance_uid == study_instance_uid)
        return session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class _Known:
    """What tells whether an instance is the one that is held."""

    sha256: str
    segment: str
    offset: int


def _known_by_uid(session: Session, uids: list[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    columns = (InstanceRow.sop_instance_uid, InstanceRow.sha256, InstanceRow.segment, InstanceRow.offset)
    for chunk in batched_uids(uids):
        for row in session.execute(select(*columns).where(InstanceRow.sop_instance_uid.in_(chunk))):
            found[row.sop_instance_uid] = _Known(row.sha256, row.segment, row.offset)
    return found


class _Batch:
    """The rows that one batch touches, read once, and its new instances, written at once."""

    def __init__(self, session: Session, received: Sequence[ReceivedInstance], next_order: _NextOrder) -> None:
        self._session = session
        self._known = _known_by_uid(session, [instance.sop_instance_uid for instance in received])
        self._exams: dict[str, ExamRow] = {}
        self._patients: dict[str, PatientIdentity] = {}
        self._next_order = next_order
        self._new: dict[str, list[ReceivedInstance]] = {}

    def record(self, instance: ReceivedInstance) -> RecordOutcome:
        known = self._known.get(instance.sop_instance_uid)
        if known is not None:
            return self._record_again(known, instance)
        if not _is_same_sender_identity(self._patient_of(instance), instance.patient):
            return self._set_aside(
                instance,
                RecordOutcome.CONFLICTING_PATIENT,
                "This Study Instance UID is already held for another patient; correct it at the sender and send again.",
            )
        self._new.setdefault(instance.study_instance_uid, []).append(instance)
        where = instance.location
        self._known[instance.sop_instance_uid] = _Known(instance.sha256, where.segment, where.offset)
        return RecordOutcome.NEW

    def _record_again(self, known: _Known, instance: ReceivedInstance) -> RecordOutcome:
        if known.sha256 == instance.sha256:
            return RecordOutcome.DUPLICATE
        if (known.segment, known.offset) == (instance.location.segment, instance.location.offset):
            return RecordOutcome.DUPLICATE
        return self._set_aside(
            instance,
            RecordOutcome.CONFLICTING_CONTENT,
            "This SOP Instance UID is already held with different content; the first one stays in use.",
        )

    def _set_aside(self, instance: ReceivedInstance, outcome: RecordOutcome, sentence: str) -> RecordOutcome:
        _enter_quarantine(
            self._session,
            QuarantineEntry(
                reason=outcome.value,
                sentence=sentence,
                sender=instance.sender,
                received_at=instance.received_at,
                location=instance.location,
                study_instance_uid=instance.study_instance_uid,
                sop_instance_uid=instance.sop_instance_uid,
            ),
        )
        return outcome

    def _patient_of(self, instance: ReceivedInstance) -> PatientIdentity:
        """The patient of the instance's exam, which is opened where there is none."""
        uid = instance.study_instance_uid
        if uid not in self._patients:
            exam = self._session.get(ExamRow, uid, with_for_update=True) or self._new_exam(instance)
            self._exams[uid] = exam
            self._patients[uid] = patient_from_document(exam.patient)
        return self._patients[uid]

    def _new_exam(self, instance: ReceivedInstance) -> ExamRow:
        exam = ExamRow(
            study_instance_uid=instance.study_instance_uid,
            revision=0,
            state=ExamState.RECEIVING.value,
            has_grown=True,
            patient=patient_document(instance.patient),
            sender=instance.sender,
            first_instance_at=instance.received_at,
            last_instance_at=instance.received_at,
        )
        self._session.add(exam)
        return exam

    def write(self) -> None:
        """Add the new instances, and tell their exams."""
        if not self._new:
            return
        for uid, instances in self._new.items():
            _tell_exam(self._exams[uid], instances)
        self._session.flush()
        rows = [self._row(instance) for instances in self._new.values() for instance in instances]
        self._session.execute(insert(InstanceRow), rows)

    def _row(self, instance: ReceivedInstance) -> dict[str, Any]:
        where = instance.location
        return {
            "sop_instance_uid": instance.sop_instance_uid,
            "study_instance_uid": instance.study_instance_uid,
            "series_instance_uid": instance.series_instance_uid,
            "sop_class_uid": instance.sop_class_uid,
            "transfer_syntax_uid": instance.transfer_syntax_uid,
            "sha256": instance.sha256,
            "segment": where.segment,
            "offset": where.offset,
            "length": where.length,
            "sender": instance.sender,
            "received_at": instance.received_at,
            "order": self._next_order.take(self._session, instance.study_instance_uid),
        }


def _tell_exam(exam: ExamRow, new: list[ReceivedInstance]) -> None:
    """Note in an exam that it grew by these instances."""
    exam.last_instance_at = max(exam.last_instance_at, *(instance.received_at for instance in new))
    exam.has_grown = True
    if exam.state == ExamState.REFERENCE.value and any(instance.sender != exam.sender for instance in new):
        exam.state = ExamState.RECEIVING.value


def batched_uids(uids: Iterable[str]) -> Iterator[list[str]]:
    """The UIDs in lists short enough for one IN clause."""
    everything = list(uids)
    for start in range(0, len(everything), _IN_LIMIT):
        yield everything[start : start + _IN_LIMIT]


def _rows_by_uid(session: Session, uids: list[str]) -> dict[str, InstanceRow]:
    found: dict[str, InstanceRow] = {}
    for chunk in batched_uids(uids):
        for row in session.scalars(select(InstanceRow).where(InstanceRow.sop_instance_uid.in_(chunk))):
            found[row.sop_instance_uid] = row
    return found


def _enter_quarantine(session: Session, entry: QuarantineEntry) -> None:
    location = entry.location
    if location is not None:
        known = session.scalar(
            select(QuarantineRow).where(
                QuarantineRow.segment == location.segment, QuarantineRow.offset == location.offset
            )
        )
        if known is not None:
            return
    session.add(
        QuarantineRow(
            reason=entry.reason,
            sentence=entry.sentence,
            sender=entry.sender,
            received_at=entry.received_at,
            segment=location.segment if location else None,
            offset=location.offset if location else None,
            length=location.length if location else None,
            study_instance_uid=entry.study_instance_uid,
            sop_instance_uid=entry.sop_instance_uid,
        )
    )
    session.flush()


def _received(row: InstanceRow, patient: PatientIdentity) -> ReceivedInstance:
    return ReceivedInstance(
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        patient=patient,
        sha256=row.sha256,
        location=Location(row.segment, row.offset, row.length),
        sender=row.sender,
        received_at=row.received_at,
    )


def _entry(row: QuarantineRow) -> QuarantineEntry:
    has_location = row.segment is not None and row.offset is not None and row.length is not None
    return QuarantineEntry(
        reason=row.reason,
        sentence=row.sentence,
        sender=row.sender,
        received_at=row.received_at,
        location=Location(row.segment, row.offset, row.length) if has_location else None,  # type: ignore[arg-type]
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
    )


__all__ = ["DatabaseInstanceIndex", "batched_uids", "patient_document", "patient_from_document"]
