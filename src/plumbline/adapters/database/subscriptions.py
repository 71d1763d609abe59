"""Subscriptions and waiting events in the store (``worklist.subscriptions.Subscriptions``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.instances import batched_uids
from plumbline.adapters.database.operation_tables import EventTurnRow
from plumbline.adapters.database.tables import SubscriptionRow, WorkitemEventRow, WorkitemRow, WorklistChangeRow
from plumbline.adapters.database.workitem_search import matching_uids
from plumbline.pipeline.ports import Clock
from plumbline.worklist.events import EventReport, EventType, state_report
from plumbline.worklist.matching import Key, matches
from plumbline.worklist.refusals import Refusal, WorkitemInvalid
from plumbline.worklist.subscriptions import WELL_KNOWN, PendingEvent, Subscription
from plumbline.worklist.workitem import Workitem

_EVENTS_AT_A_TIME = 500
"""Rows named in one statement."""


class DatabaseSubscriptions:
    """``Subscriptions`` on the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def subscribe(self, subscription: Subscription) -> None:
        """See ``Subscriptions.subscribe``."""
        with self._store.begin() as session:
            if subscription.is_global:
                _keep(session, subscription, self._clock.now())
                self._subscribe_existing(session, subscription)
                note_change(session)
                return
            row = session.get(WorkitemRow, subscription.workitem_uid)
            if row is None:
                raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=subscription.workitem_uid)
            _keep(session, subscription, self._clock.now())
            self._tell_state(session, subscription.receiving_ae, row)
            note_change(session)

    def _subscribe_existing(self, session: Session, wanted: Subscription) -> None:
        """Extend a global subscription to the workitems that are there; a lock is added, never taken away."""
        own = SubscriptionRow.receiving_ae == wanted.receiving_ae
        held = set(session.scalars(select(SubscriptionRow.workitem_uid).where(own)))
        matching = matching_uids(session, wanted.keys)
        fresh = [Subscription(wanted.receiving_ae, uid, wanted.deletion_lock) for uid in matching if uid not in held]
        if fresh:
            session.execute(insert(SubscriptionRow), [_columns(each, self._clock.now()) for each in fresh])
        if wanted.deletion_lock:
            for uids in batched_uids(matching):
                session.execute(update(SubscriptionRow).where(own, _of(uids)).values(deletion_lock=True))
                for row in session.scalars(select(WorkitemRow).where(WorkitemRow.workitem_uid.in_(uids))):
                    self._tell_state(session, wanted.receiving_ae, row)

    def _tell_state(self, session: Session, receiving_ae: str, row: WorkitemRow) -> None:
        report = state_report(row.workitem_uid, row.dataset)
        session.add(_event(receiving_ae, report, self._clock.now()))

    def unsubscribe(self, receiving_ae: str, workitem_uid: str) -> None:
        """See ``Subscriptions.unsubscribe``."""
        own = SubscriptionRow.receiving_ae == receiving_ae
        one = own & (SubscriptionRow.workitem_uid == workitem_uid)
        with self._store.begin() as session:
            _require(session, receiving_ae, workitem_uid)
            session.execute(delete(SubscriptionRow).where(own if workitem_uid in WELL_KNOWN else one))

    def suspend(self, receiving_ae: str, workitem_uid: str) -> None:
        """See ``Subscriptions.suspend``."""
        with self._store.begin() as session:
            session.delete(_require(session, receiving_ae, workitem_uid))

    def pending(self, receiving_ae: str, *, limit: int, without: Set[int] = frozenset()) -> Sequence[PendingEvent]:
        """See ``Subscriptions.pending``."""
        own = WorkitemEventRow.receiving_ae == receiving_ae
        in_order = select(WorkitemEventRow.event_id).where(own).order_by(WorkitemEventRow.event_id)
        with self._store.read() as session:
            waiting = session.connection().scalars(in_order.limit(limit + len(without)))
            wanted = list(islice((event_id for event_id in waiting if event_id not in without), limit))
            if not wanted:
                return []
            statement = select(WorkitemEventRow).where(WorkitemEventRow.event_id.in_(wanted))
            return [
                PendingEvent(row.event_id, EventReport(row.workitem_uid, EventType(row.event_type), row.information))
                for row in session.scalars(statement.order_by(WorkitemEventRow.event_id))
            ]

    def forget(self, events: Sequence[PendingEvent]) -> None:
        """See ``Subscriptions.forget``."""
        with self._store.begin() as session:
            for start in range(0, len(events), _EVENTS_AT_A_TIME):
                told = [event.event_id for event in events[start : start + _EVENTS_AT_A_TIME]]
                session.execute(delete(WorkitemEventRow).where(WorkitemEventRow.event_id.in_(told)))

    def take_turn(self, receiving_ae: str, holder: str, until: datetime) -> bool:
        """See ``Subscriptions.take_turn``."""
        try:
            with self._store.begin() as session:
                row = session.get(EventTurnRow, receiving_ae, with_for_update=True)
                if row is None:
                    session.add(EventTurnRow(receiving_ae=receiving_ae, holder=holder, held_until=until))
                    return True
                if row.holder != holder and row.held_until > self._clock.now():
                    return False
                row.holder, row.held_until = holder, until
                return True
        except IntegrityError:  # somebody else was the first ever
            return False

    def expire(self, before: datetime) -> int:
        """See ``Subscriptions.expire``."""
        with self._store.begin() as session:
            statement = delete(WorkitemEventRow).where(WorkitemEventRow.created_at < before)
            return session.connection().execute(statement).rowcount


