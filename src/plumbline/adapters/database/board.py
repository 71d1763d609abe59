"""The board of readings from the store (port ``worklist.board.BoardSource``): everything once, then what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.reader_tables import ClaimRow
from plumbline.adapters.database.tables import ResultRow, WorkitemRow
from plumbline.worklist.board import Changes, Reading
from plumbline.worklist.results import ExamResult
from plumbline.worklist.workitem import Workitem

SETTLING = timedelta(seconds=30)
"""How far back is read again: a change is dated when it is made and seen when it is committed."""

_SHOWN = ("current", "exam", "findings")
"""Parts of a result document that a line shows."""
_IDS_AT_A_TIME = 500


class DatabaseBoardSource:
    """``BoardSource`` on the store. Keeps where it left off, so each board has its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[object, ...]] = {}
        self._seen_until: datetime | None = None

    def changes(self) -> Changes:
        """See ``BoardSource.changes``."""
        with self._store.read() as session:
            count, newest = _standing(session)
            recent = _marks(session, self._seen_until - SETTLING) if self._seen_until else {}
            fresh = [uid for uid, mark in recent.items() if self._known.get(uid) != mark]
            self._known.update(recent)
            is_everything = self._seen_until is None or len(self._known) != count
            if is_everything:  # the first time, or one is gone
                self._known = _marks(session, None)
            rows = list(session.scalars(select(WorkitemRow))) if is_everything else _rows(session, fresh)
            self._seen_until = newest
            return Changes(_readings(session, rows), is_everything)


def _marks(session: Session, since: datetime | None) -> dict[str, tuple[object, ...]]:
    """Version, and moments of result and claim, of every workitem, or of those that any of them changed since."""
    return {row[0]: tuple(row[1:]) for row in session.execute(_changed_since(since))}


def _changed_since(since: datetime | None) -> Select[str, int, datetime, datetime]:
    results = (
        select(ResultRow.study_instance_uid, func.max(ResultRow.created_at).label("at"))
        .group_by(ResultRow.study_instance_uid)
        .subquery()
    )
    marks = (
        select(WorkitemRow.workitem_uid, WorkitemRow.version, results.c.at, ClaimRow.changed_at)
        .outerjoin(results, results.c.study_instance_uid == WorkitemRow.study_instance_uid)
        .outerjoin(ClaimRow, ClaimRow.workitem_uid == WorkitemRow.workitem_uid)
    )
    if since is None:
        return marks
    return marks.where((WorkitemRow.updated_at >= since) | (results.c.at >= since) | (ClaimRow.changed_at >= since))


def _rows(session: Session, workitem_uids: Sequence[str]) -> list[WorkitemRow]:
    return [
        row
        for some in _batches(workitem_uids)
        for row in session.scalars(select(WorkitemRow).where(WorkitemRow.workitem_uid.in_(some)))
    ]


def _standing(session: Session) -> tuple[int, datetime | None]:
    """How many workitems there are, and when one, a result or a claim changed last."""
    count, workitem_at = session.execute(select(func.count(), func.max(WorkitemRow.updated_at))).one()
    others = [session.scalar(select(func.max(column))) for column in (ResultRow.created_at, ClaimRow.changed_at)]
    return count, max((each for each in (workitem_at, *others) if each is not None), default=None)


def _readings(session: Session, rows: Sequence[WorkitemRow]) -> list[Reading]:
    results = _results(session, [row.study_instance_uid for row in rows if row.study_instance_uid])
    readers = _readers(session, [row.workitem_uid for row in rows])
    return [
        Reading(_workitem(row), results.get(row.study_instance_uid or ""), readers.get(row.workitem_uid))
        for row in rows
    ]


def _workitem(row: WorkitemRow) -> Workitem:
    """Workitem without its long sequences."""
    return Workitem(
        workitem_uid=row.workitem_uid,
        dataset=row.dataset,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _results(session: Session, study_uids: Sequence[str]) -> Mapping[str, ExamResult]:
    """What a line shows of each study's newest result."""
    parts = [ResultRow.document[name].label(name) for name in _SHOWN]
    columns = (ResultRow.study_instance_uid, ResultRow.revision, ResultRow.created_at, *parts)
    found: dict[str, ExamResult] = {}
    for some in _batches(study_uids):
        statement = select(*columns).where(ResultRow.study_instance_uid.in_(some)).order_by(ResultRow.revision)
        for row in session.execute(statement).mappings():
            document: dict[str, Any] = {name: row[name] for name in _SHOWN}
            uid = row["study_instance_uid"]
            found[uid] = ExamResult(uid, row["revision"], document, row["created_at"])
    return found


def _readers(session: Session, workitem_uids: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for some in _batches(workitem_uids):
        statement = select(ClaimRow.workitem_uid, ClaimRow.reader).where(ClaimRow.workitem_uid.in_(some))
        found.update(row.tuple() for row in session.execute(statement))
    return found


def _batches(uids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (uids[at : at + _IDS_AT_A_TIME] for at in range(0, len(uids), _IDS_AT_A_TIME))
