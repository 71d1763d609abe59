"""Workitems in the store (``worklist.workitem.WorkitemStore``): indexed search, optimistic versions."""

from __future__ import annotations

from collections.abc import Container, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import undefer

from plumbline.adapters.database.change_number import glance_at
from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.subscriptions import note_change, subscribe_to_new, tell_subscribers
from plumbline.adapters.database.tables import WorkitemRow, WorklistChangeRow
from plumbline.adapters.database.workitem_rows import changed_columns, row_of, workitem_of
from plumbline.adapters.database.workitem_search import (
    found_editions,
    found_workitems,
    translated,
    with_references,
    written,
)
from plumbline.pipeline.ports import Clock
from plumbline.worklist.desk import Worklist
from plumbline.worklist.events import EventReport
from plumbline.worklist.matching import Query
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.workitem import PRIORITY_ORDER, Edition, RenderedPage, SearchPage, Standing, Workitem

_CHANGE_NUMBER = select(WorklistChangeRow.number)


class DatabaseWorkitems(Worklist):
    """The worklist on the store; also the path's port ``Workitems``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(DatabaseWorkitemStore(store, clock), clock.now)


class DatabaseWorkitemStore:
    """``WorkitemStore`` on SQLAlchemy."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._glance = glance_at(store.engine)

    def add(self, workitem: Workitem, reports: Sequence[EventReport] = ()) -> None:
        """See ``WorkitemStore.add``."""
        row = row_of(workitem)
        try:
            with self._store.begin() as session:
                session.add(row)
                session.flush()
                subscribe_to_new(session, workitem)
                tell_subscribers(session, reports, self._clock.now)
                note_change(session)
        except IntegrityError as error:
            raise WorkitemConflict(Refusal.DUPLICATE, where=workitem.workitem_uid) from error

    def get(self, workitem_uid: str) -> Workitem:
        """See ``WorkitemStore.get``."""
        with self._store.read() as session:
            row = session.get(WorkitemRow, workitem_uid, options=[undefer(WorkitemRow.references)])
            if row is None:
                raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=workitem_uid)
            return workitem_of(row, row.references)

    def replace(self, before: Workitem, after: Workitem, reports: Sequence[EventReport] = ()) -> bool:
        """See ``WorkitemStore.replace``."""
        statement = (  # made before the transaction: others wait for its end
            update(WorkitemRow)
            .where(WorkitemRow.workitem_uid == before.workitem_uid, WorkitemRow.version == before.version)
            .values(**changed_columns(after, before), version=before.version + 1)
        )
        with self._store.begin() as session:
            if session.connection().execute(statement).rowcount != 1:
                return False
            tell_subscribers(session, reports, self._clock.now)
            note_change(session)
            return True

    def tell(self, reports: Sequence[EventReport]) -> None:
        """See ``WorkitemStore.tell``."""
        with self._store.begin() as session:
            tell_subscribers(session, reports, self._clock.now)
            note_change(session)

    def search(self, query: Query) -> SearchPage:
        """See ``WorkitemStore.search``."""
        wanted = translated(query)
        with self._store.read() as session:
            found = found_workitems(session, wanted, query)
            page = found[: query.limit]
            if query.with_references:
                page = with_references(session, page)
        return SearchPage(tuple(page), has_more=len(found) > query.limit)

    def search_rendered(self, query: Query, held: Container[Edition] = ()) -> RenderedPage:
        """See ``WorkitemStore.search_rendered``."""
        while True:
            with self._store.read() as session:
                number = session.connection().execute(_CHANGE_NUMBER).scalar_one()
                found = found_editions(session, query)
                if found is None:
                    found = [each.edition for each in found_workitems(session, translated(query), query)]
                page = found[: query.limit]
                wanted = [edition for edition in page if edition not in held]
                fresh = written(session, wanted)
            if fresh.keys() == set(wanted):  # PostgreSQL shows each statement what was committed before it
                return RenderedPage(tuple(page), fresh, len(found) > query.limit, number)

    def change_number(self) -> int:
        """See ``WorkitemStore.change_number``."""
        with self._store.read() as session:
            return session.connection().execute(_CHANGE_NUMBER).scalar_one()

    def change_number_at_once(self) -> int | None:
        """See ``WorkitemStore.change_number_at_once``; a server is never asked so, only an embedded database."""
        return None if self._glance is None else self._glance.number()

    def standing(self) -> list[Standing]:
        """See ``WorkitemStore.standing``."""
        group = (WorkitemRow.state, WorkitemRow.priority_rank)
        statement = select(*group, func.count(), func.min(WorkitemRow.created_at)).group_by(*group).order_by(*group)
        with self._store.read() as session:
            return [
                Standing(State(state), PRIORITY_ORDER[rank], count, oldest)
                for state, rank, count, oldest in session.execute(statement)
            ]
