"""What a dataset says it is and of whom: the attributes that receiving needs, in any Transfer Syntax.

Nothing else is decoded, pixel data least of all.
"""

from __future__ import annotations

import zlib
from datetime import date

from pydicom.charset import convert_encodings, decode_bytes

from plumbline.adapters.dimse.elements import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Element,
    Encoding,
    ScanStopped,
    encoding_of,
    items,
    scan,
)
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.receive import InstanceHeader, Refusal, Unusable

DEFLATED = "1.2.840.10008.1.2.1.99"
LARGEST_INFLATED_BYTES = 256 << 20
"""A deflated dataset that is larger when inflated is not walked to its end."""

_DEFLATED_PIECE_BYTES = 1 << 14
"""Inflated at once: deflate makes at most a thousand times as much of it."""
_BEGINNING_BYTES = 1 << 20
"""How much of an inflated dataset is kept to find its identity in."""

_CHARACTER_SET = 0x00080005
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_MODALITY, _MANUFACTURER = 0x00080060, 0x00080070
_PATIENT_ID, _ISSUER, _BIRTH_DATE, _SEX = 0x00100020, 0x00100021, 0x00100030, 0x00100040
_OTHER_IDS = 0x00101002
_STUDY, _SERIES = 0x0020000D, 0x0020000E
_IDENTITY = frozenset({_SOP_CLASS, _SOP_INSTANCE})
_WANTED = frozenset(
    {_CHARACTER_SET, _SOP_CLASS, _SOP_INSTANCE, _MODALITY, _MANUFACTURER, _PATIENT_ID, _ISSUER, _BIRTH_DATE}
    | {_SEX, _OTHER_IDS, _STUDY, _SERIES}
)


def read_header(dataset: memoryview, transfer_syntax_uid: str) -> InstanceHeader:
    """Header of a dataset that was received in a Transfer Syntax, after a walk to its end.

    Raises
    ------
    Unusable
        Where it is not a dataset, or ends in the middle of an element.
    """
    if transfer_syntax_uid == DEFLATED:
        inflated, is_whole = _inflate(dataset)
        return _header(inflated, EXPLICIT_LITTLE, to_the_end=is_whole)
    return _header(dataset, encoding_of(transfer_syntax_uid), to_the_end=True)


def read_identity(dataset: memoryview, transfer_syntax_uid: str) -> tuple[str, str]:
    """SOP Class UID and SOP Instance UID of a dataset, after a walk to its end.

    As little work as can be, for the time that the sender waits. Raises like ``read_header``.
    """
    if transfer_syntax_uid == DEFLATED:
        return _deflated_identity(dataset)
    encoding = encoding_of(transfer_syntax_uid)
    try:
        found = scan(dataset, encoding, _IDENTITY)
    except ScanStopped as error:
        if not _may_be_implicit(encoding, error):
            raise
        found = scan(dataset, IMPLICIT_LITTLE, _IDENTITY)
    values = _Values(dataset, encoding, found)
    return values.text(_SOP_CLASS), values.text(_SOP_INSTANCE)


def _deflated_identity(dataset: memoryview) -> tuple[str, str]:
    """Identity of a deflated dataset, inflated piece by piece to its end; only its beginning is kept."""
    inflater, beginning, size = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), 0
    try:
        for at in range(0, len(dataset), _DEFLATED_PIECE_BYTES):
            piece = inflater.decompress(dataset[at : at + _DEFLATED_PIECE_BYTES])
            size += len(piece)
            beginning += piece[: max(_BEGINNING_BYTES - len(beginning), 0)]
            if inflater.eof or size > LARGEST_INFLATED_BYTES:
                break
    except zlib.error as error:
        raise Unusable(Refusal.NOT_DICOM) from error
    if not inflater.eof and size <= LARGEST_INFLATED_BYTES:
        raise Unusable(Refusal.TRUNCATED)
    data = memoryview(beginning)
    try:
        found = scan(data, EXPLICIT_LITTLE, _IDENTITY)
    except ScanStopped as error:
        if size == len(beginning) or not error.found:
            raise
        found = error.found
    values = _Values(data, EXPLICIT_LITTLE, found)
    return values.text(_SOP_CLASS), values.text(_SOP_INSTANCE)


