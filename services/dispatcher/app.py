"""The dispatcher's process: one thread a destination, so that one that is away holds up no other."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import uuid
from contextlib import suppress

import structlog
from prometheus_client import Counter

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.results import DatabaseResults
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dimse.results_out import AwaitedCommitments, ReportListener
from plumbline.errors import PlumblineError
from plumbline.observability.clock import SystemClock
from plumbline.observability.exposure import expose_metrics
from plumbline.observability.logging import configure_logging
from plumbline.observability.tracing import TracedDeliveries, Tracing, open_tracing
from plumbline.pipeline.outbox import Delivery, DeliveryObserver, Dispatcher
from plumbline.settings import Settings
from plumbline.site_policy import site_policy
from plumbline.stopping import Stop
from plumbline.worklist.following import Follower
from services.dispatcher.destinations import Surroundings, build_destination

POLL_S = 0.5
"""How often the outbox is asked for what is due; it bounds how late a result goes out."""

HEARTBEAT_NAME, HEARTBEAT_S = "dispatcher-alive", 60.0
"""File in the data folder that is touched so often, for whoever watches the process."""

ATTEMPTS = Counter(
    "plumbline_deliveries", "Attempts to deliver, by destination and outcome.", ["destination", "outcome"]
)


class LoggingDeliveryObserver:
    """Logs and counts; neither names a patient."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("plumbline.dispatcher")

    def started(self, delivery: Delivery) -> None:
        """See ``DeliveryObserver.started``."""

    def delivered(self, delivery: Delivery) -> None:
        """See ``DeliveryObserver.delivered``."""
        ATTEMPTS.labels(delivery.destination, "sent").inc()
        self._log.info("delivered", **_words(delivery))

    def not_delivered(self, delivery: Delivery, sentence: str, *, is_dead: bool) -> None:
        """See ``DeliveryObserver.not_delivered``."""
        ATTEMPTS.labels(delivery.destination, "dead" if is_dead else "failed").inc()
        tell = self._log.error if is_dead else self._log.warning
        tell("given up" if is_dead else "not delivered", reason=sentence, **_words(delivery))


def _words(delivery: Delivery) -> dict[str, object]:
    return {
        "destination": delivery.destination,
        "kind": delivery.kind.value,
        "study_instance_uid": delivery.study_instance_uid,
        "revision": delivery.revision,
        "attempt": delivery.attempts,
    }


def build_dispatchers(settings: Settings, tracing: Tracing | None = None) -> list[Dispatcher]:
    """A dispatcher for each destination of the settings; raise ``Misconfigured`` where one cannot be made."""
    site_policy(settings)  # names in routing rules that are wrong are told at start
    store, clock = open_store(settings.store_url), SystemClock()
    commitments = AwaitedCommitments()
    worklist = DatabaseWorkitems(store, clock)
    follower = Follower(worklist, DatabaseReaders(store, clock), clock.now)
    around = Surroundings(settings.listener.ae_title, clock, worklist, commitments, follower)
    outbox, results = DatabaseOutbox(store, clock), DatabaseResults(store, clock)
    observer: DeliveryObserver = LoggingDeliveryObserver()
    if tracing is not None:
        observer = TracedDeliveries(observer, tracing, clock)
    if settings.commitment_reports_port is not None:
        ReportListener(
            settings.listener.ae_title, settings.listener.host, settings.commitment_reports_port, commitments
        )
    return [
        Dispatcher(
            name=each.name,
            destination=build_destination(each, around),
            outbox=outbox,
            objects_of=results.objects,
            clock=clock,
            holder=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            observer=observer,
        )
        for each in settings.destinations
    ]


def serve(settings: Settings) -> None:
    """Deliver until SIGTERM or SIGINT; what is under way is finished first."""
    configure_logging(settings.log_level, process="dispatcher")
    expose_metrics(settings.metrics.host, settings.metrics.port)
    tracing = open_tracing(settings.tracing, process="dispatcher")
    asked, stopping = Stop(), threading.Event()
    asked.on(signal.SIGTERM, signal.SIGINT)
    threads = [
        threading.Thread(target=deliver_until, args=(dispatcher, stopping), name=dispatcher.name, daemon=True)
        for dispatcher in build_dispatchers(settings, tracing)
    ]
    for thread in threads:
        thread.start()
    alive = settings.data_dir / HEARTBEAT_NAME
    alive.parent.mkdir(parents=True, exist_ok=True)
    while not asked.is_set:
        alive.touch()
        _rest(HEARTBEAT_S, asked)
    stopping.set()
    for thread in threads:
        thread.join()
    if tracing is not None:
        tracing.stop()


def _rest(seconds: float, asked: Stop) -> None:
    """Wait, but not for long once the process was asked to end."""
    until = time.monotonic() + seconds
    while not asked.is_set and time.monotonic() < until:
        time.sleep(POLL_S)


def deliver_until(dispatcher: Dispatcher, stopping: threading.Event) -> None:
    """Deliver what is due to one destination until asked to stop; wait where the store is away."""
    while not stopping.is_set():
        with suppress(PlumblineError):
            while not stopping.is_set() and dispatcher.deliver_next():
                pass
        stopping.wait(POLL_S)
