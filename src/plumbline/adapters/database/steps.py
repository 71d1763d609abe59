"""Steps in the store: leases, counted attempts, and the next step in the same transaction (port ``Steps``).

A step in state ``ready`` is its own outbox entry: it commits together with the change that made it due,
and ``owed`` finds it until somebody holds it, whatever became of the broker's message. One in state ``failed``
has a lease, too, as long as its reader has not been told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.instances import batched_uids
from plumbline.adapters.database.tables import ExamRow, StepEventRow, StepRow
from plumbline.errors import Conflict
from plumbline.pipeline.path import next_step
from plumbline.pipeline.ports import Clock, End, ExamState, Proceed, Step, StepName, StepOutcome, Wait

READY, HELD, DONE, ENDED, FAILED = "ready", "held", "done", "ended", "failed"
_SETTLED = (DONE, ENDED)
"""States in which ``StepRow.result`` is a result; in others it is what a waiting step keeps."""

FORSAKEN = "Its worker ended before it was done, on the last of {} attempts."
_RETRY_DELAY_S = 2.0
_LOST_WORKER = "The worker ended, or was cut off, before it was done."


class StepEventKind(StrEnum):
    """What may become of an attempt that does not finish its step."""

    WAITED = "waited"
    RETRIED = "retried"
    LOST = "lost"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of one step."""

    revision: int
    name: StepName
    state: str
    attempts: int
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None


