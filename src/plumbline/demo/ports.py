"""Which loopback ports the demonstration takes."""

from __future__ import annotations

import socket
from dataclasses import dataclass, fields

from plumbline.errors import Misconfigured

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DemoPorts:
    """Ports of the processes; the defaults are the contract's (design section 4, Network)."""

    orthanc_http: int = 8042
    orthanc_dicom: int = 4242
    listener: int = 11112
    listener_metrics: int = 9112
    api: int = 8080
    redis: int = 6390
    hl7: int = 2575


def free_ports() -> DemoPorts:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in fields(DemoPorts)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return DemoPorts(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


def refuse_ports_in_use(ports: DemoPorts) -> None:
    """Raise ``Misconfigured`` naming every port that something else listens on."""
    taken = [f"{field.name} {getattr(ports, field.name)}" for field in fields(ports) if _is_taken(ports, field.name)]
    if taken:
        raise Misconfigured(
            f"another program already listens on {' and '.join(taken)}",
            remedy="End it, or run 'make demo FREE_PORTS=1' to let the demonstration choose ports of its own",
        )


def _is_taken(ports: DemoPorts, name: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, getattr(ports, name)))
        except OSError:
            return True
    return False
