"""The worklist as both faces use it: one place where requests meet the state machine, the lock and the store.

UPS-RS and UPS over DIMSE translate to and from this class and decide nothing themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from plumbline.errors import OutOfCapacity
from plumbline.worklist import tags
from plumbline.worklist.dataset import (
    Dataset,
    coded,
    datetime_element,
    element,
    has_value,
    limited_text,
    sequence,
    text,
)
from plumbline.worklist.events import (
    EventReport,
    cancel_requested,
    reports_of_change,
    reports_of_creation,
    state_report,
)
from plumbline.worklist.form import check_form, is_uid
from plumbline.worklist.matching import Query
from plumbline.worklist.reading import refreshed
from plumbline.worklist.refusals import Notice, Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.requirements import check_final, check_update, completed_for_creation
from plumbline.worklist.states import Change, Event, State, change_state_event, react, update_event
from plumbline.worklist.succession import says_more, succeeding, successor_uid
from plumbline.worklist.workitem import Edition, RenderedPage, SearchPage, Standing, Workitem, WorkitemStore

_MAXIMUM_TRIES = 20
"""How often a change is decided anew because another one was stored in between."""

UNSPECIFIED_REASON = ("110513", "DCM", "Discontinued for unspecified reason")
"""Procedure Step Discontinuation Reason (CID 9300) where whoever asks gives none."""

NOT_A_READING = ("110514", "DCM", "Incorrect worklist entry selected")
"""The same where an exam turned out not to be one that this worklist is for."""

_Reports = Callable[[Dataset, Dataset], Iterable[EventReport]]


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

    # --- what anybody may ask ---

    def retrieve(self, workitem_uid: str) -> Workitem:
        """One workitem (N-GET); raise ``WorkitemInvalid`` (NO_SUCH_WORKITEM) where there is none."""
        return self._store.get(workitem_uid)

    def search(self, query: Query) -> SearchPage:
        """Workitems that match (C-FIND), the most urgent and then the oldest first."""
        return self._store.search(query)

    def search_rendered(self, query: Query, held: Container[Edition] = ()) -> RenderedPage:
        """Answer the same search as the DICOM JSON that every result carries, for many readers at once.

        What the caller holds of earlier answers is not written again.
        """
        return self._store.search_rendered(query, held)

    def change_number(self) -> int:
        """Return a number that stays the same exactly as long as every search gives what it gave before."""
        return self._store.change_number()

    def change_number_at_once(self) -> int | None:
        """Return the same without waiting for anybody, so that an event loop may ask; None where it has to wait."""
        return self._store.change_number_at_once()

    def standing(self) -> list[Standing]:
        """Counts by state and priority, for operators."""
        return self._store.standing()

    def create(self, dataset: Any, *, workitem_uid: str | None = None) -> tuple[Workitem, Notice | None]:
        """Create a workitem (N-CREATE, PS3.4 CC.2.5).

        Parameters
        ----------
        dataset
            What was sent, not yet trusted to be a dataset.
        workitem_uid
            Affected SOP Instance UID; else the dataset has to hold it as SOP Instance UID.

        Returns
        -------
        tuple
            The stored workitem, and CREATED_WITH_MODIFICATIONS where attributes were added.

        Raises
        ------
        WorkitemInvalid
            When the dataset does not meet the requirements of creation, or no UID is given.
        WorkitemConflict
            DUPLICATE.
        """
        uid = _uid_of_new(check_form(dataset), workitem_uid)
        completed, is_modified = completed_for_creation(dataset)
        now = self._now()
        completed |= {
            tags.SOP_CLASS_UID: element("UI", tags.UPS_PUSH_SOP_CLASS),
            tags.SOP_INSTANCE_UID: element("UI", uid),
            tags.MODIFIED: datetime_element(now),
        }
        workitem = Workitem(uid, completed, created_at=now, updated_at=now)
        self._store.add(workitem, tuple(reports_of_creation(uid, completed)))
        return workitem, Notice.CREATED_WITH_MODIFICATIONS if is_modified else None

    def update(self, workitem_uid: str, changes: Any, *, transaction_uid: str | None = None) -> Workitem:
        """Replace attributes of a workitem (N-SET, PS3.4 CC.2.6), all of them or none.

        Raises
        ------
        WorkitemInvalid
            When there is no such workitem, or the changes do not meet the requirements of an update.
        WorkitemConflict
            NO_LONGER_UPDATABLE, WRONG_TRANSACTION_UID or NOT_IN_PROGRESS.
        """

        def updated(stored: Workitem) -> Workitem:
            react(update_event(lock=stored.transaction_uid, provided=transaction_uid), stored.state, where=workitem_uid)
            return replace(stored, dataset={**stored.dataset, **check_update(changes)})

        return self._changed(workitem_uid, updated)

    def change_state(self, workitem_uid: str, requested: State, *, transaction_uid: str | None) -> Notice | None:
        """Claim, complete or cancel a workitem that one holds the lock of (N-ACTION type 1, PS3.4 CC.2.1).

        Returns
        -------
        Notice or None
            Why nothing changed, where the workitem was in that state already.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM or ONLY_CREATED_SCHEDULED.
        WorkitemConflict
            When the state, the lock or a missing attribute does not allow it.
        """
        notice: Notice | None = None

        def moved(stored: Workitem) -> Workitem:
            nonlocal notice
            event = change_state_event(requested, lock=stored.transaction_uid, provided=transaction_uid)
            outcome = react(event, stored.state, where=workitem_uid)
            if not isinstance(outcome, Change):
                notice = outcome.notice
                return stored
            if outcome.to.is_final:
                check_final(stored.dataset, outcome.to)
            return replace(_in_state(stored, outcome.to), transaction_uid=transaction_uid)

        self._changed(workitem_uid, moved)
        return notice

    def request_cancel(self, workitem_uid: str, request: Any = None, *, requesting_ae: str) -> Notice | None:
        """Ask that a workitem be cancelled (N-ACTION type 2, PS3.4 CC.2.2).

        One that nobody has claimed is cancelled here; the performer of a claimed one is told and decides.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM, or INVALID_VALUE in the request.
        WorkitemConflict
            ALREADY_COMPLETED.
        """
        given = check_form(request or {})
        told: Notice | None = None
        has_performer = False

        def canceled(stored: Workitem) -> Workitem:
            nonlocal told, has_performer
            outcome = react(Event.REQUEST_CANCEL, stored.state, where=workitem_uid)
            if isinstance(outcome, Change):
                return self._canceled(stored, given)
            told, has_performer = outcome.notice, outcome.notice is None
            return stored

        self._changed(workitem_uid, canceled, reports=_reports_of_cancellation(workitem_uid))
        if has_performer:
            self._store.tell([cancel_requested(workitem_uid, given, requesting_ae)])
        return told

    # --- what the path asks ---

    def upsert_reading(self, workitem_uid: str, study_instance_uid: str, dataset: Mapping[str, Any]) -> None:
        """Create the reading workitem of an exam, or bring it up to date; see the port ``Workitems``.

        A finished workitem is left as the reader finished it. Where there is more to say than it said, another
        one follows it (``worklist.succession``), which later calls bring up to date.
        """
        given: Dataset = {**dataset, tags.STUDY_INSTANCE_UID: element("UI", study_instance_uid)}
        stored = self._put_reading(workitem_uid, given)
        while stored.state.is_final:
            following = successor_uid(stored.workitem_uid)
            if not self._exists(following) and not says_more(stored.dataset, given):
                return
            stored = self._put_reading(following, succeeding(following, stored.workitem_uid, given))

    def current(self, workitem_uid: str) -> Workitem:
        """A workitem, or the last of those that followed it; raise ``WorkitemInvalid`` where there is none."""
        found = self.retrieve(workitem_uid)
        while found.state.is_final and self._exists(successor_uid(found.workitem_uid)):
            found = self.retrieve(successor_uid(found.workitem_uid))
        return found

    def _exists(self, workitem_uid: str) -> bool:
        try:
            self._store.get(workitem_uid)
        except WorkitemInvalid:
            return False
        return True

    def _put_reading(self, workitem_uid: str, given: Dataset) -> Workitem:
        """Create a reading, or bring it up to date unless it is finished; return it as it is stored."""

        def brought_up_to_date(stored: Workitem) -> Workitem:
            return stored if stored.state.is_final else replace(stored, dataset=refreshed(stored.dataset, given))

        now = self._now()
        workitem = Workitem(workitem_uid, given, created_at=now, updated_at=now)
        try:
            return self._changed(workitem_uid, brought_up_to_date)
        except WorkitemInvalid:
            try:
                self._store.add(workitem, tuple(reports_of_creation(workitem_uid, given)))
            except WorkitemConflict:  # somebody else was faster
                return self._changed(workitem_uid, brought_up_to_date)
            return workitem

    def cancel(self, workitem_uid: str, *, reason: str) -> None:
        """Cancel a workitem that turned out not to be one; whoever claimed it is asked and keeps it.

        The coded reason is that it should not have been on the worklist, ``reason`` says why.

        Raises
        ------
        WorkitemInvalid
            NO_SUCH_WORKITEM.
        WorkitemConflict
            ALREADY_COMPLETED.
        """
        request = {
            tags.REASON_FOR_CANCELLATION: limited_text("LT", reason),
            tags.DISCONTINUATION_REASON: sequence(coded(*NOT_A_READING)),
        }
        self.request_cancel(self.current(workitem_uid).workitem_uid, request, requesting_ae="PLUMBLINE")

    # --- how changes are stored ---

    def _changed(
        self, workitem_uid: str, change: Callable[[Workitem], Workitem], reports: _Reports | None = None
    ) -> Workitem:
        """Apply a change to the stored version, anew where another change came in between."""
        for _ in range(_MAXIMUM_TRIES):
            stored = self._store.get(workitem_uid)
            changed = change(stored)
            if changed == stored:
                return stored
            now = self._now()
            dataset = {**changed.dataset, tags.MODIFIED: datetime_element(now)}
            told = reports(stored.dataset, dataset) if reports else _usual(workitem_uid, stored.dataset, dataset)
            changed = replace(changed, dataset=dataset, updated_at=now)
            if self._store.replace(stored, changed, tuple(told)):
                return replace(changed, version=changed.version + 1)
        raise OutOfCapacity("the workitem is being changed too often to be changed now", where=workitem_uid)

    def _canceled(self, stored: Workitem, request: Dataset) -> Workitem:
        """Cancelled workitem with what the final state requires, from the request where it says so."""
        reason = request.get(tags.DISCONTINUATION_REASON)
        progress = {
            tags.CANCELLATION_TIME: datetime_element(self._now()),
            tags.DISCONTINUATION_REASON: reason
            if reason and has_value(request, tags.DISCONTINUATION_REASON)
            else sequence(coded(*UNSPECIFIED_REASON)),
        }
        if has_value(request, tags.REASON_FOR_CANCELLATION):
            progress[tags.REASON_FOR_CANCELLATION] = request[tags.REASON_FOR_CANCELLATION]
        dataset = {**stored.dataset, tags.PROGRESS_INFORMATION: sequence(progress)}
        return _in_state(replace(stored, dataset=dataset), State.CANCELED)


def _uid_of_new(dataset: Dataset, given: str | None) -> str:
    named = text(dataset, tags.SOP_INSTANCE_UID)
    uid = given or named
    if not uid:
        raise WorkitemInvalid(Refusal.MISSING_ATTRIBUTE, where="SOPInstanceUID")
    if not is_uid(uid) or (named and named != uid):
        raise WorkitemInvalid(Refusal.INVALID_VALUE, where="SOPInstanceUID")
    if text(dataset, tags.SOP_CLASS_UID) not in ("", tags.UPS_PUSH_SOP_CLASS):
        raise WorkitemInvalid(Refusal.INVALID_VALUE, where="SOPClassUID")
    return uid


def _in_state(workitem: Workitem, state: State) -> Workitem:
    return replace(workitem, dataset={**workitem.dataset, tags.STATE: element("CS", state.value)})


def _usual(workitem_uid: str, before: Dataset, after: Dataset) -> Iterable[EventReport]:
    return reports_of_change(workitem_uid, before, after)


def _reports_of_cancellation(workitem_uid: str) -> _Reports:
    """Events of a scheduled workitem that the provider takes in progress and cancels (PS3.4 CC.2.2.3)."""

    def reports(_before: Dataset, after: Dataset) -> Iterable[EventReport]:
        taken = {tag: value for tag, value in after.items() if tag != tags.PROGRESS_INFORMATION}
        in_progress = {**taken, tags.STATE: element("CS", State.IN_PROGRESS.value)}
        return state_report(workitem_uid, in_progress), state_report(workitem_uid, after)

    return reports
