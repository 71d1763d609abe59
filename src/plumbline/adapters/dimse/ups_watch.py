"""The UPS Event SOP Class as SCU: event reports of foreign managers, on associations that they open (PS3.4 CC.2.4).

A report is confirmed once what it says is stored; where it cannot be, the manager is told so and may report again.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from plumbline.adapters.dimse.dicom_json import to_json
from plumbline.errors import InvalidInput, OutOfCapacity, PlumblineError, Unavailable
from plumbline.worklist.events import EventType
from plumbline.worklist.following import Follower
from plumbline.worklist.refusals import Refusal, WorkitemInvalid

SUCCESS = 0x0000
INVALID_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
NO_SUCH_EVENT = 0x0113
NOT_AUTHORISED = 0x0124
RESOURCE_LIMITATION = 0x0213
_EVENT_TYPES = frozenset(int(each) for each in EventType)


class EventReceiver:
    """Answers N-EVENT-REPORT of the managers that are followed.

    Parameters
    ----------
    managers
        Their AE Titles; what others report is refused.
    """

    def __init__(self, follower: Follower, managers: Set[str]) -> None:
        self._follower = follower
        self._managers = managers
        self._log = structlog.get_logger("plumbline.ups")

    def on_event(self, event: Event) -> tuple[int, Dataset | None]:
        """Answer a report: its status, and no reply."""
        request: Any = event.request
        manager = event.assoc.requestor.ae_title.strip()
        if manager not in self._managers:
            return NOT_AUTHORISED, None
        if request.EventTypeID not in _EVENT_TYPES:
            return NO_SUCH_EVENT, None
        if request.EventTypeID != EventType.STATE_REPORT:
            return SUCCESS, None  # progress and assignment there are nothing that our readers see
        return self._take(manager, str(request.AffectedSOPInstanceUID), event), None

    def _take(self, manager: str, workitem_uid: str, event: Event) -> int:
        try:
            self._follower.follow(manager, workitem_uid, _information(event))
        except (Unavailable, OutOfCapacity) as error:
            return self._refused(RESOURCE_LIMITATION, manager, workitem_uid, error)
        except WorkitemInvalid as error:
            if error.reason is Refusal.NO_SUCH_WORKITEM:
                return SUCCESS  # a workitem of others, of which the manager tells us, too
            return self._refused(INVALID_VALUE, manager, workitem_uid, error)
        except InvalidInput as error:
            return self._refused(INVALID_VALUE, manager, workitem_uid, error)
        except PlumblineError as error:
            return self._refused(PROCESSING_FAILURE, manager, workitem_uid, error)
        return SUCCESS

    def _refused(self, status: int, manager: str, workitem_uid: str, error: PlumblineError) -> int:
        self._log.warning("event not taken", manager=manager, workitem_uid=workitem_uid, reason=str(error))
        return status


def _information(event: Event) -> dict[str, Any]:
    try:
        received = event.event_information  # type: ignore[attr-defined]
    except Exception as error:  # whatever the bytes are, the sender hears that they cannot be read
        raise InvalidInput("the event cannot be read", where=type(error).__name__) from error
    return to_json(received)
