"""Acknowledgements (ACK) in original and enhanced mode, HL7 v2 chapter 2.9, tables 0008 and 0155."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from plumbline.adapters.hl7.message import HEADER_CODEC, Header
from plumbline.adapters.hl7.refusals import ErrorCode, Refused

ERR_IN_PLACES_SINCE = (2, 5)
"""Since this version ERR has location, code, severity and a message for the user in fields of their own."""
STRUCTURE_NAMED_SINCE = (2, 3, 1)
"""Since this version MSH-9 has trigger event and message structure."""
LONGEST_MSA_3 = 80


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted (no refusal), refused for what it says, or refused for what it is."""

    refusal: Refused | None = None

    @property
    def letter(self) -> str:
        """A, E or R: the second letter of the acknowledgement code."""
        if self.refusal is None:
            return "A"
        return "R" if self.refusal.is_reject else "E"


def acknowledgements(header: Header, verdict: Verdict, *, at: datetime) -> list[bytes]:
    """What is answered: one message in original mode; in enhanced mode those that the sender asked for.

    In enhanced mode the accept acknowledgement says that the message is safe, the application
    acknowledgement what came of it; both are sent on the same connection, in this order. A message that is
    quarantined is safe, so its accept acknowledgement is CA; one that is rejected for what it is gets CR.
    """
    if not header.is_enhanced:
        return [_ack(header, f"A{verdict.letter}", verdict.refusal, at)]
    answers: list[bytes] = []
    is_safe = verdict.refusal is None or not verdict.refusal.is_reject
    if _is_wanted(header.accept_condition, is_success=is_safe):
        answers.append(_ack(header, _accept_code(verdict), None if is_safe else verdict.refusal, at))
    if is_safe and _is_wanted(header.application_condition, is_success=verdict.refusal is None):
        answers.append(_ack(header, f"A{verdict.letter}", verdict.refusal, at))
    return answers


def _accept_code(verdict: Verdict) -> str:
    if verdict.refusal is None or not verdict.refusal.is_reject:
        return "CA"
    return "CE" if verdict.refusal.code is ErrorCode.INTERNAL else "CR"


def _is_wanted(condition: str, *, is_success: bool) -> bool:
    """Table 0155: always, never, on error or reject only, on success only."""
    return {"AL": True, "ER": not is_success, "SU": is_success}.get(condition, False)


def _ack(header: Header, code: str, refusal: Refused | None, at: datetime) -> bytes:
    separator, component, repetition, escape, subcomponent = header.delimiters
    encoding_characters = component + repetition + escape + subcomponent
    is_typed = header.trigger and _version(header) >= STRUCTURE_NAMED_SINCE
    message_type = component.join(("ACK", header.trigger, "ACK")) if is_typed else "ACK"
    msh = [
        "MSH",
        encoding_characters,
        *header.receiving,
        *header.sending,
        at.strftime("%Y%m%d%H%M%S+0000"),
        "",
        message_type,
        uuid.uuid4().hex[:20],
        header.processing_id or "P",
        header.version or "2.5",
        *("", "", "", "", ""),
        header.charset,
    ]
    segments = [msh, _msa(header, code, refusal)]
    if refusal is not None:
        segments.append(_err(header, refusal))
    lines = (separator.join(_without_empty_end(segment)) for segment in segments)
    return "".join(f"{line}\r" for line in lines).encode(HEADER_CODEC, "replace")


def _msa(header: Header, code: str, refusal: Refused | None) -> list[str]:
    text = "" if refusal is None or _has_places(header) else _escaped(header, refusal.sentence)[:LONGEST_MSA_3]
    return ["MSA", code, header.control_id, text]


def _err(header: Header, refusal: Refused) -> list[str]:
    component = header.delimiters[1]
    number, words = refusal.code.value
    coded = component.join((number, words, "HL70357"))
    location = refusal.location.replace("^", component)
    if not _has_places(header):
        coded_inside = header.delimiters[4].join((number, words, "HL70357"))
        segment, sequence, place = (*refusal.location.split("^"), "", "", "")[:3]
        return ["ERR", component.join((segment, sequence, place, coded_inside))]
    return ["ERR", "", location, coded, "E", "", "", "", _escaped(header, refusal.sentence)]


def _has_places(header: Header) -> bool:
    return _version(header) >= ERR_IN_PLACES_SINCE


def _version(header: Header) -> tuple[int, ...]:
    return tuple(int(part) for part in header.version.split(".") if part.isdigit())


def _escaped(header: Header, text: str) -> str:
    separator, component, repetition, escape, subcomponent = header.delimiters
    names = {separator: "F", component: "S", repetition: "R", escape: "E", subcomponent: "T"}
    return "".join(f"{escape}{names[c]}{escape}" if c in names else c for c in text)


def _without_empty_end(fields: list[str]) -> list[str]:
    while fields and not fields[-1]:
        fields = fields[:-1]
    return fields


INTERNAL_FAILURE = Refused(
    ErrorCode.INTERNAL, "The message could not be stored now; send it again later.", is_reject=True
)
"""For whatever goes wrong on our side: nothing was kept, the sender keeps the message."""
