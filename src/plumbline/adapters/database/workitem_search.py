"""Searches for workitems in the store: columns answer what they can, datasets the rest."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, reduce
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, literal_column, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from plumbline.adapters.database.tables import WorkitemRow
from plumbline.adapters.database.workitem_rows import ONE_ITEM_KEYS, REFERENCES, workitem_of
from plumbline.worklist import tags
from plumbline.worklist.matching import Key, Query, matches, moment_bounds
from plumbline.worklist.rendering import rendered
from plumbline.worklist.workitem import PRIORITY_ORDER, Edition, Workitem

_KEY_COLUMNS = {
    (tags.PATIENT_ID,): WorkitemRow.patient_id,
    (tags.WORKLIST_LABEL,): WorkitemRow.worklist_label,
    **ONE_ITEM_KEYS,
}
"""Columns that hold the value of a matching key, or None where only the dataset tells."""

_SHORTEST_LITERAL = 2
_READING_ORDER = (WorkitemRow.priority_rank, WorkitemRow.created_at, WorkitemRow.workitem_uid)
STATEMENTS_KEPT = 256
"""Searches of which the statement is kept."""

_ROWS_AT_A_TIME = 200
"""Rows read at once where datasets are looked at here."""


@dataclass(frozen=True)
class Wanted:
    """A query in the words of the table."""

    conditions: Sequence[ColumnElement[bool]]
    """What every match meets."""
    answered_by_most_rows: Sequence[Key]
    """Keys that a column answers, but for rows in which it is empty."""
    empty_columns: Sequence[ColumnElement[bool]]
    """That a row is one of those."""
    unanswered: Sequence[Key]
    """Keys that only the dataset answers."""

    @property
    def is_doubtful(self) -> ColumnElement[int]:
        """1 for a row whose dataset has to be looked at."""
        return case((or_(*self.empty_columns), 1), else_=0) if self.empty_columns else literal_column("0")


def translated(query: Query) -> Wanted:
    """Conditions on columns, and the keys that need datasets."""
    conditions: list[ColumnElement[bool]] = []
    if query.states is not None:
        conditions.append(WorkitemRow.state.in_(sorted(query.states)))
    mostly: list[Key] = []
    empty: list[ColumnElement[bool]] = []
    unanswered: list[Key] = []
    for key in query.keys:
        if key.is_universal:
            continue
        exact, in_column = _condition(key), _condition_unless_empty(key)
        if exact is not None:
            conditions.append(exact)
        elif in_column is not None:
            column, condition = in_column
            mostly.append(key)
            empty.append(column.is_(None))
            conditions.append(condition | column.is_(None))
        else:
            unanswered.append(key)
            conditions.extend(_narrowing(key))
    return Wanted(conditions, mostly, empty, unanswered)


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


def _condition_unless_empty(key: Key) -> tuple[InstrumentedAttribute[Any], ColumnElement[bool]] | None:
    """Column that answers a key wherever it is filled, and the condition on it."""
    column = _KEY_COLUMNS.get(key.path)
    if column is not None and not key.has_wildcard:
        return column, column == key.value
    if key.path == (tags.START,) and any(moment_bounds(key.value)):
        return WorkitemRow.starts_at, _overlaps(key.value)
    return None


def _narrowing(key: Key) -> list[ColumnElement[bool]]:
    """Condition that every match meets and few others do: the text of the dataset holds the key's longest literal."""
    if key.path[0] in REFERENCES or len(key.literal) < _SHORTEST_LITERAL:
        return []
    return [cast(WorkitemRow.dataset, Text).icontains(key.literal, autoescape=True)]


def _overlaps(value: str) -> ColumnElement[bool]:
    low, high = moment_bounds(value)
    conditions = [WorkitemRow.starts_at >= low] if low else []
    return and_(true(), *conditions, *([WorkitemRow.starts_at <= high] if high else []))


def found_workitems(session: Session, wanted: Wanted, query: Query) -> list[Workitem]:
    """Matching workitems of the page, and one more where there is one, without their long sequences."""
    statement = select(WorkitemRow).where(*wanted.conditions).order_by(*_READING_ORDER)
    keys = (*wanted.answered_by_most_rows, *wanted.unanswered)
    if not keys:
        rows = session.scalars(statement.offset(query.offset).limit(query.limit + 1))
        return [workitem_of(row) for row in rows]
    with closing(_matching(session, statement, keys)) as matching:
        return list(islice(matching, query.offset, query.offset + query.limit + 1))


