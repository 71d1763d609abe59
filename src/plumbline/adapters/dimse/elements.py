"""Data elements of an encoded dataset, found by walking their headers, without decoding any value (PS3.5 section 7).

Cheap enough to be done before the sender is answered: it tells a dataset that ends in the middle of an
element from a whole one, and where the few attributes lie that receiving needs.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from plumbline.pipeline.receive import Refusal, Unusable

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
SEQUENCE_DELIMITATION = 0xFFFEE0DD
DEEPEST_NESTING = 64
_SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN"}
    | {b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
"""VRs with a length of 16 bits; all others, and those to come, have 32 (PS3.5 7.1.2)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How data elements are encoded."""

    is_explicit: bool
    is_little_endian: bool


IMPLICIT_LITTLE = Encoding(is_explicit=False, is_little_endian=True)
EXPLICIT_LITTLE = Encoding(is_explicit=True, is_little_endian=True)
EXPLICIT_BIG = Encoding(is_explicit=True, is_little_endian=False)


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Encoding by Transfer Syntax; everything but two is explicit VR little endian (PS3.5 annex A)."""
    if transfer_syntax_uid == "1.2.840.10008.1.2":
        return IMPLICIT_LITTLE
    if transfer_syntax_uid == "1.2.840.10008.1.2.2":
        return EXPLICIT_BIG
    return EXPLICIT_LITTLE


@dataclass(frozen=True, slots=True)
class Element:
    """Where the value of one data element lies. ``vr`` is empty in implicit VR."""

    tag: int
    vr: bytes
    start: int
    end: int


class _Walk:
    def __init__(self, data: memoryview, encoding: Encoding) -> None:
        order = "<" if encoding.is_little_endian else ">"
        self._data = data
        self._size = len(data)
        self._is_explicit = encoding.is_explicit
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def header(self, at: int, *, implicit: bool) -> tuple[int, bytes, int, int]:
        """(tag, VR, offset of the value, length) of the element at an offset."""
        if at + 8 > self._size:
            raise Unusable(Refusal.TRUNCATED)
        group, number = self._tag.unpack_from(self._data, at)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            return tag, b"", at + 8, self._long.unpack_from(self._data, at + 4)[0]
        vr = bytes(self._data[at + 4 : at + 6])
        if vr in _SHORT_VRS:
            return tag, vr, at + 8, self._short.unpack_from(self._data, at + 6)[0]
        _tell_no_vr(vr)
        if at + 12 > self._size:
            raise Unusable(Refusal.TRUNCATED)
        return tag, vr, at + 12, self._long.unpack_from(self._data, at + 8)[0]

    def elements(self, at: int, depth: int, *, implicit: bool, in_item: bool) -> Iterator[Element]:
        """Elements from an offset to the end of the dataset, or of the item of undefined length."""
        while at < self._size:
            tag, vr, start, length = self.header(at, implicit=implicit)
            if in_item and tag == ITEM_DELIMITATION:
                yield Element(tag, vr, start, start)
                return
            if length == UNDEFINED:
                end = self.end_of_items(start, depth + 1, implicit=implicit or vr == b"UN")
            else:
                end = start + length
            if end > self._size:
                raise Unusable(Refusal.TRUNCATED)
            yield Element(tag, vr, start, end)
            at = end
        if in_item:
            raise Unusable(Refusal.TRUNCATED)

    def end_of_items(self, at: int, depth: int, *, implicit: bool) -> int:
        """Offset behind a sequence, or behind fragments, of undefined length that begins at ``at``."""
        if depth > DEEPEST_NESTING:
            raise Unusable(Refusal.NOT_DICOM)
        while True:
            tag, _, start, length = self.header(at, implicit=implicit)
            if tag == SEQUENCE_DELIMITATION:
                return start
            if tag != ITEM:
                raise Unusable(Refusal.NOT_DICOM)
            if length == UNDEFINED:
                for element in self.elements(start, depth, implicit=implicit, in_item=True):
                    at = element.end
            else:
                at = start + length


def items(data: memoryview, encoding: Encoding, sequence: Element) -> Iterator[memoryview]:
    """Contents of the items of a sequence that ``walk`` found."""
    walker = _Walk(data[: sequence.end], encoding)
    at = sequence.start
    while at < sequence.end:
        tag, _, start, length = walker.header(at, implicit=not encoding.is_explicit)
        if tag != ITEM:
            return
        if length == UNDEFINED:
            *_, last = walker.elements(start, 1, implicit=not encoding.is_explicit, in_item=True)
            content_end, at = last.end - 8, last.end
        else:
            content_end = at = start + length
        yield data[start:content_end]