class DatabaseSteps:
    """``Steps`` on the store.

    Parameters
    ----------
    lease_s
        How long a claim lasts without being extended.
    maximum_attempts
        Claims of one step that may come to nothing before it is failed for good.
    """

    def __init__(self, store: Store, clock: Clock, *, lease_s: float, maximum_attempts: int) -> None:
        self._store = store
        self._clock = clock
        self._lease = timedelta(seconds=lease_s)
        self._maximum_attempts = maximum_attempts

    def open(self, study_instance_uid: str, revision: int, name: StepName, *, again: bool = False) -> int | None:
        """See ``Steps.open``."""
        with self._store.begin() as session:
            return self._open(session, study_instance_uid, revision, name, self._clock.now(), again=again)

    def _open(
        self, session: Session, study_uid: str, revision: int, name: StepName, now: datetime, *, again: bool = False
    ) -> int | None:
        exam = session.get_one(ExamRow, study_uid, with_for_update=True)  # one opener at a time
        known = session.scalar(
            select(StepRow).where(
                StepRow.study_instance_uid == study_uid, StepRow.revision == revision, StepRow.name == name.value
            )
        )
        if known is not None:
            return _count_again(known, now) if name is StepName.COMPLETE and (exam.has_grown or again) else None
        row = StepRow(
            study_instance_uid=study_uid,
            revision=revision,
            name=name.value,
            state=READY,
            not_before=now,
            created_at=now,
        )
        session.add(row)
        session.flush()
        return row.step_id

    def claim(self, step_id: int, holder: str) -> Step | None:
        """See ``Steps.claim``."""
        now = self._clock.now()
        due = or_(and_(StepRow.state == READY, StepRow.not_before <= now), _is_forsaken(now))
        with self._store.begin() as session:
            row = session.scalar(select(StepRow).where(StepRow.step_id == step_id, due).with_for_update())
            if row is None:
                return None
            if row.state == FAILED:
                return self._claim_telling(row, holder, now)
            due_at = row.not_before if row.state == READY else row.lease_until
            if row.state == HELD:
                _log(session, row, now, StepEventKind.LOST, _LOST_WORKER)
            if row.attempts >= self._maximum_attempts:
                is_told = self._fail_for_good(session, row, holder, now, FORSAKEN.format(row.attempts))
                return replace(_step(row), failure=row.error) if is_told else None
            row.state, row.holder, row.lease_until = HELD, holder, now + self._lease
            row.attempts += 1
            row.started_at = now
            return replace(_step(row), due_at=due_at)

    def _claim_telling(self, row: StepRow, holder: str, now: datetime) -> Step | None:
        """A failure that was not told to the end; the telling is given up after as many attempts as the step was."""
        row.attempts += 1
        if row.attempts >= 2 * self._maximum_attempts:
            row.holder = row.lease_until = None
            return None
        row.holder, row.lease_until = holder, now + self._lease
        return replace(_step(row), failure=row.error)

    def extend(self, step: Step, holder: str) -> None:
        """See ``Steps.extend``."""
        with self._store.begin() as session:
            self._held_row(session, step, holder).lease_until = self._clock.now() + self._lease

    def settle(self, step: Step, holder: str, outcome: StepOutcome) -> int | None:
        """See ``Steps.settle``."""
        now = self._clock.now()
        with self._store.begin() as session:
            row = self._held_row(session, step, holder)
            if isinstance(outcome, Wait) and outcome.reason != row.error:
                _log(session, row, now, StepEventKind.WAITED, outcome.reason)
            row.holder = row.lease_until = None
            match outcome:
                case Wait():
                    session.get_one(ExamRow, row.study_instance_uid).note = outcome.reason
                    row.result = dict(outcome.kept) or None
                    return _put_back(row, now + timedelta(seconds=outcome.seconds), outcome.reason)
                case End():
                    _finish(row, ENDED, now, outcome.result)
                    _end_exam(session, row, outcome.state, outcome.reason)
                    return None
                case Proceed():
                    _finish(row, DONE, now, outcome.result)
                    return self._proceed(session, row, now)

    def _proceed(self, session: Session, row: StepRow, now: datetime) -> int | None:
        following = next_step(StepName(row.name))
        if following is None:
            _end_exam(session, row, ExamState.DONE, None)
            return None
        revision = row.revision
        if StepName(row.name) is StepName.COMPLETE:
            revision = int((row.result or {})["revision"])
        if session.get_one(ExamRow, row.study_instance_uid, with_for_update=True).revision != revision:
            return None  # superseded by a later revision, which runs its own steps
        return self._open(session, row.study_instance_uid, revision, following, now)

    def fail(self, step: Step, holder: str, sentence: str, *, is_final: bool) -> bool:
        """See ``Steps.fail``."""
        now = self._clock.now()
        with self._store.begin() as session:
            row = self._held_row(session, step, holder)
            if is_final or row.attempts >= self._maximum_attempts:
                return self._fail_for_good(session, row, holder, now, sentence)
            _log(session, row, now, StepEventKind.RETRIED, sentence)
            row.holder = row.lease_until = None
            row.state, row.error = READY, sentence
            row.not_before = now + timedelta(seconds=_RETRY_DELAY_S * 2 ** (row.attempts - 1))
            row.rung_at = None
            return False

    def _fail_for_good(self, session: Session, row: StepRow, holder: str, now: datetime, sentence: str) -> bool:
        """True where it is the exam that failed, and not a revision which a later one has replaced."""
        _log(session, row, now, StepEventKind.FAILED, sentence)
        row.state, row.error, row.finished_at = FAILED, sentence, now
        is_exams_end = _end_exam(session, row, ExamState.FAILED, sentence)
        row.holder, row.lease_until = (holder, now + self._lease) if is_exams_end else (None, None)
        return is_exams_end

    def told(self, step: Step, holder: str) -> None:
        """See ``Steps.told``."""
        with self._store.begin() as session:
            session.execute(
                update(StepRow)
                .where(StepRow.step_id == step.step_id, StepRow.state == FAILED, StepRow.holder == holder)
                .values(holder=None, lease_until=None)
            )

    def result(self, study_instance_uid: str, revision: int, name: StepName) -> Mapping[str, Any]:
        """See ``Steps.result``."""
        with self._store.read() as session:
            row = session.scalar(
                select(StepRow).where(
                    StepRow.study_instance_uid == study_instance_uid,
                    StepRow.revision == revision,
                    StepRow.name == name.value,
                )
            )
            if row is None or row.result is None or row.state not in _SETTLED:
                raise Conflict(f"step {name.value} has no result yet", where=study_instance_uid)
            return row.result

    def latest_result(self, study_instance_uid: str, name: StepName) -> Mapping[str, Any]:
        """See ``Steps.latest_result``."""
        query = select(StepRow).where(
            StepRow.study_instance_uid == study_instance_uid, StepRow.name == name.value, StepRow.state.in_(_SETTLED)
        )
        with self._store.read() as session:
            rows = session.scalars(query.order_by(StepRow.revision.desc()))
            return next((row.result for row in rows if row.result is not None), {})

    def hardware_seen(self, study_instance_uids: Iterable[str]) -> Mapping[str, bool]:
        """See ``Steps.hardware_seen``."""
        found: dict[str, tuple[tuple[bool, int], bool]] = {}
        with self._store.read() as session:
            for chunk in batched_uids(study_instance_uids):
                query = select(StepRow.study_instance_uid, StepRow.name, StepRow.revision, StepRow.hardware_seen).where(
                    StepRow.study_instance_uid.in_(chunk), StepRow.hardware_seen.is_not(None)
                )
                for uid, name, revision, value in session.execute(query):
                    rank = (name == StepName.COMPARE.value, revision)
                    if value is not None and (uid not in found or rank > found[uid][0]):
                        found[uid] = (rank, value)
        return {uid: value for uid, (_, value) in found.items()}

    def owed(
        self, *, unheard_for_s: float, limit: int, names: Collection[StepName] = tuple(StepName)
    ) -> list[tuple[int, StepName]]:
        """See ``Steps.owed``."""
        now = self._clock.now()
        unheard = or_(StepRow.rung_at.is_(None), StepRow.rung_at < now - timedelta(seconds=unheard_for_s))
        is_due = or_(and_(StepRow.state == READY, StepRow.not_before <= now), _is_forsaken(now))
        query = select(StepRow.step_id, StepRow.name).where(
            is_due, unheard, StepRow.name.in_([each.value for each in names])
        )
        with self._store.read() as session:
            rows = session.execute(query.order_by(StepRow.not_before).limit(limit))
            return [(step_id, StepName(name)) for step_id, name in rows]

    def rung(self, step_ids: Sequence[int]) -> None:
        """See ``Steps.rung``."""
        with self._store.begin() as session:
            session.execute(
                update(StepRow).where(StepRow.step_id.in_(list(step_ids))).values(rung_at=self._clock.now())
            )

    def timeline(self, study_instance_uid: str) -> list[StepRecord]:
        """All steps of an exam in the order in which they were opened, for operators."""
        query = select(StepRow).where(StepRow.study_instance_uid == study_instance_uid).order_by(StepRow.step_id)
        with self._store.read() as session:
            return [
                StepRecord(
                    revision=row.revision,
                    name=StepName(row.name),
                    state=row.state,
                    attempts=row.attempts,
                    error=row.error,
                    started_at=row.started_at,
                    finished_at=row.finished_at,
                )
                for row in session.scalars(query)
            ]

    def _held_row(self, session: Session, step: Step, holder: str) -> StepRow:
        row = session.scalar(
            select(StepRow)
            .where(
                StepRow.step_id == step.step_id,
                StepRow.state == HELD,
                StepRow.holder == holder,
                StepRow.attempts == step.attempt,
            )
            .with_for_update()
        )
        if row is None:
            raise Conflict("the lease of this step was lost to another worker", where=step.study_instance_uid)
        return row


