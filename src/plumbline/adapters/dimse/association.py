"""pynetdicom's association and server, with C-STORE taken out of its state machine.

pynetdicom negotiates, answers everything else, aborts and releases. While an association is established
and silent in between messages, its thread for the upper layer runs a ``StoreLoop`` on the socket; its
other thread is paused meanwhile.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from plumbline.adapters.dimse.negotiation import ASSOCIATE_RQ, NegotiationLimits, tell_excess
from plumbline.adapters.dimse.places import Place, Places
from plumbline.adapters.dimse.store_loop import Ended, StoreLoop, prepare_socket
from plumbline.adapters.dimse.tls import shake_hands
from plumbline.errors import Unavailable

LoopFactory = Callable[["StoreAssociation"], StoreLoop]
"""Makes the loop of an association."""
LARGEST_NEGOTIATION_BYTES = 1 << 20
"""No A-ASSOCIATE-RQ with every SOP Class and every user item comes near this."""
NO_ASSOCIATION, DATA_TRANSFER = "Sta1", "Sta6"
PROVIDER_ABORT = bytes([0x07, 0, 0, 0, 0, 4, 0, 0, 0x02, 0])
"""A-ABORT of the service provider without a reason (PS3.8 9.3.8)."""
NOTICED_WITHIN_S = 0.2
"""How soon it is noticed that a peer hung up before it asked for an association."""


@dataclass(frozen=True, slots=True)
class AssociationLimits:
    """What one connection may cost: size of its request, time as an association, time for a TLS handshake."""

    negotiation: NegotiationLimits
    total_s: float
    handshake_s: float


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

    def _shutdown_socket(self) -> None:
        """As pynetdicom's, but close it too where it cannot be shut down any more, since the peer was first."""
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()


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
        self._association = association
        self.daemon = True  # a connection that never became an association does not hold up the end of the process
        self._loop: StoreLoop | None = None

    def _is_transport_event(self) -> bool:
        if self._is_free() and self.socket is not None and self.socket.ready:
            return self._serve_stores()
        return super()._is_transport_event()

    def _is_free(self) -> bool:
        """Whether no message and no event is under way anywhere in the association."""
        association = self._association
        return (
            association.new_loop is not None
            and self.state_machine.current_state == DATA_TRANSFER
            and association.is_established
            and not association.is_speaking
            and association.dimse.message is None
            and association.requests.unserved == 0
            and association._reactor_checkpoint.is_set()
            and not self._is_wanted()
        )

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        if bytestream[:1] == bytes([ASSOCIATE_RQ]):
            tell_excess(bytestream, self._association.limits.negotiation)
        return super()._decode_pdu(bytestream)

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> Any:
        """As pynetdicom's, but a peer that hung up before it asked for anything is not waited for."""
        if not wait:
            return super().receive_pdu()
        deadline = time.monotonic() + (timeout if timeout is not None else float("inf"))
        has_hung_up = False
        while True:
            primitive = super().receive_pdu(wait=True, timeout=NOTICED_WITHIN_S)
            if primitive is not None or has_hung_up or time.monotonic() > deadline:
                return primitive
            is_open = self.state_machine.current_state != NO_ASSOCIATION or not self.event_queue.empty()
            has_hung_up = not (is_open and self.is_alive())

    def run_reactor(self) -> None:
        """As pynetdicom's, but whatever breaks its state machine ends the association, and the connection with it."""
        try:
            super().run_reactor()
        except Exception:  # noqa: BLE001  pynetdicom stumbles over some command sets and some orders of PDUs
            self._give_up()
        finally:
            if self.socket is not None:
                self.socket.close()

    def _give_up(self) -> None:
        """Abort without the state machine, as pynetdicom does where reading breaks."""
        association = self._association
        if self.socket is not None and self.state_machine.current_state != NO_ASSOCIATION:
            self.socket.send(PROVIDER_ABORT)
        association.is_aborted, association.is_established = True, False
        association._kill = self._kill_thread = True

    def idle_timer_expired(self) -> bool:
        """Whether the association has been silent for too long, or has lasted too long."""
        return super().idle_timer_expired() or time.monotonic() > self._association.ends_at

    def _is_wanted(self) -> bool:
        """Whether the reactor, and not the loop, is to go on."""
        return (
            self._kill_thread
            or self._association._kill
            or not self.to_provider_queue.empty()
            or not self.event_queue.empty()
            or self._association.is_speaking
            or self.idle_timer_expired()
        )

    def _serve_stores(self) -> bool:
        """Let the loop read; whether anything but silence ended it."""
        association = self._association
        assert association.new_loop is not None
        loop = self._loop = self._loop or association.new_loop(association)
        if not association.turn.acquire(blocking=False):
            return False
        association._reactor_checkpoint.clear()
        try:
            ended = loop.run()
        finally:
            association._reactor_checkpoint.set()
            association.turn.release()
        if ended is Ended.CLOSED:
            self.event_queue.put("Evt17")
        elif ended is Ended.INVALID:
            self.event_queue.put("Evt19")
        return ended is not Ended.IDLE

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

    def __init__(self, ae: Any, mode: str, new_loop: LoopFactory | None, limits: AssociationLimits) -> None:
        super().__init__(ae, mode)
        self.new_loop = new_loop
        self.limits = limits
        self.ends_at = time.monotonic() + limits.total_s
        self.held = ExitStack()
        """What is given back when the association has ended, however it ends."""
        self.waiting: Place | None = None
        """Its place among the connections that are not associations yet."""
        self.is_speaking = False
        self.turn = threading.Lock()
        """Held by whichever of the loop and ``send_event_report`` is at the association."""
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

    def run_reactor(self) -> None:
        """Serve the association to its end, then give back what it held."""
        try:
            super().run_reactor()
        finally:
            self.held.close()

    def report_event(self, information: Any, event_type: int, class_uid: str, instance_uid: str) -> int:
        """Send N-EVENT-REPORT to the requestor of this association, in between its own messages.

        Returns
        -------
        int
            Status of the response.

        Raises
        ------
        Unavailable
            The association has ended, or nothing was answered.
        """
        self.is_speaking = True
        try:
            with self.turn:
                if not self.is_established:
                    raise Unavailable("the association has ended")
                status, _ = self.send_n_event_report(information, event_type, class_uid, instance_uid)
                if "Status" not in status:
                    raise Unavailable("the report was not answered")
                self.requests.unserved -= 1  # the response went past the services
                return status.Status
        except (RuntimeError, ValueError) as error:
            raise Unavailable("the association ended before the report could be sent") from error
        finally:
            self.is_speaking = False


