"""News that reaches an exam after it was recognised, in the store (ports ``News`` and ``Orders``).

A piece of news commits together with what it is about; it stays owed until somebody judged it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.orders import notice_from_document
from plumbline.adapters.database.patients import Identifier, merged_with
from plumbline.adapters.database.record_tables import (
    ExpectingExamRow,
    ExpectingPatientRow,
    NewsRow,
    OrderNoticeRow,
    OrderPatientRow,
)
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.exams.identity import IdentityPolicy, identifiers_of
from plumbline.exams.notices import OrderNotice
from plumbline.exams.study import Study
from plumbline.pipeline.patient_ports import UnsettledNews
from plumbline.pipeline.ports import Clock, ExamState, StepName

_ENDED = tuple(state.value for state in (ExamState.DONE, ExamState.NOT_APPLICABLE, ExamState.FAILED))
_FAILED_STEP = "failed"


class DatabaseOrders:
    """``Orders`` on the store."""

    def __init__(self, store: Store, policy: IdentityPolicy) -> None:
        self._store = store
        self._policy = policy

    def concerning(self, study: Study) -> tuple[OrderNotice, ...]:
        """See ``Orders.concerning``."""
        matches = [OrderNoticeRow.study_instance_uid == study.study_instance_uid]
        if accession := (study.accession_number or "").strip():
            matches.append(OrderNoticeRow.accession_number == accession)
        with self._store.read() as session:
            identifiers = merged_with(session, identifiers_of(study.patient, self._policy))
            of_patient = select(OrderPatientRow.notice_id).where(
                tuple_(OrderPatientRow.identifier, OrderPatientRow.issuer).in_(sorted(identifiers))
            )
            query = select(OrderNoticeRow).where(
                OrderNoticeRow.is_current, or_(*matches, OrderNoticeRow.notice_id.in_(of_patient))
            )
            rows = session.scalars(query.order_by(OrderNoticeRow.notice_id))
            return tuple(notice_from_document(row.document) for row in rows)


class DatabaseNews:
    """``News`` on the store."""

    def __init__(self, store: Store, clock: Clock, policy: IdentityPolicy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    def expect(self, study: Study) -> None:
        """See ``News.expect``."""
        uid = study.study_instance_uid
        with self._store.begin() as session:
            session.merge(
                ExpectingExamRow(
                    study_instance_uid=uid,
                    accession_number=(study.accession_number or "").strip() or None,
                    performed_on=_day(study),
                )
            )
            session.execute(delete(ExpectingPatientRow).where(ExpectingPatientRow.study_instance_uid == uid))
            session.add_all(
                ExpectingPatientRow(study_instance_uid=uid, identifier=identifier, issuer=issuer)
                for identifier, issuer in sorted(identifiers_of(study.patient, self._policy))
            )

    def tell_later_exams(self, study: Study, reason: str) -> int:
        """See ``News.tell_later_exams``."""
        with self._store.begin() as session:
            identifiers = merged_with(session, identifiers_of(study.patient, self._policy))
            concerned = exams_of_patient(session, identifiers, from_day=_day(study)) - {study.study_instance_uid}
            tell(session, concerned, reason, self._clock.now())
        return len(concerned)

    def tell_exam(self, study_instance_uid: str, reason: str) -> None:
        """Tell one exam that what it is made from has changed."""
        with self._store.begin() as session:
            tell(session, [study_instance_uid], reason, self._clock.now())

    def unsettled(self, study_instance_uid: str) -> UnsettledNews | None:
        """See ``News.unsettled``."""
        query = select(NewsRow).where(NewsRow.study_instance_uid == study_instance_uid, NewsRow.settled_at.is_(None))
        with self._store.read() as session:
            rows = list(session.scalars(query.order_by(NewsRow.news_id)))
        if not rows:
            return None
        return UnsettledNews(rows[-1].news_id, tuple(dict.fromkeys(row.reason for row in rows)))

    def settle(self, study_instance_uid: str, last: int, outcome: str) -> None:
        """See ``News.settle``."""
        with self._store.begin() as session:
            session.execute(
                update(NewsRow)
                .where(
                    NewsRow.study_instance_uid == study_instance_uid,
                    NewsRow.news_id <= last,
                    NewsRow.settled_at.is_(None),
                )
                .values(settled_at=self._clock.now(), outcome=outcome)
            )

    def waiting(self, *, quiet_before: datetime, limit: int) -> list[str]:
        """See ``News.waiting``.

        An exam whose count failed for good is not tried again for the same news.
        """
        newest = func.max(NewsRow.arrived_at)
        gave_up = (
            select(StepRow.step_id)
            .where(
                StepRow.study_instance_uid == NewsRow.study_instance_uid,
                StepRow.name == StepName.COMPLETE.value,
                StepRow.state == _FAILED_STEP,
                StepRow.revision == ExamRow.revision + 1,
                StepRow.finished_at >= NewsRow.arrived_at,
            )
            .exists()
        )
        query = (
            select(NewsRow.study_instance_uid)
            .join(ExamRow, ExamRow.study_instance_uid == NewsRow.study_instance_uid)
            .where(NewsRow.settled_at.is_(None), ExamRow.state.in_(_ENDED), ExamRow.revision > 0, ~gave_up)
            .group_by(NewsRow.study_instance_uid)
            .having(newest <= quiet_before)
            .order_by(func.min(NewsRow.news_id))
            .limit(limit)
        )
        with self._store.read() as session:
            return list(session.scalars(query))


def exams_of_order(session: Session, notice: OrderNotice, identifiers: Iterable[Identifier]) -> set[str]:
    """Exams that an order may concern: those it names and those of its patient."""
    matches = [ExpectingExamRow.study_instance_uid == notice.study_instance_uid]
    if accession := (notice.order.accession_number or "").strip():
        matches.append(ExpectingExamRow.accession_number == accession)
    named = session.scalars(select(ExpectingExamRow.study_instance_uid).where(or_(*matches)))
    return set(named) | exams_of_patient(session, identifiers)


def exams_of_patient(session: Session, identifiers: Iterable[Identifier], *, from_day: str | None = None) -> set[str]:
    """Exams under any of the identifiers; with ``from_day`` only those of that day or later."""
    query = select(ExpectingPatientRow.study_instance_uid).where(
        tuple_(ExpectingPatientRow.identifier, ExpectingPatientRow.issuer).in_(sorted(identifiers))
    )
    if from_day is not None:
        query = query.join(
            ExpectingExamRow, ExpectingExamRow.study_instance_uid == ExpectingPatientRow.study_instance_uid
        ).where(ExpectingExamRow.performed_on >= from_day)
    return set(session.scalars(query))


def tell(session: Session, study_instance_uids: Iterable[str], reason: str, now: datetime) -> None:
    """Note one piece of news for each exam, in the caller's transaction."""
    session.add_all(
        NewsRow(study_instance_uid=uid, reason=reason, arrived_at=now) for uid in sorted(study_instance_uids)
    )


def _day(study: Study) -> str | None:
    day: date | None = study.performed_at.date() if study.performed_at else None
    return day.isoformat() if day else None
