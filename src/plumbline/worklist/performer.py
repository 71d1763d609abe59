"""This system as the performer of processing workitems: it takes, completes and gives up what names it as station.

Every change goes through the worklist's own requests, so the lock and the state machine hold for this performer as
for any other: a task that somebody else has claimed is theirs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from plumbline.worklist import tags
from plumbline.worklist.dataset import text
from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Key, Query, moment_span
from plumbline.worklist.reading import RetrievalSource, StoredObject
from plumbline.worklist.refusals import WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.tasks import Station, discontinued, performed, study_of, task_of_reading, task_uid
from plumbline.worklist.workitem import Workitem

_AT_A_TIME = 100


class Ownership(Enum):
    """Who has the task of an exam."""

    OURS = "ours"
    NOBODY = "nobody"
    OTHERS = "others"


class TaskBook(Protocol):
    """Which tasks are this system's, of which exams, and the locks it claims them with. Survives a restart."""

    def note(self, workitem_uid: str, study_instance_uid: str, transaction_uid: str) -> None:
        """Enter a task that is to be performed here, before it is claimed; one that is entered stays as it is."""
        ...

    def locks(self, study_instance_uid: str) -> Mapping[str, str]:
        """Transaction UIDs of an exam's tasks by their workitem UID, in the order in which they were entered."""
        ...

    def knows(self, workitem_uid: str) -> bool:
        """Whether a task has been entered."""
        ...


class Performer:
    """Takes part in the worklist as one performer.

    Parameters
    ----------
    station
        What has to be the scheduled station of a task that it performs.
    """

    def __init__(self, worklist: Worklist, book: TaskBook, station: Station) -> None:
        self._worklist = worklist
        self._book = book
        self._station = station

    def offer(self, study_instance_uid: str, revision: int, *, reading_uid: str) -> str:
        """Put the task of a revision beside the reading of its exam, once; return its UID."""
        reading = self._worklist.current(reading_uid).dataset
        uid = task_uid(study_instance_uid, revision)
        self._book.note(uid, study_instance_uid, _new_lock())
        with suppress(WorkitemConflict):  # a step that is repeated has offered it
            self._worklist.create(task_of_reading(reading, workitem_uid=uid, station=self._station))
        return uid

    def pushed(self) -> list[tuple[str, str | None]]:
        """Tasks that others scheduled for this station and that are not known yet: UID, and study where it is named."""
        key = Key((tags.STATION_NAMES, tags.CODE_VALUE), self._station.ae_title)
        query = Query((key,), limit=_AT_A_TIME, states=frozenset({State.SCHEDULED.value}))
        found = self._worklist.search(query).workitems
        return [
            (each.workitem_uid, study_of(each.dataset)) for each in found if not self._book.knows(each.workitem_uid)
        ]

    def accept(self, workitem_uid: str, study_instance_uid: str) -> None:
        """Take a pushed task in hand: it begins and ends with the exam."""
        self._book.note(workitem_uid, study_instance_uid, _new_lock())

    def ownership(self, workitem_uid: str, study_instance_uid: str) -> tuple[Ownership, State, datetime]:
        """Who has a task of an exam, its state, and since when it is on the worklist."""
        found = self._worklist.retrieve(workitem_uid)
        if found.transaction_uid is None and not found.state.is_final:
            return Ownership.NOBODY, found.state, found.created_at
        is_ours = found.transaction_uid == self._book.locks(study_instance_uid).get(workitem_uid)
        return (Ownership.OURS if is_ours else Ownership.OTHERS), found.state, found.created_at

    def begin(self, study_instance_uid: str) -> None:
        """Claim every task of an exam that nobody has."""
        for uid, lock in self._open_tasks(study_instance_uid):
            if self._worklist.retrieve(uid).state is State.SCHEDULED:
                try:
                    self._worklist.change_state(uid, State.IN_PROGRESS, transaction_uid=lock)
                except WorkitemConflict:
                    continue  # somebody else was faster

    def complete(
        self, study_instance_uid: str, *, outputs: Sequence[StoredObject], source: RetrievalSource, now: datetime
    ) -> None:
        """Complete every task of an exam that this performer has."""
        for uid, lock in self._open_tasks(study_instance_uid):
            found = self._worklist.retrieve(uid)
            if found.state is State.IN_PROGRESS:
                done = performed(
                    self._station, began_at=_claimed_at(found), ended_at=now, outputs=outputs, source=source
                )
                self._end(uid, lock, done, State.COMPLETED)

    def give_up(self, study_instance_uid: str, *, code: tuple[str, str, str], words: str, now: datetime) -> None:
        """Cancel every task of an exam that this performer has or that nobody has, with the coded reason."""
        self.begin(study_instance_uid)
        for uid, lock in self._open_tasks(study_instance_uid):
            if self._worklist.retrieve(uid).state is State.IN_PROGRESS:
                self._end(uid, lock, discontinued(now, code, words), State.CANCELED)

    def refuse(self, workitem_uid: str, *, code: tuple[str, str, str], words: str, now: datetime) -> None:
        """Claim a pushed task that cannot be performed, and cancel it with the reason."""
        lock = _new_lock()
        try:
            self._worklist.change_state(workitem_uid, State.IN_PROGRESS, transaction_uid=lock)
        except WorkitemConflict:
            return
        self._end(workitem_uid, lock, discontinued(now, code, words), State.CANCELED)

    def _end(self, workitem_uid: str, lock: str, update: Mapping[str, Any], state: State) -> None:
        self._worklist.update(workitem_uid, update, transaction_uid=lock)
        self._worklist.change_state(workitem_uid, state, transaction_uid=lock)

    def _open_tasks(self, study_instance_uid: str) -> list[tuple[str, str]]:
        """Tasks of an exam that are not finished and not another performer's, with their locks."""
        found: list[tuple[str, str]] = []
        for uid, lock in self._book.locks(study_instance_uid).items():
            try:
                task = self._worklist.retrieve(uid)
            except WorkitemInvalid:
                continue  # entered, and never created: the process ended in between
            if not task.state.is_final and task.transaction_uid in (None, lock):
                found.append((uid, lock))
        return found


def _new_lock() -> str:
    return f"2.25.{uuid.uuid4().int}"


def _claimed_at(task: Workitem) -> datetime:
    """When it was changed last: of a task that is under way, when it was claimed."""
    span = moment_span(text(task.dataset, tags.MODIFIED))
    return span[0] if span else task.updated_at
