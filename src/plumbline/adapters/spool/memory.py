"""Memory in which one instance is received and from which its record is written, without a copy in between.

It begins at the start of a page, as direct writes want it.
"""

from __future__ import annotations

import mmap

from plumbline.adapters.spool.record import (
    HEADER_LENGTH,
    TRAILER_LENGTH,
    checksum,
    encode_header,
    encode_trailer,
    record_length,
)
from plumbline.pipeline.receive import Label


def page_aligned(length: int) -> memoryview:
    """So many bytes of memory of this process alone, from the start of a page on."""
    return memoryview(mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class RecordMemory:
    """Room for the dataset of one instance, with the record's header before it and the trailer behind.

    ``room`` is where the dataset goes.
    """

    def __init__(self, capacity: int) -> None:
        self._memory = page_aligned(record_length(capacity))
        self.room = self._memory[HEADER_LENGTH : HEADER_LENGTH + capacity]

    def record(self, label: Label, length: int) -> memoryview:
        """The whole record of the first ``length`` bytes in the room.

        Raises ``ValueError`` where the label is longer than any.
        """
        header = encode_header(label, length, checksum(self.room[:length]))
        whole = self._memory[: record_length(length)]
        end = HEADER_LENGTH + length
        whole[:HEADER_LENGTH] = header
        whole[end : end + TRAILER_LENGTH] = encode_trailer(header)
        whole[end + TRAILER_LENGTH :] = bytes(len(whole) - end - TRAILER_LENGTH)
        return whole
