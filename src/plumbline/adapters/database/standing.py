"""How much waits, in which queue and for how long: read from the database, which alone knows, not from the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.steps import HELD, READY
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.pipeline.path import queue_of
from plumbline.pipeline.ports import Clock, StepName
from plumbline.pipeline.readiness import QUEUES


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """One queue now. A step that is to wait until later is not due, and not counted."""

    queue: str
    due: int
    held: int
    oldest_due_s: float
    """How long the oldest due step has waited for a worker; 0 where none waits."""
    unrung_s: float
    """How long the oldest due step has waited for the doorbell to be rung for it; 0 where none does."""


class DatabaseStanding:
    """Questions about all exams together."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def queues(self) -> list[QueueStanding]:
        """Every queue of the path, also one in which nothing waits."""
        now = self._clock.now()
        with self._store.read() as session:
            held = self._held(session)
            due, oldest = _by_queue(session, now)
            _, unrung = _by_queue(session, now, is_unrung=True)
        return [
            QueueStanding(
                queue=queue,
                due=due.get(queue, 0),
                held=held.get(queue, 0),
                oldest_due_s=_age_s(oldest.get(queue), now),
                unrung_s=_age_s(unrung.get(queue), now),
            )
            for queue in QUEUES
        ]

    def exams(self) -> Mapping[str, int]:
        """How many exams are in each state."""
        counted = select(ExamRow.state, func.count()).group_by(ExamRow.state)
        with self._store.read() as session:
            return {row[0]: row[1] for row in session.execute(counted)}

    @staticmethod
    def _held(session: Session) -> dict[str, int]:
        counted = select(StepRow.name, func.count()).where(StepRow.state == HELD).group_by(StepRow.name)
        held: dict[str, int] = {}
        for name, count in session.execute(counted):
            queue = queue_of(StepName(name))
            held[queue] = held.get(queue, 0) + count
        return held


def _by_queue(
    session: Session, now: datetime, *, is_unrung: bool = False
) -> tuple[dict[str, int], dict[str, datetime]]:
    """Due steps, all or those that were never rung for, by queue: how many, and since when the oldest is due."""
    counted = (
        select(StepRow.name, func.count(), func.min(StepRow.not_before))
        .where(StepRow.state == READY, StepRow.not_before <= now)
        .group_by(StepRow.name)
    )
    if is_unrung:
        counted = counted.where(StepRow.rung_at.is_(None))
    counts: dict[str, int] = {}
    oldest: dict[str, datetime] = {}
    for name, count, since in session.execute(counted):
        queue = queue_of(StepName(name))
        counts[queue] = counts.get(queue, 0) + count
        oldest[queue] = min(since, oldest.get(queue, since))
    return counts, oldest


def _age_s(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
