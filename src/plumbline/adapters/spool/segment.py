"""One file of the journal: written by one process, read by any, cut at its last whole record after a crash.

The writer holds an exclusive ``flock`` for as long as it may write, so that an unlocked, unsealed segment
is one whose writer died.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.adapters.spool.record import (
    BLOCK,
    FIRST_RECORD,
    HEADER_LENGTH,
    SEAL,
    SEGMENT_MAGIC,
    TRAILER_LENGTH,
    Checksum,
    JournalRecord,
    decode_header,
    is_trailer,
)
from plumbline.pipeline.receive import Arrival, Bytes

SUFFIX = ".segment"
PARTIAL_SUFFIX = ".partial"
"""A large instance that is still coming in; it becomes a segment when it is whole."""
NEW_SUFFIX = ".new"
PREPARED_SUFFIX = ".prepared"
"""A file of zeros that is to become a segment."""
_CHUNK = 1 << 20


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_locked(path: Path, flags: int = 0) -> int:
    """Create a file and hold its writer's lock; returns the descriptor.

    It gets its name only when it is locked, so that nobody takes it for an abandoned one.
    """
    unnamed = path.with_suffix(NEW_SUFFIX)
    flags |= os.O_RDWR | os.O_CREAT | os.O_EXCL
    descriptor = os.open(unnamed, flags | os.O_CLOEXEC, 0o640)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(path)
    return descriptor


def write_all(descriptor: int, parts: list[Bytes], offset: int) -> int:
    """Write buffers one after another at an offset, however often the kernel stops early; returns the end."""
    views = [memoryview(part).cast("B") for part in parts]
    while views:
        written = os.pwritev(descriptor, views, offset)
        offset += written
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views:
            views[0] = views[0][written:]
    return offset


class SegmentReader:
    """Reads the whole records of one segment; never sees half of one."""

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(SUFFIX)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record_at(self, offset: int) -> JournalRecord | None:
        """The record that begins at ``offset``; None where there is none, or not yet one with its trailer.

        Whether its dataset is whole, ``is_intact`` tells.
        """
        header = os.pread(self._descriptor, HEADER_LENGTH, offset)
        record = decode_header(header, segment=self.name, offset=offset)
        if record is None:
            return None
        trailer = os.pread(self._descriptor, TRAILER_LENGTH, record.location.offset + record.location.length)
        return record if is_trailer(trailer, header) else None

    def records(self, offset: int = FIRST_RECORD) -> Iterator[JournalRecord]:
        """Records from ``offset`` on, as far as there are any now."""
        while (record := self.record_at(offset)) is not None:
            yield record
            offset = record.end

    def is_sealed_at(self, offset: int) -> bool:
        """Whether nothing will ever follow at ``offset``."""
        return os.pread(self._descriptor, len(SEAL), offset) == SEAL

    def sync(self) -> None:
        """Make everything written so far durable, whoever wrote it."""
        os.fdatasync(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the segment; fewer where it ends."""
        data = os.pread(self._descriptor, length, offset)
        while 0 < len(data) < length:  # the kernel hands out at most 2 GiB at once
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    @contextmanager
    def dataset(self, record: Arrival) -> Iterator[memoryview]:
        """Dataset of a whole record, mapped, not copied."""
        start = record.location.offset
        if record.location.length == 0:
            yield memoryview(b"")
            return
        aligned = start - start % mmap.ALLOCATIONGRANULARITY
        length = start - aligned + record.location.length
        with mmap.mmap(self._descriptor, length, prot=mmap.PROT_READ, offset=aligned) as mapped:
            view = memoryview(mapped)[start - aligned :]
            try:
                yield view
            finally:
                view.release()

    def is_intact(self, record: JournalRecord) -> bool:
        """Whether the dataset bytes of a record still have the checksum they were received with."""
        summed, position = Checksum(), record.location.offset
        end = position + record.location.length
        while position < end:
            piece = os.pread(self._descriptor, min(_CHUNK, end - position), position)
            if not piece:
                return False
            summed.add(piece)
            position += len(piece)
        return summed.value() == record.dataset_checksum


def is_abandoned(path: Path) -> bool:
    """Whether nobody writes this segment any more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def seal_abandoned(path: Path) -> int | None:
    """Cut a segment whose writer died behind its last intact record, and seal it.

    Returns
    -------
    int or None
        How many bytes were cut off; None where the segment is being written or is sealed already.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return _cut_and_seal(path, descriptor)
    finally:
        os.close(descriptor)


def _cut_and_seal(path: Path, descriptor: int) -> int | None:
    end = last = FIRST_RECORD
    with SegmentReader(path) as reader:
        for record in reader.records():
            last = record.end
            if reader.is_intact(record):
                end = record.end  # damage in the middle does not take away what follows it
        if reader.is_sealed_at(last):
            return None
    size = os.fstat(descriptor).st_size
    os.ftruncate(descriptor, min(end, size))
    write_all(descriptor, [SEGMENT_MAGIC], 0)
    write_all(descriptor, [SEAL.ljust(BLOCK, b"\0")], end)
    os.fsync(descriptor)
    return max(size - end, 0)
