"""Workitems in the store (``worklist.workitem.WorkitemStore``): indexed search, optimistic versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.subscriptions import note_change, subscribe_to_new, tell_subscribers
from plumbline.adapters.database.tables import WorkitemRow, WorklistChangeRow
from plumbline.pipeline.ports import Clock
from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, items, text, values
from plumbline.worklist.desk import Worklist
from plumbline.worklist.events import EventReport
from plumbline.worklist.matching import Key, Query, matches, moment_bounds, moment_span
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.rendering import rendered
from plumbline.worklist.states import State
from plumbline.worklist.workitem import PRIORITY_ORDER, RenderedPage, SearchPage, Standing, Workitem

_REFERENCES = frozenset({tags.INPUTS, tags.PERFORMED})
"""Attributes that have a column of their own."""

_ONE_ITEM_KEYS = {
    (tags.REFERENCED_REQUEST_SEQUENCE, tags.ACCESSION_NUMBER): WorkitemRow.accession_number,
    (tags.WORKITEM_CODE, tags.CODE_VALUE): WorkitemRow.workitem_code,
}
_KEY_COLUMNS = {
    (tags.PATIENT_ID,): WorkitemRow.patient_id,
    (tags.WORKLIST_LABEL,): WorkitemRow.worklist_label,
    **_ONE_ITEM_KEYS,
}
"""Columns that hold the value of a matching key, or None where only the dataset tells."""

_SHORTEST_LITERAL = 2
_READING_ORDER = (WorkitemRow.priority_rank, WorkitemRow.created_at, WorkitemRow.workitem_uid)
_CHANGE_NUMBER = select(WorklistChangeRow.number)
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
                note_change(session)
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
            note_change(session)
            return True

    def tell(self, reports: Sequence[EventReport]) -> None:
        """See ``WorkitemStore.tell``."""
        with self._store.begin() as session:
            tell_subscribers(session, reports, self._clock.now)
            note_change(session)

    def search(self, query: Query) -> SearchPage:
        """See ``WorkitemStore.search``."""
        conditions, remaining = _translate(query)
        statement = select(WorkitemRow).where(*conditions).order_by(*_READING_ORDER)
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

    def search_rendered(self, query: Query) -> RenderedPage:
        """See ``WorkitemStore.search_rendered``."""
        conditions, remaining = _translate(query)
        if remaining:
            page = self.search(replace(query, with_references=True))
            return RenderedPage(tuple(rendered(found.dataset) for found in page.workitems), page.has_more)
        statement = select(WorkitemRow.workitem_uid, WorkitemRow.rendered).where(*conditions).order_by(*_READING_ORDER)
        with self._store.read() as session:
            rows = session.execute(statement.offset(query.offset).limit(query.limit + 1)).all()
            datasets = tuple(held or self._rendered_now(session, uid) for uid, held in rows[: query.limit])
        return RenderedPage(datasets, has_more=len(rows) > query.limit)

    @staticmethod
    def _rendered_now(session: Session, workitem_uid: str) -> bytes:
        """Result of a workitem that was stored before results were."""
        row = session.get_one(WorkitemRow, workitem_uid, options=[undefer(WorkitemRow.references)])
        return rendered(_workitem(row, row.references).dataset)

    def change_number(self) -> int:
        """See ``WorkitemStore.change_number``."""
        with self._store.read() as session:
            return session.connection().execute(_CHANGE_NUMBER).scalar_one()

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


def _translate(query: Query) -> tuple[list[ColumnElement[bool]], list[Key]]:
    """Conditions on columns, and the keys that no column answers."""
    conditions: list[ColumnElement[bool]] = []
    if query.states is not None:
        conditions.append(WorkitemRow.state.in_(sorted(query.states)))
    remaining: list[Key] = []
    for key in query.keys:
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
    """Condition that every match meets and few others do.

    A column says so, or the text of the dataset holds the key's longest literal.
    """
    column = _KEY_COLUMNS.get(key.path)
    if column is not None and not key.has_wildcard:
        return [(column == key.value) | column.is_(None)]
    if key.path == (tags.START,):
        return [_overlaps(key.value) | WorkitemRow.starts_at.is_(None)]
    if key.path[0] in _REFERENCES or len(key.literal) < _SHORTEST_LITERAL:
        return []
    return [cast(WorkitemRow.dataset, Text).icontains(key.literal, autoescape=True)]


def _overlaps(value: str) -> ColumnElement[bool]:
    low, high = moment_bounds(value)
    conditions = [WorkitemRow.starts_at >= low] if low else []
    return and_(true(), *conditions, *([WorkitemRow.starts_at <= high] if high else []))


def _row(workitem: Workitem) -> WorkitemRow:
    return WorkitemRow(
        workitem_uid=workitem.workitem_uid,
        created_at=workitem.created_at,
        version=workitem.version,
        **_changeable(workitem),
    )


def _changeable(workitem: Workitem) -> dict[str, object]:
    """Columns of everything that may change after creation."""
    dataset = workitem.dataset
    start = moment_span(text(dataset, tags.START))
    return {
        "study_instance_uid": workitem.study_instance_uid,
        "state": workitem.state.value,
        "priority_rank": workitem.priority_rank,
        "transaction_uid": workitem.transaction_uid,
        "dataset": {tag: value for tag, value in workitem.dataset.items() if tag not in _REFERENCES},
        "references": {tag: value for tag, value in workitem.dataset.items() if tag in _REFERENCES},
        "updated_at": workitem.updated_at,
        "patient_id": _of_one_value(dataset, tags.PATIENT_ID),
        "worklist_label": _of_one_value(dataset, tags.WORKLIST_LABEL),
        **{column.key: _of_one_item(dataset, *path) for path, column in _ONE_ITEM_KEYS.items()},
        "starts_at": start[0] if start else None,
        "rendered": rendered(dataset),
    }


def _of_one_value(dataset: Dataset, tag: str) -> str | None:
    """Value of an element, empty where it has none, None where it has several."""
    return None if len(values(dataset, tag)) > 1 else text(dataset, tag)


def _of_one_item(dataset: Dataset, sequence_tag: str, tag: str) -> str | None:
    """Value in the one item of a sequence, empty where it has none, None where it has several."""
    held = items(dataset, sequence_tag)
    return None if len(held) > 1 else "".join(_of_one_value(item, tag) or "" for item in held)


def _workitem(row: WorkitemRow, references: Mapping[str, Any] | None = None) -> Workitem:
    return Workitem(
        workitem_uid=row.workitem_uid,
        dataset={**row.dataset, **(references or {})},
        created_at=row.created_at,
        updated_at=row.updated_at,
        transaction_uid=row.transaction_uid,
        version=row.version,
    )
