"""The process that reports the events of workitems to subscribers over DICOM, one thread for each subscriber."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

import structlog

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.subscriptions import DatabaseSubscriptions
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dimse.ups_events import EventSender, NotOurTurn, told_by_association
from plumbline.errors import PlumblineError
from plumbline.observability.clock import SystemClock
from plumbline.observability.logging import configure_logging
from plumbline.settings import Settings
from plumbline.stopping import Stop

POLL_S = 0.05
"""How often the store is asked whether anything changed; it bounds how soon a subscriber hears of it."""
TURN_AGAIN_S = 2.0
"""How soon it is asked again whether another process still tells the subscriber."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
STOP_NOTICED_WITHIN_S = 0.5


class Telling:
    """Tells one subscriber, and waits longer each time that it is away."""

    def __init__(self, sender: EventSender, change_number: Callable[[], int], stopping: threading.Event) -> None:
        self._sender = sender
        self._change_number = change_number
        self._stopping = stopping
        self._log = structlog.get_logger("plumbline.ups")

    def run(self) -> None:
        """Tell events until the process is asked to end."""
        looked_at, retry_s = -1, FIRST_RETRY_S
        while not self._stopping.wait(POLL_S):
            try:
                number = self._change_number()
                if number == looked_at:
                    continue
                while self._sender.tell_waiting():
                    retry_s = FIRST_RETRY_S
                looked_at = number
            except NotOurTurn:
                self._stopping.wait(TURN_AGAIN_S)
            except PlumblineError as error:
                self._log.warning(
                    "events wait", subscriber=self._sender.receiving_ae, reason=str(error), again_in_s=retry_s
                )
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        with suppress(PlumblineError):  # a turn that cannot be given up ends by itself
            self._sender.give_up_turn()


def has_subscribers(settings: Settings) -> bool:
    """Whether there is anybody to whom events could be sent."""
    return bool(told_by_association(settings.listener))


def run_ups_events(settings: Settings) -> None:
    """Tell until SIGTERM, or until the parent process is gone."""
    configure_logging(settings.log_level, process="ups-events")
    asked, stopping = Stop(), threading.Event()
    asked.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    store, clock = open_store(settings.store_url), SystemClock()
    subscriptions, worklist = DatabaseSubscriptions(store, clock), DatabaseWorkitems(store, clock)
    threads = [
        threading.Thread(target=Telling(sender, worklist.change_number, stopping).run, name=sender.receiving_ae)
        for sender in (
            EventSender(settings.listener, peer, subscriptions, clock.now)
            for peer in told_by_association(settings.listener)
        )
    ]
    for thread in threads:
        thread.start()
    parent = multiprocessing.parent_process()
    while not asked.is_set:
        if parent is None:
            time.sleep(STOP_NOTICED_WITHIN_S)
        elif wait([parent.sentinel], timeout=STOP_NOTICED_WITHIN_S):
            break
    stopping.set()
    for thread in threads:
        thread.join()
    store.engine.dispose()
