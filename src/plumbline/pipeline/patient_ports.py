"""What the path needs to know beyond images: merged records, orders, news that came late, readers' landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from plumbline.anatomy.landmarks import Landmark
from plumbline.exams.notices import Notice, OrderNotice
from plumbline.exams.study import PatientIdentity, Study


class Patients(Protocol):
    """Which records are of one patient. What was received is never rewritten; links are laid over it."""

    def linked(self, patient: PatientIdentity) -> tuple[tuple[str, str], ...]:
        """(patient ID, issuer) pairs that merges tie to a record, sorted; its own are not among them."""
        ...


class Orders(Protocol):
    """Orders and operations that other systems told of."""

    def concerning(self, study: Study) -> tuple[OrderNotice, ...]:
        """The newest word on every order that names the study, its accession number or one of its patient's IDs.

        Only numbers were compared; whether it is the same patient is for ``exams.order_links``.
        """
        ...


@dataclass(frozen=True, slots=True)
class UnsettledNews:
    """News of one exam that nobody has judged yet."""

    last: int
    """Number of the last piece; later ones stay unsettled."""
    reasons: tuple[str, ...]


class News(Protocol):
    """What arrived after an exam was recognised and may change its outcome: an order, a merge, a reference."""

    def expect(self, study: Study) -> None:
        """Note from now on what concerns this exam; called before its orders are read, so that none slips through."""
        ...

    def tell_later_exams(self, study: Study, reason: str) -> int:
        """Tell the exams of the same patient that were made on that day or later; return how many."""
        ...

    def unsettled(self, study_instance_uid: str) -> UnsettledNews | None:
        """News of an exam, None where there is none."""
        ...

    def settle(self, study_instance_uid: str, last: int, outcome: str) -> None:
        """Close the news up to ``last`` with the sentence of what came of it."""
        ...

    def waiting(self, *, quiet_before: datetime, limit: int) -> list[str]:
        """Exams that are not under way and have news, none of it later than ``quiet_before``, the oldest first."""
        ...


class Landmarks(Protocol):
    """Points that readers set on radiographs."""

    def landmarks(self, study_instance_uid: str) -> Sequence[Landmark]:
        """Those of a study as they stand."""
        ...


# --- messages -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as it came in.

    ``control_id`` is the sender's number of it (MSH-10), ``subject`` the resource it is about (FHIR).
    """

    channel: str
    """``hl7`` or ``fhir``."""
    kind: str
    """``ORM^O01``, ``ServiceRequest``..."""
    sender: str
    control_id: str
    body: bytes
    subject: str | None = None


class Taken(StrEnum):
    """What taking a message in came to."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message. ``sentence`` is why it was set aside, empty where it was applied."""

    outcome: Taken
    message_id: int
    sentence: str = ""
    exams_told: int = 0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as an operator sees it in a list: nothing of its content."""

    message_id: int
    channel: str
    kind: str
    sender: str
    received_at: datetime
    outcome: Taken
    sentence: str


class MessageIntake(Protocol):
    """Where orders and merges go in: durable, with all that follows from them, when a call returns."""

    def take_in(self, envelope: Envelope, notices: Sequence[Notice]) -> Receipt:
        """Store a message and what it says, and tell the exams that it concerns; all in one transaction.

        The same message (sender, control ID and content) again changes nothing and gets the first receipt's
        sentence.
        """
        ...

    def set_aside(self, envelope: Envelope, sentence: str) -> Receipt:
        """Keep a message that cannot be used, with the reason, where an operator sees it."""
        ...

    def messages(self, *, outcome: Taken | None = None, limit: int = 100) -> list[StoredMessage]:
        """Messages, the newest first."""
        ...

    def body(self, message_id: int) -> bytes:
        """A message as it was received; raise ``InvalidInput`` where there is none."""
        ...

    def newest_about(self, subject: str) -> tuple[bytes, int] | None:
        """The newest applied message about a resource and how many there were, None where there is none."""
        ...
