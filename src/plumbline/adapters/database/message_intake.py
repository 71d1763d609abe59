"""Messages of other systems in the store (port ``MessageIntake``): kept as received, applied once, news told.

One transaction holds the message, what it says and the news for the exams it concerns, so that whoever
sent it may forget it as soon as a call returns.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.news import exams_of_order, exams_of_patient, tell
from plumbline.adapters.database.orders import notice_document, notice_from_document
from plumbline.adapters.database.patients import Identifier, merged_with
from plumbline.adapters.database.record_tables import MessageRow, OrderNoticeRow, OrderPatientRow, PatientLinkRow
from plumbline.errors import InvalidInput, OutOfCapacity
from plumbline.exams.identity import IdentityPolicy, identifiers_of
from plumbline.exams.notices import MergeNotice, Notice, OrderNotice, OrderStatus
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.patient_ports import Envelope, Receipt, StoredMessage, Taken
from plumbline.pipeline.ports import Clock

_MAXIMUM_TRIES = 40
_LONGEST_PAUSE_S = 0.2
"""Between two tries, at random up to this, so that those who collide do not collide again."""


class DatabaseMessageIntake:
    """``MessageIntake`` on the store.

    Parameters
    ----------
    policy
        What a patient ID without an issuer means at this site.
    """

    def __init__(self, store: Store, clock: Clock, policy: IdentityPolicy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    def take_in(self, envelope: Envelope, notices: Sequence[Notice]) -> Receipt:
        """See ``MessageIntake.take_in``."""
        return self._once(envelope, Taken.APPLIED, "", notices)

    def set_aside(self, envelope: Envelope, sentence: str) -> Receipt:
        """See ``MessageIntake.set_aside``."""
        return self._once(envelope, Taken.QUARANTINED, sentence, ())

    def _once(self, envelope: Envelope, outcome: Taken, sentence: str, notices: Sequence[Notice]) -> Receipt:
        for tries in range(1, _MAXIMUM_TRIES + 1):
            try:
                return self._store_and_apply(envelope, outcome, sentence, notices)
            except IntegrityError:  # the same message, or one about the same order, was faster on another connection
                time.sleep(random.uniform(0.0, min(0.01 * tries, _LONGEST_PAUSE_S)))
        raise OutOfCapacity("too many messages about one order at once")

    def _store_and_apply(self, envelope: Envelope, outcome: Taken, sentence: str, notices: Sequence[Notice]) -> Receipt:
        with self._store.begin() as session:
            known = _known(session, envelope)
            if known is not None and (known.outcome == Taken.APPLIED or outcome is Taken.QUARANTINED):
                return _again(known)
            row = known or self._new(session, envelope)
            row.outcome, row.sentence = outcome.value, sentence
            session.flush()
            told = {uid for notice in notices for uid in self._apply(session, notice, row.message_id)}
            return Receipt(outcome, row.message_id, sentence, len(told))

    def _new(self, session: Session, envelope: Envelope) -> MessageRow:
        row = MessageRow(
            channel=envelope.channel,
            kind=envelope.kind[:40],
            sender=envelope.sender,
            control_id=envelope.control_id,
            sha256=_digest(envelope),
            subject=envelope.subject,
            body=envelope.body,
            received_at=self._clock.now(),
        )
        session.add(row)
        return row

    def _apply(self, session: Session, notice: Notice, message_id: int) -> set[str]:
        """Store what one notice says; return the exams that were told."""
        match notice:
            case OrderNotice():
                return self._apply_order(session, notice, message_id)
            case MergeNotice():
                return self._apply_merge(session, notice, message_id)

    def _apply_order(self, session: Session, notice: OrderNotice, message_id: int) -> set[str]:
        current = session.scalar(
            select(OrderNoticeRow)
            .where(OrderNoticeRow.order_key == notice.order_key, OrderNoticeRow.is_current)
            .with_for_update()
        )
        before = notice_from_document(current.document) if current else None
        if before is not None and not _is_news(notice, before):
            return set()
        is_current = before is None or not _is_older(notice, before)
        identifiers = identifiers_of(notice.patient, self._policy)
        if current is not None and is_current:
            current.is_current = False
            session.flush()  # before the row that takes its place
        self._add_order(session, notice, message_id, identifiers, is_current=is_current)
        if not is_current:
            return set()
        concerned = exams_of_order(session, notice, merged_with(session, identifiers))
        if before is not None:  # a corrected order may now be of another patient or exam
            concerned |= exams_of_order(
                session, before, merged_with(session, identifiers_of(before.patient, self._policy))
            )
        tell(session, concerned, "An order for it or its patient came in, changed or was cancelled.", self._clock.now())
        return concerned

    @staticmethod
    def _add_order(
        session: Session, notice: OrderNotice, message_id: int, identifiers: set[Identifier], *, is_current: bool
    ) -> None:
        row = OrderNoticeRow(
            message_id=message_id,
            order_key=notice.order_key,
            is_current=is_current,
            accession_number=(notice.order.accession_number or "").strip() or None,
            study_instance_uid=notice.study_instance_uid,
            document=notice_document(notice),
        )
        session.add(row)
        session.flush()
        session.add_all(
            OrderPatientRow(notice_id=row.notice_id, identifier=identifier, issuer=issuer)
            for identifier, issuer in sorted(identifiers)
        )

    def _apply_merge(self, session: Session, notice: MergeNotice, message_id: int) -> set[str]:
        retired = identifiers_of(PatientIdentity("", other_ids=notice.retired), self._policy)
        for identifier in sorted(retired):
            self._link(session, notice.surviving, identifier, message_id)
        session.flush()
        surviving = identifiers_of(notice.surviving, self._policy)
        concerned = exams_of_patient(session, merged_with(session, surviving | retired))
        tell(session, concerned, "Two records of its patient were merged.", self._clock.now())
        return concerned

    def _link(self, session: Session, surviving: PatientIdentity, retired: Identifier, message_id: int) -> None:
        """Tie a retired identifier to the surviving one of the same issuer, else to the first."""
        own = identifiers_of(surviving, self._policy)
        first = identifiers_of(PatientIdentity(surviving.patient_id, surviving.issuer), self._policy)
        same_issuer = sorted(pair for pair in own if pair[1] == retired[1])
        chosen = next(iter([*(first & set(same_issuer)), *same_issuer, *first]))
        if chosen == retired or retired in merged_with(session, {chosen}):
            return
        session.add(
            PatientLinkRow(
                message_id=message_id,
                surviving_id=chosen[0],
                surviving_issuer=chosen[1],
                retired_id=retired[0],
                retired_issuer=retired[1],
            )
        )

    def messages(self, *, outcome: Taken | None = None, limit: int = 100) -> list[StoredMessage]:
        """See ``MessageIntake.messages``."""
        query = select(MessageRow).order_by(MessageRow.message_id.desc()).limit(limit)
        if outcome is not None:
            query = query.where(MessageRow.outcome == outcome.value)
        with self._store.read() as session:
            return [_stored(row) for row in session.scalars(query)]

    def body(self, message_id: int) -> bytes:
        """See ``MessageIntake.body``."""
        with self._store.read() as session:
            row = session.get(MessageRow, message_id, options=[undefer(MessageRow.body)])
            if row is None:
                raise InvalidInput("there is no such message", where=str(message_id))
            return row.body

    def newest_about(self, subject: str) -> tuple[bytes, int] | None:
        """See ``MessageIntake.newest_about``."""
        about = (MessageRow.subject == subject, MessageRow.outcome == Taken.APPLIED.value)
        with self._store.read() as session:
            count = session.scalar(select(func.count()).select_from(MessageRow).where(*about)) or 0
            body = session.scalar(select(MessageRow.body).where(*about).order_by(MessageRow.message_id.desc()).limit(1))
        return None if body is None else (body, count)


def _digest(envelope: Envelope) -> str:
    return hashlib.sha256(envelope.body).hexdigest()


def _known(session: Session, envelope: Envelope) -> MessageRow | None:
    """The same message from before: sender, control ID and content."""
    return session.scalar(
        select(MessageRow).where(
            MessageRow.channel == envelope.channel,
            MessageRow.sender == envelope.sender,
            MessageRow.control_id == envelope.control_id,
            MessageRow.sha256 == _digest(envelope),
        )
    )


def _again(row: MessageRow) -> Receipt:
    outcome = Taken.DUPLICATE if row.outcome == Taken.APPLIED else Taken.QUARANTINED
    return Receipt(outcome, row.message_id, row.sentence)


def _is_news(notice: OrderNotice, before: OrderNotice) -> bool:
    """Whether a message changes anything of an order that is known; when it was written does not count."""
    if notice.status is OrderStatus.UNCHANGED:
        return False
    told, known = notice_document(notice), notice_document(before)
    return {**told, "sent_at": None} != {**known, "sent_at": None}


def _is_older(notice: OrderNotice, before: OrderNotice) -> bool:
    return notice.sent_at is not None and before.sent_at is not None and notice.sent_at < before.sent_at


def _stored(row: MessageRow) -> StoredMessage:
    return StoredMessage(
        message_id=row.message_id,
        channel=row.channel,
        kind=row.kind,
        sender=row.sender,
        received_at=row.received_at,
        outcome=Taken(row.outcome),
        sentence=row.sentence,
    )