def _matching(session: Session, statement: Select[WorkitemRow], keys: Sequence[Key]) -> Generator[Workitem, None, None]:
    """Workitems of a statement whose datasets match."""
    statement = statement.execution_options(yield_per=_ROWS_AT_A_TIME)
    needs_references = any(key.path[0] in REFERENCES for key in keys)
    if needs_references:
        statement = statement.options(undefer(WorkitemRow.references))
    with closing(session.scalars(statement)) as rows:
        found = (workitem_of(row, row.references if needs_references else None) for row in rows)
        yield from (workitem for workitem in found if matches(workitem.dataset, keys))


def found_editions(session: Session, query: Query) -> Sequence[Edition] | None:
    """Editions of the page, and one more where there is one; None where columns alone cannot tell."""
    statement = _editions(query)
    return None if statement is None else _read(session.connection().execute(statement).scalar_one() or "")


@lru_cache(maxsize=STATEMENTS_KEPT)
def _read(joined: str) -> Sequence[Edition] | None:
    """Editions that the row of a page tells; most changes of a worklist leave most pages as they were."""
    told = [each.split(" ", 4) for each in joined.split(",")] if joined else []
    if any(doubt != "0" for _, _, _, doubt, _ in told):
        return None
    ordered = sorted(told, key=lambda each: int(each[0]))
    return [Edition(uid, int(version), _moment(created_at)) for _, uid, version, _, created_at in ordered]


def _moment(written: str) -> datetime:
    """Moment as either database writes it, without a zone where it keeps none."""
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _editions(query: Query) -> Select[str] | None:
    """Statement for the editions of a page as one row: place, UID, version, doubt and creation of each.

    An embedded database hands over each row in a turn of its own, and between two turns another thread may keep
    the interpreter. Statements are kept because making one takes longer than carrying it out.
    """
    wanted = translated(query)
    if wanted.unanswered:
        return None
    page = (
        select(WorkitemRow.workitem_uid, WorkitemRow.version, wanted.is_doubtful.label("doubt"), *_READING_ORDER[:2])
        .where(*wanted.conditions)
        .order_by(*_READING_ORDER)
        .offset(query.offset)
        .limit(query.limit + 1)
        .subquery()
    )
    place = func.row_number().over(order_by=(page.c.priority_rank, page.c.created_at, page.c.workitem_uid))
    parts = (place, page.c.workitem_uid, page.c.version, page.c.doubt, page.c.created_at)
    line = reduce(lambda before, part: before.concat(" ").concat(part), (cast(part, Text) for part in parts))
    lines = select(line.label("line")).subquery()
    return select(func.aggregate_strings(lines.c.line, ","))


def written(session: Session, editions: Sequence[Edition]) -> dict[Edition, bytes]:
    """Results of these workitems in writing, as they are now: a change since they were found makes another edition."""
    columns = (WorkitemRow.workitem_uid, WorkitemRow.version, WorkitemRow.created_at, WorkitemRow.rendered)
    uids = [edition.workitem_uid for edition in editions]
    rows = session.connection().execute(select(*columns).where(WorkitemRow.workitem_uid.in_(uids))) if uids else ()
    return {Edition(uid, version, at): held or _written_now(session, uid) for uid, version, at, held in rows}


def _written_now(session: Session, workitem_uid: str) -> bytes:
    """Result of a workitem that was stored before results were."""
    row = session.get_one(WorkitemRow, workitem_uid, options=[undefer(WorkitemRow.references)])
    return rendered(workitem_of(row, row.references).dataset)


def with_references(session: Session, page: Sequence[Workitem]) -> list[Workitem]:
    """The same workitems with their long sequences, read for these alone."""
    uids = [found.workitem_uid for found in page]
    statement = select(WorkitemRow.workitem_uid, WorkitemRow.references).where(WorkitemRow.workitem_uid.in_(uids))
    references = {uid: held or {} for uid, held in session.execute(statement)}
    return [replace(found, dataset={**found.dataset, **references[found.workitem_uid]}) for found in page]


def matching_uids(session: Session, keys: Sequence[Key]) -> list[str]:
    """SOP Instance UIDs of all workitems that match."""
    wanted = translated(Query(tuple(keys)))
    if wanted.answered_by_most_rows or wanted.unanswered:
        return [found.workitem_uid for found in _matching(session, select(WorkitemRow).where(*wanted.conditions), keys)]
    return list(session.scalars(select(WorkitemRow.workitem_uid).where(*wanted.conditions)))
