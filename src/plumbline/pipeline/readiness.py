"""Canaries: messages without an exam that take an exam's way, through each queue and its workers to the database.

That a process runs proves nothing: queues stall while every process answers. A canary that came back a
moment ago proves that broker, worker and database worked together then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from plumbline.errors import Unavailable
from plumbline.pipeline.path import PATH_QUEUE, QUEUES
from plumbline.pipeline.ports import Clock

NEVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Canary:
    """The last canary of a queue, and the last that came back."""

    queue: str
    sent_at: datetime
    returned_at: datetime | None = None
    round_trip_s: float | None = None
    """From sending to coming back, of the last one that did."""

    def silence_s(self, now: datetime) -> float:
        """Time since one came back."""
        return NEVER_S if self.returned_at is None else (now - self.returned_at).total_seconds()

    @property
    def is_under_way(self) -> bool:
        """Whether the last one sent has not come back."""
        return self.returned_at is None or self.returned_at < self.sent_at


class Canaries(Protocol):
    """What the database knows of canaries."""

    def all(self) -> Mapping[str, Canary]:
        """The canary of each queue through which one was ever sent."""
        ...

    def sent(self, queue: str, at: datetime) -> None:
        """Note that one is sent; committed before it is."""
        ...

    def returned(self, queue: str, sent_at: datetime, at: datetime) -> None:
        """Note that the one that was sent at ``sent_at`` came through, also where a later one is under way."""
        ...


class CanaryPost(Protocol):
    """Sends a canary through a queue. Raises ``Unavailable`` where the broker does not answer."""

    def send(self, queue: str, sent_at: datetime) -> None:
        """Send it; a worker of the queue calls ``Canaries.returned``."""
        ...


def send_canaries(canaries: Canaries, post: CanaryPost, clock: Clock, *, within_s: Mapping[str, float]) -> int:
    """Send one through each queue that has none under way, or only one that is overdue; return how many.

    Raises
    ------
    Unavailable
        The broker or the store does not answer.
    """
    known, now = canaries.all(), clock.now()
    due = [queue for queue in QUEUES if _is_due(known.get(queue), now, within_s[queue])]
    for queue in due:
        canaries.sent(queue, now)
        post.send(queue, now)
    return len(due)


def _is_due(canary: Canary | None, now: datetime, within_s: float) -> bool:
    return canary is None or not canary.is_under_way or now - canary.sent_at > timedelta(seconds=within_s)


@dataclass(frozen=True, slots=True)
class QueueProbe:
    """Whether an exam could pass a queue now.

    Parameters
    ----------
    within_s
        Longest silence of the queue that is no cause for concern.
    """

    canaries: Canaries
    clock: Clock
    queue: str
    within_s: float

    def tell_missing(self) -> None:
        """Raise ``Unavailable`` with the reason unless a canary came through lately."""
        canary, now = self.canaries.all().get(self.queue), self.clock.now()
        if canary is None:
            raise Unavailable(
                f"no canary was ever sent through the queue '{self.queue}'",
                remedy=f"Start beat and the workers of '{PATH_QUEUE}', which send them",
            )
        silence_s = canary.silence_s(now)
        if silence_s <= self.within_s:
            return
        since = "yet" if canary.returned_at is None else f"for {silence_s:.0f} s, and {self.within_s:g} s is the limit"
        raise Unavailable(f"nothing has come through the queue '{self.queue}' {since}", remedy=_remedy(canary))


def _remedy(canary: Canary) -> str:
    if canary.is_under_way:
        return f"A canary is under way: the workers of '{canary.queue}' are away, or busy with longer work"
    return f"None was sent since: beat, the broker or the workers of '{PATH_QUEUE}' are away"


def queue_probes(canaries: Canaries, clock: Clock, within_s: Mapping[str, float]) -> Sequence[QueueProbe]:
    """A probe for each queue of the path."""
    return [QueueProbe(canaries, clock, queue, within_s[queue]) for queue in QUEUES]
