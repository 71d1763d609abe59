"""The listener's processes, wired: receivers that append to the journal, and the indexer that follows them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import structlog

from plumbline.adapters.dimse.listener import reserve_ports
from plumbline.metrics_folder import METRICS_VARIABLE, forget_ended
from plumbline.observability.exposure import expose_metrics
from plumbline.observability.logging import configure_logging
from plumbline.settings import Settings
from plumbline.stopping import Stop
from services.dicom_listener.commitment import run_commitments
from services.dicom_listener.indexer import run_indexer
from services.dicom_listener.observer import count_spool
from services.dicom_listener.receiver import Receiver, run_receiver
from services.dicom_listener.ups_events import has_subscribers, run_ups_events

SUPERVISION_S = 0.5
MEASURE_EVERY_S = 10.0
AFTER_DRAIN_S = 10.0


def serve(settings: Settings) -> None:
    """Receive until SIGTERM or SIGINT; returns when the last association has ended and is indexed."""
    configure_logging(settings.log_level, process="listener")
    stopping = Stop()
    stopping.on(signal.SIGTERM, signal.SIGINT)
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    listener = settings.listener
    expose_metrics(listener.host, listener.metrics_port, key="listener.metrics_port")
    if settings.listener.processes == 1:
        _serve_alone(settings, stopping)
    else:
        _serve_together(settings, stopping)
    structlog.get_logger("plumbline.listener").info("ended")


def _serve_alone(settings: Settings, stopping: Stop) -> None:
    """Receive in this process; its children index and report."""
    receiver = Receiver(settings)
    receiver.start()
    indexer = _Child("indexer", run_indexer, settings)
    reporters = _reporters(settings)
    _supervise([indexer, *reporters], stopping, settings.spool_dir)
    for child in reporters:
        child.terminate()
    receiver.stop()
    for child in (*reporters, indexer):
        child.stop()


def _serve_together(settings: Settings, stopping: Stop) -> None:
    """Receive in several processes that share the port; this one only looks after them."""
    with reserve_ports(settings.listener):
        receivers = [_Child(f"receiver-{n}", run_receiver, settings) for n in range(settings.listener.processes)]
        indexer = _Child("indexer", run_indexer, settings)
        reporters = _reporters(settings)
        _supervise([indexer, *reporters, *receivers], stopping, settings.spool_dir)
        for child in (*receivers, *reporters):
            child.terminate()
        for child in (*receivers, *reporters, indexer):
            child.stop()


def _reporters(settings: Settings) -> list[_Child]:
    """Who reports to others: on storage commitment, and the events of workitems where anybody can be told."""
    commitments = _Child("commitments", run_commitments, settings)
    return [commitments, *([_Child("ups-events", run_ups_events, settings)] if has_subscribers(settings) else [])]


class _Child:
    """A child process that is started again when it ends."""

    def __init__(self, name: str, run: Callable[[Settings], None], settings: Settings) -> None:
        self.name = name
        self._run = run
        self._settings = settings
        self._is_asked = False
        self.process = self._start()

    def _start(self) -> SpawnProcess:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=self._run, args=(self._settings,), name=self.name, daemon=True)
        process.start()
        return process

    def start_again(self) -> None:
        """Replace the process that ended."""
        log = structlog.get_logger("plumbline.listener")
        log.error("a process ended and is started again", name=self.name, exit_code=self.process.exitcode)
        if folder := os.environ.get(METRICS_VARIABLE):
            forget_ended(Path(folder), socket.gethostname())
        self.process = self._start()

    def terminate(self) -> None:
        """Ask it to end, once."""
        if not self._is_asked:
            self._is_asked = True
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to end, and wait until it has; what does not end in time is killed, which the journal survives."""
        self.terminate()
        self.process.join(self._settings.listener.drain_s + AFTER_DRAIN_S)
        if self.process.is_alive():
            structlog.get_logger("plumbline.listener").error("a process does not end and is killed", name=self.name)
            self.process.kill()
            self.process.join()


def _supervise(children: list[_Child], stopping: Stop, spool_dir: Path) -> None:
    """Keep the children running until this process is asked to end."""
    measured_at = -MEASURE_EVERY_S
    while not stopping.is_set:
        if time.monotonic() - measured_at > MEASURE_EVERY_S:
            measured_at = time.monotonic()
            count_spool(spool_dir)
        wait([child.process.sentinel for child in children], timeout=SUPERVISION_S)
        for child in children:
            if not child.process.is_alive() and not stopping.is_set:
                child.start_again()
