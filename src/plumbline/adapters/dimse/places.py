"""Places for associations: how many there may be at once, in one process or in all that share a file."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_FLOCK = struct.Struct("@hhqqi4x")
"""``struct flock`` of fcntl(2) on 64-bit Linux: type, whence, start, length, process."""
_TAKEN = (BlockingIOError, PermissionError)


class Place:
    """One taken place; leaving it twice is leaving it once."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._lock = threading.Lock()
        self._is_left = False

    def leave(self) -> None:
        """Give it back."""
        with self._lock:
            if self._is_left:
                return
            self._is_left = True
        self._leave()


class Places(Protocol):
    """A number of places."""

    def take(self) -> Place | None:
        """Take one; None where none is free."""
        ...


class LocalPlaces:
    """``Places`` of this process."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> Place | None:
        """See ``Places.take``."""
        return Place(self._free.release) if self._free.acquire(blocking=False) else None


class SharedPlaces:
    """``Places`` of every process that names the same file.

    A place is a lock on one byte, held by an open file of its own, so that the kernel gives back what a
    killed process had taken.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count

    def take(self) -> Place | None:
        """See ``Places.take``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        for number in range(self._count):
            try:
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0))
            except _TAKEN:
                continue
            return Place(lambda: os.close(descriptor))
        os.close(descriptor)
        return None
