"""pynetdicom's association and server, with C-STORE taken out of its state machine.

pynetdicom negotiates, answers everything else, aborts and releases. While an association is established
and silent in between messages, its thread for the upper layer runs a ``StoreLoop`` on the socket; its
other thread is paused meanwhile.
"""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from plumbline.adapters.dimse.store_loop import Ended, StoreLoop, prepare_socket

LoopFactory = Callable[["StoreAssociation"], StoreLoop]
"""Makes the loop of an association."""
LARGEST_NEGOTIATION_BYTES = 1 << 20
"""No A-ASSOCIATE-RQ with every SOP Class and every user item comes near this."""
DATA_TRANSFER = "Sta6"


class PatientSocket(AssociationSocket):
    """A socket whose reads return after a short while, so that time limits are noticed."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes, fewer where the peer closes the connection.

        Raises
        ------
        OSError
            Where they do not come within the network timeout, or are more than any PDU may have.
        """
        if nr_bytes > max(LARGEST_NEGOTIATION_BYTES, self.assoc.acceptor.maximum_length or 0):
            raise OSError("the PDU is longer than any that is accepted")
        received = bytearray()
        silent_until = time.monotonic() + (self.assoc.network_timeout or float("inf"))
        connection: Any = self.socket
        while len(received) < nr_bytes:
            try:
                piece = connection.recv(nr_bytes - len(received))
            except (TimeoutError, BlockingIOError):
                if time.monotonic() > silent_until:
                    raise
                continue
            if not piece:
                break
            received += piece
        return received


class _RequestQueue(queue.Queue):
    """Messages for pynetdicom's services; knows whether any has not been answered yet."""

    def __init__(self) -> None:
        super().__init__()
        self.unserved = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self.unserved += 1
        super().put(item, block, timeout)


class StoreUpperLayer(DULServiceProvider):
    """The upper layer provider, which lets a ``StoreLoop`` read whenever nothing else is going on."""

    def __init__(self, association: StoreAssociation) -> None:
        super().__init__(association)
        self.daemon = True  # a connection that never became an association does not hold up the end of the process
        self._loop: StoreLoop | None = None

    def _is_transport_event(self) -> bool:
        if self._is_free() and self.socket is not None and self.socket.ready:
            self._serve_stores()
            return True
        return super()._is_transport_event()

    def _is_free(self) -> bool:
        """Whether no message and no event is under way anywhere in the association."""
        association = self.assoc
        return (
            association.new_loop is not None  # type: ignore[attr-defined]
            and self.state_machine.current_state == DATA_TRANSFER
            and association.is_established
            and association.dimse.message is None
            and association.requests.unserved == 0  # type: ignore[attr-defined]
            and association._reactor_checkpoint.is_set()
            and not self._is_wanted()
        )

    def _is_wanted(self) -> bool:
        """Whether the reactor, and not the loop, is to go on."""
        return (
            self._kill_thread
            or self.assoc._kill
            or not self.to_provider_queue.empty()
            or not self.event_queue.empty()
            or self.idle_timer_expired()
        )

    def _serve_stores(self) -> None:
        association = self.assoc
        loop = self._loop = self._loop or association.new_loop(association)  # type: ignore[attr-defined]
        association._reactor_checkpoint.clear()
        try:
            ended = loop.run()
        finally:
            association._reactor_checkpoint.set()
        if ended is Ended.CLOSED:
            self.event_queue.put("Evt17")
        elif ended is Ended.INVALID:
            self.event_queue.put("Evt19")

    def is_wanted(self) -> bool:
        """Asked by the loop while nothing comes."""
        return self._is_wanted()

    def heard(self) -> None:
        """The peer is alive."""
        self._idle_timer.restart()

    def hand_over(self, pdu: bytes) -> None:
        """Put a PDU that the loop read where pynetdicom would have put it."""
        self.heard()
        try:
            decoded, event = self._decode_pdu(bytearray(pdu))
        except Exception:  # noqa: BLE001  as pynetdicom: whatever a PDU breaks, the association is aborted
            self.event_queue.put("Evt19")
            return
        self.event_queue.put(event)
        self._recv_pdu.put(decoded)


class StoreAssociation(Association):
    """An accepted association whose C-STORE requests a ``StoreLoop`` serves, or pynetdicom where there is none."""

    def __init__(self, ae: Any, mode: str, new_loop: LoopFactory | None) -> None:
        super().__init__(ae, mode)
        self.new_loop = new_loop
        self.requests = _RequestQueue()
        self.dul = StoreUpperLayer(self)
        self.dimse.msg_queue = self.requests
        self.network_timeout = ae.network_timeout
        self.acse_timeout = ae.acse_timeout

    def _serve_request(self, msg: Any, context_id: int) -> None:
        try:
            super()._serve_request(msg, context_id)
        finally:
            self.requests.unserved -= 1


class StoreApplicationEntity(AE):
    """An application entity that counts associations, not connections: a probe of the port takes no place."""

    @property
    def active_associations(self) -> list[Association]:
        """Associations that were at least asked for."""
        return [association for association in super().active_associations if association.requestor.primitive]


class StoreRequestHandler(RequestHandler):
    """Makes a ``StoreAssociation`` of each connection; otherwise as pynetdicom's."""

    def _create_association(self) -> Association:
        prepare_socket(self.request)  # type: ignore[arg-type]
        association = StoreAssociation(self.ae, "acceptor", self.server.new_loop)  # type: ignore[attr-defined]
        association._server = self.server
        association.name = f"AcceptorThread@{time.strftime('%Y%m%d%H%M%S')}"
        association.set_socket(PatientSocket(association, client_socket=self.request))
        association.acceptor.maximum_length = self.ae.maximum_pdu_size
        association.acceptor.ae_title = self.server.ae_title
        association.acceptor.address_info = self.local
        association.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        association.acceptor.implementation_version_name = self.ae.implementation_version_name
        association.acceptor.supported_contexts = deepcopy(self.server.contexts)
        association.requestor.address_info = self.remote
        for event, handlers in self.server._handlers.items():
            self._bind(association, event, handlers)
        return association

    @staticmethod
    def _bind(association: Association, event: Any, handlers: Any) -> None:
        if event.is_intervention and handlers:
            association.bind(event, *handlers)
        elif isinstance(event, evt.NotificationEvent):
            for handler in handlers:
                association.bind(event, handler[0], handler[1])


class StoreServer(ThreadedAssociationServer):
    """A server whose associations receive C-STORE by ``StoreLoop``."""

    daemon_threads = True

    def __init__(
        self, *arguments: Any, new_loop: LoopFactory | None, shares_port: bool = False, **options: Any
    ) -> None:
        self.new_loop = new_loop
        self._shares_port = shares_port
        super().__init__(*arguments, request_handler=StoreRequestHandler, **options)

    def server_bind(self) -> None:
        """As pynetdicom's; several processes may listen on a port that they share."""
        if self._shares_port:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # type: ignore[union-attr]
        super().server_bind()
