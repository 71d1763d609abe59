"""The Unified Procedure Step Service as SCU: workitems at a foreign manager (PS3.4 annex CC).

As task manager's user (Push) it creates, updates and cancels; as performer (Pull) it finds, claims and completes; as
watcher (Watch, Query) it asks to be told, and looks. What it is told then comes to ``ups_watch``.
The Push class stands in every command; the presentation context is that of the class whose service it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pynetdicom import AE

from plumbline.adapters.dimse.dicom_json import from_json, to_json
from plumbline.adapters.dimse.ups_scp import (
    CHANGE_STATE,
    PULL,
    PUSH,
    QUERY,
    REQUEST_CANCEL,
    SUBSCRIBE,
    SUSPEND,
    UNSUBSCRIBE,
    WATCH,
)
from plumbline.errors import InvalidInput, Unavailable
from plumbline.worklist import tags
from plumbline.worklist.dataset import element, limited_text
from plumbline.worklist.foreign import for_creation, for_update, refusal_of
from plumbline.worklist.refusals import Refusal, WorkitemConflict
from plumbline.worklist.states import State

CONNECT_TIMEOUT_S = 5.0
_RECEIVING_AE, _DELETION_LOCK = "00741234", "00741230"
_BUSY = frozenset({0x0110, 0x0213, 0xA700})
"""Statuses of a manager that may be able to do it later."""


class Dialect(StrEnum):
    """What a manager understands: dcm4chee-arc is asked to cancel on a Watch context, the Standard's on Push."""

    STANDARD = "standard"
    DCM4CHEE = "dcm4chee"

    @property
    def cancel_context(self) -> str:
        """SOP Class whose presentation context carries a request to cancel: Push and Watch both may (CC.3.1)."""
        return WATCH if self is Dialect.DCM4CHEE else PUSH


@dataclass(frozen=True, slots=True)
class ManagerNode:
    """Where a foreign manager listens, and how it is spoken to."""

    ae_title: str
    host: str
    port: int
    dialect: Dialect = Dialect.STANDARD
    timeout_s: float = 30.0


