"""Which processing workitems this system performs, in the store (port ``worklist.performer.TaskBook``)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import exists, select

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import TaskRow


class DatabaseTaskBook:
    """``TaskBook`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, workitem_uid: str, study_instance_uid: str, transaction_uid: str) -> None:
        """See ``TaskBook.note``."""
        with self._store.begin() as session:
            if session.scalar(select(TaskRow.task_id).where(TaskRow.workitem_uid == workitem_uid)) is None:
                session.add(
                    TaskRow(
                        workitem_uid=workitem_uid,
                        study_instance_uid=study_instance_uid,
                        transaction_uid=transaction_uid,
                    )
                )

    def locks(self, study_instance_uid: str) -> Mapping[str, str]:
        """See ``TaskBook.locks``."""
        statement = select(TaskRow.workitem_uid, TaskRow.transaction_uid).order_by(TaskRow.task_id)
        with self._store.read() as session:
            rows = session.execute(statement.where(TaskRow.study_instance_uid == study_instance_uid))
            return {row.workitem_uid: row.transaction_uid for row in rows}

    def knows(self, workitem_uid: str) -> bool:
        """See ``TaskBook.knows``."""
        with self._store.read() as session:
            return bool(session.scalar(select(exists().where(TaskRow.workitem_uid == workitem_uid))))
