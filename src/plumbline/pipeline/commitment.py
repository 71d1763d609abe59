"""Storage commitment: whether what was sent is durably held here, and what is owed to whoever asked.

An instance is committed to when the ledger has it under the SOP Class that the requester names and its bytes
in the spool are still those that were recorded. What is not held yet may still be on its way through the
journal: it is called missing only after a while, and only when the ledger has caught up with the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from plumbline.errors import InvalidInput
from plumbline.pipeline.ports import InstanceIndex, Location, ReceivedInstance
from plumbline.pipeline.receive import CURSOR_PREFIX, FINISHED, Arrivals

RECHECK = timedelta(seconds=1)
"""Wait before looking again for what may be on its way."""
HEADSTART = timedelta(seconds=2)
"""How long a verdict is left to the association on which it was asked for, if that is still open."""
JUDGED_AT_ONCE = 20


class Doubt(StrEnum):
    """Why an instance is not committed to."""

    NOT_HELD = "not-held"
    OTHER_CLASS = "other-class"
    """Held, as an instance of another SOP Class."""
    NOT_USABLE = "not-usable"
    """In quarantine, or its bytes are not the recorded ones any more."""


class CommitmentState(StrEnum):
    """Where a transaction stands."""

    ACCEPTED = "accepted"
    JUDGED = "judged"
    REPORTED = "reported"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance as a requester names it."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a requester asks for in one transaction."""

    transaction_uid: str
    requester: str
    """Its AE Title."""
    address: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Commitment:
    """A transaction as it is stored. ``doubts`` is by SOP Instance UID, None before it was judged."""

    commitment_id: int
    request: CommitmentRequest
    state: CommitmentState
    created_at: datetime
    attempts: int = 0
    doubts: Mapping[str, Doubt] | None = field(default=None, compare=False)


class Commitments(Protocol):
    """The transactions; kept until long after they were reported. Raises ``Unavailable``."""

    def accept(self, request: CommitmentRequest, at: datetime) -> None:
        """Keep a request, durable when it returns; the same once more is judged and reported once more.

        Raises ``Conflict`` where the requester has used the Transaction UID for something else.
        """
        ...

    def find(self, requester: str, transaction_uid: str) -> Commitment | None:
        """The transaction of a requester."""
        ...

    def to_judge(self, now: datetime, limit: int) -> list[Commitment]:
        """Accepted ones that are due, the oldest first."""
        ...

    def put_off(self, commitment: Commitment, not_before: datetime) -> None:
        """Look at it again later."""
        ...

    def judged(self, commitment: Commitment, doubts: Mapping[str, Doubt], not_before: datetime) -> None:
        """Store the verdict; a report on an association of its own is due from ``not_before`` on."""
        ...

    def to_report(self, now: datetime, limit: int) -> list[Commitment]:
        """Judged ones whose report is due."""
        ...

    def claim(self, commitment: Commitment, until: datetime) -> bool:
        """Take one for reporting, alone; False where somebody else did."""
        ...

    def reported(self, commitment: Commitment, at: datetime) -> None:
        """The requester has confirmed the report."""
        ...

    def failed(self, commitment: Commitment, sentence: str, not_before: datetime) -> None:
        """The report did not get through; it is due again at ``not_before``."""
        ...

    def give_up(self, before: datetime) -> int:
        """Give up what was asked for before a moment and never reported; return how many."""
        ...


class CommitmentJudge:
    """Judges accepted transactions against the ledger and the spool.

    Parameters
    ----------
    bytes_of
        Dataset bytes at a location of the spool; raises ``InvalidInput`` where they are gone.
    patience_s
        How long an instance may still be on its way.
    """

    def __init__(
        self,
        commitments: Commitments,
        index: InstanceIndex,
        arrivals: Arrivals,
        bytes_of: Callable[[Location], bytes],
        *,
        patience_s: float,
    ) -> None:
        self._commitments = commitments
        self._index = index
        self._arrivals = arrivals
        self._bytes_of = bytes_of
        self._patience = timedelta(seconds=patience_s)

    def judge_due(self, now: datetime) -> int:
        """Judge what is due, or put it off; return how many were judged."""
        judged = 0
        for commitment in self._commitments.to_judge(now, JUDGED_AT_ONCE):
            held = self._index.find(each.sop_instance_uid for each in commitment.request.references)
            if self._may_be_on_its_way(commitment, held, now):
                self._commitments.put_off(commitment, now + RECHECK)
                continue
            self._commitments.judged(commitment, self._doubts(commitment.request.references, held), now + HEADSTART)
            judged += 1
        return judged

    def _may_be_on_its_way(self, commitment: Commitment, held: Mapping[str, ReceivedInstance], now: datetime) -> bool:
        if all(each.sop_instance_uid in held for each in commitment.request.references):
            return False
        return now - commitment.created_at < self._patience or not is_caught_up(self._arrivals, self._index)

    def _doubts(self, references: Sequence[Reference], held: Mapping[str, ReceivedInstance]) -> dict[str, Doubt]:
        absent = [each.sop_instance_uid for each in references if each.sop_instance_uid not in held]
        doubts = dict.fromkeys(absent, Doubt.NOT_HELD) | dict.fromkeys(self._index.set_aside(absent), Doubt.NOT_USABLE)
        for each in references:
            instance = held.get(each.sop_instance_uid)
            if instance is not None and instance.sop_class_uid != each.sop_class_uid:
                doubts[each.sop_instance_uid] = Doubt.OTHER_CLASS
            elif instance is not None and not self._is_intact(instance):
                doubts[each.sop_instance_uid] = Doubt.NOT_USABLE
        return doubts

    def _is_intact(self, instance: ReceivedInstance) -> bool:
        try:
            data = self._bytes_of(instance.location)
        except InvalidInput:
            return False
        return hashlib.sha256(data).hexdigest() == instance.sha256


def is_caught_up(arrivals: Arrivals, index: InstanceIndex) -> bool:
    """Whether the ledger has everything that the journal has."""
    for segment in arrivals.segments():
        position = index.cursor(CURSOR_PREFIX + segment) or "0"
        if position != FINISHED and arrivals.after(segment, int(position), 1):
            return False
    return True


def retry_after(attempts: int, *, first_s: float, longest_s: float) -> timedelta:
    """Wait after so many reports that did not get through: doubled each time, up to the longest."""
    return timedelta(seconds=min(first_s * 2 ** min(max(attempts - 1, 0), 32), longest_s))