def _step(row: StepRow) -> Step:
    kept = row.result or {}
    return Step(row.step_id, row.study_instance_uid, row.revision, StepName(row.name), row.attempts, kept)


def _count_again(row: StepRow, now: datetime) -> int | None:
    """A count that came to nothing new is repeated when more arrives; one under way sees it anyway."""
    if row.state in (READY, HELD):
        return None
    row.state, row.attempts, row.not_before, row.rung_at, row.result = READY, 0, now, None, None
    return row.step_id


def _put_back(row: StepRow, not_before: datetime, reason: str) -> None:
    """Waiting is not a failed attempt."""
    row.state, row.not_before, row.error = READY, not_before, reason
    row.attempts -= 1
    row.rung_at = None


def _finish(row: StepRow, state: str, now: datetime, result: Mapping[str, Any]) -> None:
    row.state, row.finished_at, row.result, row.error = state, now, dict(result), None
    row.hardware_seen = result.get("hardware_seen")


def _log(session: Session, row: StepRow, now: datetime, kind: StepEventKind, sentence: str) -> None:
    """Note what became of the attempt that a row is at, while the row still names its worker."""
    session.add(
        StepEventRow(
            study_instance_uid=row.study_instance_uid,
            revision=row.revision,
            name=row.name,
            attempt=row.attempts,
            kind=kind.value,
            holder=row.holder,
            sentence=sentence,
            at=now,
        )
    )


def _is_forsaken(now: datetime) -> ColumnElement[bool]:
    """Whose holder has let the lease run out: a step under way, or a failure of which the reader is to be told."""
    return and_(StepRow.state.in_((HELD, FAILED)), StepRow.lease_until < now)


def _end_exam(session: Session, row: StepRow, state: ExamState, note: str | None) -> bool:
    """End the exam, where this step is of its newest revision; whether it is."""
    exam = session.get_one(ExamRow, row.study_instance_uid, with_for_update=True)
    is_current = row.revision in (exam.revision, 0) or row.name == StepName.COMPLETE.value
    if is_current:
        exam.state, exam.note = state.value, note
    return is_current
