"""Workitems in the store (``worklist.workitem.WorkitemStore``): indexed search, optimistic versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.subscriptions import subscribe_to_new, tell_subscribers
from plumbline.adapters.database.tables import WorkitemRow
from plumbline.pipeline.ports import Clock
from plumbline.worklist import tags
from plumbline.worklist.desk import Worklist
from plumbline.worklist.events import EventReport
from plumbline.worklist.matching import Key, Query, matches
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.workitem import PRIORITY_ORDER, SearchPage, Standing, Workitem

_REFERENCES = frozenset({tags.INPUTS, tags.PERFORMED})
"""Attributes that have a column of their own."""

_SHORTEST_LITERAL = 2
_ROWS_AT_A_TIME = 200
"""Rows read at once where keys without a column of their own are matched here."""


class DatabaseWorkitems(Worklist):
    """The worklist on the store; also the path's port ``Workitems``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(DatabaseWorkitemStore(store, clock), clock.now)


class DatabaseWorkitemStore:
    """``WorkitemStore`` on SQLAlchemy."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add(self, workitem: Workitem, reports: Sequence[EventReport] = ()) -> None:
        """See ``WorkitemStore.add``."""
        try:
            with self._store.begin() as session:
                session.add(_row(workitem))
                session.flush()
                subscribe_to_new(session, workitem)
                tell_subscribers(session, reports, self._clock.now)
        except IntegrityError as error:
            raise WorkitemConflict(Refusal.DUPLICATE, where=workitem.workitem_uid) from error

    def get(self, workitem_uid: str) -> Workitem:
        """See ``WorkitemStore.get``."""
        with self._store.read() as session:
            row = session.get(WorkitemRow, workitem_uid, options=[undefer(WorkitemRow.references)])
            if row is None:
                raise WorkitemInvalid(Refusal.NO_SUCH_WORKITEM, where=workitem_uid)
            return _workitem(row, row.references)

    def replace(self, workitem: Workitem, reports: Sequence[EventReport] = ()) -> bool:
        """See ``WorkitemStore.replace``."""
        with self._store.begin() as session:
            statement = (
                update(WorkitemRow)
                .where(WorkitemRow.workitem_uid == workitem.workitem_uid, WorkitemRow.version == workitem.version)
                .values(**_changeable(workitem), version=workitem.version + 1)
            )
            if session.connection().execute(statement).rowcount != 1:
                return False
            tell_subscribers(session, reports, self._clock.now)
            return True

    def tell(self, reports: Sequence[EventReport]) -> None:
        """See ``WorkitemStore.tell``."""
        with self._store.begin() as session:
            tell_subscribers(session, reports, self._clock.now)

    def search(self, query: Query) -> SearchPage:
        """See ``WorkitemStore.search``."""
        conditions, remaining = _translate(query.keys)
        if query.states is not None:
            conditions.append(WorkitemRow.state.in_(sorted(query.states)))
        statement = (
            select(WorkitemRow)
            .where(*conditions)
            .order_by(WorkitemRow.priority_rank, WorkitemRow.created_at, WorkitemRow.workitem_uid)
        )
        with self._store.read() as session:
            if remaining:
                found = _filtered(session, statement, remaining, query)
            else:
                rows = session.scalars(statement.offset(query.offset).limit(query.limit + 1))
                found = [_workitem(row) for row in rows]
            page = found[: query.limit]
            if query.with_references:
                page = _with_references(session, page)
        return SearchPage(tuple(page), has_more=len(found) > query.limit)

    def standing(self) -> list[Standing]:
        """See ``WorkitemStore.standing``."""
        group = (WorkitemRow.state, WorkitemRow.priority_rank)
        statement = select(*group, func.count(), func.min(WorkitemRow.created_at)).group_by(*group).order_by(*group)
        with self._store.read() as session:
            return [
                Standing(State(state), PRIORITY_ORDER[rank], count, oldest)
                for state, rank, count, oldest in session.execute(statement)
            ]


def _filtered(session: Session, statement: Select[WorkitemRow], keys: Sequence[Key], query: Query) -> list[Workitem]:
    """Matching workitems of the page, and one more where there is one."""
    statement = statement.execution_options(yield_per=_ROWS_AT_A_TIME)
    needs_references = any(key.path[0] in _REFERENCES for key in keys)
    if needs_references:
        statement = statement.options(undefer(WorkitemRow.references))
    with closing(session.scalars(statement)) as rows:
        found = (_workitem(row, row.references if needs_references else None) for row in rows)
        matching = (workitem for workitem in found if matches(workitem.dataset, keys))
        return list(islice(matching, query.offset, query.offset + query.limit + 1))


def _with_references(session: Session, page: Sequence[Workitem]) -> list[Workitem]:
    """The same workitems with their long sequences, read for these alone."""
    uids = [found.workitem_uid for found in page]
    statement = select(WorkitemRow.workitem_uid, WorkitemRow.references).where(WorkitemRow.workitem_uid.in_(uids))
    references = {uid: held or {} for uid, held in session.execute(statement)}
    return [replace(found, dataset={**found.dataset, **references[found.workitem_uid]}) for found in page]


def _translate(keys: Sequence[Key]) -> tuple[list[ColumnElement[bool]], list[Key]]:
    """Conditions on columns, and the keys that no column answers."""
    conditions: list[ColumnElement[bool]] = []
    remaining: list[Key] = []
    for key in keys:
        condition = None if key.is_universal else _condition(key)
        if condition is not None:
            conditions.append(condition)
        elif not key.is_universal:
            remaining.append(key)
            conditions.extend(_narrowing(key))
    return conditions, remaining


def _condition(key: Key) -> ColumnElement[bool] | None:
    match key.path:
        case (tags.STUDY_INSTANCE_UID,):
            return WorkitemRow.study_instance_uid.in_(key.uids)
        case (tags.SOP_INSTANCE_UID,):
            return WorkitemRow.workitem_uid.in_(key.uids)
        case (tags.STATE,) if not key.has_wildcard:
            return WorkitemRow.state == key.value
        case (tags.PRIORITY,) if key.value in PRIORITY_ORDER:
            return WorkitemRow.priority_rank == PRIORITY_ORDER.index(key.value)
        case _:
            return None


def _narrowing(key: Key) -> list[ColumnElement[bool]]:
    """Condition that every match meets and few others do: the text of the dataset holds the key's longest literal."""
    if key.path[0] in _REFERENCES or len(key.literal) < _SHORTEST_LITERAL:
        return []
    return [cast(WorkitemRow.dataset, Text).icontains(key.literal, autoescape=True)]


def _row(workitem: Workitem) -> WorkitemRow:
    return WorkitemRow(
        workitem_uid=workitem.workitem_uid,
        created_at=workitem.created_at,
        version=workitem.version,
        **_changeable(workitem),
    )


def _changeable(workitem: Workitem) -> dict[str, object]:
    """Columns of everything that may change after creation."""
    return {
        "study_instance_uid": workitem.study_instance_uid,
        "state": workitem.state.value,
        "priority_rank": workitem.priority_rank,
        "transaction_uid": workitem.transaction_uid,
        "dataset": {tag: value for tag, value in workitem.dataset.items() if tag not in _REFERENCES},
        "references": {tag: value for tag, value in workitem.dataset.items() if tag in _REFERENCES},
        "updated_at": workitem.updated_at,
    }


def _workitem(row: WorkitemRow, references: Mapping[str, Any] | None = None) -> Workitem:
    return Workitem(
        workitem_uid=row.workitem_uid,
        dataset={**row.dataset, **(references or {})},
        created_at=row.created_at,
        updated_at=row.updated_at,
        transaction_uid=row.transaction_uid,
        version=row.version,
    )
