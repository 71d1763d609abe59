"""Giving back room in the spool: images that nobody works on and that the archive holds need not stay here.

In two steps that know nothing of each other. A worker, who can ask the archive, releases the instances of
exams that are over: they are then no longer held, and fetched again should they be needed. The indexer, who
alone writes the ledger, removes a segment of the journal to which the ledger no longer points. So nothing
is deleted before its replacement is durable, and a repeated instance does not take room for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from plumbline.pipeline.archive_ports import Archive
from plumbline.pipeline.ports import InstanceIndex

CURSOR = "retention:study"
"""Study after which the next pass goes on."""
STUDIES = 100
SETTLE_S = 600.0
"""How long a segment must have been free of use: longer than a worker takes from the ledger to the bytes."""


class Retention(Protocol):
    """What the ledger knows of images that are no longer needed."""

    def over(self, *, quiet_since: datetime, after: str, limit: int) -> list[str]:
        """Study Instance UIDs, in their order and behind ``after``, of exams with held instances that are over.

        Over means: done, not applicable or only a reference, with no step left and nothing received since
        ``quiet_since``.
        """
        ...

    def release(self, study_instance_uid: str, sop_instance_uids: Collection[str], *, quiet_since: datetime) -> int:
        """Forget that these instances are held, where the exam still is over; returns how many were.

        Nothing is forgotten where an exam of the same patient is under way, which may be compared with this one.
        """
        ...

    def referenced_segments(self) -> set[str]:
        """Segments to which a held instance or an entry of the quarantine points."""
        ...

    def finished_segments(self) -> set[str]:
        """Segments that are in the ledger to their end."""
        ...

    def forget_segment(self, segment: str) -> None:
        """Forget how far a segment was read that is no more."""
        ...


class Segments(Protocol):
    """The journal's files."""

    def segments(self) -> list[str]:
        """Names of all segments."""
        ...

    def remove(self, segment: str) -> int:
        """Remove a segment; returns how many bytes it had."""
        ...


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """One pass: studies released, their instances, and studies that the archive does not hold as they are held."""

    studies: int = 0
    instances: int = 0
    unsafe: tuple[str, ...] = ()


def release_safe(
    retention: Retention, index: InstanceIndex, archive: Archive, *, quiet_since: datetime, limit: int = STUDIES
) -> ReleaseReport:
    """Release exams that are over and of which the archive lists every held instance at this moment.

    Raises
    ------
    Unavailable
        The archive or the store does not answer; the next pass goes on where this one stopped.
    """
    studies = instances = 0
    unsafe: list[str] = []
    after = index.cursor(CURSOR) or ""
    found = retention.over(quiet_since=quiet_since, after=after, limit=limit)
    for uid in found:
        held = {each.sop_instance_uid for each in index.held(uid)}
        if held <= {each.sop_instance_uid for each in archive.instances_of(uid)}:
            released = retention.release(uid, held, quiet_since=quiet_since)
            studies, instances = studies + bool(released), instances + released
        else:
            unsafe.append(uid)
    reached = found[-1] if len(found) == limit else ""
    if reached != after:
        index.set_cursor(CURSOR, reached)
    return ReleaseReport(studies, instances, tuple(unsafe))


@dataclass
class Reclaimer:
    """Removes segments to which nothing points any more."""

    segments: Segments
    retention: Retention
    settle_s: float = SETTLE_S
    clock: Callable[[], float] = time.monotonic
    _idle_since: dict[str, float] = field(default_factory=dict)

    def reclaim(self) -> int:
        """Remove what has been free of use for long enough; returns the bytes given back."""
        existing, finished = set(self.segments.segments()), self.retention.finished_segments()
        self._forget(finished - existing)
        idle = (finished & existing) - self.retention.referenced_segments()
        now = self.clock()
        self._idle_since = {segment: self._idle_since.get(segment, now) for segment in idle}
        due = [segment for segment, since in self._idle_since.items() if now - since >= self.settle_s]
        given_back = sum(self.segments.remove(segment) for segment in sorted(due))
        self._forget(due)
        return given_back

    def _forget(self, segments: Iterable[str]) -> None:
        for segment in segments:
            self.retention.forget_segment(segment)
