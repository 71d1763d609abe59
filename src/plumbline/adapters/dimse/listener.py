"""The Storage and Verification SCP: who may call, what is accepted, starting and stopping."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from pynetdicom import _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from plumbline.adapters.dimse.association import (
    LARGEST_NEGOTIATION_BYTES,
    AssociationLimits,
    StoreApplicationEntity,
    StoreAssociation,
    StoreServer,
    StoreUpperLayer,
)
from plumbline.adapters.dimse.negotiation import NegotiationLimits
from plumbline.adapters.dimse.places import LocalPlaces, Places
from plumbline.adapters.dimse.storage import ListenerObserver, Storage
from plumbline.adapters.dimse.storage_commitment import CommitmentScp
from plumbline.adapters.dimse.store_loop import StoreLoop
from plumbline.adapters.dimse.tls import server_context
from plumbline.adapters.dimse.ups_scp import EVENT, UpsScp
from plumbline.adapters.dimse.ups_scp import SERVED as UPS_CLASSES
from plumbline.adapters.dimse.ups_watch import EventReceiver
from plumbline.errors import Misconfigured
from plumbline.pipeline.receive import Intake, Label
from plumbline.settings import ListenerSettings

REJECTED_PERMANENT, REJECTED_TRANSIENT = 0x01, 0x02
BY_SERVICE_USER, BY_PRESENTATION = 0x01, 0x03
CALLING_AE_NOT_RECOGNISED, TEMPORARY_CONGESTION, LOCAL_LIMIT_EXCEEDED = 0x03, 0x01, 0x02
NEGOTIATION_TIMEOUT_S = 30.0
_DRAIN_POLL_S = 0.05
_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Door:
    """A port to listen on. ``key`` is of the setting that names it."""

    port: int
    speaks_tls: bool
    key: str


def doors(settings: ListenerSettings) -> tuple[Door, ...]:
    """The ports to listen on: a plain one, one with TLS, or both."""
    plain = Door(settings.port, speaks_tls=False, key="listener.port")
    if settings.tls is None:
        return (plain,)
    if settings.tls.port is None:
        return (Door(settings.port, speaks_tls=True, key="listener.port"),)
    return plain, Door(settings.tls.port, speaks_tls=True, key="listener.tls.port")


def reserve_ports(settings: ListenerSettings) -> ExitStack:
    """Hold the ports for processes that will share them. Raises ``Misconfigured`` where somebody else has one."""
    with ExitStack() as stack:
        for door in doors(settings):
            held = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind((settings.host, door.port))
            except OSError as error:
                raise _cannot_listen(settings, door, error) from error
        return stack.pop_all()


def _cannot_listen(settings: ListenerSettings, door: Door, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"cannot listen on {settings.host} port {door.port} ({error.strerror})",
        where=door.key,
        remedy="End what uses the port or choose another",
    )


class AllowList:
    """Which calling AE Titles are let in, and from which addresses."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._networks: dict[str, list[IPv4Network | IPv6Network]] = {}
        for peer in settings.peers:
            networks = [ip_network(address, strict=False) for address in peer.addresses]
            self._networks.setdefault(peer.ae_title.strip(), []).extend(networks or _EVERYWHERE)

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether this calling AE Title may open an association from this address."""
        host = ip_address(address.partition("%")[0])
        if isinstance(host, IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped
        return any(host in network for network in self._networks.get(ae_title.strip(), ()))


_NOT_STORAGE = frozenset({Verification, StorageCommitmentPushModel, *UPS_CLASSES})
_EVERYWHERE = [ip_network("0.0.0.0/0"), ip_network("::/0")]


class Listener:
    """A DICOM listener that keeps what it is sent in an ``Intake``.

    Parameters
    ----------
    places
        Places for associations; of this process alone where None.
    commitments
        Who answers requests for storage commitment; nobody where None.
    steps
        Who answers requests on workitems; nobody where None.
    reports
        Who answers event reports of foreign managers; nobody where None.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        intake: Intake,
        observer: ListenerObserver,
        *,
        places: Places | None = None,
        commitments: CommitmentScp | None = None,
        steps: UpsScp | None = None,
        reports: EventReceiver | None = None,
    ) -> None:
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every Storage class, in the first syntax that is proposed
        self._settings = settings
        self._observer = observer
        self._allowed = AllowList(settings)
        self._storage = Storage(
            intake, reserve_bytes=settings.reserve_bytes, accept_unknown=settings.accept_unknown_storage
        )
        self._places = places or LocalPlaces(settings.maximum_associations)
        self._waiting = LocalPlaces(settings.maximum_waiting)
        self._commitments = commitments
        self._steps = steps
        self._reports = reports
        self._tls = server_context(settings.tls) if settings.tls else None
        self._ae = self._application_entity()
        self._servers: list[StoreServer] = []

    def _application_entity(self) -> StoreApplicationEntity:
        ae = StoreApplicationEntity(self._settings.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = _NO_LIMIT  # the places decide
        ae.maximum_pdu_size = self._settings.maximum_pdu_bytes
        ae.network_timeout = self._settings.idle_timeout_s
        ae.dimse_timeout = self._settings.idle_timeout_s
        ae.acse_timeout = NEGOTIATION_TIMEOUT_S
        ae.add_supported_context(Verification)
        if self._commitments is not None:
            ae.add_supported_context(StorageCommitmentPushModel)
        for sop_class in UPS_CLASSES if self._steps else ():
            has_roles = sop_class == EVENT or None  # a manager that reports opens the association and is its SCP
            ae.add_supported_context(sop_class, scu_role=has_roles, scp_role=has_roles)
        return ae

    @property
    def port(self) -> int:
        """First port it listens on."""
        if not self._servers:
            raise RuntimeError("the listener was not started")
        return self._servers[0].server_address[1]

    def start(self) -> None:
        """Begin to listen, in threads. Raises ``Misconfigured`` where the address cannot be had."""
        try:
            for door in doors(self._settings):
                self._servers.append(self._server(door, self._tls if door.speaks_tls else None))
        except Misconfigured:
            for server in self._servers:
                server.server_close()
            raise
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name="dicom-listener", daemon=True).start()

    def _server(self, door: Door, tls: ssl.SSLContext | None) -> StoreServer:
        settings = self._settings
        try:
            return self._ae.make_server(
                (settings.host, door.port),
                evt_handlers=self._handlers(),  # type: ignore[arg-type]
                server_class=StoreServer,
                new_loop=self._new_loop if settings.has_store_loop else None,
                limits=AssociationLimits(
                    NegotiationLimits(settings.maximum_user_items, settings.maximum_user_item_bytes),
                    total_s=settings.association_timeout_s,
                    handshake_s=settings.tls.handshake_timeout_s if settings.tls else NEGOTIATION_TIMEOUT_S,
                ),
                waiting=self._waiting,
                turned_away=self._on_turned_away,
                tls=tls,
                shares_port=settings.processes > 1,
            )
        except OSError as error:
            raise _cannot_listen(settings, door, error) from error

    def stop(self) -> None:
        """Accept no more associations, let those under way finish, and abort what is left after the drain time."""
        servers, self._servers = self._servers, []
        for server in servers:
            self._ae._servers.append(server)  # its shutdown takes itself off this list
            server.shutdown()
        deadline = time.monotonic() + self._settings.drain_s
        while self._ae.active_associations and time.monotonic() < deadline:
            time.sleep(_DRAIN_POLL_S)
        for association in self._ae.active_associations:
            association.abort()

    def _handlers(self) -> list[tuple[Any, ...]]:
        return [
            (evt.EVT_N_ACTION, self._on_action),
            *(self._steps.handlers() if self._steps else []),
            *([(evt.EVT_N_EVENT_REPORT, self._reports.on_event)] if self._reports else []),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_ESTABLISHED, self._on_established),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_CONN_CLOSE, self._on_closed),
            (evt.EVT_C_ECHO, lambda _event: 0x0000),
            (evt.EVT_C_STORE, self._on_store),
        ]

    def _new_loop(self, association: StoreAssociation) -> StoreLoop:
        upper_layer = association.dul
        assert isinstance(upper_layer, StoreUpperLayer) and upper_layer.socket is not None
        connection = upper_layer.socket.socket
        assert connection is not None
        return StoreLoop(
            connection,
            self._storage,
            self._observer,
            sender=association.requestor.ae_title,
            contexts={
                context_id: str(context.transfer_syntax[0])
                for context_id, context in association._accepted_cx.items()
                if context.abstract_syntax not in _NOT_STORAGE
            },
            peer_maximum_length=association.requestor.maximum_length or 0,
            maximum_pdu_bytes=max(self._settings.maximum_pdu_bytes, LARGEST_NEGOTIATION_BYTES),
            buffer_bytes=self._settings.buffer_bytes,
            upper_layer=upper_layer,
            idle_s=self._settings.idle_timeout_s,
            instance_s=self._settings.instance_timeout_s,
        )

    def _on_requested(self, event: Event) -> None:
        association: Any = event.assoc
        if not isinstance(association.requestor.primitive, A_ASSOCIATE):
            association.is_aborted = True  # the peer has gone, or did not ask
            association.kill()
            return
        calling = _calling(association)
        if not self._allowed.allows(calling, _address(association)):
            self._reject(association, (REJECTED_PERMANENT, BY_SERVICE_USER, CALLING_AE_NOT_RECOGNISED), "not-allowed")
        elif not self._storage.has_room():
            self._reject(association, (REJECTED_TRANSIENT, BY_PRESENTATION, TEMPORARY_CONGESTION), "spool-full")
        elif place := self._places.take():
            association.held.callback(place.leave)
        else:
            self._reject(association, (REJECTED_TRANSIENT, BY_PRESENTATION, LOCAL_LIMIT_EXCEEDED), "too-many")

    def _reject(self, association: Association, why: tuple[int, int, int], reason: str) -> None:
        self._observer.rejected(_calling(association), _address(association), reason)
        association.acse.send_reject(*why)
        association.kill()

    def _on_rejected(self, event: Event) -> None:
        association = event.assoc
        self._observer.rejected(association.requestor.ae_title, _address(association), "negotiation")

    def _on_turned_away(self, address: str, reason: str) -> None:
        self._observer.rejected("", address, reason)

    def _on_established(self, event: Event) -> None:
        waiting = getattr(event.assoc, "waiting", None)
        if waiting is not None:
            waiting.leave()
        self._observer.opened(event.assoc.requestor.ae_title)

    def _on_closed(self, event: Event) -> None:
        if event.assoc.accepted_contexts:
            self._observer.closed(event.assoc.requestor.ae_title)

    def _on_action(self, event: Event) -> Any:
        """Storage commitment and UPS share the message; its presentation context tells them apart."""
        is_commitment = event.context.abstract_syntax == StorageCommitmentPushModel
        service = self._commitments if is_commitment else self._steps
        assert service is not None  # or its context would not have been accepted
        return service.on_action(event)

    def _on_store(self, event: Event) -> int:
        began = time.perf_counter()
        request: Any = event.request
        label = Label(
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            sender=event.assoc.requestor.ae_title,
            received_at=datetime.now(UTC),
        )
        with request.DataSet.getbuffer() as dataset:
            length = len(dataset)
            status = self._storage.keep(label, dataset)
        self._observer.stored(label, length, status, time.perf_counter() - began)
        return status


def _calling(association: Association) -> str:
    request = association.requestor.primitive
    return (request.calling_ae_title or "").strip() if request else ""


def _address(association: Association) -> str:
    information = association.requestor.address_info
    return information.address if information else ""
