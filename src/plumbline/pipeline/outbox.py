"""Results on their way to the department: what is owed to whom, and how it is tried again.

A delivery is a row that is committed together with the result it tells of. A destination gets the deliveries of
one exam in their order, each once as seen from outside: what is sent carries an identifier derived from what it
is, so that a repeat after a lost answer replaces itself. What cannot be delivered becomes a dead letter, which
a person sees and sends again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from plumbline.errors import AnalysisFailed, Conflict, InvalidInput, Misconfigured, PlumblineError
from plumbline.pipeline.ports import Clock, ReportObject
from plumbline.pipeline.rejection import rejection_notes

PROVISIONAL_KEY = ":provisional"
"""End of the key of what is told before an exam was compared."""
TAKEN_BACK_KEY = ":taken-back"
"""End of the key by which all that was told of an exam is taken back."""


class DeliveryKind(StrEnum):
    """What is delivered."""

    OBJECTS = "objects"
    """The DICOM objects of a report: SR, key objects, pictures."""
    RESULT = "result"
    """The result in words: priority, status, short text, link."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """Given up; a person may send it again."""
    SUPERSEDED = "superseded"
    """Not needed any more: a later one of the same exam says all that it would have said."""


@dataclass(frozen=True)
class NewDelivery:
    """Something owed to a destination. The same destination and key again is the same delivery."""

    destination: str
    kind: DeliveryKind
    key: str
    study_instance_uid: str
    revision: int
    notice: Mapping[str, Any]
    """What there is to say, as ``pipeline.outgoing`` writes it."""

    @property
    def is_provisional(self) -> bool:
        """Whether it is told before the exam was compared."""
        return self.key.endswith(PROVISIONAL_KEY)


@dataclass(frozen=True)
class Delivery:
    """A delivery as the outbox keeps it."""

    delivery_id: int
    destination: str
    kind: DeliveryKind
    key: str
    study_instance_uid: str
    revision: int
    notice: Mapping[str, Any]
    state: DeliveryState
    attempts: int
    created_at: datetime
    not_before: datetime
    error: str | None = None
    sent_at: datetime | None = None

    @property
    def takes_back(self) -> bool:
        """Whether it takes back all that was told of the exam before."""
        return self.key.endswith(TAKEN_BACK_KEY)

    @property
    def may_have_arrived(self) -> bool:
        """Whether the destination may have it, be it that its answer was lost, or is to get it yet."""
        is_on_its_way = self.state in {DeliveryState.SENT, DeliveryState.WAITING}
        return is_on_its_way or self.attempts > 0 or self.error is not None


@dataclass(frozen=True)
class Backlog:
    """What one destination is owed, for operators."""

    destination: str
    waiting: int
    dead: int
    sent: int
    oldest_waiting_at: datetime | None


class Outbox(Protocol):
    """Deliveries that survive a restart."""

    def commit(
        self, study_instance_uid: str, revision: int, document: Mapping[str, Any], owed: Sequence[NewDelivery]
    ) -> None:
        """Store the result document of a revision and what is owed because of it, both or neither.

        A result that waits for the same destination and exam and was not sent yet is superseded.
        """
        ...

    def owe(self, owed: Sequence[NewDelivery]) -> None:
        """Store what is owed before there is a result; a provisional one supersedes only others of its kind."""
        ...

    def of_exam(self, study_instance_uid: str, destinations: Collection[str]) -> list[Delivery]:
        """Deliveries of an exam to these destinations, the oldest first."""
        ...

    def take_back(
        self,
        study_instance_uid: str,
        destinations: Collection[str],
        owed_after: Callable[[Sequence[Delivery]], Sequence[NewDelivery]],
    ) -> None:
        """Supersede what waits of an exam and is not being sent; store what takes back the rest. One transaction.

        Parameters
        ----------
        owed_after
            What is owed then, given the deliveries of the exam to these destinations, the oldest first.
        """
        ...

    def claim(self, destination: str, holder: str, lease: timedelta) -> Delivery | None:
        """Take the next delivery that is due, the oldest first; None where there is none.

        A delivery waits while an older one of the same exam waits for the same destination.
        """
        ...

    def sent(self, delivery: Delivery) -> None:
        """Note that the destination has it."""
        ...

    def failed(self, delivery: Delivery, sentence: str, *, again_at: datetime | None) -> None:
        """Note a failed attempt; without a time to try again the delivery is dead."""
        ...

    def resend(self, delivery_id: int) -> Delivery:
        """Let a dead or sent delivery be sent again now.

        Raises ``InvalidInput`` where there is none, ``Conflict`` where it waits anyway, is a provisional result of an
        exam of which the destination was told more since, or was taken back.
        """
        ...

    def letters(
        self, *, state: DeliveryState | None = None, destination: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Deliveries, the newest first."""
        ...

    def backlog(self) -> list[Backlog]:
        """What each destination is owed."""
        ...


