"""The journal that a process appends to: durable when it answers, one flush for all that wait (port ``Spool``).

What it must not do: look into a dataset, or forget a byte of one.
"""

from __future__ import annotations

import mmap
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from plumbline.adapters.spool.memory import RecordMemory
from plumbline.adapters.spool.prepared import Preparation
from plumbline.adapters.spool.record import (
    BLOCK,
    FIRST_RECORD,
    HEADER_LENGTH,
    SEAL,
    SEGMENT_MAGIC,
    Checksum,
    encode_header,
    encode_trailer,
    record_length,
)
from plumbline.adapters.spool.segment import (
    PARTIAL_SUFFIX,
    SUFFIX,
    SegmentReader,
    create_locked,
    sync_directory,
    write_all,
)
from plumbline.adapters.spool.writer import DISK_IS_FULL, SegmentWriter
from plumbline.errors import InvalidInput, OutOfCapacity, Unavailable
from plumbline.pipeline.ports import Location
from plumbline.pipeline.receive import Bytes, Label

SEGMENT_BYTES = 256 << 20
FREE_BYTES_HOLD_S = 0.05
"""How long an answer about the room on the disk is good for; asking takes as long as receiving a small instance."""


def new_segment_name() -> str:
    """Name of a segment: sorts by the time of its creation, unique among processes."""
    return f"{time.time_ns():016x}-{secrets.token_hex(4)}"


def _as_error(error: OSError) -> OutOfCapacity | Unavailable:
    if error.errno in DISK_IS_FULL:
        return OutOfCapacity("the disk of the spool is full", remedy="Free space or give the spool a larger disk")
    return Unavailable(f"the spool cannot be written ({error.strerror})")


