"""Metrics over HTTP, for processes that have no other face."""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from plumbline.errors import Misconfigured
from plumbline.observability.metrics import all_processes


def exposed_registry() -> CollectorRegistry:
    """The metrics of all processes together where they share a folder, else this process's."""
    return all_processes() if os.environ.get("PROMETHEUS_MULTIPROC_DIR") else REGISTRY


def expose_metrics(host: str, port: int | None, *, key: str = "metrics.port") -> None:
    """Answer Prometheus in a thread, where a port is set.

    Raises
    ------
    Misconfigured
        When the port is in use or may not be opened; with the setting's key.
    """
    if port is None:
        return
    try:
        start_http_server(port, addr=host, registry=exposed_registry())
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {host} port {port} for metrics ({error.strerror})",
            where=key,
            remedy="End what uses the port or choose another",
        ) from error
