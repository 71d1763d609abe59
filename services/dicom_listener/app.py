"""The listener's processes, wired: receivers that append to the journal, and the indexer that follows them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.spool import Journal
from plumbline.errors import Misconfigured
from plumbline.observability.logging import configure_logging
from plumbline.observability.metrics import all_processes
from plumbline.settings import Settings
from services.dicom_listener.indexer import run_indexer
from services.dicom_listener.observer import LoggingListenerObserver

SUPERVISION_S = 0.5


def serve(settings: Settings) -> None:
    """Receive until SIGTERM or SIGINT; returns when the last association has ended and is indexed."""
    configure_logging(settings.log_level, process="listener")
    log = structlog.get_logger("plumbline.listener")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    journal = Journal(settings.spool_dir, segment_bytes=settings.listener.segment_bytes)
    listener = Listener(settings.listener, journal, LoggingListenerObserver(journal.free_bytes))
    _expose_metrics(settings)
    listener.start()
    indexer = _start_indexer(settings)
    log.info("listening", ae_title=settings.listener.ae_title, host=settings.listener.host, port=listener.port)
    while not stopping.is_set():
        wait([indexer.sentinel], timeout=SUPERVISION_S)
        if not indexer.is_alive() and not stopping.is_set():
            log.error("the indexer ended and is started again", exit_code=indexer.exitcode)
            indexer = _start_indexer(settings)
    listener.stop()
    journal.close()
    indexer.terminate()
    indexer.join()
    log.info("ended")


def _start_indexer(settings: Settings) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=run_indexer, args=(settings,), name="indexer", daemon=True
    )
    process.start()
    return process


def _registry() -> CollectorRegistry:
    """The metrics of receiver and indexer together where they share a folder, else the receiver's."""
    return all_processes() if os.environ.get("PROMETHEUS_MULTIPROC_DIR") else REGISTRY


def _expose_metrics(settings: Settings) -> None:
    address, port = settings.listener.host, settings.listener.metrics_port
    try:
        start_http_server(port, addr=address, registry=_registry())
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {address} port {port} for metrics ({error.strerror})",
            where="listener.metrics_port",
            remedy="End what uses the port or choose another",
        ) from error