class Destination(Protocol):
    """A system that results are sent to."""

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """Send; returns when the destination has it for good.

        Raises
        ------
        Unavailable, OutOfCapacity
            It does not answer, or may take it later.
        InvalidInput
            It will never take this.
        """
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a delivery is tried again. The wait doubles from the first to the longest."""

    first_s: float = 5.0
    longest_s: float = 600.0
    give_up_after_s: float = 7 * 86_400.0
    """From when the delivery became owed (or was sent again): a weekend's outage costs nothing."""
    lease_s: float = 300.0
    """Longest time that one attempt may take; then others may try."""

    def wait_s(self, attempts: int) -> float:
        """Seconds to wait after so many failed attempts."""
        return min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 30))


_NEVER_AGAIN = (InvalidInput, Misconfigured, AnalysisFailed, Conflict)


class DeliveryObserver(Protocol):
    """Told what became of attempts, for logs, metrics and traces."""

    def started(self, delivery: Delivery) -> None:
        """An attempt has begun."""
        ...

    def delivered(self, delivery: Delivery) -> None:
        """A destination has it."""
        ...

    def not_delivered(self, delivery: Delivery, sentence: str, *, is_dead: bool) -> None:
        """An attempt failed."""
        ...


@dataclass(frozen=True)
class Dispatcher:
    """Delivers what is due to one destination.

    Parameters
    ----------
    objects_of
        Report objects of a revision: Study Instance UID, revision.
    holder
        Name of this dispatcher, unique among all that run now.
    """

    name: str
    destination: Destination
    outbox: Outbox
    objects_of: Any
    clock: Clock
    holder: str
    observer: DeliveryObserver
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def deliver_next(self) -> bool:
        """Try the next delivery that is due; False where there is none, or the destination is away."""
        delivery = self.outbox.claim(self.name, self.holder, timedelta(seconds=self.policy.lease_s))
        if delivery is None:
            return False
        self.observer.started(delivery)
        try:
            self.destination.deliver(delivery, self._objects(delivery))
        except _NEVER_AGAIN as error:
            self._failed(delivery, error, again_at=None)
            return True
        except PlumblineError as error:
            self._failed(delivery, error, again_at=self._again_at(delivery))
            return False
        except Exception as error:  # noqa: BLE001 (the edge: whatever a destination makes us raise, the letter is kept)
            sentence = InvalidInput(f"the attempt broke off ({type(error).__name__})")
            self._failed(delivery, sentence, again_at=self._again_at(delivery))
            return False
        self.outbox.sent(delivery)
        self.observer.delivered(delivery)
        return True

    def _objects(self, delivery: Delivery) -> Sequence[ReportObject]:
        if delivery.kind is not DeliveryKind.OBJECTS:
            return ()
        wanted = set(delivery.notice.get("objects", ()))
        objects = self.objects_of(delivery.study_instance_uid, delivery.revision) if wanted else ()
        new = [each for each in objects if each.sop_instance_uid in wanted]
        return [*new, *rejection_notes(delivery.study_instance_uid, delivery.notice, self.objects_of)]

    def _again_at(self, delivery: Delivery) -> datetime | None:
        """When to try again, None once it has waited too long."""
        now = self.clock.now()
        if (now - delivery.created_at).total_seconds() > self.policy.give_up_after_s:
            return None
        return now + timedelta(seconds=self.policy.wait_s(delivery.attempts))

    def _failed(self, delivery: Delivery, error: PlumblineError, *, again_at: datetime | None) -> None:
        self.outbox.failed(delivery, str(error), again_at=again_at)
        self.observer.not_delivered(delivery, str(error), is_dead=again_at is None)
