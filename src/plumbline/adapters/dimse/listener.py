"""The Storage and Verification SCP: who may call, what is accepted, starting and stopping."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from pynetdicom import _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from plumbline.adapters.dimse.association import (
    LARGEST_NEGOTIATION_BYTES,
    StoreApplicationEntity,
    StoreAssociation,
    StoreServer,
    StoreUpperLayer,
)
from plumbline.adapters.dimse.storage import ListenerObserver, Storage
from plumbline.adapters.dimse.store_loop import StoreLoop
from plumbline.errors import Misconfigured
from plumbline.pipeline.receive import Intake, Label
from plumbline.settings import ListenerSettings

REJECTED_PERMANENT, REJECTED_TRANSIENT = 0x01, 0x02
BY_SERVICE_USER, BY_PRESENTATION = 0x01, 0x03
CALLING_AE_NOT_RECOGNISED, TEMPORARY_CONGESTION = 0x03, 0x01
NEGOTIATION_TIMEOUT_S = 30.0
_DRAIN_POLL_S = 0.05


def reserve_port(settings: ListenerSettings) -> socket.socket:
    """Hold the port for processes that will share it. Raises ``Misconfigured`` where somebody else has it."""
    held = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind((settings.host, settings.port))
    except OSError as error:
        held.close()
        raise _cannot_listen(settings, error) from error
    return held


def _cannot_listen(settings: ListenerSettings, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"cannot listen on {settings.host} port {settings.port} ({error.strerror})",
        where="listener.port",
        remedy="End what uses the port or choose another",
    )


class AllowList:
    """Which calling AE Titles are let in, and from which addresses."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._networks: dict[str, list[IPv4Network | IPv6Network]] = {}
        for peer in settings.peers:
            try:
                networks = [ip_network(address, strict=False) for address in peer.addresses]
            except ValueError as error:
                raise Misconfigured(f"not an address or network ({error})", where="listener.peers") from error
            self._networks.setdefault(peer.ae_title.strip(), []).extend(networks or _EVERYWHERE)

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether this calling AE Title may open an association from this address."""
        host = ip_address(address.partition("%")[0])
        if isinstance(host, IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped
        return any(host in network for network in self._networks.get(ae_title.strip(), ()))


_EVERYWHERE = [ip_network("0.0.0.0/0"), ip_network("::/0")]


class Listener:
    """A DICOM listener that keeps what it is sent in an ``Intake``."""

    def __init__(self, settings: ListenerSettings, intake: Intake, observer: ListenerObserver) -> None:
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every Storage class, in the first syntax that is proposed
        self._settings = settings
        self._observer = observer
        self._allowed = AllowList(settings)
        self._storage = Storage(
            intake, reserve_bytes=settings.reserve_bytes, accept_unknown=settings.accept_unknown_storage
        )
        self._ae = self._application_entity()
        self._server: StoreServer | None = None

    def _application_entity(self) -> StoreApplicationEntity:
        ae = StoreApplicationEntity(self._settings.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = self._settings.maximum_associations
        ae.maximum_pdu_size = self._settings.maximum_pdu_bytes
        ae.network_timeout = self._settings.idle_timeout_s
        ae.dimse_timeout = self._settings.idle_timeout_s
        ae.acse_timeout = NEGOTIATION_TIMEOUT_S
        ae.add_supported_context(Verification)
        return ae

    @property
    def port(self) -> int:
        """Port it listens on."""
        if self._server is None:
            raise RuntimeError("the listener was not started")
        return self._server.server_address[1]

    def start(self) -> None:
        """Begin to listen, in threads. Raises ``Misconfigured`` where the address cannot be had."""
        address = (self._settings.host, self._settings.port)
        try:
            server: StoreServer = self._ae.make_server(
                address,
                evt_handlers=self._handlers(),  # type: ignore[arg-type]
                server_class=StoreServer,
                new_loop=self._new_loop if self._settings.has_store_loop else None,
                shares_port=self._settings.processes > 1,
            )
        except OSError as error:
            raise _cannot_listen(self._settings, error) from error
        self._server = server
        threading.Thread(target=server.serve_forever, name="dicom-listener", daemon=True).start()

    def stop(self) -> None:
        """Accept no more associations, let those under way finish, and abort what is left after the drain time."""
        server, self._server = self._server, None
        if server is None:
            return
        self._ae._servers.append(server)  # its shutdown takes itself off this list
        server.shutdown()
        deadline = time.monotonic() + self._settings.drain_s
        while self._ae.active_associations and time.monotonic() < deadline:
            time.sleep(_DRAIN_POLL_S)
        for association in self._ae.active_associations:
            association.abort()

    def _handlers(self) -> list[tuple[Any, ...]]:
        return [
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
                if context.abstract_syntax != Verification
            },
            peer_maximum_length=association.requestor.maximum_length or 0,
            maximum_pdu_bytes=max(self._settings.maximum_pdu_bytes, LARGEST_NEGOTIATION_BYTES),
            buffer_bytes=self._settings.buffer_bytes,
            upper_layer=upper_layer,
            idle_s=self._settings.idle_timeout_s,
            instance_s=self._settings.instance_timeout_s,
        )

    def _on_requested(self, event: Event) -> None:
        association = event.assoc
        calling = _calling(association)
        if not self._allowed.allows(calling, _address(association)):
            self._reject(association, (REJECTED_PERMANENT, BY_SERVICE_USER, CALLING_AE_NOT_RECOGNISED), "not-allowed")
        elif not self._storage.has_room():
            self._reject(association, (REJECTED_TRANSIENT, BY_PRESENTATION, TEMPORARY_CONGESTION), "spool-full")

    def _reject(self, association: Association, why: tuple[int, int, int], reason: str) -> None:
        self._observer.rejected(_calling(association), _address(association), reason)
        association.acse.send_reject(*why)
        association.kill()

    def _on_rejected(self, event: Event) -> None:
        association = event.assoc
        self._observer.rejected(association.requestor.ae_title, _address(association), "negotiation")

    def _on_established(self, event: Event) -> None:
        self._observer.opened(event.assoc.requestor.ae_title)

    def _on_closed(self, event: Event) -> None:
        if event.assoc.accepted_contexts:
            self._observer.closed(event.assoc.requestor.ae_title)

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