class UpsManager:
    """Workitems at one foreign manager. Every request is an association of its own.

    Raises
    ------
    Unavailable
        It does not answer, or says that it is busy.
    WorkitemInvalid, WorkitemConflict
        It refuses, with the reason of PS3.4 annex CC.
    InvalidInput
        It refuses with another status.
    """

    def __init__(self, node: ManagerNode, calling_ae: str) -> None:
        self._node = node
        self._calling_ae = calling_ae

    @property
    def ae_title(self) -> str:
        """AE Title of the manager."""
        return self._node.ae_title.strip()

    def put(self, workitem_uid: str, dataset: Mapping[str, Any]) -> None:
        """Create a workitem there, or bring it up to date where it is there already."""
        try:
            self.create(workitem_uid, dataset)
        except WorkitemConflict as error:
            if error.reason is not Refusal.DUPLICATE:
                raise
            self.update(workitem_uid, dataset)

    def create(self, workitem_uid: str, dataset: Mapping[str, Any]) -> None:
        """N-CREATE."""
        created = from_json(for_creation(dataset))
        self._ask(PUSH, lambda association: association.send_n_create(created, PUSH, workitem_uid))

    def update(self, workitem_uid: str, changes: Mapping[str, Any], *, transaction_uid: str | None = None) -> None:
        """N-SET; a workitem in progress needs its Transaction UID."""
        lock = {tags.TRANSACTION_UID: element("UI", transaction_uid)} if transaction_uid else {}
        changed = from_json({**for_update(changes), **lock})
        self._ask(PULL, lambda association: association.send_n_set(changed, PUSH, workitem_uid, meta_uid=PULL))

    def change_state(self, workitem_uid: str, state: State, *, transaction_uid: str) -> None:
        """Claim, complete or cancel (N-ACTION type 1)."""
        information = {
            tags.TRANSACTION_UID: element("UI", transaction_uid),
            tags.STATE: element("CS", state.value),
        }
        self._act(workitem_uid, CHANGE_STATE, information, PULL)

    def request_cancel(self, workitem_uid: str, *, reason: str) -> None:
        """Ask that it be cancelled (N-ACTION type 2)."""
        information = {tags.REASON_FOR_CANCELLATION: limited_text("LT", reason)}
        self._act(workitem_uid, REQUEST_CANCEL, information, self._node.dialect.cancel_context)

    def retrieve(self, workitem_uid: str, attributes: Sequence[str] = ()) -> dict[str, Any]:
        """N-GET: all attributes, or these tags."""
        wanted = [int(tag, 16) for tag in attributes]
        found = self._ask(PULL, lambda association: association.send_n_get(wanted, PUSH, workitem_uid, meta_uid=PULL))
        return to_json(found)

    def search(self, identifier: Mapping[str, Any]) -> list[dict[str, Any]]:
        """C-FIND as a performer (Pull): matching keys have values, empty attributes are returned."""
        return self._found(identifier, PULL)

    def look(self, identifier: Mapping[str, Any]) -> list[dict[str, Any]]:
        """C-FIND as one who only looks (Query)."""
        return self._found(identifier, QUERY)

    def _found(self, identifier: Mapping[str, Any], context: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with self._association(context) as association:
            for status, dataset in association.send_c_find(from_json(identifier), context):
                _check(status)
                if dataset is not None:
                    found.append(to_json(dataset))
        return found

    def subscribe(
        self, workitem_uid: str, *, deletion_lock: bool = False, keys: Mapping[str, Any] | None = None
    ) -> None:
        """Ask to be told events (N-ACTION type 3): of one workitem, or by a well-known UID of all that match ``keys``.

        The manager reports to our AE Title, and has to know where that listens.
        """
        lock = element("CS", "TRUE" if deletion_lock else "FALSE")
        self._act(workitem_uid, SUBSCRIBE, {**(keys or {}), **self._receiver, _DELETION_LOCK: lock}, WATCH)

    def unsubscribe(self, workitem_uid: str) -> None:
        """Ask to be told no more (N-ACTION type 4)."""
        self._act(workitem_uid, UNSUBSCRIBE, self._receiver, WATCH)

    def suspend(self, workitem_uid: str) -> None:
        """Ask to be told of no new workitems (N-ACTION type 5)."""
        self._act(workitem_uid, SUSPEND, self._receiver, WATCH)

    @property
    def _receiver(self) -> dict[str, Any]:
        return {_RECEIVING_AE: element("AE", self._calling_ae)}

    def _act(self, workitem_uid: str, action: int, information: Mapping[str, Any], context: str) -> None:
        sent = from_json(information)
        self._ask(
            context,
            lambda association: association.send_n_action(sent, action, PUSH, workitem_uid, meta_uid=context),
        )

    def _ask(self, context: str, request: Callable[[Any], tuple[Any, Any]]) -> Any:
        with self._association(context) as association:
            try:
                status, answer = request(association)
            except (RuntimeError, ValueError) as error:
                raise Unavailable("the manager does not take this request", where=self._node.ae_title) from error
            _check(status)
            return answer

    @contextmanager
    def _association(self, context: str) -> Iterator[Any]:
        ae = AE(self._calling_ae)
        ae.connection_timeout = CONNECT_TIMEOUT_S
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = self._node.timeout_s
        ae.add_requested_context(context)
        association = ae.associate(self._node.host, self._node.port, ae_title=self._node.ae_title)
        if not association.is_established:
            raise Unavailable("the manager of workitems does not accept an association", where=self._node.ae_title)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


def _check(status: Any) -> None:
    """Raise what a failure status means; success, pending and warnings pass."""
    code = status.get("Status")
    if code is None:
        raise Unavailable("the manager of workitems did not answer")
    if code in (0x0000, 0x0001, 0xFF00, 0xFF01) or code & 0xF000 == 0xB000:
        return
    if code in _BUSY:
        raise Unavailable(f"the manager of workitems answers {code:04X}")
    raise refusal_of(code) or InvalidInput(f"the manager of workitems refuses with {code:04X}")
