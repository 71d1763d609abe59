"""Which orders belong to an exam: by Study Instance UID, accession number, or the patient and the day.

An order whose patient is not plainly the exam's patient is never used, whatever numbers agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from plumbline.exams.identity import IdentityAnswer, IdentityPolicy, SamePatient, same_patient
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import Order
from plumbline.exams.study import Study


class OrderLink(StrEnum):
    """How an order stands to an exam."""

    EXAM = "exam"
    """The exam was made for it: its red flags and its priority count."""
    PATIENT = "patient"
    """It is of the same patient: only what it says of operations counts."""
    REFUSED = "refused"
    """Its numbers or its patient ID agree, but it is not plainly of the same patient."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """How far an order without accession number and Study Instance UID reaches."""

    days: int = 1
    """Days between the day ordered and the day of the exam: exams slip past midnight, not by a week."""
    identity: IdentityPolicy = field(default_factory=IdentityPolicy)


@dataclass(frozen=True)
class LinkedOrders:
    """The orders of one exam, those of its patient, and why others that seemed to fit were not used."""

    of_exam: tuple[Order, ...] = ()
    of_patient: tuple[Order, ...] = ()
    refused: tuple[str, ...] = ()
    """Sentences without patient data, each once."""


def link_orders(notices: Iterable[OrderNotice], study: Study, policy: LinkPolicy | None = None) -> LinkedOrders:
    """Sort orders by how they stand to an exam; those that were cancelled are left out."""
    policy = policy or LinkPolicy()
    linked: dict[OrderLink, list[Order]] = {link: [] for link in OrderLink}
    refused: dict[str, None] = {}
    for notice in notices:
        if notice.status is OrderStatus.CANCELLED:
            continue
        link, sentence = link_of(notice, study, policy)
        linked[link].append(notice.order)
        if link is OrderLink.REFUSED:
            refused[sentence] = None
    return LinkedOrders(tuple(linked[OrderLink.EXAM]), tuple(linked[OrderLink.PATIENT]), tuple(refused))


def link_of(notice: OrderNotice, study: Study, policy: LinkPolicy) -> tuple[OrderLink, str]:
    """How one order stands to an exam, and the sentence that says why."""
    identity = same_patient(study.patient, notice.patient, policy.identity)
    if not identity.is_same:
        return _of_another(notice, study, identity)
    if _names(notice, study):
        return OrderLink.EXAM, "It names this exam."
    if notice.is_operation or _names_another(notice, study):
        return OrderLink.PATIENT, "It is about an operation or another exam of the same patient."
    if _is_of_the_day(notice, study, policy):
        return OrderLink.EXAM, "It is of the same patient and for the day of the exam."
    return OrderLink.PATIENT, "It is of the same patient, for another day."


def _of_another(notice: OrderNotice, study: Study, identity: IdentityAnswer) -> tuple[OrderLink, str]:
    """What is said of an order that is not plainly of the exam's patient."""
    if identity.answer is SamePatient.CONFLICT:
        return OrderLink.REFUSED, (
            "An order under this patient's identifier contradicts the exam in birth date or sex; it was not used."
        )
    if _names(notice, study):
        return OrderLink.REFUSED, "An order with this exam's number is of another patient; it was not used."
    return OrderLink.NONE, "It is of another patient."


def _names(notice: OrderNotice, study: Study) -> bool:
    if notice.study_instance_uid == study.study_instance_uid:
        return True
    accession = _plain(notice.order.accession_number)
    return bool(accession) and accession == _plain(study.accession_number)


def _names_another(notice: OrderNotice, study: Study) -> bool:
    """Of an order that does not name this exam: whether it names one at all that can be told from it."""
    if notice.study_instance_uid:
        return True
    return bool(_plain(notice.order.accession_number)) and bool(_plain(study.accession_number))


def _plain(value: str | None) -> str:
    return (value or "").strip()


def _is_of_the_day(notice: OrderNotice, study: Study, policy: LinkPolicy) -> bool:
    if notice.planned_on is None or study.performed_at is None:
        return False
    return abs((study.performed_at.date() - notice.planned_on).days) <= policy.days