def scan(data: memoryview, encoding: Encoding, wanted: Collection[int]) -> dict[int, Element]:
    """Elements with the wanted tags at the top level of a dataset, after a walk to its end.

    It runs while a sender waits, hence plain loops; what follows the last wanted element is only measured.

    Raises
    ------
    Unusable
        ``truncated`` where the last element runs past the end, ``not-dicom`` where no elements are found at
        all or none follows where one should. ``found`` has what was found before.
    """
    found: dict[int, Element] = {}
    try:
        _skip(data, encoding, _scan(data, encoding, wanted, found))
    except Unusable as error:
        raise ScanStopped(error.reason, found) from error
    except struct.error as error:
        raise ScanStopped(Refusal.TRUNCATED, found) from error
    return found


class ScanStopped(Unusable):
    """A scan that did not come to the end of its dataset."""

    def __init__(self, reason: Refusal, found: dict[int, Element]) -> None:
        super().__init__(reason)
        self.found = found


_EXPLICIT_HEADER = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
_IMPLICIT_HEADER = struct.Struct("<HHL")
_EXPLICIT_LENGTH = {True: struct.Struct("<4x2sH"), False: struct.Struct(">4x2sH")}
_IMPLICIT_LENGTH = struct.Struct("<4xL")
_LONG = {True: struct.Struct("<L"), False: struct.Struct(">L")}


def _scan(data: memoryview, encoding: Encoding, wanted: Collection[int], found: dict[int, Element]) -> int:
    """Offset at which all wanted elements were found, or of the end."""
    at, size, vr, missing = 0, len(data), b"", len(wanted)
    explicit = _EXPLICIT_HEADER[encoding.is_little_endian].unpack_from
    implicit, long = _IMPLICIT_HEADER.unpack_from, _LONG[encoding.is_little_endian].unpack_from
    try:
        while at < size and missing:
            if not encoding.is_explicit:
                group, number, length = implicit(data, at)
                start = at + 8
            else:
                group, number, vr, length = explicit(data, at)
                start = at + 8
                if vr not in _SHORT_VRS:
                    _tell_no_vr(vr)
                    length, start = long(data, start)[0], start + 4
            end = start + length
            if end > size:
                end = _end_of_long(data, encoding, vr, start, length)
            tag = group << 16 | number
            if tag in wanted and tag not in found:
                found[tag] = Element(tag, vr, start, end)
                missing -= 1
            at = end
    except (Unusable, struct.error) as error:
        if at == 0:
            raise Unusable(Refusal.NOT_DICOM) from error
        raise
    if size == 0:
        raise Unusable(Refusal.NOT_DICOM)
    return at


def _skip(data: memoryview, encoding: Encoding, at: int) -> None:
    """Walk from an element to the end of the dataset."""
    size, vr = len(data), b""
    explicit = _EXPLICIT_LENGTH[encoding.is_little_endian].unpack_from
    implicit, long = _IMPLICIT_LENGTH.unpack_from, _LONG[encoding.is_little_endian].unpack_from
    while at < size:
        if encoding.is_explicit:
            vr, length = explicit(data, at)
            if vr in _SHORT_VRS:
                at += 8 + length
                continue
            _tell_no_vr(vr)
            start, length = at + 12, long(data, at + 8)[0]
        else:
            start, length = at + 8, implicit(data, at)[0]
        at = start + length
        if at > size:
            at = _end_of_long(data, encoding, vr, start, length)
    if at > size:
        raise Unusable(Refusal.TRUNCATED)


def _tell_no_vr(vr: bytes) -> None:
    """Raise ``Unusable`` where two bytes are no VR, of today or to come."""
    if not (vr.isalpha() and vr.isupper()):
        raise Unusable(Refusal.NOT_DICOM)


def _end_of_long(data: memoryview, encoding: Encoding, vr: bytes, start: int, length: int) -> int:
    """End of an element that has undefined length, or whose length says more than there is."""
    if length != UNDEFINED:
        raise Unusable(Refusal.TRUNCATED)
    is_implicit = not encoding.is_explicit or vr == b"UN"
    return _Walk(data, encoding).end_of_items(start, 1, implicit=is_implicit)
