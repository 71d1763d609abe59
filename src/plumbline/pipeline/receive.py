"""Step 1, receive: from what the spool took in to the ledger that the workers query.

The listener answers Success as soon as an instance is durable in the journal. Here each journal entry is
read as far as its identity, recorded or put in quarantine, together with the position reached, in one
transaction: a crash at any point is repaired by going on from the stored position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from plumbline.errors import InvalidInput
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import InstanceIndex, Location, QuarantineEntry, ReceivedInstance, RecordOutcome

Bytes = bytes | bytearray | memoryview

OWN_MANUFACTURER = "Plumbline"
"""Manufacturer (0008,0070) of every object that this system makes."""
OWN_MODALITIES = frozenset({"SR", "KO", "OT", "SC", "PR"})
CURSOR_PREFIX = "spool:"
FINISHED = "finished"
"""Cursor value of a segment that was read to its end and will not grow."""
LONGEST_UID = 64
BATCH = 500
"""Entries of one transaction."""
LARGE_BYTES = 1 << 16
"""Mean length of datasets from which on their digests take longer than everything else."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the command set and the association say of an instance, without a look into its dataset.

    ``refusal`` is the reason for which the sender was refused, empty where it heard Success.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sender: str
    received_at: datetime
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry of the journal. ``end`` is the offset in its segment from which to go on."""

    label: Label
    location: Location
    end: int


class LargeArrival(Protocol):
    """An instance on its way in that no buffer holds."""

    def write(self, piece: Bytes) -> None:
        """Append bytes of the dataset."""
        ...

    def dataset(self) -> AbstractContextManager[memoryview]:
        """The bytes so far, for as long as the context lasts; in no memory of their own."""
        ...

    def finish(self, label: Label | None = None) -> Location:
        """Make it durable and visible; ``label`` replaces the one it began with."""
        ...

    def abandon(self) -> None:
        """Leave nothing of it."""
        ...


class ArrivalMemory(Protocol):
    """Memory of the spool's own, from which it keeps an instance without copying it."""

    @property
    def room(self) -> memoryview:
        """Where the dataset is to be put, from the start on."""
        ...


class Intake(Protocol):
    """The spool as the listener writes to it. Raises ``OutOfCapacity`` or ``Unavailable``."""

    def memory(self, capacity: int) -> ArrivalMemory:
        """Memory for a dataset of at most ``capacity`` bytes."""
        ...

    def add(self, label: Label, dataset: Bytes, memory: Any = None) -> Location:
        """Keep one instance; durable when it returns. ``memory`` is the one in whose room it lies, if in any."""
        ...

    def start_large(self, label: Label) -> LargeArrival:
        """Begin an instance that is written piece by piece."""
        ...

    def free_bytes(self) -> int:
        """Room on the spool's disk."""
        ...


class Arrivals(Protocol):
    """The spool as the indexer reads it."""

    def segments(self) -> list[str]:
        """Names of all segments, the oldest first."""
        ...

    def after(self, segment: str, offset: int, limit: int) -> Sequence[Arrival]:
        """Whole and durable entries of a segment from an offset on, some of those that there are; none at its end."""
        ...

    def is_finished(self, segment: str, offset: int) -> bool:
        """Whether nothing will ever follow at this offset."""
        ...

    def dataset(self, arrival: Arrival) -> AbstractContextManager[memoryview]:
        """Dataset bytes as received; may be asked by several threads at once, not beside ``after``."""
        ...


class Refusal(StrEnum):
    """Why an instance cannot be used."""

    NOT_DICOM = "not-dicom"
    TRUNCATED = "truncated"
    CONTRADICTION = "contradicts-its-identity"
    MISSING_TAG = "missing-tag"
    INVALID_UID = "invalid-uid"
    DAMAGED = "damaged"
    """The spool's disk gives back other bytes than were received."""
    CLASS_NOT_TAKEN = "class-not-taken"
    """Fetched with its study, of a class that the site does not take; its bytes are not kept."""


