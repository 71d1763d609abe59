"""Segment files filled with zeros beforehand, so that an append only overwrites what the disk has allocated.

A file that grows makes its file system write down new lengths and blocks with each flush, which takes
about as long as the flush itself.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from plumbline.adapters.spool.memory import page_aligned
from plumbline.adapters.spool.record import aligned
from plumbline.adapters.spool.segment import PREPARED_SUFFIX, create_locked

_PIECE_BYTES = 1 << 20
BUSY_PAUSE_S = 0.015
"""Wait after each piece while instances come in: about 60 MiB/s are left for preparing."""
ROOM_FOR = 8
"""Nothing is prepared on a disk that has not room for so many files: what is left of it is for instances."""
RETRY_S = 60.0


class PreparedFile:
    """One file of zeros under its writer's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = create_locked(path, os.O_DSYNC)

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Preparation:
    """Keeps the next segment's file ready, filled in a thread."""

    def __init__(self, directory: Path, length: int) -> None:
        self._directory = directory
        self._length = aligned(length)
        self._zeros = page_aligned(_PIECE_BYTES)
        self._is_busy = False
        self._stopped = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        self._ready: PreparedFile | None = None
        self.allocated_bytes = 0
        """Room on the disk that the file takes so far."""
        self._thread = threading.Thread(target=self._run, name="segment-preparation", daemon=True)
        self._thread.start()

    def tell_busy(self) -> None:
        """An instance came in just now: leave the disk to it."""
        self._is_busy = True

    def take(self) -> PreparedFile | None:
        """The prepared file, which is the caller's from now on; None where there is none yet."""
        ready, self._ready = self._ready, None
        if ready is not None:
            self.allocated_bytes = 0
            self._wanted.set()
        return ready

    def close(self) -> None:
        """Stop, and remove what nobody took."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()
        if self._ready is not None:
            self._ready.discard()

    def _run(self) -> None:
        number = 0
        while self._wanted.wait() and not self._stopped.is_set():
            self._wanted.clear()
            number += 1
            try:
                is_possible = self._has_room()
                if is_possible:
                    self._prepare(self._directory / f"{os.getpid()}-{number}{PREPARED_SUFFIX}")
            except OSError:
                is_possible = False  # segments grow as they are written, and tell what is wrong with the disk
            if not is_possible:
                self._stopped.wait(RETRY_S)
                self._wanted.set()

    def _has_room(self) -> bool:
        state = os.statvfs(self._directory)
        return state.f_bavail * state.f_frsize >= ROOM_FOR * self._length

    def _prepare(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # of an earlier process with this id
        file = PreparedFile(path)
        try:
            is_filled = self._fill(path)
        except OSError:
            self._discard(file)
            raise
        if is_filled:
            self._ready = file
        else:
            self._discard(file)

    def _discard(self, file: PreparedFile) -> None:
        file.discard()
        self.allocated_bytes = 0

    def _fill(self, path: Path) -> bool:
        """Write the zeros, slowly while instances come in; false when stopped before the end."""
        descriptor = _open_past_the_page_cache(path)
        try:
            for offset in range(0, self._length, _PIECE_BYTES):
                self.allocated_bytes += os.pwrite(descriptor, self._zeros[: self._length - offset], offset)
                self._is_busy, was_busy = False, self._is_busy
                if self._stopped.wait(BUSY_PAUSE_S) if was_busy else self._stopped.is_set():
                    return False
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True


def _open_past_the_page_cache(path: Path) -> int:
    """Descriptor to write zeros with; memory for pages that nobody reads costs more than writing them.

    File systems in memory know no such writes: there an ordinary descriptor has to do.
    """
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, flags)
