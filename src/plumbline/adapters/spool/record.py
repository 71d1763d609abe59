"""How one received instance is laid out in a segment of the journal.

A record is a header (who sent what, when, how long, checksum), the dataset exactly as received, and a
trailer. A header is only believed with its own checksum, a record only with its trailer, so what was cut
off by a crash is never taken for an instance. All numbers are little endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from plumbline.pipeline.ports import Location
from plumbline.pipeline.receive import Arrival, Bytes, Label

SEGMENT_MAGIC = b"PLUMSEG1"
"""First bytes of every segment."""
FIRST_RECORD = len(SEGMENT_MAGIC)
RECORD_MAGIC = b"PLUMREC1"
SEAL = b"PLUMSEAL"
"""Stands where the next record would begin when the segment will not grow any more."""
TRAILER_MAGIC = b"PLUMEND1"
LONGEST_HEADER = 1024

_FIXED = struct.Struct("<8sHHQQq")  # magic, header length, length of texts, checksum, dataset length, received
_CRC = struct.Struct("<I")
_TRAILER = struct.Struct("<8sI")
TRAILER_LENGTH = _TRAILER.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WORD = 8
_ALL_BITS = (1 << 64) - 1
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class JournalRecord(Arrival):
    """One whole record of a segment, with the checksum that its dataset must have."""

    dataset_checksum: int


def _texts(label: Label) -> bytes:
    parts = (label.sop_class_uid, label.sop_instance_uid, label.transfer_syntax_uid, label.sender, label.refusal)
    return _SEPARATOR.join(parts).encode("utf-8", "surrogateescape")


def encode_header(label: Label, dataset_length: int, dataset_checksum: int, *, padded: bool = False) -> bytes:
    """Header of a record; ``padded`` to ``LONGEST_HEADER``, where the label may still change.

    Raises ``ValueError`` where the texts are longer than any UIDs and AE Titles are.
    """
    texts = _texts(label)
    length = _FIXED.size + len(texts) + _CRC.size
    if length > LONGEST_HEADER:
        raise ValueError("the label of the record is too long")
    if padded:
        length = LONGEST_HEADER
    received_us = (label.received_at - _EPOCH) // _MICROSECOND
    head = _FIXED.pack(RECORD_MAGIC, length, len(texts), dataset_checksum, dataset_length, received_us)
    head = (head + texts).ljust(length - _CRC.size, b"\0")
    return head + _CRC.pack(zlib.crc32(head))


def encode_trailer(header: bytes) -> bytes:
    """Trailer that belongs to a header."""
    return _TRAILER.pack(TRAILER_MAGIC, zlib.crc32(header))


def decode_header(raw: bytes, *, segment: str, offset: int) -> JournalRecord | None:
    """Record whose header begins ``raw``; None where there is no whole and sound header.

    Parameters
    ----------
    raw
        Bytes of the segment from ``offset`` on, at least ``LONGEST_HEADER`` where the segment has that many.
    """
    if len(raw) < _FIXED.size or not raw.startswith(RECORD_MAGIC):
        return None
    _, length, texts_length, summed, dataset_length, received_us = _FIXED.unpack_from(raw)
    if length < _FIXED.size + texts_length + _CRC.size or len(raw) < length:
        return None
    if _CRC.unpack_from(raw, length - _CRC.size)[0] != zlib.crc32(raw[: length - _CRC.size]):
        return None
    texts = raw[_FIXED.size : _FIXED.size + texts_length].decode("utf-8", "surrogateescape")
    sop_class, sop_instance, syntax, sender, refusal = texts.split(_SEPARATOR)
    received_at = _EPOCH + received_us * _MICROSECOND
    return JournalRecord(
        label=Label(sop_class, sop_instance, syntax, sender, received_at, refusal),
        location=Location(segment, offset + length, dataset_length),
        dataset_checksum=summed,
        end=offset + length + dataset_length + TRAILER_LENGTH,
    )


def is_trailer(raw: bytes, header: bytes) -> bool:
    """Whether ``raw`` is the trailer that belongs to a header."""
    return raw == encode_trailer(header)


class Checksum:
    """Checksum of dataset bytes that come piece by piece: the sum of their 64-bit words.

    It has to tell pages that never reached the disk from those that did, many times a second; a CRC takes
    as long as all of the copying. What an instance is, in the ledger, is told by its SHA-256.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    def add(self, data: Bytes) -> None:
        """Continue with some more bytes."""
        view = memoryview(data).cast("B")
        if self._rest:
            missing = _WORD - len(self._rest)
            self._rest, view = self._rest + bytes(view[:missing]), view[missing:]
            if len(self._rest) < _WORD:
                return
            self._sum += int.from_bytes(self._rest, "little")
            self._rest = b""
        whole = len(view) - len(view) % _WORD
        if whole:
            self._sum += int(np.add.reduce(np.frombuffer(view[:whole], dtype="<u8")))
        self._rest = bytes(view[whole:])

    def value(self) -> int:
        """The checksum of everything so far."""
        return (self._sum + int.from_bytes(self._rest, "little")) & _ALL_BITS


def checksum(data: Bytes) -> int:
    """Checksum of all the bytes of a dataset."""
    summed = Checksum()
    summed.add(data)
    return summed.value()