class LargeInstance:
    """An instance too large for a buffer: written as it comes in, into a segment of its own.

    Nobody sees it before ``finish``; ``abandon`` leaves nothing behind.
    """

    def __init__(self, directory: Path, label: Label) -> None:
        self._directory = directory
        self._label = label
        self._name = new_segment_name()
        self._path = directory / f"{self._name}{PARTIAL_SUFFIX}"
        self._descriptor = create_locked(self._path)
        self._dataset_at = FIRST_RECORD + HEADER_LENGTH
        self._checksum = Checksum()
        self.length = 0

    def write(self, piece: Bytes) -> None:
        """Append bytes of the dataset."""
        view = memoryview(piece).cast("B")
        try:
            write_all(self._descriptor, [view], self._dataset_at + self.length)
        except OSError as error:
            raise _as_error(error) from error
        self._checksum.add(view)
        self.length += len(view)

    @contextmanager
    def dataset(self) -> Iterator[memoryview]:
        """The dataset as far as it was written, mapped, not copied."""
        if self.length == 0:
            yield memoryview(b"")
            return
        length = self._dataset_at + self.length
        with (
            mmap.mmap(self._descriptor, length, prot=mmap.PROT_READ) as mapped,
            memoryview(mapped) as whole,
            whole[self._dataset_at :] as view,
        ):
            yield view

    def finish(self, label: Label | None = None) -> Location:
        """Make it a durable record. ``label`` replaces the first one where a refusal became known."""
        label = label or self._label
        try:
            return self._finish(label)
        except OSError as error:
            self.abandon()
            raise _as_error(error) from error

    def _finish(self, label: Label) -> Location:
        header = encode_header(label, self.length, self._checksum.value())
        end = FIRST_RECORD + record_length(self.length)
        write_all(self._descriptor, [encode_trailer(header)], self._dataset_at + self.length)
        os.ftruncate(self._descriptor, end)
        write_all(self._descriptor, [SEAL.ljust(BLOCK, b"\0")], end)
        write_all(self._descriptor, [SEGMENT_MAGIC.ljust(FIRST_RECORD, b"\0"), header], 0)
        os.fsync(self._descriptor)
        self._path.rename(self._directory / f"{self._name}{SUFFIX}")
        sync_directory(self._directory)
        os.close(self._descriptor)
        return Location(self._name, self._dataset_at, self.length)

    def abandon(self) -> None:
        """Remove what was written."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Journal:
    """Port ``Spool``: appends for this process, reads what any process appended.

    A process (also a forked one) writes segments of its own, opened with its first record. With
    ``prepares`` the next segment's file is always got ready beforehand, in a thread.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, prepares: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._writing = threading.Lock()
        self._segment: SegmentWriter | None = None
        self._process = os.getpid()
        self._preparation = Preparation(directory, segment_bytes) if prepares else None
        self._free_bytes = (0, -FREE_BYTES_HOLD_S)

    def memory(self, capacity: int) -> RecordMemory:
        """Memory to receive a dataset into that ``add`` then writes without a copy."""
        return RecordMemory(capacity)

    def add(self, label: Label, dataset: Bytes, memory: RecordMemory | None = None) -> Location:
        """Append one instance; durable when it returns.

        Parameters
        ----------
        memory
            The one in whose room the dataset lies from the start on, where it does.

        Raises
        ------
        OutOfCapacity
            The disk is full; nothing was kept.
        Unavailable
            The disk fails.
        """
        view = memoryview(dataset).cast("B")
        if memory is None:
            memory = RecordMemory(len(view))
            memory.room[:] = view
        try:
            segment, start = self._append(memory.record(label, len(view)))
        except OSError as error:
            raise _as_error(error) from error
        return Location(segment, start + HEADER_LENGTH, len(view))

    def _append(self, record: memoryview) -> tuple[str, int]:
        while True:
            with self._writing:
                segment = self._segment_for(len(record))
            start = segment.append(record)
            if start is not None:
                return segment.name, start

    def start_large(self, label: Label) -> LargeInstance:
        """Begin an instance that is written piece by piece."""
        try:
            return LargeInstance(self.directory, label)
        except OSError as error:
            raise _as_error(error) from error

    def append(
        self, dataset: bytes, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, sender: str
    ) -> Location:
        """See ``Spool.append``."""
        label = Label(sop_class_uid, sop_instance_uid, transfer_syntax_uid, sender, datetime.now(UTC))
        return self.add(label, dataset)

    def read(self, location: Location) -> bytes:
        """See ``Spool.read``. Raises ``InvalidInput`` where no such bytes are held."""
        with self._reader(location.segment) as reader:
            data = reader.read(location.offset, location.length)
        if len(data) != location.length:
            raise InvalidInput("the spool holds fewer bytes than were recorded", where=location.segment)
        return data

    def free_bytes(self) -> int:
        """Bytes that an ordinary process may still write to the spool's disk, and what is prepared for this one."""
        free_bytes, asked_at = self._free_bytes
        now = time.monotonic()
        if now - asked_at >= FREE_BYTES_HOLD_S:
            state = os.statvfs(self.directory)
            free_bytes = state.f_bavail * state.f_frsize + self._allocated_bytes()
            self._free_bytes = free_bytes, now
        return free_bytes

    def _allocated_bytes(self) -> int:
        """What this process has prepared for itself on the disk."""
        with self._writing:
            used = self._segment.allocated_bytes() if self._segment and not self._segment.is_broken else 0
            return used + (self._preparation.allocated_bytes if self._preparation else 0)

    def close(self) -> None:
        """Seal this process's segment."""
        with self._writing:
            if self._process == os.getpid():
                if self._preparation is not None:
                    self._preparation.close()
                if self._segment is not None:
                    self._segment.close()
            self._segment = self._preparation = None

    def _segment_for(self, length: int) -> SegmentWriter:
        if self._process != os.getpid():
            self._segment, self._preparation, self._process = None, None, os.getpid()
        if self._segment is not None and self._is_used_up(self._segment, length):
            self._segment, used_up = None, self._segment
            used_up.close()
        if self._segment is None:
            prepared = self._preparation.take() if self._preparation else None
            self._segment = SegmentWriter(self.directory, new_segment_name(), prepared)
        if self._preparation is not None:
            self._preparation.tell_busy()
        return self._segment

    def _is_used_up(self, segment: SegmentWriter, length: int) -> bool:
        return segment.is_broken or (segment.end > FIRST_RECORD and segment.end + length > self._segment_bytes)

    def _reader(self, name: str) -> SegmentReader:
        """Opened anew each time: a file that is kept open keeps its room on the disk after it was removed."""
        try:
            return SegmentReader(self.directory / f"{name}{SUFFIX}")
        except OSError as error:
            raise InvalidInput("the spool has no such segment", where=name) from error
