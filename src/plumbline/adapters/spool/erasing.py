"""Erasing what was received: datasets are overwritten where they lie, and the records stay whole for readers.

The one exception to the rule that a segment is only ever appended to, at a person's explicit order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from plumbline.adapters.spool.record import HEADER_LENGTH, encode_header, encode_trailer
from plumbline.adapters.spool.segment import SUFFIX, SegmentReader
from plumbline.pipeline.receive import Arrival, Refusal

ERASED = "erased"
_PIECE = 1 << 20


class JournalEraser:
    """Walks through all records of the spool, and overwrites some of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def records(self) -> Iterator[tuple[Arrival, memoryview]]:
        """Every whole record that has not been erased, with its dataset for as long as the next is not asked for."""
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                reader = SegmentReader(path)
            except FileNotFoundError:
                continue  # given back meanwhile
            with reader:
                for record in reader.records():
                    if record.label.sender != ERASED:
                        with reader.dataset(record) as dataset:
                            yield record, dataset

    def erase(self, arrival: Arrival) -> None:
        """Overwrite a dataset and its instance's UID with nothing, durably; the record says that it was erased."""
        where = arrival.location
        label = replace(arrival.label, sop_instance_uid="", sender=ERASED, refusal=Refusal.DAMAGED.value)
        header = encode_header(label, where.length, 0)  # the checksum of nothing but zeros
        descriptor = os.open(self._directory / f"{where.segment}{SUFFIX}", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, header, where.offset - HEADER_LENGTH)
            for start in range(0, where.length, _PIECE):
                os.pwrite(descriptor, bytes(min(_PIECE, where.length - start)), where.offset + start)
            os.pwrite(descriptor, encode_trailer(header), where.offset + where.length)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