def subscribe_to_new(session: Session, workitem: Workitem) -> None:
    """Give a new workitem to every application with a global subscription that it matches."""
    wanted = session.scalars(select(SubscriptionRow).where(SubscriptionRow.workitem_uid.in_(WELL_KNOWN)))
    locks: dict[str, bool] = {}
    for row in wanted:
        if matches(workitem.dataset, _keys(row)):
            locks[row.receiving_ae] = locks.get(row.receiving_ae, False) or row.deletion_lock
    for receiving_ae, lock in locks.items():
        _keep(session, Subscription(receiving_ae, workitem.workitem_uid, lock), workitem.created_at)


def tell_subscribers(session: Session, reports: Iterable[EventReport], now: Callable[[], datetime]) -> None:
    """Queue events for whoever is subscribed to their workitems."""
    for report in reports:
        statement = select(SubscriptionRow.receiving_ae).where(SubscriptionRow.workitem_uid == report.workitem_uid)
        receivers = session.scalars(statement).all()
        session.add_all(_event(receiving_ae, report, now()) for receiving_ae in receivers)


def note_change(session: Session) -> None:
    """Count one change, as the last act of the transaction: on PostgreSQL others wait here until it is committed.

    So the numbers grow in the order of the commits, and whoever reads one sees all that it counts.
    """
    session.flush()
    session.execute(update(WorklistChangeRow).values(number=WorklistChangeRow.number + 1))


def _keep(session: Session, subscription: Subscription, now: datetime) -> None:
    session.merge(SubscriptionRow(**_columns(subscription, now)))


def _columns(subscription: Subscription, now: datetime) -> dict[str, Any]:
    return {
        "receiving_ae": subscription.receiving_ae,
        "workitem_uid": subscription.workitem_uid,
        "deletion_lock": subscription.deletion_lock,
        "keys": [[list(key.path), key.value] for key in subscription.keys],
        "created_at": now,
    }


def _of(workitem_uids: Sequence[str]) -> ColumnElement[bool]:
    return SubscriptionRow.workitem_uid.in_(workitem_uids)


def _keys(row: SubscriptionRow) -> tuple[Key, ...]:
    return tuple(Key(tuple(path), value) for path, value in row.keys or ())


def _event(receiving_ae: str, report: EventReport, now: datetime) -> WorkitemEventRow:
    return WorkitemEventRow(
        receiving_ae=receiving_ae,
        workitem_uid=report.workitem_uid,
        event_type=int(report.event_type),
        information=dict(report.information),
        created_at=now,
    )


def _require(session: Session, receiving_ae: str, workitem_uid: str) -> SubscriptionRow:
    row = session.get(SubscriptionRow, (receiving_ae, workitem_uid))
    if row is None:
        raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=workitem_uid, detail="there is no such subscription")
    return row
