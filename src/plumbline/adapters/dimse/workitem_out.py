"""The reading workitem of an exam at a foreign manager, as a destination of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plumbline.adapters.dimse.ups_scu import UpsManager
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.outgoing import TAKES_BACK
from plumbline.pipeline.ports import ReportObject
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.workitem import Workitem

_NOTHING_TO_CANCEL = frozenset({Refusal.NO_SUCH_WORKITEM, Refusal.ALREADY_COMPLETED, Refusal.NO_LONGER_UPDATABLE})
"""Refusals of a manager that never had the workitem, or where the reading is done."""


class WorkitemForwarder:
    """``Destination`` that creates the workitem there, or brings it up to date.

    Parameters
    ----------
    workitem_of
        Workitem by its UID, as our worklist has it when it is sent.
    """

    def __init__(self, manager: UpsManager, workitem_of: Callable[[str], Workitem]) -> None:
        self._manager = manager
        self._workitem_of = workitem_of

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``; of a reading that was taken back the manager is asked to cancel its workitem."""
        workitem_uid = delivery.notice["workitem_uid"]
        if delivery.notice["status"] in TAKES_BACK:
            self._cancel(workitem_uid, " ".join(delivery.notice["reasons"]))
            return
        self._manager.put(workitem_uid, self._workitem_of(workitem_uid).dataset)

    def _cancel(self, workitem_uid: str, reason: str) -> None:
        try:
            self._manager.request_cancel(workitem_uid, reason=reason)
        except (WorkitemInvalid, WorkitemConflict) as error:
            if error.reason not in _NOTHING_TO_CANCEL:
                raise
