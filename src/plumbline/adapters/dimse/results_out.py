"""Objects of a report by C-STORE, and storage commitment asked for and awaited (PS3.4 annexes B and J)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from plumbline.adapters.dimse.storage_commitment import ALL_COMMITTED, INSTANCE_UID, REQUEST_COMMITMENT, SUCCESS
from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.ports import ReportObject

CONNECT_TIMEOUT_S = 5.0
NO_SUCH_TRANSACTION = 0x0115
_NAMESPACE = uuid.UUID("0c9f6a51-0b53-5b9c-a6c4-6f0dd4b1c0c3")
_STORE_AGAIN_LATER = 0xA700
"""Out of resources (A7xx), PS3.4 table B.2-1."""


@dataclass(frozen=True, slots=True)
class StoreNode:
    """Where a destination listens, and whether it is to take over responsibility."""

    ae_title: str
    host: str
    port: int
    wants_commitment: bool = False
    commitment_wait_s: float = 30.0
    timeout_s: float = 30.0


class AwaitedCommitments:
    """Reports of storage commitment, by Transaction UID, as they come in on any association."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._awaited: dict[str, bool | None] = {}

    @contextmanager
    def awaiting(self, transaction_uid: str) -> Iterator[None]:
        """Expect the report of a transaction."""
        with self._changed:
            self._awaited[transaction_uid] = None
        try:
            yield
        finally:
            with self._changed:
                self._awaited.pop(transaction_uid, None)

    def wait(self, transaction_uid: str, timeout_s: float) -> bool | None:
        """Whether all was committed; None where nothing was heard in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._awaited.get(transaction_uid) is not None, timeout_s)
            return self._awaited.get(transaction_uid)

    def on_report(self, event: Event) -> tuple[int, Dataset | None]:
        """Answer N-EVENT-REPORT; one that nobody waits for is refused, so that its sender need not wonder."""
        report: Any = event.event_information  # type: ignore[attr-defined]
        transaction_uid = str(getattr(report, "TransactionUID", ""))
        with self._changed:
            if transaction_uid not in self._awaited:
                return NO_SUCH_TRANSACTION, None
            self._awaited[transaction_uid] = event.event_type == ALL_COMMITTED  # type: ignore[attr-defined]
            self._changed.notify_all()
        return SUCCESS, None


class DicomStore:
    """``Destination`` that stores objects over DICOM; storing the same object again changes nothing there.

    Parameters
    ----------
    calling_ae
        Our AE Title; reports of commitment come to it on the association or on a new one.
    commitments
        Where reports that come on other associations arrive.
    """

    def __init__(self, node: StoreNode, calling_ae: str, commitments: AwaitedCommitments) -> None:
        self._node = node
        self._calling_ae = calling_ae
        self._commitments = commitments

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``."""
        if not objects:
            raise InvalidInput("the report has no objects to send", where=delivery.key)
        datasets = [dcmread(BytesIO(each.part10)) for each in objects]
        with self._association(datasets) as association:
            for dataset in datasets:
                self._store(association, dataset)
            if self._node.wants_commitment:
                self._commit(association, delivery, objects)

    def _store(self, association: Any, dataset: Dataset) -> None:
        try:
            status = association.send_c_store(dataset).get("Status")
        except (RuntimeError, ValueError) as error:
            raise InvalidInput(
                "the destination does not take objects of this class", where=self._node.ae_title
            ) from error
        if status is None:
            raise Unavailable("the destination did not answer", where=self._node.ae_title)
        if status & 0xFF00 == _STORE_AGAIN_LATER:
            raise Unavailable(f"the destination is out of resources ({status:04X})", where=self._node.ae_title)
        if status != SUCCESS and status & 0xF000 != 0xB000:
            raise InvalidInput(f"the destination refuses an object with {status:04X}", where=self._node.ae_title)

    def _commit(self, association: Any, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """Ask for commitment and wait for the report; each attempt is a transaction of its own (PS3.4 J.3.2)."""
        attempt = f"{delivery.destination} {delivery.key} {delivery.delivery_id} {delivery.attempts}"
        transaction_uid = f"2.25.{uuid.uuid5(_NAMESPACE, attempt).int}"
        request = Dataset()
        request.TransactionUID = transaction_uid
        request.ReferencedSOPSequence = [_reference(each) for each in objects]
        with self._commitments.awaiting(transaction_uid):
            status, _ = association.send_n_action(request, REQUEST_COMMITMENT, StorageCommitmentPushModel, INSTANCE_UID)
            if status.get("Status") != SUCCESS:
                raise Unavailable("the destination does not take the request for storage commitment")
            is_committed = self._commitments.wait(transaction_uid, self._node.commitment_wait_s)
        if is_committed is None:
            raise Unavailable("the destination has not yet reported on storage commitment", where=self._node.ae_title)
        if not is_committed:
            raise Unavailable("the destination could not commit to every object", where=self._node.ae_title)

    @contextmanager
    def _association(self, datasets: Sequence[Dataset]) -> Iterator[Any]:
        node = self._node
        ae = AE(self._calling_ae)
        ae.connection_timeout = CONNECT_TIMEOUT_S
        ae.acse_timeout = ae.dimse_timeout = node.timeout_s
        ae.network_timeout = node.timeout_s + node.commitment_wait_s
        for sop_class, syntax in {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in datasets}:
            ae.add_requested_context(sop_class, syntax)
        if node.wants_commitment:
            ae.add_requested_context(StorageCommitmentPushModel)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._commitments.on_report)]
        association = ae.associate(node.host, node.port, ae_title=node.ae_title, evt_handlers=handlers)  # type: ignore[arg-type]
        if not association.is_established:
            raise Unavailable("the destination does not accept an association", where=node.ae_title)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


def _reference(each: ReportObject) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = each.sop_class_uid
    item.ReferencedSOPInstanceUID = each.sop_instance_uid
    return item


class ReportListener:
    """Accepts associations on which destinations report on storage commitment, at an address of its own."""

    def __init__(self, ae_title: str, host: str, port: int, commitments: AwaitedCommitments) -> None:
        self._ae = AE(ae_title)
        self._ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, commitments.on_report)]
        self._server: Any = self._ae.start_server((host, port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Accept no more."""
        self._server.shutdown()
