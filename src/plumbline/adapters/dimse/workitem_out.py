"""The reading workitem of an exam at a foreign manager, as a destination of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plumbline.adapters.dimse.ups_scu import UpsManager
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.ports import ReportObject
from plumbline.worklist.workitem import Workitem


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
        """See ``Destination.deliver``."""
        workitem_uid = delivery.notice["workitem_uid"]
        self._manager.put(workitem_uid, self._workitem_of(workitem_uid).dataset)
