"""What the Storage SCP decides about one instance, whichever loop received it: keep it, and what to answer.

The table of DIMSE statuses (PS3.4 B.2.3) is here and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from pynetdicom.sop_class import _STORAGE_CLASSES

from plumbline.adapters.dimse.header import read_identity
from plumbline.errors import OutOfCapacity, Unavailable
from plumbline.pipeline.receive import (
    ArrivalMemory,
    Bytes,
    Intake,
    Label,
    LargeArrival,
    Refusal,
    Unusable,
    tell_contradiction,
)

SUCCESS = 0x0000
SOP_CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
DATASET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

STATUS_OF_REFUSAL = {
    Refusal.CONTRADICTION: DATASET_DOES_NOT_MATCH,
    Refusal.TRUNCATED: CANNOT_UNDERSTAND,
    Refusal.NOT_DICOM: CANNOT_UNDERSTAND,
}

STORAGE_CLASSES = frozenset(str(uid) for uid in _STORAGE_CLASSES.values())
"""SOP Classes of the Storage Service Class in the Standard's list."""


def takes_class(sop_class_uid: str, *, accept_unknown: bool) -> bool:
    """Whether a site takes instances of a SOP Class."""
    return accept_unknown or sop_class_uid in STORAGE_CLASSES


class ListenerObserver(Protocol):
    """Is told what happens, for logs and metrics."""

    def opened(self, sender: str) -> None:
        """An association was accepted."""
        ...

    def closed(self, sender: str) -> None:
        """An accepted association ended."""
        ...

    def rejected(self, sender: str, address: str, reason: str) -> None:
        """An association was not accepted."""
        ...

    def stored(self, label: Label, length: int, status: int, seconds: float) -> None:
        """An instance was answered. ``seconds`` is from its last byte to the answer."""
        ...


class Storage:
    """Keeps what is sent, and says what the sender shall hear."""

    def __init__(self, intake: Intake, *, reserve_bytes: int, accept_unknown: bool) -> None:
        self._intake = intake
        self._reserve_bytes = reserve_bytes
        self._accept_unknown = accept_unknown

    def has_room(self, length: int = 0) -> bool:
        """Whether the spool's disk keeps its reserve with ``length`` more bytes on it."""
        return self._intake.free_bytes() - length >= self._reserve_bytes

    def memory(self, capacity: int) -> ArrivalMemory:
        """Memory to receive a dataset into that is then kept without being copied."""
        return self._intake.memory(capacity)

    def keep(self, label: Label, dataset: memoryview, memory: ArrivalMemory | None = None) -> int:
        """Keep an instance, durable when this returns; returns the DIMSE status to answer.

        What is refused for its content is kept as well, for quarantine. ``memory`` is the one in whose room
        the dataset lies, where it lies in such.
        """
        if not self._is_supported(label):
            return SOP_CLASS_NOT_SUPPORTED
        if not self.has_room(len(dataset)):
            return OUT_OF_RESOURCES
        refusal = refusal_of(label, dataset)
        try:
            self._intake.add(_refused(label, refusal), dataset, memory)
        except (OutOfCapacity, Unavailable):
            return OUT_OF_RESOURCES
        except ValueError:
            return CANNOT_UNDERSTAND
        return SUCCESS if refusal is None else STATUS_OF_REFUSAL[refusal]

    def start_large(self, label: Label) -> LargeStore:
        """Begin an instance that is larger than a buffer."""
        return LargeStore(self, self._intake, label, self._is_supported(label))

    def _is_supported(self, label: Label) -> bool:
        return takes_class(label.sop_class_uid, accept_unknown=self._accept_unknown)


class LargeStore:
    """One instance that is written while it comes in, and judged where it lies before its sender is answered."""

    def __init__(self, storage: Storage, intake: Intake, label: Label, is_supported: bool) -> None:
        self._storage = storage
        self._label = label
        self._status = SUCCESS if is_supported else SOP_CLASS_NOT_SUPPORTED
        self._large: LargeArrival | None = None
        if is_supported:
            try:
                self._large = intake.start_large(label)
            except (OutOfCapacity, Unavailable):
                self._status = OUT_OF_RESOURCES

    def write(self, piece: Bytes) -> None:
        """Take some more of the dataset; after a failure the rest is only drained."""
        if self._large is None:
            return
        try:
            if not self._storage.has_room(len(piece)):
                raise OutOfCapacity("the spool's disk has no room beyond its reserve")
            self._large.write(piece)
        except (OutOfCapacity, Unavailable):
            self.abandon()
            self._status = OUT_OF_RESOURCES

    def finish(self) -> int:
        """Make it durable; returns the DIMSE status to answer."""
        if self._large is None:
            return self._status
        try:
            with self._large.dataset() as dataset:
                refusal = refusal_of(self._label, dataset)
            self._large.finish(_refused(self._label, refusal))
        except (OutOfCapacity, Unavailable):
            return OUT_OF_RESOURCES
        return SUCCESS if refusal is None else STATUS_OF_REFUSAL[refusal]

    def abandon(self) -> None:
        """The association broke off: leave nothing of it."""
        if self._large is not None:
            self._large.abandon()
            self._large = None


def _refused(label: Label, refusal: Refusal | None) -> Label:
    return label if refusal is None else replace(label, refusal=refusal.value)


def refusal_of(label: Label, dataset: memoryview) -> Refusal | None:
    """Why the dataset cannot be what its C-STORE request says; None where nothing speaks against it."""
    try:
        tell_contradiction(label, *read_identity(dataset, label.transfer_syntax_uid))
    except Unusable as error:
        return error.reason
    return None
