"""What is owed to destinations, in the store (port ``Outbox``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, true, update
from sqlalchemy.orm import Session, aliased

from plumbline.adapters.database.delivery_tables import DeliveryRow
from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import ResultRow
from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.outbox import (
    PROVISIONAL_KEY,
    TAKEN_BACK_KEY,
    Backlog,
    Delivery,
    DeliveryKind,
    DeliveryState,
    NewDelivery,
)
from plumbline.pipeline.ports import Clock

_WAITING = DeliveryState.WAITING.value


class DatabaseOutbox:
    """``Outbox`` on the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def commit(
        self, study_instance_uid: str, revision: int, document: Mapping[str, Any], owed: Sequence[NewDelivery]
    ) -> None:
        """See ``Outbox.commit``."""
        now = self._clock.now()
        with self._store.begin() as session:
            session.merge(
                ResultRow(
                    study_instance_uid=study_instance_uid, revision=revision, document=dict(document), created_at=now
                )
            )
            for each in owed:
                _owe(session, each, now)

    def owe(self, owed: Sequence[NewDelivery]) -> None:
        """See ``Outbox.owe``."""
        now = self._clock.now()
        with self._store.begin() as session:
            for each in owed:
                _owe(session, each, now)

    def of_exam(self, study_instance_uid: str, destinations: Collection[str]) -> list[Delivery]:
        """See ``Outbox.of_exam``."""
        with self._store.read() as session:
            return _of_exam(session, study_instance_uid, destinations)

    def take_back(
        self,
        study_instance_uid: str,
        destinations: Collection[str],
        owed_after: Callable[[Sequence[Delivery]], Sequence[NewDelivery]],
    ) -> None:
        """See ``Outbox.take_back``."""
        now = self._clock.now()
        waiting = (
            update(DeliveryRow)
            .where(
                DeliveryRow.destination.in_(destinations),
                DeliveryRow.study_instance_uid == study_instance_uid,
                DeliveryRow.state == _WAITING,
                ~DeliveryRow.key.endswith(TAKEN_BACK_KEY),
                _is_free(now),
            )
            .values(state=DeliveryState.SUPERSEDED.value)
        )
        with self._store.begin() as session:
            session.execute(waiting)
            for each in owed_after(_of_exam(session, study_instance_uid, destinations)):
                _owe(session, each, now)

    def claim(self, destination: str, holder: str, lease: timedelta) -> Delivery | None:
        """See ``Outbox.claim``."""
        now = self._clock.now()
        is_due = and_(DeliveryRow.not_before <= now, _is_free(now), ~_older_waits())
        statement = (
            select(DeliveryRow)
            .where(DeliveryRow.destination == destination, DeliveryRow.state == _WAITING, is_due)
            .order_by(DeliveryRow.delivery_id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._store.begin() as session:
            row = session.scalar(statement)
            if row is None:
                return None
            row.holder, row.lease_until, row.attempts = holder, now + lease, row.attempts + 1
            return _delivery(row)

    def sent(self, delivery: Delivery) -> None:
        """See ``Outbox.sent``; also where the lease was lost meanwhile, for the destination has it."""
        self._settle(delivery, state=DeliveryState.SENT.value, error=None, sent_at=self._clock.now())

    def failed(self, delivery: Delivery, sentence: str, *, again_at: datetime | None) -> None:
        """See ``Outbox.failed``."""
        if again_at is None:
            self._settle(delivery, state=DeliveryState.DEAD.value, error=sentence)
        else:
            self._settle(delivery, not_before=again_at, error=sentence)

    def _settle(self, delivery: Delivery, **changes: object) -> None:
        """End an attempt. What another attempt has settled meanwhile stays as that left it."""
        statement = (
            update(DeliveryRow)
            .where(DeliveryRow.delivery_id == delivery.delivery_id, DeliveryRow.state == _WAITING)
            .values(holder=None, lease_until=None, **changes)
        )
        with self._store.begin() as session:
            session.execute(statement)

    def resend(self, delivery_id: int) -> Delivery:
        """See ``Outbox.resend``."""
        with self._store.begin() as session:
            row = session.get(DeliveryRow, delivery_id, with_for_update=True)
            if row is None:
                raise InvalidInput("there is no such delivery", where=str(delivery_id))
            if row.state == _WAITING:
                raise Conflict("the delivery waits already", where=str(delivery_id))
            if row.key.endswith(PROVISIONAL_KEY) and session.scalar(select(_told_more_since(row))):
                raise Conflict("the destination was told more of this exam since", where=str(delivery_id))
            if session.scalar(select(_taken_back_since(row))):
                raise Conflict("what was told of this exam was taken back since", where=str(delivery_id))
            now = self._clock.now()
            row.state, row.attempts, row.not_before, row.created_at = _WAITING, 0, now, now
            return _delivery(row)

    def letters(
        self, *, state: DeliveryState | None = None, destination: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """See ``Outbox.letters``."""
        statement = select(DeliveryRow).order_by(DeliveryRow.delivery_id.desc()).limit(limit)
        if state is not None:
            statement = statement.where(DeliveryRow.state == state.value)
        if destination is not None:
            statement = statement.where(DeliveryRow.destination == destination)
        with self._store.read() as session:
            return [_delivery(row) for row in session.scalars(statement)]

    def backlog(self) -> list[Backlog]:
        """See ``Outbox.backlog``."""
        counts = select(
            DeliveryRow.destination, DeliveryRow.state, func.count(), func.min(DeliveryRow.created_at)
        ).group_by(DeliveryRow.destination, DeliveryRow.state)
        found: dict[str, dict[str, tuple[int, datetime]]] = {}
        with self._store.read() as session:
            for destination, state, count, oldest in session.execute(counts):
                found.setdefault(destination, {})[state] = (count, oldest)
        return [_backlog(destination, states) for destination, states in sorted(found.items())]


def _owe(session: Session, new: NewDelivery, now: datetime) -> None:
    """Add a delivery once; what waits of the same exam and says less by now is superseded."""
    statement = select(DeliveryRow).where(DeliveryRow.destination == new.destination, DeliveryRow.key == new.key)
    if session.scalar(statement) is not None:
        return
    if new.kind is DeliveryKind.RESULT:
        session.execute(
            update(DeliveryRow)
            .where(
                DeliveryRow.destination == new.destination,
                DeliveryRow.study_instance_uid == new.study_instance_uid,
                DeliveryRow.kind == new.kind.value,
                DeliveryRow.state == _WAITING,
                DeliveryRow.key.endswith(PROVISIONAL_KEY) if new.is_provisional else true(),
                _is_free(now),
            )
            .values(state=DeliveryState.SUPERSEDED.value)
        )
    session.add(
        DeliveryRow(
            destination=new.destination,
            kind=new.kind.value,
            key=new.key,
            study_instance_uid=new.study_instance_uid,
            revision=new.revision,
            notice=dict(new.notice),
            state=_WAITING,
            attempts=0,
            not_before=now,
            created_at=now,
        )
    )
    session.flush()


def _of_exam(session: Session, study_instance_uid: str, destinations: Collection[str]) -> list[Delivery]:
    statement = select(DeliveryRow).where(
        DeliveryRow.destination.in_(destinations), DeliveryRow.study_instance_uid == study_instance_uid
    )
    rows = session.scalars(statement.order_by(DeliveryRow.delivery_id).execution_options(populate_existing=True))
    return [_delivery(row) for row in rows]


def _taken_back_since(row: DeliveryRow) -> ColumnElement[bool]:
    return exists(
        select(DeliveryRow.delivery_id).where(
            DeliveryRow.destination == row.destination,
            DeliveryRow.study_instance_uid == row.study_instance_uid,
            DeliveryRow.key.endswith(TAKEN_BACK_KEY),
            DeliveryRow.delivery_id > row.delivery_id,
        )
    )


def _told_more_since(row: DeliveryRow) -> ColumnElement[bool]:
    """Whether a later result of the same exam is owed to the same destination, or was sent."""
    return exists(
        select(DeliveryRow.delivery_id).where(
            DeliveryRow.destination == row.destination,
            DeliveryRow.study_instance_uid == row.study_instance_uid,
            DeliveryRow.kind == row.kind,
            DeliveryRow.delivery_id > row.delivery_id,
        )
    )


def _is_free(now: datetime) -> ColumnElement[bool]:
    return DeliveryRow.lease_until.is_(None) | (DeliveryRow.lease_until <= now)


def _older_waits() -> ColumnElement[bool]:
    """Whether an older delivery of the same exam waits for the same destination."""
    older = aliased(DeliveryRow)
    return exists(
        select(older.delivery_id).where(
            older.destination == DeliveryRow.destination,
            older.study_instance_uid == DeliveryRow.study_instance_uid,
            older.state == _WAITING,
            older.delivery_id < DeliveryRow.delivery_id,
        )
    )


def _backlog(destination: str, states: Mapping[str, tuple[int, datetime]]) -> Backlog:
    waiting, oldest = states.get(_WAITING, (0, None))
    return Backlog(
        destination=destination,
        waiting=waiting,
        dead=states.get(DeliveryState.DEAD.value, (0, None))[0],
        sent=states.get(DeliveryState.SENT.value, (0, None))[0],
        oldest_waiting_at=oldest,
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        delivery_id=row.delivery_id,
        destination=row.destination,
        kind=DeliveryKind(row.kind),
        key=row.key,
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        notice=row.notice,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        not_before=row.not_before,
        error=row.error,
        sent_at=row.sent_at,
    )
