"""The Unified Procedure Step Service as SCP: Push, Pull, Watch and Query (PS3.4 annex CC).

What may be done is decided by ``worklist.desk.Worklist``, as for UPS-RS; here messages become requests and
refusals become statuses. A request is served on whatever UPS presentation context it comes, because SCUs that
negotiate several send on any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.events import Event

from plumbline.adapters.dimse.dicom_json import from_json, to_json
from plumbline.errors import InvalidInput, OutOfCapacity, PlumblineError, Unavailable
from plumbline.worklist import tags
from plumbline.worklist.attributes import VR_OF_TAG
from plumbline.worklist.dataset import Dataset as JsonDataset
from plumbline.worklist.dataset import items, text, values
from plumbline.worklist.desk import Worklist
from plumbline.worklist.matching import Key, Query, checked_key
from plumbline.worklist.refusals import Notice, Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.rendering import selected
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import FILTERED, WELL_KNOWN, Subscription, Subscriptions

PUSH, WATCH, PULL, EVENT, QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in range(1, 6))
"""UPS SOP Class UIDs (PS3.4 table CC.3-1)."""

SERVED = (PUSH, WATCH, PULL, QUERY, EVENT)
"""SOP Classes that the listener accepts; on Event it answers nothing and only its own associations report."""

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = 1, 2, 3, 4, 5
"""Action Type IDs (PS3.4 table CC.2-1)."""

SUCCESS = 0x0000
ATTRIBUTES_NOT_SUPPORTED = 0x0001
INVALID_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213
PENDING, PENDING_WITHOUT_SOME_KEYS, CANCELLED = 0xFF00, 0xFF01, 0xFE00
FIND_OUT_OF_RESOURCES, FIND_NOT_MATCHING_SOP_CLASS, FIND_UNABLE = 0xA700, 0xA900, 0xC000
LONGEST_COMMENT = 64
FOUND_AT_A_TIME = 200

_RECEIVING_AE = "00741234"
_DELETION_LOCK = "00741230"
_NOT_KEYS = frozenset({tags.SPECIFIC_CHARACTER_SET, "00080201"})
_STATES = frozenset(state.value for state in State)

Answer = tuple[Dataset | int, Dataset | None]


class UpsScp:
    """Answers the messages of the UPS SOP Classes.

    Parameters
    ----------
    is_reachable
        Whether an AE Title is one to which event reports can be sent.
    """

    def __init__(self, worklist: Worklist, subscriptions: Subscriptions, is_reachable: Callable[[str], bool]) -> None:
        self._worklist = worklist
        self._subscriptions = subscriptions
        self._is_reachable = is_reachable
        self._actions: Mapping[int, Callable[[str, JsonDataset, str], Notice | None]] = {
            CHANGE_STATE: self._change_state,
            REQUEST_CANCEL: self._request_cancel,
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: self._unsubscribe,
            SUSPEND: self._suspend,
        }

    def handlers(self) -> list[tuple[Any, Callable[[Event], Any]]]:
        """Handlers for pynetdicom; N-ACTION is shared with other services and bound by the listener."""
        return [
            (evt.EVT_N_CREATE, self.on_create),
            (evt.EVT_N_GET, self.on_get),
            (evt.EVT_N_SET, self.on_set),
            (evt.EVT_C_FIND, self.on_find),
        ]

    def on_create(self, event: Event) -> Answer:
        """Answer N-CREATE (PS3.4 CC.2.5)."""

        def create() -> Answer:
            request: Any = event.request
            uid = request.AffectedSOPInstanceUID
            if uid is None:
                raise WorkitemInvalid(Refusal.MISSING_ATTRIBUTE, where="Affected SOP Instance UID")
            _, notice = self._worklist.create(_dataset(event, "attribute_list"), workitem_uid=str(uid))
            return _status(notice), None

        return _answered(create)

    def on_get(self, event: Event) -> Answer:
        """Answer N-GET (PS3.4 CC.2.7): all attributes, or those asked for; never the Transaction UID."""

        def get() -> Answer:
            workitem = self._worklist.retrieve(str(event.request.RequestedSOPInstanceUID))  # type: ignore[union-attr]
            asked = [f"{tag:08X}" for tag in event.attribute_identifiers]  # type: ignore[attr-defined]
            wanted = (frozenset(asked) or frozenset(workitem.dataset)) - {tags.TRANSACTION_UID}
            unknown = [tag for tag in asked if tag not in VR_OF_TAG and tag not in workitem.dataset]
            status = ATTRIBUTES_NOT_SUPPORTED if unknown else SUCCESS
            return status, from_json(selected(workitem.dataset, wanted))

        return _answered(get)

    def on_set(self, event: Event) -> Answer:
        """Answer N-SET (PS3.4 CC.2.6)."""

        def update() -> Answer:
            changes = _dataset(event, "modification_list")
            given = text({tags.TRANSACTION_UID: changes.pop(tags.TRANSACTION_UID, {})}, tags.TRANSACTION_UID)
            uid = str(event.request.RequestedSOPInstanceUID)  # type: ignore[union-attr]
            self._worklist.update(uid, changes, transaction_uid=given or None)
            return SUCCESS, None

        return _answered(update)

    def on_action(self, event: Event) -> Answer:
        """Answer N-ACTION (PS3.4 CC.2.1 to CC.2.3)."""

        def act() -> Answer:
            request: Any = event.request
            action = self._actions.get(request.ActionTypeID)
            if action is None:
                return NO_SUCH_ACTION, None
            has_information = request.ActionInformation is not None
            information = _dataset(event, "action_information") if has_information else {}
            notice = action(str(request.RequestedSOPInstanceUID), information, event.assoc.requestor.ae_title.strip())
            return _status(notice), None

        return _answered(act)

    def on_find(self, event: Event) -> Iterator[Answer]:
        """Answer C-FIND (PS3.4 CC.2.8): each match with the attributes that were asked for, in reading order."""
        try:
            identifier = _dataset(event, "identifier")
            keys, unsupported = _keys(identifier)
            wanted = (frozenset(identifier) | {tags.SOP_CLASS_UID, tags.SOP_INSTANCE_UID}) - {tags.TRANSACTION_UID}
            pending = PENDING_WITHOUT_SOME_KEYS if unsupported else PENDING
            for dataset in self._found(keys):
                if event.is_cancelled:  # type: ignore[attr-defined]
                    yield CANCELLED, None
                    return
                yield pending, from_json(selected(dataset, wanted))
        except (Unavailable, OutOfCapacity) as error:
            yield _commented(FIND_OUT_OF_RESOURCES, error), None
        except InvalidInput as error:
            yield _commented(FIND_NOT_MATCHING_SOP_CLASS, error), None
        except PlumblineError as error:
            yield _commented(FIND_UNABLE, error), None

    def _found(self, keys: tuple[Key, ...]) -> Iterator[JsonDataset]:
        offset, has_more = 0, True
        while has_more:
            page = self._worklist.search(Query(keys, limit=FOUND_AT_A_TIME, offset=offset))
            yield from (found.dataset for found in page.workitems)
            offset, has_more = offset + FOUND_AT_A_TIME, page.has_more

    # --- actions ---

    def _change_state(self, uid: str, information: JsonDataset, _requester: str) -> Notice | None:
        requested = text(information, tags.STATE)
        if requested not in _STATES:
            raise WorkitemInvalid(Refusal.INVALID_VALUE, where="ProcedureStepState")
        provided = text(information, tags.TRANSACTION_UID) or None
        return self._worklist.change_state(uid, State(requested), transaction_uid=provided)

    def _request_cancel(self, uid: str, information: JsonDataset, requester: str) -> Notice | None:
        return self._worklist.request_cancel(uid, information, requesting_ae=requester)

    def _subscribe(self, uid: str, information: JsonDataset, _requester: str) -> Notice | None:
        receiver = self._receiver(information)
        lock = text(information, _DELETION_LOCK)
        if lock not in ("TRUE", "FALSE"):
            raise WorkitemInvalid(Refusal.INVALID_VALUE, where="DeletionLock")
        given = {tag: element for tag, element in information.items() if tag not in (_RECEIVING_AE, _DELETION_LOCK)}
        keys, _ = _keys(given)
        if keys and uid != FILTERED:
            raise WorkitemInvalid(Refusal.UNSUITABLE_ACTION, where=uid)
        self._subscriptions.subscribe(Subscription(receiver, uid, lock == "TRUE", keys))
        return None

    def _unsubscribe(self, uid: str, information: JsonDataset, _requester: str) -> Notice | None:
        self._subscriptions.unsubscribe(self._receiver(information), uid)
        return None

    def _suspend(self, uid: str, information: JsonDataset, _requester: str) -> Notice | None:
        if uid not in WELL_KNOWN:
            raise WorkitemInvalid(Refusal.UNSUITABLE_ACTION, where=uid)
        self._subscriptions.suspend(self._receiver(information), uid)
        return None

    def _receiver(self, information: JsonDataset) -> str:
        receiver = text(information, _RECEIVING_AE).strip()
        if not self._is_reachable(receiver):
            raise WorkitemInvalid(Refusal.UNKNOWN_RECEIVER, where=receiver or None)
        return receiver


def _dataset(event: Event, name: str) -> dict[str, Any]:
    """Dataset of a message in the DICOM JSON Model; raise ``InvalidInput`` where it cannot be read."""
    try:
        received = getattr(event, name)
    except Exception as error:  # whatever the bytes are, the sender hears that they cannot be read
        raise InvalidInput("the dataset cannot be read", where=type(error).__name__) from error
    return to_json(received)


def _answered(act: Callable[[], Answer]) -> Answer:
    """Carry out a request; a refusal becomes its status with one sentence."""
    try:
        return act()
    except (WorkitemInvalid, WorkitemConflict) as error:
        return _commented(error.reason.dimse_status, error), None
    except InvalidInput as error:
        return _commented(INVALID_VALUE, error), None
    except (Unavailable, OutOfCapacity) as error:
        return _commented(RESOURCE_LIMITATION, error), None
    except PlumblineError as error:
        structlog.get_logger("plumbline.ups").error("request failed", sentence=str(error))
        return _commented(PROCESSING_FAILURE, error), None


def _status(notice: Notice | None) -> int:
    return SUCCESS if notice is None else notice.dimse_status


def _commented(status: int, error: PlumblineError) -> Dataset:
    """Status with the sentence as Error Comment (0000,0902), cut to what it may hold."""
    commented = Dataset()
    commented.Status = status
    commented.ErrorComment = str(error).encode("ascii", "replace").decode().replace("\\", "/")[:LONGEST_COMMENT]
    return commented


def _keys(identifier: JsonDataset) -> tuple[tuple[Key, ...], bool]:
    """Matching keys of an identifier, and whether it had others than those of a workitem, which are not used."""
    found = list(_paths(identifier, ()))
    known = [(path, value) for path, value in found if path[-1] in VR_OF_TAG]
    return tuple(checked_key(path, value) for path, value in known), len(known) < len(found)


def _paths(identifier: JsonDataset, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and value of every attribute that has one, those in items included."""
    for tag in identifier:
        path = (*above, tag)
        if tag in _NOT_KEYS:
            continue
        if identifier[tag].get("vr") == "SQ":
            for item in items(identifier, tag)[:1]:
                yield from _paths(item, path)
        elif held := values(identifier, tag):
            yield path, "\\".join(text({tag: {"Value": [value]}}, tag) for value in held)