SENTENCES = {
    Refusal.NOT_DICOM: "What was sent as a dataset is not one in its transfer syntax; send the instance again.",
    Refusal.TRUNCATED: "The dataset ends in the middle of an element; send the instance again.",
    Refusal.CONTRADICTION: (
        "SOP Class UID or SOP Instance UID in the dataset is not the one in the C-STORE request; "
        "correct the object at its sender."
    ),
    Refusal.DAMAGED: (
        "The disk of the spool gives back other bytes than were received; check the disk and send the instance again."
    ),
    Refusal.CLASS_NOT_TAKEN: (
        "The site does not take this SOP Class (listener.accept_unknown_storage); the archive has the instance."
    ),
}


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """Attributes of a dataset that say what it is and of whom; empty where the dataset does not have them."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient: PatientIdentity
    modality: str
    manufacturer: str


class Unusable(InvalidInput):
    """A dataset that cannot be taken in, with the word for why.

    ``header`` is what could be read of it all the same, so that an operator finds it with its study.
    """

    def __init__(self, reason: Refusal, what: str | None = None, header: InstanceHeader | None = None) -> None:
        super().__init__(what or SENTENCES[reason])
        self.reason = reason
        self.header = header


Judgement = ReceivedInstance | QuarantineEntry | InstanceHeader
"""What becomes of an entry: an instance to record, a thing for quarantine, or (a header) one of our own objects."""
HeaderReader = Callable[[memoryview, str], InstanceHeader]
"""(dataset, Transfer Syntax UID) to header. Raises ``Unusable``."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What one pass over the journal came to, by outcome; and what of it was set aside, by sender and reason."""

    outcomes: dict[str, int] = field(default_factory=dict)
    set_aside: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """Entries dealt with."""
        return sum(self.outcomes.values())

    def plus(self, outcome: str, count: int = 1) -> TakenIn:
        """The same, with some more of one outcome."""
        return replace(self, outcomes={**self.outcomes, outcome: self.outcomes.get(outcome, 0) + count})

    def plus_set_aside(self, sender: str, reason: str) -> TakenIn:
        """The same, with one more instance of a sender set aside."""
        key = (sender, reason)
        return replace(self, set_aside={**self.set_aside, key: self.set_aside.get(key, 0) + 1})

    def and_(self, other: TakenIn) -> TakenIn:
        """Both together."""
        total = self
        for outcome, count in other.outcomes.items():
            total = total.plus(outcome, count)
        keys = self.set_aside.keys() | other.set_aside.keys()
        both = {key: self.set_aside.get(key, 0) + other.set_aside.get(key, 0) for key in keys}
        return replace(total, set_aside=both)


OWN_OBJECT = "own-object"
QUARANTINED = "quarantined"


def is_own_object(*, manufacturer: str, modality: str) -> bool:
    """Whether this system made an object: such are not evidence, do not make a study grow and are not counted.

    The archive sends a study again when our report is stored into it; without this rule every report
    would lead to the next one.
    """
    return manufacturer.strip() == OWN_MANUFACTURER and modality.strip() in OWN_MODALITIES


