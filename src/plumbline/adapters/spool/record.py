"""How one received instance is laid out in a segment of the journal.

A record is a header (who sent what, when, how long, checksum), the dataset exactly as received, and a
trailer. It begins and ends at a multiple of ``BLOCK``, so that no two records share one. A
header is only believed with its own checksum, a record only with its trailer and the checksum of its
dataset, so neither what was cut off by a crash nor what is on its way to the disk is taken for an
instance. All numbers are little endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from plumbline.pipeline.ports import Location
from plumbline.pipeline.receive import Arrival, Bytes, Label

BLOCK = 4096
"""Bytes that any disk writes as one: the unit of all positions, lengths and memory addresses of a direct write."""
SEGMENT_MAGIC = b"PLUMSEG2"
"""First bytes of every segment; the rest of its first block is empty."""
FIRST_RECORD = BLOCK
RECORD_MAGIC = b"PLUMREC1"
SEAL = b"PLUMSEAL"
"""Stands where the next record would begin when the segment will not grow any more."""
TRAILER_MAGIC = b"PLUMEND1"
HEADER_LENGTH = 1024
"""Of every header, so that a dataset can be received where it will stand before its label is known for good."""

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


def aligned(length: int) -> int:
    """The next multiple of ``BLOCK``."""
    return -(-length // BLOCK) * BLOCK


def record_length(dataset_length: int) -> int:
    """Bytes that the record of a dataset takes."""
    return aligned(HEADER_LENGTH + dataset_length + TRAILER_LENGTH)


def encode_header(label: Label, dataset_length: int, dataset_checksum: int) -> bytes:
    """Header of a record.

    Raises ``ValueError`` where the texts are longer than any UIDs and AE Titles are.
    """
    texts = _texts(label)
    if _FIXED.size + len(texts) + _CRC.size > HEADER_LENGTH:
        raise ValueError("the label of the record is too long")
    received_us = (label.received_at - _EPOCH) // _MICROSECOND
    head = _FIXED.pack(RECORD_MAGIC, HEADER_LENGTH, len(texts), dataset_checksum, dataset_length, received_us)
    head = (head + texts).ljust(HEADER_LENGTH - _CRC.size, b"\0")
    return head + _CRC.pack(zlib.crc32(head))


def encode_trailer(header: Bytes) -> bytes:
    """Trailer that belongs to a header."""
    return _TRAILER.pack(TRAILER_MAGIC, zlib.crc32(header))


def decode_header(raw: Bytes, *, segment: str, offset: int) -> JournalRecord | None:
    """Record whose header begins ``raw``; None where there is no whole and sound header.

    Parameters
    ----------
    raw
        Bytes of the segment from ``offset`` on, at least ``HEADER_LENGTH`` where the segment has that many.
    """
    head = bytes(raw[:HEADER_LENGTH])
    if len(head) < HEADER_LENGTH or not head.startswith(RECORD_MAGIC):
        return None
    _, length, texts_length, summed, dataset_length, received_us = _FIXED.unpack_from(head)
    if length != HEADER_LENGTH or _FIXED.size + texts_length + _CRC.size > length:
        return None
    if _CRC.unpack_from(head, length - _CRC.size)[0] != zlib.crc32(head[: -_CRC.size]):
        return None
    texts = head[_FIXED.size : _FIXED.size + texts_length].decode("utf-8", "surrogateescape")
    sop_class, sop_instance, syntax, sender, refusal = texts.split(_SEPARATOR)
    received_at = _EPOCH + received_us * _MICROSECOND
    return JournalRecord(
        label=Label(sop_class, sop_instance, syntax, sender, received_at, refusal),
        location=Location(segment, offset + HEADER_LENGTH, dataset_length),
        dataset_checksum=summed,
        end=offset + record_length(dataset_length),
    )


def is_trailer(raw: Bytes, header: Bytes) -> bool:
    """Whether ``raw`` is the trailer that belongs to a header."""
    return bytes(raw) == encode_trailer(header)


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
    whole = len(data) // _WORD
    words = np.frombuffer(data, dtype="<u8", count=whole) if whole else _NO_WORDS
    return (int(np.add.reduce(words)) + int.from_bytes(data[whole * _WORD :], "little")) & _ALL_BITS


_NO_WORDS = np.empty(0, dtype="<u8")
