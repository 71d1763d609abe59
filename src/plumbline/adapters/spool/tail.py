"""The journal as the indexer reads it (port ``Arrivals``): new records, and what crashed writers left."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from plumbline.adapters.spool.memory import page_aligned
from plumbline.adapters.spool.record import (
    FIRST_RECORD,
    HEADER_LENGTH,
    TRAILER_LENGTH,
    JournalRecord,
    checksum,
    decode_header,
    is_trailer,
)
from plumbline.adapters.spool.segment import (
    NEW_SUFFIX,
    PARTIAL_SUFFIX,
    PREPARED_SUFFIX,
    SUFFIX,
    SegmentReader,
    is_abandoned,
    seal_abandoned,
    sync_directory,
)
from plumbline.pipeline.receive import Arrival, Refusal

WINDOW_BYTES = 16 << 20
"""How much of a segment is read at once."""

UNNAMED_AFTER_S = 3600.0
"""Age at which a file that never got its name is taken for the leftover of a crash."""


class _Window:
    """A stretch of one segment in memory, of which everything is on the disk."""

    def __init__(self) -> None:
        self._memory = page_aligned(WINDOW_BYTES)
        self._segment = ""
        self._start = 0
        self._data = self._memory[:0]

    def read(self, path: Path, segment: str, start: int) -> None:
        """Look at what the segment has from ``start`` on."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            length = os.preadv(descriptor, [self._memory], start)
            os.fdatasync(descriptor)  # what was just read may still be on its way there
        finally:
            os.close(descriptor)
        self._segment, self._start, self._data = segment, start, self._memory[:length]

    def records(self) -> Iterator[tuple[JournalRecord, bool]]:
        """Records that lie in it to their end, and whether their datasets are as they were received."""
        at = 0
        while True:
            header = self._data[at : at + HEADER_LENGTH]
            record = decode_header(header, segment=self._segment, offset=self._start + at)
            if record is None:
                return
            trailer_at = at + HEADER_LENGTH + record.location.length
            if not is_trailer(self._data[trailer_at : trailer_at + TRAILER_LENGTH], header):
                return
            yield record, checksum(self.dataset(record)) == record.dataset_checksum
            at = record.end - self._start

    def holds(self, arrival: Arrival) -> bool:
        """Whether the dataset lies in it."""
        where = arrival.location
        return (
            where.segment == self._segment
            and where.offset >= self._start
            and where.offset + where.length <= self._start + len(self._data)
        )

    def dataset(self, arrival: Arrival) -> memoryview:
        """Dataset bytes, until the next look."""
        start = arrival.location.offset - self._start
        return self._data[start : start + arrival.location.length]


class JournalTail:
    """Ports ``Arrivals`` and ``Segments``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._window = _Window()

    def segments(self) -> list[str]:
        """See ``Arrivals.segments``."""
        with os.scandir(self._directory) as entries:
            return sorted(e.name.removesuffix(SUFFIX) for e in entries if e.name.endswith(SUFFIX))

    def after(self, segment: str, offset: int, limit: int) -> Sequence[Arrival]:
        """See ``Arrivals.after``. What it returns was flushed, even where its writer was not yet so far."""
        path, offset = self._path(segment), max(offset, FIRST_RECORD)
        self._window.read(path, segment, offset)
        with SegmentReader(path) as reader:
            found = self._in_window(path, limit) or self._too_large_for_window(reader, offset)
            if found:
                reader.sync()
            return found

    def _in_window(self, path: Path, limit: int) -> list[Arrival]:
        found: list[Arrival] = []
        for record, is_intact in self._window.records():
            if len(found) == limit:
                break
            if not is_intact and not is_abandoned(path):
                break  # it is on its way to the disk
            found.append(record if is_intact else _damaged(record))
        return found

    def _too_large_for_window(self, reader: SegmentReader, offset: int) -> list[Arrival]:
        record = reader.record_at(offset)
        if record is None or self._window.holds(record) or not reader.is_intact(record):
            return []
        return [record]

    def is_finished(self, segment: str, offset: int) -> bool:
        """See ``Arrivals.is_finished``. Cuts and seals a segment whose writer died."""
        offset = max(offset, FIRST_RECORD)
        with self._reader(segment) as reader:
            if reader.is_sealed_at(offset):
                return True
            if seal_abandoned(self._path(segment)) is None:
                return False
            return reader.is_sealed_at(offset)

    @contextmanager
    def dataset(self, arrival: Arrival) -> Iterator[memoryview]:
        """See ``Arrivals.dataset``."""
        if self._window.holds(arrival):
            yield self._window.dataset(arrival)
            return
        with self._reader(arrival.location.segment) as reader, reader.dataset(arrival) as view:
            yield view

    def remove(self, segment: str) -> int:
        """See ``Segments.remove``."""
        path = self._path(segment)
        size = path.stat().st_size
        path.unlink()
        sync_directory(self._directory)
        return size

    def sweep(self) -> int:
        """Remove what cut associations and crashed writers left of large instances; returns how many."""
        swept = 0
        for suffix in (PARTIAL_SUFFIX, PREPARED_SUFFIX):
            for path in self._directory.glob(f"*{suffix}"):
                swept += _remove_unless_locked(path)
        for path in self._directory.glob(f"*{NEW_SUFFIX}"):
            if time.time() - path.stat().st_mtime > UNNAMED_AFTER_S:
                swept += _remove_unless_locked(path)
        return swept

    def _reader(self, segment: str) -> SegmentReader:
        return SegmentReader(self._path(segment))

    def _path(self, segment: str) -> Path:
        return self._directory / f"{segment}{SUFFIX}"


def _damaged(record: Arrival) -> Arrival:
    return replace(record, label=replace(record.label, refusal=Refusal.DAMAGED.value))


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
