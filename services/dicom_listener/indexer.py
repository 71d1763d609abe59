"""The indexer: a process beside the receivers that brings the journal into the ledger as it grows."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import structlog

from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.retention import DatabaseRetention
from plumbline.adapters.dimse.header import read_header
from plumbline.adapters.dimse.storage import takes_class
from plumbline.adapters.spool import JournalTail
from plumbline.errors import Unavailable
from plumbline.observability.logging import configure_logging
from plumbline.pipeline.receive import BATCH, Ledger
from plumbline.pipeline.retention import Reclaimer
from plumbline.settings import ListenerSettings, Settings
from plumbline.stopping import Stop
from services.dicom_listener.observer import count_taken_in

POLL_S = 0.1
"""Wait between two looks at the journal; with the time of one batch it bounds how soon an instance is readable.

A shorter one makes more and smaller transactions, on the cores and the disk that the receivers need."""
UPKEEP_EVERY_S = 60.0
NICENESS = 5
"""Senders are answered first; the ledger follows as soon as there is a core for it."""
HELPERS = 2
"""Threads for the digests of large instances, which one core cannot make as fast as the receivers take them in."""
RETRY_S = 1.0
LOCK_NAME = "indexer.lock"


def run_indexer(settings: Settings) -> None:
    """Index until SIGTERM, or until the parent process is gone; then what is there is finished first."""
    configure_logging(settings.log_level, process="indexer")
    stop = Stop()
    stop.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _give_way()
    tail = JournalTail(settings.spool_dir)
    with _only_one(settings.spool_dir, stop):
        if not stop.is_set:
            with ThreadPoolExecutor(HELPERS) as helpers:
                _index(settings, tail, helpers, stop)


def _index(settings: Settings, tail: JournalTail, helpers: Executor, stop: Stop) -> None:
    log = structlog.get_logger("plumbline.indexer")
    work = None
    while True:
        is_last_pass = stop.is_set
        pause_s = POLL_S
        try:
            work = work or _Work(tail, open_store(settings.store_url), helpers, settings.listener)
            work.keep_up()
            taken = work.ledger.take_in()
            count_taken_in(taken)
            if taken.entries:
                log.info("indexed", **taken.outcomes)
            if taken.entries >= BATCH or (taken.entries and is_last_pass):
                continue
        except Unavailable as error:
            log.error("the ledger is away", sentence=str(error))
            work, pause_s = None, RETRY_S
        if is_last_pass or _pause(pause_s):
            return


class _Work:
    """What the indexer does while the store answers: the ledger, and from time to time the spool's upkeep."""

    def __init__(self, tail: JournalTail, store: Store, helpers: Executor, settings: ListenerSettings) -> None:
        taken = partial(takes_class, accept_unknown=settings.accept_unknown_storage)
        self.ledger = Ledger(tail, DatabaseInstanceIndex(store), read_header, helpers, takes_class=taken)
        self._tail = tail
        self._reclaimer = Reclaimer(tail, DatabaseRetention(store))
        self._kept_up_at = -UPKEEP_EVERY_S

    def keep_up(self) -> None:
        """Remove what crashes left behind and segments that nothing points to any more, when it is time."""
        if time.monotonic() - self._kept_up_at < UPKEEP_EVERY_S:
            return
        self._kept_up_at = time.monotonic()
        self._tail.sweep()
        given_back = self._reclaimer.reclaim()
        if given_back:
            structlog.get_logger("plumbline.indexer").info("room given back", bytes=given_back)


def _give_way() -> None:
    """Let the receivers have a core whenever they want one."""
    os.nice(NICENESS)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _pause(seconds: float) -> bool:
    """Wait; true when the parent process has ended meanwhile."""
    parent = multiprocessing.parent_process()
    if parent is None:
        time.sleep(seconds)
        return False
    return bool(wait([parent.sentinel], timeout=seconds))


@contextmanager
def _only_one(directory: Path, stop: Stop) -> Iterator[None]:
    """Hold the lock of the spool's one indexer; whoever comes second stands by."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        while not stop.is_set:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if _pause(RETRY_S):
                    stop.is_set = True
        yield
    finally:
        os.close(descriptor)
