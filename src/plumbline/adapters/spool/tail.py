"""The journal as the indexer reads it (port ``Arrivals``): new records, and what crashed writers left."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from plumbline.adapters.spool.record import FIRST_RECORD
from plumbline.adapters.spool.segment import NEW_SUFFIX, PARTIAL_SUFFIX, SUFFIX, SegmentReader, seal_abandoned
from plumbline.pipeline.receive import Arrival

UNNAMED_AFTER_S = 3600.0
"""Age at which a file that never got its name is taken for the leftover of a crash."""


class JournalTail:
    """Port ``Arrivals``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def segments(self) -> list[str]:
        """See ``Arrivals.segments``."""
        with os.scandir(self._directory) as entries:
            return sorted(e.name.removesuffix(SUFFIX) for e in entries if e.name.endswith(SUFFIX))

    def after(self, segment: str, offset: int, limit: int) -> Sequence[Arrival]:
        """See ``Arrivals.after``. What it returns was flushed, even where its writer was not yet so far."""
        with self._reader(segment) as reader:
            records = list(islice(reader.records(max(offset, FIRST_RECORD)), limit))
            if records:
                reader.sync()
            return records

    def is_finished(self, segment: str, offset: int) -> bool:
        """See ``Arrivals.is_finished``. Cuts and seals a segment whose writer died."""
        offset = max(offset, FIRST_RECORD)
        with self._reader(segment) as reader:
            if reader.is_sealed_at(offset):
                return True
            if seal_abandoned(self._directory / f"{segment}{SUFFIX}") is None:
                return False
            return reader.is_sealed_at(offset)

    @contextmanager
    def dataset(self, arrival: Arrival) -> Iterator[memoryview]:
        """See ``Arrivals.dataset``."""
        with self._reader(arrival.location.segment) as reader, reader.dataset(arrival) as view:
            yield view

    def sweep(self) -> int:
        """Remove what cut associations and crashed writers left of large instances; returns how many."""
        swept = 0
        for path in self._directory.glob(f"*{PARTIAL_SUFFIX}"):
            swept += _remove_unless_locked(path)
        for path in self._directory.glob(f"*{NEW_SUFFIX}"):
            if time.time() - path.stat().st_mtime > UNNAMED_AFTER_S:
                swept += _remove_unless_locked(path)
        return swept

    def _reader(self, segment: str) -> SegmentReader:
        return SegmentReader(self._directory / f"{segment}{SUFFIX}")


def _remove_unless_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
