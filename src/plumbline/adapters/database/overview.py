"""What an operator asks of the store: how exams flow, what waits, what failed and why, and to have it done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from plumbline.adapters.database.delivery_tables import DeliveryRow
from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.steps import DONE, ENDED, FAILED, HELD, READY
from plumbline.adapters.database.tables import (
    CursorRow,
    ExamRow,
    PublicationRow,
    QuarantineRow,
    StepEventRow,
    StepRow,
)
from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.ports import Clock, ExamState, PublicationState, StepName

LOOKED_BACK = timedelta(hours=24)
"""How far back finished work is counted."""

_FINISHED = (DONE, ENDED)


@dataclass(frozen=True, slots=True)
class StepFlow:
    """One step of the path: what waits, what runs, what failed, and what was finished lately."""

    name: str
    ready: int
    held: int
    failed: int
    finished: int
    oldest_ready_at: datetime | None
    slowest_s: float | None
    mean_s: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """One step of one exam, as an operator reads it."""

    step_id: int
    study_instance_uid: str
    revision: int
    name: str
    state: str
    attempts: int
    error: str | None
    holder: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class ExamCourse:
    """Where an exam stands, and when it came."""

    state: str
    note: str | None
    revision: int
    sender: str
    first_instance_at: datetime
    last_instance_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepEvent:
    """An attempt that did not finish its step: ``waited``, ``retried``, ``lost`` or ``failed``, and why."""

    revision: int
    name: str
    attempt: int
    kind: str
    holder: str | None
    sentence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Destination:
    """What is owed to one destination."""

    name: str
    owed: int
    sent: int
    failed: int
    oldest_owed_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing in quarantine."""

    entry_id: int
    reason: str
    sentence: str
    sender: str
    received_at: datetime
    study_instance_uid: str | None
    sop_instance_uid: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something of an exam that is or was owed to another system."""

    delivery_id: int
    destination: str
    kind: str
    state: str
    attempts: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None
    revision: int


@dataclass(frozen=True, slots=True)
class Publication:
    """One object on its way to one destination."""

    destination: str
    kind: str
    object_uid: str
    state: str
    attempts: int
    error: str | None
    created_at: datetime
    published_at: datetime | None
    revision: int


class DatabaseOverview:
    """Questions and errands of an operator."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def flow(self) -> Sequence[StepFlow]:
        """Every step of the path, in its order."""
        since = self._clock.now() - LOOKED_BACK
        with self._store.read() as session:
            return [_flow(session, name.value, since) for name in StepName]

    def exams(self) -> Mapping[str, int]:
        """How many exams are in each state."""
        statement = select(ExamRow.state, func.count()).group_by(ExamRow.state)
        with self._store.read() as session:
            return _counted(session, statement)

    def failures(self, *, limit: int) -> Sequence[Work]:
        """Steps that failed for good, the newest first."""
        return self._work(StepRow.state == FAILED, limit=limit)

    def running(self, *, limit: int) -> Sequence[Work]:
        """Steps that a worker holds."""
        return self._work(StepRow.state == HELD, limit=limit)

    def waiting(self, *, limit: int) -> Sequence[Work]:
        """Steps that are ready and that nobody holds, the oldest last."""
        return self._work(StepRow.state == READY, limit=limit)

    def steps_of(self, study_instance_uid: str) -> Sequence[Work]:
        """All steps of an exam, the newest first."""
        return self._work(StepRow.study_instance_uid == study_instance_uid, limit=500)

    def course_of(self, study_instance_uid: str) -> ExamCourse:
        """Where an exam stands, and when it came; raise ``InvalidInput`` where there is no such exam."""
        with self._store.read() as session:
            row = session.get(ExamRow, study_instance_uid)
            if row is None:
                raise InvalidInput("there is no such exam", where=study_instance_uid)
            return ExamCourse(
                state=row.state,
                note=row.note,
                revision=row.revision,
                sender=row.sender,
                first_instance_at=row.first_instance_at,
                last_instance_at=row.last_instance_at,
                completed_at=row.completed_at,
            )

    def events_of(self, study_instance_uid: str) -> Sequence[StepEvent]:
        """What went wrong with an exam's steps or made them wait, the newest first."""
        statement = select(StepEventRow).where(StepEventRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            rows = session.scalars(statement.order_by(StepEventRow.event_id.desc()).limit(500))
            return [_event(row) for row in rows]

    def deliveries_of(self, study_instance_uid: str) -> Sequence[Delivery]:
        """What is or was owed of an exam to other systems, the newest first."""
        statement = select(DeliveryRow).where(DeliveryRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            rows = session.scalars(statement.order_by(DeliveryRow.delivery_id.desc()).limit(200))
            return [_delivery(row) for row in rows]

    def quarantine(self, *, limit: int, study_instance_uid: str | None = None) -> Sequence[SetAside]:
        """What was set aside, the newest first."""
        statement = select(QuarantineRow).order_by(QuarantineRow.entry_id.desc()).limit(limit)
        if study_instance_uid is not None:
            statement = statement.where(QuarantineRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            return [_set_aside(row) for row in session.scalars(statement)]

    def destinations(self) -> Sequence[Destination]:
        """What is owed to each destination."""
        with self._store.read() as session:
            names = session.scalars(select(PublicationRow.destination).distinct().order_by(PublicationRow.destination))
            return [_destination(session, name) for name in names]

    def publications_of(self, study_instance_uid: str) -> Sequence[Publication]:
        """Objects of an exam on their way, the newest first."""
        statement = select(PublicationRow).where(PublicationRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            rows = session.scalars(statement.order_by(PublicationRow.publication_id.desc()).limit(200))
            return [_publication(row) for row in rows]

    def cursors(self) -> Mapping[str, str]:
        """How far journal and archive were read."""
        with self._store.read() as session:
            return {row.name: row.value for row in session.scalars(select(CursorRow).order_by(CursorRow.name))}

    def retry(self, step_id: int) -> Work:
        """Have a failed step done again, with all its attempts.

        Raises
        ------
        InvalidInput
            When there is no such step.
        Conflict
            When it has not failed.
        """
        now = self._clock.now()
        with self._store.begin() as session:
            row = session.get(StepRow, step_id, with_for_update=True)
            if row is None:
                raise InvalidInput("there is no such step", where=str(step_id))
            if row.state != FAILED:
                raise Conflict(f"this step is {row.state}, only a failed one is done again", where=str(step_id))
            _make_ready(session, row, now)
            return _work_of(row)

    def resend(self, study_instance_uid: str, revision: int) -> None:
        """Have everything of a revision sent to its destinations again; what they have already stays as it is.

        Raises
        ------
        Conflict
            When this revision was not published, or is being published now.
        """
        now = self._clock.now()
        with self._store.begin() as session:
            row = session.scalar(
                select(StepRow)
                .where(
                    StepRow.study_instance_uid == study_instance_uid,
                    StepRow.revision == revision,
                    StepRow.name == StepName.PUBLISH.value,
                )
                .with_for_update()
            )
            if row is None or row.state in (READY, HELD):
                raise Conflict("this revision is not published, or is being published now", where=study_instance_uid)
            session.execute(
                update(PublicationRow)
                .where(PublicationRow.study_instance_uid == study_instance_uid, PublicationRow.revision == revision)
                .values(state=PublicationState.OWED.value)
            )
            _make_ready(session, row, now)

    def _work(self, condition: object, *, limit: int) -> Sequence[Work]:
        statement = select(StepRow).where(condition).order_by(StepRow.step_id.desc()).limit(limit)  # type: ignore[arg-type]
        with self._store.read() as session:
            return [_work_of(row) for row in session.scalars(statement)]


def _make_ready(session: Session, row: StepRow, now: datetime) -> None:
    row.state, row.attempts, row.not_before, row.rung_at = READY, 0, now, None
    row.error = row.finished_at = row.holder = row.lease_until = None
    exam = session.get_one(ExamRow, row.study_instance_uid, with_for_update=True)
    if exam.state == ExamState.FAILED.value:
        exam.state = (ExamState.RECEIVING if row.name == StepName.COMPLETE.value else ExamState.COMPLETE).value
        exam.note = None


def _counted(session: Session, statement: Select[str, int]) -> dict[str, int]:
    """Counts by state."""
    return {row[0]: row[1] for row in session.execute(statement)}


def _flow(session: Session, name: str, since: datetime) -> StepFlow:
    counted = select(StepRow.state, func.count()).where(StepRow.name == name).group_by(StepRow.state)
    counts = _counted(session, counted)
    oldest = session.scalar(select(func.min(StepRow.not_before)).where(StepRow.name == name, StepRow.state == READY))
    finished = select(StepRow.started_at, StepRow.finished_at).where(
        StepRow.name == name, StepRow.state.in_(_FINISHED), StepRow.finished_at >= since
    )
    seconds = [(end - start).total_seconds() for start, end in session.execute(finished) if start and end]
    return StepFlow(
        name=name,
        ready=counts.get(READY, 0),
        held=counts.get(HELD, 0),
        failed=counts.get(FAILED, 0),
        finished=len(seconds),
        oldest_ready_at=oldest,
        slowest_s=max(seconds, default=None),
        mean_s=sum(seconds) / len(seconds) if seconds else None,
    )


def _destination(session: Session, name: str) -> Destination:
    own = PublicationRow.destination == name
    counted = select(PublicationRow.state, func.count()).where(own).group_by(PublicationRow.state)
    counts = _counted(session, counted)
    owed = PublicationRow.state == PublicationState.OWED.value
    with_error = select(PublicationRow.error).where(own, PublicationRow.error.is_not(None))
    return Destination(
        name=name,
        owed=counts.get(PublicationState.OWED.value, 0),
        sent=counts.get(PublicationState.SENT.value, 0),
        failed=counts.get(PublicationState.FAILED.value, 0),
        oldest_owed_at=session.scalar(select(func.min(PublicationRow.created_at)).where(own, owed)),
        last_error=session.scalar(with_error.order_by(PublicationRow.publication_id.desc()).limit(1)),
    )


def _work_of(row: StepRow) -> Work:
    return Work(
        step_id=row.step_id,
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        name=row.name,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        holder=row.holder,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        lease_until=row.lease_until,
    )


def _set_aside(row: QuarantineRow) -> SetAside:
    return SetAside(
        row.entry_id,
        row.reason,
        row.sentence,
        row.sender,
        row.received_at,
        row.study_instance_uid,
        row.sop_instance_uid,
    )


def _publication(row: PublicationRow) -> Publication:
    return Publication(
        row.destination,
        row.kind,
        row.object_uid,
        row.state,
        row.attempts,
        row.error,
        row.created_at,
        row.published_at,
        row.revision,
    )


def _event(row: StepEventRow) -> StepEvent:
    return StepEvent(row.revision, row.name, row.attempt, row.kind, row.holder, row.sentence, row.at)


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.delivery_id,
        row.destination,
        row.kind,
        row.state,
        row.attempts,
        row.error,
        row.created_at,
        row.sent_at,
        row.revision,
    )
