"""Storage Commitment Push Model as SCP (PS3.4 annex J): requests in by N-ACTION, reports out by N-EVENT-REPORT.

A request is durable when it is answered. Its report goes out on the association on which it was asked for,
if that is still open when the verdict is known, else on a new one to the requester.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pynetdicom import AE, build_role
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from plumbline.adapters.dimse.association import StoreAssociation
from plumbline.adapters.dimse.tls import client_context
from plumbline.errors import Conflict, InvalidInput, Misconfigured, PlumblineError, Unavailable
from plumbline.pipeline.commitment import (
    Commitment,
    CommitmentRequest,
    Commitments,
    CommitmentState,
    Doubt,
    Reference,
)
from plumbline.settings import ListenerSettings, Peer

INSTANCE_UID = "1.2.840.10008.1.20.1.1"
"""Storage Commitment Push Model SOP Instance (PS3.4 J.3.5)."""
REQUEST_COMMITMENT = 1
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 J.3.3.1)."""

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
CLASS_INSTANCE_CONFLICT = 0x0119
NO_SUCH_ACTION = 0x0123
OUT_OF_RESOURCES = 0x0213

REASON_OF_DOUBT = {
    Doubt.NOT_HELD: NO_SUCH_INSTANCE,
    Doubt.OTHER_CLASS: CLASS_INSTANCE_CONFLICT,
    Doubt.NOT_USABLE: PROCESSING_FAILURE,
}
"""Failure Reason (0008,1197), PS3.3 C.14.1.1."""
MAXIMUM_REFERENCES = 100_000
POLL_S = 0.25
CONNECT_TIMEOUT_S = 5.0
REPORT_LEASE = timedelta(seconds=120)
"""How long who sends a report has it alone; longer than the network lets a report take."""


class CommitmentScp:
    """Takes requests, and reports on the association on which they came while it lasts."""

    def __init__(self, commitments: Commitments, now: Callable[[], datetime]) -> None:
        self._commitments = commitments
        self._now = now
        self._log = structlog.get_logger("plumbline.commitment")

    def on_action(self, event: Event) -> tuple[int, Dataset | None]:
        """Answer an N-ACTION request: the DIMSE status, and no reply."""
        asked: Any = event.request
        if str(asked.RequestedSOPInstanceUID) != INSTANCE_UID:
            return NO_SUCH_INSTANCE, None
        if asked.ActionTypeID != REQUEST_COMMITMENT:
            return NO_SUCH_ACTION, None
        try:
            request = _request(event)
        except (InvalidInput, AttributeError, ValueError, TypeError):
            return INVALID_ARGUMENT, None
        if len(request.references) > MAXIMUM_REFERENCES:
            return OUT_OF_RESOURCES, None
        return self._accept(request, event.assoc), None

    def _accept(self, request: CommitmentRequest, association: Any) -> int:
        try:
            self._commitments.accept(request, self._now())
        except Conflict:
            return INVALID_ARGUMENT
        except PlumblineError as error:
            self._log.error("commitment not accepted", requester=request.requester, sentence=str(error))
            return PROCESSING_FAILURE
        self._log.info(
            "commitment accepted",
            requester=request.requester,
            transaction_uid=request.transaction_uid,
            instances=len(request.references),
        )
        if isinstance(association, StoreAssociation):
            self._watch(association, request)
        return SUCCESS

    def _watch(self, association: StoreAssociation, request: CommitmentRequest) -> None:
        """One thread an association waits for the verdicts of what was asked for on it."""
        asked: list[CommitmentRequest] | None = getattr(association, "asked_commitments", None)
        if asked is None:
            asked = association.asked_commitments = []  # type: ignore[attr-defined]
            watcher = threading.Thread(target=self._report_here, args=(association, asked), daemon=True)
            association.held.callback(asked.clear)
            asked.append(request)
            watcher.start()
        else:
            asked.append(request)

    def _report_here(self, association: StoreAssociation, asked: list[CommitmentRequest]) -> None:
        while association.is_established:
            time.sleep(POLL_S)
            for request in tuple(asked):
                try:
                    is_done = self._report_if_judged(association, request)
                except Unavailable:
                    continue
                if is_done and request in asked:
                    asked.remove(request)

    def _report_if_judged(self, association: StoreAssociation, request: CommitmentRequest) -> bool:
        """Whether nothing more is to be done about a request on this association."""
        found = self._commitments.find(request.requester, request.transaction_uid)
        if found is None or found.state is CommitmentState.ACCEPTED:
            return found is None
        now = self._now()
        if found.state is not CommitmentState.JUDGED or found.attempts or not association.is_established:
            return True
        if not self._commitments.claim(found, now + REPORT_LEASE):
            return True
        information, event_type = report_of(found)
        try:
            status = association.report_event(information, event_type, StorageCommitmentPushModel, INSTANCE_UID)
            if status != SUCCESS:
                raise Unavailable(f"the requester answers the report with {status:04X}")
        except Unavailable as error:
            self._commitments.failed(found, str(error), self._now())
            return True
        self._commitments.reported(found, self._now())
        self._log.info(
            "commitment reported", requester=request.requester, transaction_uid=request.transaction_uid, same=True
        )
        return True