def _may_be_implicit(encoding: Encoding, error: ScanStopped) -> bool:
    """Whether this looks like a sender that contradicts its own Transfer Syntax, as some do."""
    return encoding.is_explicit and not error.found and error.reason is Refusal.NOT_DICOM


def _inflate(dataset: memoryview) -> tuple[memoryview, bool]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(dataset, LARGEST_INFLATED_BYTES)
    except zlib.error as error:
        raise Unusable(Refusal.NOT_DICOM) from error
    if not inflater.eof and not inflater.unconsumed_tail:
        raise Unusable(Refusal.TRUNCATED)
    return memoryview(inflated), inflater.eof


def _header(data: memoryview, encoding: Encoding, *, to_the_end: bool) -> InstanceHeader:
    try:
        found = scan(data, encoding, _WANTED)
    except ScanStopped as error:
        if _may_be_implicit(encoding, error):
            return _header(data, IMPLICIT_LITTLE, to_the_end=to_the_end)
        found = error.found
        if to_the_end:
            raise Unusable(error.reason, header=_Values(data, encoding, found).header()) from error
    return _Values(data, encoding, found).header()


class _Values:
    """Values of the elements that were found, as text."""

    def __init__(self, data: memoryview, encoding: Encoding, found: dict[int, Element]) -> None:
        self._data = data
        self._encoding = encoding
        self._found = found
        self._encodings: list[str] | None = None

    def raw(self, tag: int) -> bytes:
        element = self._found.get(tag)
        return bytes(self._data[element.start : element.end]) if element else b""

    def text(self, tag: int) -> str:
        """Text without padding; characters that no store keeps (NUL) are dropped."""
        raw = self.raw(tag)
        text = raw.decode("ascii") if raw.isascii() else self._decoded(raw)
        return text.replace("\0", "").strip()

    def _decoded(self, raw: bytes) -> str:
        return decode_bytes(raw, self._character_encodings(), set())

    def _character_encodings(self) -> list[str]:
        if self._encodings is None:
            names = self.raw(_CHARACTER_SET).decode("ascii", "replace").strip(" \0").split("\\")
            try:
                self._encodings = list(convert_encodings(names))
            except (LookupError, ValueError):
                self._encodings = ["iso8859"]
        return self._encodings

    def header(self) -> InstanceHeader:
        return InstanceHeader(
            sop_class_uid=self.text(_SOP_CLASS),
            sop_instance_uid=self.text(_SOP_INSTANCE),
            study_instance_uid=self.text(_STUDY),
            series_instance_uid=self.text(_SERIES),
            patient=self.patient(),
            modality=self.text(_MODALITY),
            manufacturer=self.text(_MANUFACTURER),
        )

    def patient(self) -> PatientIdentity:
        return PatientIdentity(
            patient_id=self.text(_PATIENT_ID),
            issuer=self.text(_ISSUER) or None,
            birth_date=_date(self.text(_BIRTH_DATE)),
            sex=self.text(_SEX) or None,
            other_ids=self._other_ids(),
        )

    def _other_ids(self) -> tuple[tuple[str, str | None], ...]:
        """Pairs of Other Patient IDs Sequence (0010,1002)."""
        sequence = self._found.get(_OTHER_IDS)
        if sequence is None:
            return ()
        found = (self._item(content) for content in items(self._data, self._encoding, sequence))
        pairs = ((item.text(_PATIENT_ID), item.text(_ISSUER) or None) for item in found)
        return tuple(pair for pair in pairs if pair[0])

    def _item(self, content: memoryview) -> _Values:
        found = scan(content, self._encoding, _WANTED) if content else {}
        item = _Values(content, self._encoding, found)
        item._encodings = self._character_encodings()
        return item


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:8]}")
    except ValueError:
        return None