class Ledger:
    """The journal's entries, brought into the ledger in their order.

    One at a time may work on a spool; it remembers how far it got, so that an idle pass asks the
    store nothing.

    Parameters
    ----------
    helpers
        Threads that judge large entries side by side; none where they are judged one after another.
    takes_class
        Whether the site takes a SOP Class. What is sent is refused at once; what is fetched, only here.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        index: InstanceIndex,
        read_header: HeaderReader,
        helpers: Executor | None = None,
        *,
        takes_class: Callable[[str], bool] = lambda _uid: True,
    ) -> None:
        self._takes_class = takes_class
        self._arrivals = arrivals
        self._index = index
        self._read_header = read_header
        self._helpers = helpers
        self._positions: dict[str, str] = {}

    def take_in(self, *, limit: int = BATCH) -> TakenIn:
        """Deal with at most ``limit`` new entries of every segment; nothing is new when the result is empty."""
        total = TakenIn()
        for segment in self._arrivals.segments():
            if self._position(segment) != FINISHED:
                total = total.and_(self._take_in_segment(segment, limit))
        return total

    def _position(self, segment: str) -> str:
        if segment not in self._positions:
            self._positions[segment] = self._index.cursor(CURSOR_PREFIX + segment) or "0"
        return self._positions[segment]

    def _take_in_segment(self, segment: str, limit: int) -> TakenIn:
        total = TakenIn()
        judged = self._judged(segment, limit)
        for kind, run in groupby(judged, key=lambda pair: type(pair[1])):
            entries = list(run)
            total = total.and_(_record_run(kind, entries, self._index, CURSOR_PREFIX + segment))
            self._positions[segment] = str(entries[-1][0])
        if len(judged) < limit and self._arrivals.is_finished(segment, int(self._position(segment))):
            self._index.set_cursor(CURSOR_PREFIX + segment, FINISHED)
            self._positions[segment] = FINISHED
        return total

    def _judged(self, segment: str, limit: int) -> list[tuple[int, Judgement]]:
        """(position behind it, what becomes of it) for at most ``limit`` new entries of a segment."""
        position = int(self._position(segment))
        judged: list[tuple[int, Judgement]] = []
        while len(judged) < limit:
            new = self._arrivals.after(segment, position, limit - len(judged))
            if not new:
                break
            judged += zip((arrival.end for arrival in new), self._judge_all(new), strict=True)
            position = new[-1].end
        return judged

    def _judge_all(self, new: Sequence[Arrival]) -> list[Judgement]:
        one = partial(judge, arrivals=self._arrivals, read_header=self._read_header, takes_class=self._takes_class)
        is_large = sum(arrival.location.length for arrival in new) >= LARGE_BYTES * len(new)
        return list(self._helpers.map(one, new) if self._helpers is not None and is_large else map(one, new))


def _record_run(kind: type, run: Sequence[tuple[int, object]], index: InstanceIndex, name: str) -> TakenIn:
    """Record entries of one kind, each transaction with the position behind it."""
    total = TakenIn()
    if kind is ReceivedInstance:
        received = [e for _, e in run if isinstance(e, ReceivedInstance)]
        outcomes = index.record(received, cursor=(name, str(run[-1][0])))
        for instance, outcome in zip(received, outcomes, strict=True):
            total = total.plus(outcome.value)
            if outcome in (RecordOutcome.CONFLICTING_CONTENT, RecordOutcome.CONFLICTING_PATIENT):
                total = total.plus_set_aside(instance.sender, outcome.value)
        return total
    if kind is QuarantineEntry:
        for end, entry in run:
            assert isinstance(entry, QuarantineEntry)
            index.quarantine(entry, cursor=(name, str(end)))
            total = total.plus_set_aside(entry.sender, entry.reason)
        return total.plus(QUARANTINED, len(run))
    index.set_cursor(name, str(run[-1][0]))
    return total.plus(OWN_OBJECT, len(run))


def judge(
    arrival: Arrival, arrivals: Arrivals, read_header: HeaderReader, takes_class: Callable[[str], bool]
) -> Judgement:
    """What becomes of an entry."""
    label = arrival.label
    with arrivals.dataset(arrival) as dataset:
        header = None
        try:
            header = read_header(dataset, label.transfer_syntax_uid)
            if label.refusal:
                raise Unusable(Refusal(label.refusal))
            tell_unusable(label, header)
            if not takes_class(header.sop_class_uid):
                raise Unusable(Refusal.CLASS_NOT_TAKEN)
        except Unusable as error:
            return _for_quarantine(arrival, error, header or error.header)
        if is_own_object(manufacturer=header.manufacturer, modality=header.modality):
            return header
        return _received(arrival, header, hashlib.sha256(dataset).hexdigest())


def _received(arrival: Arrival, header: InstanceHeader, sha256: str) -> ReceivedInstance:
    label = arrival.label
    return ReceivedInstance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=label.transfer_syntax_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        patient=header.patient,
        sha256=sha256,
        location=arrival.location,
        sender=label.sender,
        received_at=label.received_at,
    )


def _for_quarantine(arrival: Arrival, error: Unusable, header: InstanceHeader | None) -> QuarantineEntry:
    label = arrival.label
    study = header.study_instance_uid if header else ""
    return QuarantineEntry(
        reason=error.reason.value,
        sentence=error.what,
        sender=label.sender,
        received_at=label.received_at,
        location=None if error.reason is Refusal.CLASS_NOT_TAKEN else arrival.location,
        study_instance_uid=study if _is_uid(study) else None,
        sop_instance_uid=label.sop_instance_uid[:LONGEST_UID] or None,
    )


def tell_contradiction(label: Label, sop_class_uid: str, sop_instance_uid: str) -> None:
    """Raise ``Unusable`` where the dataset says it is another object than the C-STORE request announced."""
    pairs = ((sop_class_uid, label.sop_class_uid), (sop_instance_uid, label.sop_instance_uid))
    if any(said and said != announced for said, announced in pairs):
        raise Unusable(Refusal.CONTRADICTION)


def tell_unusable(label: Label, header: InstanceHeader) -> None:
    """Raise ``Unusable`` where the path cannot do without something that the dataset does not have."""
    tell_contradiction(label, header.sop_class_uid, header.sop_instance_uid)
    wanted = {
        "SOP Class UID (0008,0016)": header.sop_class_uid,
        "SOP Instance UID (0008,0018)": header.sop_instance_uid,
        "Study Instance UID (0020,000D)": header.study_instance_uid,
        "Series Instance UID (0020,000E)": header.series_instance_uid,
        "Patient ID (0010,0020)": header.patient.patient_id,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise Unusable(
            Refusal.MISSING_TAG,
            f"{' and '.join(missing)} missing or empty: the exam cannot be told from others without; "
            "complete it at the sender and send it again.",
        )
    tell_invalid_uids((header.sop_instance_uid, header.study_instance_uid, header.series_instance_uid))


def _is_uid(text: str) -> bool:
    return 0 < len(text) <= LONGEST_UID and text.isascii() and text.replace(".", "").isdigit()


def tell_invalid_uids(uids: Iterable[str]) -> None:
    """Raise ``Unusable`` where one is longer than 64 characters or has others than digits and dots (PS3.5 9.1)."""
    for uid in uids:
        if not _is_uid(uid):
            raise Unusable(Refusal.INVALID_UID, "A UID in the dataset is not one; correct the object at its sender.")


__all__ = ["Arrival", "Arrivals", "InstanceHeader", "Intake", "Label", "Ledger", "TakenIn"]
