"""The reading workitem of an exam at a foreign manager, as a destination of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plumbline.adapters.dimse.ups_scu import UpsManager
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.outgoing import TAKES_BACK
from plumbline.pipeline.ports import ReportObject
from plumbline.worklist.following import Follower
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.workitem import Workitem

_NOTHING_TO_CANCEL = frozenset({Refusal.NO_SUCH_WORKITEM, Refusal.ALREADY_COMPLETED, Refusal.NO_LONGER_UPDATABLE})
"""Refusals of a manager that never had the workitem, or where the reading is done."""

_TAKEN_THERE = frozenset({Refusal.WRONG_TRANSACTION_UID, Refusal.NO_LONGER_UPDATABLE})
"""Refusals of a manager where somebody has the reading, or has finished it."""


class WorkitemForwarder:
    """``Destination`` that creates the workitem there, or brings it up to date.

    Parameters
    ----------
    workitem_of
        Workitem by its UID, as our worklist has it when it is sent, or the one that followed it.
    follower
        Who takes over what becomes of it there; nobody where None, and then a workitem that was claimed there cannot be
        brought up to date.
    """

    def __init__(
        self, manager: UpsManager, workitem_of: Callable[[str], Workitem], follower: Follower | None = None
    ) -> None:
        self._manager = manager
        self._workitem_of = workitem_of
        self._follower = follower

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``; of a reading that was taken back the manager is asked to cancel its workitem."""
        workitem_uid = delivery.notice["workitem_uid"]
        if delivery.notice["status"] in TAKES_BACK:
            self._cancel(workitem_uid, " ".join(delivery.notice["reasons"]))
            return
        current = self._workitem_of(workitem_uid)
        if self._follower is None:
            self._manager.put(current.workitem_uid, current.dataset)
        else:
            self._put_and_follow(current, self._follower)

    def _put_and_follow(self, current: Workitem, follower: Follower) -> None:
        """Put it there and ask to be told of it; what was claimed there meanwhile is the performer's to update."""
        uid = current.workitem_uid
        try:
            self._manager.put(uid, current.dataset)
        except WorkitemConflict as error:
            if error.reason not in _TAKEN_THERE:
                raise
            follower.follow(self._manager.ae_title, uid, self._manager.retrieve(uid))
        else:
            self._manager.subscribe(uid)

    def _cancel(self, workitem_uid: str, reason: str) -> None:
        """Ask to cancel what is open there: the reading, or the last of those that followed it."""
        try:
            self._manager.request_cancel(self._last_of(workitem_uid), reason=reason)
        except (WorkitemInvalid, WorkitemConflict) as error:
            if error.reason not in _NOTHING_TO_CANCEL:
                raise

    def _last_of(self, workitem_uid: str) -> str:
        try:
            return self._workitem_of(workitem_uid).workitem_uid
        except WorkitemInvalid:
            return workitem_uid  # erased here, and still on the other list
