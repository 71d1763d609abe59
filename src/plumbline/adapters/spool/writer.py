"""The segment that this process appends to: one write to the disk for all records that wait for one.

Whoever comes while the disk is busy waits; the first of those who wait then writes for all of them. So
records are written in their order and the one that follows a record tells that it is whole.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from plumbline.adapters.spool.memory import page_aligned
from plumbline.adapters.spool.prepared import PreparedFile
from plumbline.adapters.spool.record import BLOCK, FIRST_RECORD, SEAL, SEGMENT_MAGIC
from plumbline.adapters.spool.segment import SUFFIX, create_locked, sync_directory, write_all

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A record on its way to the disk."""

    record: memoryview
    start: int = 0
    is_done: bool = False
    error: OSError | None = None
    woken: threading.Lock | None = None
    """Held while it waits; released when it is done, or when it is its turn to write."""


class SegmentWriter:
    """One segment file under its writer's lock.

    What it is given must be whole blocks in memory that begins at one.
    """

    def __init__(self, directory: Path, name: str, prepared: PreparedFile | None = None) -> None:
        self.name = name
        self.end = FIRST_RECORD
        self.is_broken = False
        self._is_closed = False
        self._turn = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._is_writing = False
        self._spare_block = page_aligned(BLOCK)
        path = directory / f"{name}{SUFFIX}"
        if prepared is None:
            self._descriptor = create_locked(path, os.O_DSYNC)
            self._write_block(SEGMENT_MAGIC, 0)
        else:
            self._descriptor = prepared.descriptor
            self._write_block(SEGMENT_MAGIC, 0)
            prepared.path.rename(path)
        sync_directory(directory)

    def allocated_bytes(self) -> int:
        """Room on the disk that it has and does not use yet."""
        return max(os.fstat(self._descriptor).st_size - self.end, 0)

    def append(self, record: memoryview) -> int | None:
        """Make a record durable; returns where it begins, None when the segment was closed before.

        Raises ``OSError`` when it cannot be written; nothing of it is left then.
        """
        mine = _Waiting(record)
        with self._turn:
            if self._is_closed:
                return None
            self._waiting.append(mine)
            if self._is_writing:
                mine.woken = threading.Lock()
                mine.woken.acquire()
            self._is_writing = True
        if mine.woken is not None:
            mine.woken.acquire()
        if not mine.is_done:
            self._write_all_that_wait()
        if mine.error is not None:
            raise mine.error
        return mine.start

    def _write_all_that_wait(self) -> None:
        with self._turn:
            together, self._waiting = self._waiting, []
        self._write(together)
        with self._turn:
            following = self._waiting[:1]
            self._is_writing = bool(following)
            if not following:
                self._turn.notify_all()
        for one in (*following, *together):  # nobody else: a thread that wakes up for nothing costs as much as a record
            if one.woken is not None:
                one.woken.release()

    def _write(self, together: list[_Waiting]) -> None:
        start, failed = self.end, None
        try:
            if self.is_broken:
                raise OSError(errno.EIO, "an earlier write failed")
            end = write_all(self._descriptor, [one.record for one in together], start)
        except OSError as error:
            failed, end = error, start
            self._cut_back(error)
        for one in together:
            one.start, one.error, one.is_done = start, failed, True
            start += len(one.record)
        self.end = end

    def _cut_back(self, error: OSError) -> None:
        """Remove half a write; after an error of the disk nothing more is trusted to this file."""
        self.is_broken = self._is_closed = error.errno not in DISK_IS_FULL
        try:
            os.ftruncate(self._descriptor, self.end)
        except OSError:
            self.is_broken = self._is_closed = True

    def close(self) -> None:
        """Seal it, give back what was prepared and not used, and let go."""
        with self._turn:
            self._is_closed = True
            while self._is_writing or self._waiting:
                self._turn.wait()
        try:
            if not self.is_broken:
                self._write_block(SEAL, self.end)
                os.ftruncate(self._descriptor, self.end + BLOCK)
        finally:
            os.close(self._descriptor)

    def _write_block(self, content: bytes, offset: int) -> None:
        self._spare_block[:] = content.ljust(BLOCK, b"\0")
        write_all(self._descriptor, [self._spare_block], offset)
