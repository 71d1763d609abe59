"""One receiver: the DICOM listener on the spool, in this process."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from multiprocessing.connection import wait

import structlog

from plumbline.adapters.database.commitments import DatabaseCommitments
from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.dimse.places import SharedPlaces
from plumbline.adapters.dimse.storage_commitment import CommitmentScp
from plumbline.adapters.dimse.ups_events import told_by_association
from plumbline.adapters.dimse.ups_scp import UpsScp
from plumbline.adapters.dimse.ups_watch import EventReceiver
from plumbline.adapters.spool import Journal
from plumbline.destination_settings import WorkitemDestination
from plumbline.observability.clock import SystemClock
from plumbline.observability.logging import configure_logging
from plumbline.settings import Settings
from plumbline.stopping import Stop
from plumbline.worklist.following import Follower
from services.dicom_listener.observer import LoggingListenerObserver

STOP_NOTICED_WITHIN_S = 0.5
PLACES_NAME = "associations.places"
"""File in the spool's folder by whose locks the receivers count their associations together."""


class Receiver:
    """The listener with its own segments of the journal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.listener
        self._journal = Journal(settings.spool_dir, segment_bytes=settings.listener.segment_bytes, prepares=True)
        observer = LoggingListenerObserver(
            self._journal.free_bytes, {peer.ae_title.strip() for peer in settings.listener.peers}
        )
        # Receiving needs the disk and nothing else: the store is asked only when a commitment is.
        store = Store(create_store_engine(settings.store_url))
        self._listener = Listener(
            settings.listener,
            self._journal,
            observer,
            places=SharedPlaces(settings.spool_dir / PLACES_NAME, settings.listener.maximum_associations),
            commitments=CommitmentScp(DatabaseCommitments(store), SystemClock().now),
            steps=_steps(settings, store),
            reports=_reports(settings, store),
        )

    def start(self) -> None:
        """Listen. Raises ``Misconfigured`` where the port cannot be had."""
        gc.freeze()  # the libraries stay: looking through them for garbage takes longer than hundreds of instances
        self._listener.start()
        log = structlog.get_logger("plumbline.listener")
        log.info("listening", ae_title=self._settings.ae_title, host=self._settings.host, port=self._listener.port)

    def stop(self) -> None:
        """Let associations finish, then seal what was written."""
        self._listener.stop()
        self._journal.close()


def _steps(settings: Settings, store: Store) -> UpsScp:
    """Workitems over DICOM, on the same worklist as UPS-RS."""
    told = frozenset(peer.ae_title.strip() for peer in told_by_association(settings.listener))
    clock = SystemClock()
    return UpsScp(DatabaseWorkitems(store, clock), DatabaseSubscriptions(store, clock), told.__contains__)


def _reports(settings: Settings, store: Store) -> EventReceiver | None:
    """What becomes of readings at the managers that are followed; None where there are none."""
    managers = {
        each.ae_title.strip()
        for each in settings.destinations
        if isinstance(each, WorkitemDestination) and each.is_followed
    }
    clock = SystemClock()
    follower = Follower(DatabaseWorkitems(store, clock), DatabaseReaders(store, clock), clock.now)
    return EventReceiver(follower, managers) if managers else None


def run_receiver(settings: Settings) -> None:
    """Receive in a process of its own, until SIGTERM or until the parent process is gone."""
    configure_logging(settings.log_level, process="receiver")
    stopping = Stop()
    stopping.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    receiver = Receiver(settings)
    receiver.start()
    while not stopping.is_set:
        if parent is not None and wait([parent.sentinel], timeout=STOP_NOTICED_WITHIN_S):
            break
    receiver.stop()
