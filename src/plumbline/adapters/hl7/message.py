"""One HL7 v2 message: its header, its segments, and the values in them. Tolerant of what real senders write.

Text is decoded by MSH-18 and escapes are resolved here, so that nobody else meets a delimiter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import hl7

from plumbline.adapters.hl7.refusals import ErrorCode, Refused

CHARSETS = {
    "ASCII": "ascii",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
    **dict.fromkeys(("ISO IR100", "ISO-8859-1", "ISO8859-1", "ISO 8859-1", "ISO8859/1", "LATIN1"), "iso-8859-1"),
    **dict.fromkeys(("ISO-8859-15", "ISO8859-15"), "iso-8859-15"),
    "WINDOWS-1252": "cp1252",
    **dict.fromkeys(("UNICODE UTF-8", "UTF-8", "UTF8"), "utf-8"),
}
"""MSH-18 (table 0211) to codec; the forms that senders really use included."""

_ONLY_EVENT = {"ORM": "O01", "OMI": "O23", "OMG": "O19"}

_UNANNOUNCED = "iso-8859-1"
"""Codec of messages that name none and are not of the site's UTF-8."""
HEADER_CODEC = "iso-8859-1"
"""How MSH is read before its character set is known: every byte is kept, so that it can be echoed as it came."""

_PREAMBLE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?=MSH)")
"""Byte order mark and blank lines, which files that are sent as messages begin with."""
_HEADER = re.compile(rb"MSH.{4}")
_BATCH = re.compile(rb"[FB]HS.")
_ESCAPE = r"[FSRETHN]|X(?:[0-9A-Fa-f]{2})+|\.(?:br|sp|ce|in|ti|sk|fi|nf)[+-]?\d*|[CM][0-9A-Fa-f]{4,6}|Z\w*"
"""What stands between two escape characters (HL7 2.7). Anything else between two of them is text: people write
``L4\\L5\\S1``, and a level that is taken for an escape would be lost."""
_LINE_BREAKS = (".br", ".sp", ".ce")


