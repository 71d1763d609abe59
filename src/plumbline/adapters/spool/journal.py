"""The journal that a process appends to: durable when it answers, one flush for all that wait (port ``Spool``).

What it must not do: look into a dataset, or forget a byte of one.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from plumbline.adapters.spool.record import (
    FIRST_RECORD,
    LONGEST_HEADER,
    SEAL,
    SEGMENT_MAGIC,
    TRAILER_LENGTH,
    Checksum,
    checksum,
    encode_header,
    encode_trailer,
)
from plumbline.adapters.spool.segment import (
    PARTIAL_SUFFIX,
    SUFFIX,
    SegmentReader,
    create_locked,
    sync_directory,
    write_all,
)
from plumbline.errors import InvalidInput, OutOfCapacity, Unavailable
from plumbline.pipeline.ports import Location
from plumbline.pipeline.receive import Bytes, Label

SEGMENT_BYTES = 1 << 30
_OPEN_READERS = 64
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def new_segment_name() -> str:
    """Name of a segment: sorts by the time of its creation, unique among processes."""
    return f"{time.time_ns():016x}-{secrets.token_hex(4)}"


def _as_error(error: OSError) -> OutOfCapacity | Unavailable:
    if error.errno in _DISK_IS_FULL:
        return OutOfCapacity("the disk of the spool is full", remedy="Free space or give the spool a larger disk")
    return Unavailable(f"the spool cannot be written ({error.strerror})")


class _Segment:
    """A segment that this process writes, with one flush for all that wait for one."""

    def __init__(self, directory: Path) -> None:
        self.name = new_segment_name()
        self._descriptor = create_locked(directory / f"{self.name}{SUFFIX}")
        self._flushing = threading.Condition()
        self._is_flushing = False
        self._durable = 0
        self.end = write_all(self._descriptor, [SEGMENT_MAGIC], 0)
        self.is_broken = False
        os.fsync(self._descriptor)
        sync_directory(directory)

    def add(self, parts: list[Bytes]) -> int:
        """Append parts as one record; returns where it begins. Not durable yet."""
        start = self.end
        try:
            self.end = write_all(self._descriptor, parts, start)
        except OSError:
            self._cut_back(start)
            raise
        return start

    def _cut_back(self, end: int) -> None:
        try:
            os.ftruncate(self._descriptor, end)
        except OSError:
            self.is_broken = True  # half a record is its last; the journal goes on in a new segment

    def flush_to(self, end: int) -> None:
        """Return when everything before ``end`` is durable; whoever comes first flushes for all."""
        while True:
            with self._flushing:
                while self._is_flushing and self._durable < end:
                    self._flushing.wait()
                if self._durable >= end:
                    return
                if self.is_broken:
                    raise Unavailable("the spool cannot be written")
                self._is_flushing = True
            self._flush()

    def _flush(self) -> None:
        reached = self.end
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self.is_broken = True  # after a failed flush the kernel may have dropped the pages
            raise
        finally:
            with self._flushing:
                self._is_flushing = False
                if not self.is_broken:
                    self._durable = reached
                self._flushing.notify_all()

    def close(self) -> None:
        """Seal and let go; whatever was added must have been flushed."""
        if not self.is_broken:
            write_all(self._descriptor, [SEAL], self.end)
            os.fdatasync(self._descriptor)
        with self._flushing:
            while self._is_flushing:
                self._flushing.wait()
            self.is_broken = True
            os.close(self._descriptor)


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
        self._dataset_at = FIRST_RECORD + LONGEST_HEADER
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
        header = encode_header(label, self.length, self._checksum.value(), padded=True)
        end = write_all(self._descriptor, [encode_trailer(header), SEAL], self._dataset_at + self.length)
        os.ftruncate(self._descriptor, end)
        write_all(self._descriptor, [SEGMENT_MAGIC, header], 0)
        os.fsync(self._descriptor)
        self._path.rename(self._directory / f"{self._name}{SUFFIX}")
        sync_directory(self._directory)
        os.close(self._descriptor)
        return Location(self._name, self._dataset_at, self.length)

    def abandon(self) -> None:
        """Remove what was written."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _retire(segment: _Segment) -> None:
    if not segment.is_broken:
        segment.flush_to(segment.end)
    segment.close()


class Journal:
    """Port ``Spool``: appends for this process, reads what any process appended.

    A process (also a forked one) writes segments of its own, opened with its first record.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._writing = threading.Lock()
        self._segment: _Segment | None = None
        self._process = os.getpid()
        self._readers: OrderedDict[str, SegmentReader] = OrderedDict()
        self._reading = threading.Lock()

    def add(self, label: Label, dataset: Bytes) -> Location:
        """Append one instance; durable when it returns.

        Raises
        ------
        OutOfCapacity
            The disk is full; nothing was kept.
        Unavailable
            The disk fails.
        """
        view = memoryview(dataset).cast("B")
        header = encode_header(label, len(view), checksum(view))
        length = len(header) + len(view) + TRAILER_LENGTH
        try:
            with self._writing:
                segment = self._segment_for(length)
                start = segment.add([header, view, encode_trailer(header)])
            segment.flush_to(start + length)
        except OSError as error:
            raise _as_error(error) from error
        return Location(segment.name, start + len(header), len(view))

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
        with self._reading:
            data = self._reader(location.segment).read(location.offset, location.length)
        if len(data) != location.length:
            raise InvalidInput("the spool holds fewer bytes than were recorded", where=location.segment)
        return data

    def free_bytes(self) -> int:
        """Bytes that an ordinary process may still write to the spool's disk."""
        state = os.statvfs(self.directory)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """Seal this process's segment and close the files."""
        with self._writing:
            if self._segment is not None and self._process == os.getpid():
                _retire(self._segment)
            self._segment = None
        with self._reading:
            while self._readers:
                self._readers.popitem()[1].close()

    def _segment_for(self, length: int) -> _Segment:
        if self._process != os.getpid():
            self._segment, self._process = None, os.getpid()
        if self._segment is not None and self._is_used_up(self._segment, length):
            self._segment, used_up = None, self._segment
            _retire(used_up)
        if self._segment is None:
            self._segment = _Segment(self.directory)
        return self._segment

    def _is_used_up(self, segment: _Segment, length: int) -> bool:
        return segment.is_broken or (segment.end > FIRST_RECORD and segment.end + length > self._segment_bytes)

    def _reader(self, name: str) -> SegmentReader:
        reader = self._readers.get(name)
        if reader is None:
            try:
                reader = SegmentReader(self.directory / f"{name}{SUFFIX}")
            except OSError as error:
                raise InvalidInput("the spool has no such segment", where=name) from error
            self._readers[name] = reader
            if len(self._readers) > _OPEN_READERS:
                self._readers.popitem(last=False)[1].close()
        self._readers.move_to_end(name)
        return reader