class StoreApplicationEntity(AE):
    """An application entity that counts associations, not connections: a probe of the port takes no place."""

    @property
    def active_associations(self) -> list[Association]:
        """Associations that were at least asked for."""
        return [a for a in super().active_associations if isinstance(a.requestor.primitive, A_ASSOCIATE)]


class StoreRequestHandler(RequestHandler):
    """Makes a ``StoreAssociation`` of each connection; otherwise as pynetdicom's.

    It runs in a thread of the connection's own: a slow handshake holds up nobody else.
    """

    server: StoreServer  # type: ignore[assignment]

    def handle(self) -> None:
        """Shake hands where TLS is spoken, then serve the association."""
        place = self.server.waiting.take()
        if place is None:
            self.server.turned_away(self.client_address[0], "too-many-connections")
            self.request.close()  # type: ignore[union-attr]
            return
        try:
            if self.server.tls is not None:
                self.request = shake_hands(self.request, self.server.tls, self.server.limits.handshake_s)  # type: ignore[arg-type]
            else:
                prepare_socket(self.request)  # type: ignore[arg-type]
        except OSError:
            place.leave()
            self.server.turned_away(self.client_address[0], "tls")
            self.request.close()  # type: ignore[union-attr]
            return
        self._serve(place)

    def _serve(self, waiting: Place) -> None:
        association = self._create_association()
        association.held.callback(waiting.leave)
        association.waiting = waiting
        evt.trigger(association, evt.EVT_CONN_OPEN, {"address": self.client_address})
        association.start()

    def _create_association(self) -> StoreAssociation:
        server = self.server
        association = StoreAssociation(self.ae, "acceptor", server.new_loop, server.limits)
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
    def _bind(association: StoreAssociation, event: Any, handlers: Any) -> None:
        if event.is_intervention and handlers:
            association.bind(event, *handlers)
        elif isinstance(event, evt.NotificationEvent):
            for handler in handlers:
                association.bind(event, handler[0], handler[1])


class StoreServer(ThreadedAssociationServer):
    """A server whose associations receive C-STORE by ``StoreLoop``."""

    daemon_threads = True

    def __init__(
        self,
        *arguments: Any,
        new_loop: LoopFactory | None,
        limits: AssociationLimits,
        waiting: Places,
        turned_away: Callable[[str, str], None],
        tls: ssl.SSLContext | None = None,
        shares_port: bool = False,
        **options: Any,
    ) -> None:
        self.new_loop = new_loop
        self.limits = limits
        self.waiting = waiting
        self.turned_away = turned_away
        """Is told address and reason of a connection that did not become an association."""
        self.tls = tls
        self._shares_port = shares_port
        super().__init__(*arguments, request_handler=StoreRequestHandler, **options)

    def server_bind(self) -> None:
        """As pynetdicom's; several processes may listen on a port that they share."""
        if self._shares_port:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # type: ignore[union-attr]
        super().server_bind()

    def service_actions(self) -> None:
        """Nothing: pynetdicom's searches the whole process for garbage here, and every association waits for it."""