@dataclass(frozen=True)
class Segment:
    """One segment: fields by their number in the standard, from 1."""

    name: str
    fields: Sequence[str]
    """Raw texts; index 0 is the name, as on the wire, and MSH-1 is put back so that numbers fit."""
    delimiters: str
    """Field, component, repetition, escape and subcomponent separator."""
    codec: str = "utf-8"

    def raw(self, number: int) -> str:
        """Text of a field as sent, empty where it is absent or the HL7 null (two quotation marks)."""
        text = self.fields[number] if number < len(self.fields) else ""
        return "" if text == '""' else text

    def repetitions(self, number: int) -> list[list[str]]:
        """Components of each repetition of a field, still escaped; none for an empty field."""
        text = self.raw(number)
        return [rep.split(self.delimiters[1]) for rep in text.split(self.delimiters[2]) if rep] if text else []

    def value(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """One value of the first repetition, escapes resolved, without blanks around it."""
        repetitions = self.repetitions(number)
        return self.part(repetitions[0], component, subcomponent) if repetitions else ""

    def part(self, components: Sequence[str], component: int, subcomponent: int = 1) -> str:
        """The same of given components."""
        text = components[component - 1] if component <= len(components) else ""
        parts = text.split(self.delimiters[4])
        chosen = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        return "" if chosen == '""' else self.text(chosen).strip()

    def whole(self, components: Sequence[str], component: int) -> str:
        """A component of given components that is words: many senders leave ``&`` in them as it is."""
        text = components[component - 1] if component <= len(components) else ""
        return "" if text == '""' else self.text(text).strip()

    def text(self, escaped: str) -> str:
        """Resolve escape sequences (HL7 2.7 formatted text); highlighting and sequences of sites are dropped."""
        escape = self.delimiters[3]
        if escape not in escaped:
            return escaped
        mark = re.escape(escape)
        return re.sub(f"{mark}({_ESCAPE}){mark}", lambda found: self._resolved(found[1]), escaped)

    def _resolved(self, sequence: str) -> str:
        field_separator, component, repetition, escape, subcomponent = self.delimiters
        plain = {"F": field_separator, "S": component, "R": repetition, "E": escape, "T": subcomponent}
        if sequence in plain:
            return plain[sequence]
        if sequence.startswith(_LINE_BREAKS):
            return "\n"
        if sequence.startswith("X"):
            return bytes.fromhex(sequence[1:]).decode(self.codec, "replace")
        return ""


@dataclass(frozen=True)
class Header:
    """What an acknowledgement needs of a message, even of one that cannot be read further."""

    delimiters: str = "|^~\\&"
    sending: tuple[str, str] = ("", "")
    """Sending application and facility (MSH-3, MSH-4), as sent."""
    receiving: tuple[str, str] = ("", "")
    message_code: str = ""
    trigger: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    accept_condition: str = ""
    application_condition: str = ""
    charset: str = ""
    """MSH-18, first repetition."""

    @property
    def kind(self) -> str:
        """Message code and trigger event, e.g. ``ORM^O01``; a code with only one event may come alone."""
        return f"{self.message_code}^{self.trigger or _ONLY_EVENT.get(self.message_code, '')}"

    @property
    def sender(self) -> str:
        """Application and facility, to tell control IDs of different senders apart."""
        return "|".join(self.sending)

    @property
    def is_enhanced(self) -> bool:
        """Whether the sender asks for the enhanced acknowledgement mode (HL7 2.9.3): MSH-15 or MSH-16 is valued."""
        return bool(self.accept_condition or self.application_condition)


@dataclass(frozen=True)
class Message:
    """A whole message."""

    header: Header
    segments: tuple[Segment, ...] = field(repr=False)

    def named(self, name: str) -> Iterator[Segment]:
        """Segments of a name, in order."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        return next(self.named(name), None)


def read_header(block: bytes) -> Header:
    """MSH alone, for any block that begins with one; what is missing is empty.

    Raises
    ------
    Refused
        When the block does not begin with MSH and its delimiters.
    """
    block = _without_preamble(block)
    if _BATCH.match(block):
        raise Refused(
            ErrorCode.SEGMENT_SEQUENCE,
            "Batches are not taken; send each message in a frame of its own.",
            is_reject=True,
        )
    if not _HEADER.match(block):
        raise Refused(
            ErrorCode.SEGMENT_SEQUENCE, "The message does not begin with an MSH segment.", "MSH", is_reject=True
        )
    line = re.split(rb"[\r\n]", block, maxsplit=1)[0].decode(HEADER_CODEC)
    delimiters = line[3:8]
    if len(set(delimiters)) != len(delimiters):
        raise Refused(ErrorCode.DATA_TYPE, "The delimiters in MSH-1 and MSH-2 are not all different.", "MSH^1^2")
    msh = Segment("MSH", _msh_fields(line), delimiters)
    return Header(
        delimiters=delimiters,
        sending=(msh.raw(3), msh.raw(4)),
        receiving=(msh.raw(5), msh.raw(6)),
        message_code=msh.value(9, 1).upper(),
        trigger=msh.value(9, 2).upper(),
        control_id=msh.raw(10),
        processing_id=msh.value(11),
        version=msh.value(12),
        accept_condition=msh.value(15).upper(),
        application_condition=msh.value(16).upper(),
        charset=msh.value(18).upper(),
    )


def _without_preamble(block: bytes) -> bytes:
    found = _PREAMBLE.match(block)
    return block[found.end() :] if found else block


def _msh_fields(line: str) -> list[str]:
    """MSH-1 is the separator itself, so splitting by it leaves it out."""
    name, *rest = line.split(line[3])
    return [name, line[3], *rest]


def read_message(block: bytes, header: Header, *, default_charset: str) -> Message:
    """Decode and split a message.

    Parameters
    ----------
    default_charset
        Python codec of messages that leave MSH-18 empty.

    Raises
    ------
    Refused
        When the character set is not known or the bytes are not of it, or the message cannot be split.
    """
    text, codec = _decoded(_without_preamble(block), header.charset, default_charset)
    try:
        parsed = hl7.parse(text.replace("\r\n", "\r").replace("\n", "\r").strip("\r") + "\r")
    except Exception as error:  # the library raises errors of many kinds, some quoting the message
        raise Refused(ErrorCode.SEGMENT_SEQUENCE, "The message cannot be split into segments and fields.") from error
    segments: Sequence[Sequence[object]] = parsed  # type: ignore[assignment]
    if sum(str(each[0]).strip() == "MSH" for each in segments) > 1:
        raise Refused(
            ErrorCode.SEGMENT_SEQUENCE,
            "The frame holds more than one message; send each in a frame of its own.",
            "MSH^2",
        )
    return Message(header, tuple(_segment(each, header, codec) for each in segments if str(each).strip()))


def _decoded(block: bytes, charset: str, default: str) -> tuple[str, str]:
    """Text and codec, NUL left out, which is no character of any text and which stores refuse.

    Where UTF-8 was not announced, only expected, and it is none, it is Latin-1: what is valid UTF-8 is no such text.
    """
    codec = CHARSETS.get(charset) if charset else default
    if codec is None:
        raise Refused(
            ErrorCode.TABLE_VALUE,
            f"The character set in MSH-18 is not known here; send one of {', '.join(CHARSETS)}.",
            "MSH^1^18",
        )
    try:
        return block.decode(codec).replace("\x00", ""), codec
    except UnicodeDecodeError as error:
        if not charset and codec == "utf-8":
            return _decoded(block, charset, _UNANNOUNCED)
        said = "MSH-18 says" if charset else "the site's setting says, as MSH-18 is empty"
        raise Refused(
            ErrorCode.DATA_TYPE, f"Byte {error.start} of the message is not {codec} as {said}.", "MSH^1^18"
        ) from error


def _segment(parsed: Sequence[object], header: Header, codec: str) -> Segment:
    name = str(parsed[0]).strip()
    fields = [str(each) for each in parsed]
    return Segment(name, fields, header.delimiters, codec)
