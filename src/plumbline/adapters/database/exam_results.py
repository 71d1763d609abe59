"""Result documents and evidence pictures as pages and JSON read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import PictureRow, ResultRow
from plumbline.errors import InvalidInput
from plumbline.worklist.results import ExamResult


class DatabaseExamResults:
    """``worklist.results.ExamResults`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, study_instance_uid: str) -> ExamResult:
        """See ``ExamResults.newest``."""
        found = self.newest_of([study_instance_uid])
        if study_instance_uid not in found:
            raise InvalidInput("there is no result for this exam yet", where=study_instance_uid)
        return found[study_instance_uid]

    def newest_of(self, study_instance_uids: Sequence[str]) -> Mapping[str, ExamResult]:
        """See ``ExamResults.newest_of``."""
        newest = (
            select(ResultRow.study_instance_uid, func.max(ResultRow.revision).label("revision"))
            .where(ResultRow.study_instance_uid.in_(study_instance_uids))
            .group_by(ResultRow.study_instance_uid)
            .subquery()
        )
        statement = select(ResultRow).join(
            newest,
            (ResultRow.study_instance_uid == newest.c.study_instance_uid) & (ResultRow.revision == newest.c.revision),
        )
        with self._store.read() as session:
            rows = session.scalars(statement)
            return {
                row.study_instance_uid: ExamResult(row.study_instance_uid, row.revision, row.document, row.created_at)
                for row in rows
            }

    def captions(self, result: ExamResult) -> Sequence[str]:
        """See ``ExamResults.captions``."""
        statement = (
            select(PictureRow.caption)
            .where(PictureRow.study_instance_uid == result.study_instance_uid, PictureRow.revision == result.revision)
            .order_by(PictureRow.ordinal)
        )
        with self._store.read() as session:
            return list(session.scalars(statement))

    def picture(self, result: ExamResult, ordinal: int) -> bytes:
        """See ``ExamResults.picture``."""
        with self._store.read() as session:
            row = session.get(PictureRow, (result.study_instance_uid, result.revision, ordinal))
            if row is None:
                raise InvalidInput("there is no such picture", where=f"{result.study_instance_uid}, {ordinal}")
            return row.png