def _request(event: Event) -> CommitmentRequest:
    """Action Information of a request (PS3.4 J.3.2.1.1)."""
    information: Dataset = event.action_information  # type: ignore[attr-defined]
    uids = [
        Reference(str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
        for item in information.ReferencedSOPSequence
    ]
    transaction_uid = UID(str(information.TransactionUID))
    if not uids or not all(UID(uid).is_valid for each in uids for uid in (each.sop_class_uid, each.sop_instance_uid)):
        raise InvalidInput("the request names no instances, or with UIDs that are none")
    if not transaction_uid.is_valid:
        raise InvalidInput("the Transaction UID is none")
    requestor = event.assoc.requestor
    return CommitmentRequest(
        transaction_uid=str(transaction_uid),
        requester=requestor.ae_title.strip(),
        address=requestor.address_info.address if requestor.address_info else "",
        references=tuple(uids),
    )


def report_of(commitment: Commitment) -> tuple[Dataset, int]:
    """Event Information and Event Type ID of a judged commitment (PS3.4 J.3.3.1)."""
    doubts = commitment.doubts or {}
    information = Dataset()
    information.TransactionUID = commitment.request.transaction_uid
    references = commitment.request.references
    committed = [_item(each) for each in references if each.sop_instance_uid not in doubts]
    failed = [
        _item(each, REASON_OF_DOUBT[doubts[each.sop_instance_uid]])
        for each in references
        if each.sop_instance_uid in doubts
    ]
    if committed:
        information.ReferencedSOPSequence = Sequence(committed)
    if failed:
        information.FailedSOPSequence = Sequence(failed)
    return information, SOME_FAILED if failed else ALL_COMMITTED


def _item(reference: Reference, failure_reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if failure_reason is not None:
        item.FailureReason = failure_reason
    return item


class CommitmentReporter:
    """Reports on associations of our own, to where the settings say that the requester listens."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._peers = {peer.ae_title.strip(): peer for peer in settings.peers}

    def report(self, commitment: Commitment) -> None:
        """Report one verdict.

        Raises
        ------
        Misconfigured
            The settings do not say where the requester listens.
        Unavailable
            It did not confirm the report.
        """
        request = commitment.request
        peer = self._peers.get(request.requester)
        if peer is None or peer.port is None:
            raise Misconfigured(
                "the requester's port is not known",
                where="listener.peers",
                remedy=f"Set 'port' of {request.requester}; it has asked for storage commitment",
            )
        association = self._associate(peer, peer.host or request.address)
        try:
            information, event_type = report_of(commitment)
            status, _ = association.send_n_event_report(
                information, event_type, StorageCommitmentPushModel, INSTANCE_UID
            )
        except (RuntimeError, ValueError) as error:
            raise Unavailable("the requester does not take storage commitment reports") from error
        finally:
            if association.is_established:
                association.release()
        if status.get("Status") != SUCCESS:
            raise Unavailable("the requester did not confirm the report")

    def _associate(self, peer: Peer, host: str) -> Any:
        ae = AE(self._settings.ae_title)
        ae.connection_timeout = CONNECT_TIMEOUT_S
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = self._settings.idle_timeout_s
        ae.add_requested_context(StorageCommitmentPushModel)
        options: dict[str, Any] = {}
        if peer.uses_tls:
            if self._settings.tls is None:
                raise Misconfigured("a peer uses TLS, but there are no certificates", where="listener.tls")
            options["tls_args"] = (client_context(self._settings.tls), host)
        assert peer.port is not None
        association = ae.associate(
            host,
            peer.port,
            ae_title=peer.ae_title,
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
            **options,
        )
        if not association.is_established:
            raise Unavailable("the requester does not accept an association")
        return association
