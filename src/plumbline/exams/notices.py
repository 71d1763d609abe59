"""What other systems tell about a patient: orders, operations that were done, and that two records are one.

Plain values that HL7 v2 and FHIR are both read into; nothing here knows a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from plumbline.exams.order import Order
from plumbline.exams.study import PatientIdentity


class OrderStatus(StrEnum):
    """Whether an order counts."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    UNCHANGED = "unchanged"
    """A message about the order's progress that says nothing new of its content."""


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """One order, or one operation that was done, as the newest message about it tells it.

    Parameters
    ----------
    order_key
        Names the order across messages: its placer number (else its filler number) with who gave it.
    study_instance_uid
        The study that the order was made for, where the message says so.
    planned_on
        Day for which the exam or the operation was ordered, or on which the operation was done.
    is_operation
        Whether it is about an operation, so that it belongs to all exams of the patient.
    sent_at
        When the message was written, so that an older one that arrives later does not count.
    """

    order_key: str
    status: OrderStatus
    patient: PatientIdentity
    order: Order
    study_instance_uid: str | None = None
    planned_on: date | None = None
    is_operation: bool = False
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MergeNotice:
    """Two records turned out to be of one patient: the identifiers of the retired one, and the surviving record."""

    surviving: PatientIdentity
    retired: tuple[tuple[str, str | None], ...]
    """(patient ID, issuer) pairs."""


Notice = OrderNotice | MergeNotice
