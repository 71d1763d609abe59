"""The worklist as both faces use it: one place where requests meet the state machine, the lock and the store.

UPS-RS and UPS over DIMSE translate to and from this class and decide nothing themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from plumbline.errors import OutOfCapacity
from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, datetime_element, element, limited_text, sequence
from plumbline.worklist.matching import Query
from plumbline.worklist.reading import refreshed
from plumbline.worklist.refusals import WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import Change, Event, Keep, react
from plumbline.worklist.workitem import SearchPage, Standing, Workitem, WorkitemStore

_MAXIMUM_TRIES = 20
"""How often a change is decided anew because another one was stored in between."""


class Worklist:
    """Requests on workitems. Also the path's port ``Workitems``.

    Parameters
    ----------
    store
        Where the workitems are kept.
    now
        The time of day, timezone-aware.
    """

    def __init__(self, store: WorkitemStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def retrieve(self, workitem_uid: str) -> Workitem:
        """One workitem.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM.
        """
        return self._store.get(workitem_uid)

    def search(self, query: Query) -> SearchPage:
        """Workitems that match, the most urgent and then the oldest first."""
        return self._store.search(query)

    def standing(self) -> list[Standing]:
        """Counts by state and priority, for operators."""
        return self._store.standing()

    def upsert_reading(self, workitem_uid: str, study_instance_uid: str, dataset: Mapping[str, Any]) -> None:
        """Create the reading workitem of an exam, or bring it up to date; see the port ``Workitems``.

        A finished workitem is left as the reader finished it.
        """
        given = {**dataset, tags.STUDY_INSTANCE_UID: element("UI", study_instance_uid)}
        for _ in range(_MAXIMUM_TRIES):
            try:
                stored = self._store.get(workitem_uid)
            except WorkitemInvalid:
                if self._added(workitem_uid, given):
                    return
                continue
            if self._refresh(stored, given):
                return
        raise OutOfCapacity("the workitem is being changed too often to be updated", where=workitem_uid)

    def _added(self, workitem_uid: str, dataset: Dataset) -> bool:
        now = self._now()
        try:
            self._store.add(Workitem(workitem_uid, dataset, created_at=now, updated_at=now))
        except WorkitemConflict:
            return False
        return True

    def _refresh(self, stored: Workitem, given: Dataset) -> bool:
        """Store what the new dataset changes; True when nothing is left to do."""
        if stored.state.is_final:
            return True
        dataset = refreshed(stored.dataset, given)
        return dataset == stored.dataset or self._store.replace(self._modified(stored, dataset))

    def cancel(self, workitem_uid: str, *, reason: str) -> None:
        """Cancel a workitem that turned out not to be one; whoever claimed it keeps it.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM.
        WorkitemConflict
            ALREADY_COMPLETED.
        """
        for _ in range(_MAXIMUM_TRIES):
            stored = self._store.get(workitem_uid)
            outcome = react(Event.REQUEST_CANCEL, stored.state, where=workitem_uid)
            if isinstance(outcome, Keep) or self._store.replace(self._canceled(stored, outcome, reason)):
                return
        raise OutOfCapacity("the workitem is being changed too often to be cancelled", where=workitem_uid)

    def _canceled(self, stored: Workitem, outcome: Change, reason: str) -> Workitem:
        progress = {
            tags.CANCELLATION_TIME: datetime_element(self._now()),
            tags.REASON_FOR_CANCELLATION: limited_text("LT", reason),
        }
        changed = {tags.STATE: element("CS", outcome.to.value), tags.PROGRESS_INFORMATION: sequence(progress)}
        return self._modified(stored, {**stored.dataset, **changed})

    def _modified(self, stored: Workitem, dataset: Dataset) -> Workitem:
        now = self._now()
        return replace(stored, dataset={**dataset, tags.MODIFIED: datetime_element(now)}, updated_at=now)
