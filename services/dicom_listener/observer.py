"""Logs and metrics of the listener, by calling AE Title; no patient data."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge, Histogram

from plumbline.pipeline.receive import Label, TakenIn

UNKNOWN = "unknown"
"""Sender, in the metrics, of whoever is not among the peers."""
_BLOCK_BYTES = 512
"""Unit of ``st_blocks`` (stat(2))."""
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

INSTANCES = Counter("plumbline_listener_instances", "Instances answered, by DIMSE status.", ["sender", "status"])
BYTES = Counter("plumbline_listener_bytes", "Bytes of the datasets answered.", ["sender"])
STORE_SECONDS = Histogram(
    "plumbline_listener_instance_seconds",
    "From the last byte of an instance to its answer.",
    ["sender"],
    buckets=SECONDS,
)
ASSOCIATIONS = Counter("plumbline_listener_associations", "Associations accepted.", ["sender"])
OPEN = Gauge("plumbline_listener_open_associations", "Associations open now.", ["sender"], multiprocess_mode="livesum")
REJECTED = Counter("plumbline_listener_rejected_associations", "Associations not accepted.", ["sender", "reason"])
SET_ASIDE = Counter("plumbline_listener_quarantined", "Instances set aside in quarantine.", ["sender", "reason"])
SPOOL_FREE = Gauge(
    "plumbline_listener_spool_free_bytes", "Room on the disk of the spool.", multiprocess_mode="mostrecent"
)
SPOOL_USED = Gauge("plumbline_listener_spool_used_bytes", "Bytes in the spool.", multiprocess_mode="mostrecent")
INDEXED = Counter("plumbline_listener_indexed", "Journal entries brought into the ledger, by outcome.", ["outcome"])


class LoggingListenerObserver:
    """``ListenerObserver`` that logs and counts.

    Parameters
    ----------
    known
        AE Titles that may call. All others are one sender in the metrics, so that nobody can make them grow.
    """

    def __init__(self, free_bytes: Callable[[], int], known: Collection[str]) -> None:
        self._log = structlog.get_logger("plumbline.listener")
        self._free_bytes = free_bytes
        self._known = frozenset(known)
        SPOOL_FREE.set(free_bytes())

    def opened(self, sender: str) -> None:
        """See ``ListenerObserver.opened``."""
        SPOOL_FREE.set(self._free_bytes())
        ASSOCIATIONS.labels(self._named(sender)).inc()
        OPEN.labels(self._named(sender)).inc()
        self._log.info("association accepted", sender=sender)

    def closed(self, sender: str) -> None:
        """See ``ListenerObserver.closed``."""
        OPEN.labels(self._named(sender)).dec()
        self._log.info("association ended", sender=sender)

    def rejected(self, sender: str, address: str, reason: str) -> None:
        """See ``ListenerObserver.rejected``."""
        REJECTED.labels(self._named(sender), reason).inc()
        self._log.warning("association rejected", sender=sender, address=address, reason=reason)

    def stored(self, label: Label, length: int, status: int, seconds: float) -> None:
        """See ``ListenerObserver.stored``."""
        instances, received, took = _counters_of(self._named(label.sender), status)
        instances.inc()
        received.inc(length)
        took.observe(seconds)
        if status:
            self._log.warning(
                "instance refused", sender=label.sender, sop_instance_uid=label.sop_instance_uid, status=f"{status:04X}"
            )

    def _named(self, sender: str) -> str:
        return sender if sender in self._known else UNKNOWN


@lru_cache(maxsize=1024)
def _counters_of(sender: str, status: int) -> tuple[Counter, Counter, Histogram]:
    """The counters of a sender and a status: finding them by their labels takes longer than counting."""
    return INSTANCES.labels(sender, f"{status:04X}"), BYTES.labels(sender), STORE_SECONDS.labels(sender)


def count_taken_in(taken: TakenIn) -> None:
    """Count what a pass of the indexer came to."""
    for outcome, count in taken.outcomes.items():
        INDEXED.labels(outcome).inc(count)
    for (sender, reason), count in taken.set_aside.items():
        SET_ASIDE.labels(sender, reason).inc(count)


def count_spool(directory: Path) -> None:
    """Say how much the spool holds, and how much room there is on its disk."""
    used = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # given back meanwhile
                used += entry.stat().st_blocks * _BLOCK_BYTES
    SPOOL_USED.set(used)
    disk = os.statvfs(directory)
    SPOOL_FREE.set(disk.f_bavail * disk.f_frsize)
