"""One message in, its acknowledgements out: what HL7 v2 calls the receiving application. No network here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from plumbline.adapters.hl7.acknowledgement import INTERNAL_FAILURE, Verdict, acknowledgements
from plumbline.adapters.hl7.message import Header, read_header
from plumbline.adapters.hl7.reading import UNDERSTOOD, ReadingPolicy, read_notices
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from plumbline.errors import PlumblineError
from plumbline.pipeline.patient_ports import Envelope, MessageIntake, Taken

OTHER_KIND = "other"
_FOR_OTHERS = (ErrorCode.MESSAGE_TYPE, ErrorCode.EVENT, ErrorCode.PROCESSING_ID, ErrorCode.VERSION)


class ReceiverObserver(Protocol):
    """Told what became of each message, for logs and metrics; nothing it is told names a patient."""

    def received(self, kind: str, code: str, outcome: str, sentence: str, exams_told: int) -> None:
        """One message was answered: its type, the letter of its acknowledgement, what became of it and why."""
        ...


@dataclass(frozen=True)
class Receiver:
    """Reads messages, has them stored, and says so."""

    intake: MessageIntake
    policy: ReadingPolicy
    observer: ReceiverObserver
    now: Callable[[], datetime]

    def answer(self, block: bytes) -> list[bytes]:
        """Acknowledgements of one message, after it is durable or refused. Blocks while it is stored."""
        try:
            header = read_header(block)
        except Refused as refusal:
            return self._refused(block, Header(), refusal)
        try:
            notices = read_notices(block, header, self.policy)
        except Refused as refusal:
            return self._refused(block, header, refusal)
        if not notices:
            return self._told(header, Verdict(), "passed-over")
        try:
            receipt = self.intake.take_in(_envelope(block, header), notices)
        except PlumblineError:
            return self._told(header, Verdict(INTERNAL_FAILURE), "not-stored")
        return self._told(header, Verdict(), receipt.outcome.value, receipt.exams_told)

    def _refused(self, block: bytes, header: Header, refusal: Refused) -> list[bytes]:
        """Keep what was refused for an operator, then say why; messages that are for others are not kept."""
        if refusal.code in _FOR_OTHERS and not refusal.is_for_operator:
            return self._told(header, Verdict(refusal), "not-for-here")
        try:
            self.intake.set_aside(_envelope(block, header), str(refusal))
        except PlumblineError:
            return self._told(header, Verdict(INTERNAL_FAILURE), "not-stored")
        return self._told(header, Verdict(refusal), Taken.QUARANTINED.value)

    def _told(self, header: Header, verdict: Verdict, outcome: str, exams_told: int = 0) -> list[bytes]:
        sentence = "" if verdict.refusal is None else str(verdict.refusal)
        kind = header.kind if header.kind in UNDERSTOOD else OTHER_KIND
        self.observer.received(kind, verdict.letter, outcome, sentence, exams_told)
        return acknowledgements(header, verdict, at=self.now())


def _envelope(block: bytes, header: Header) -> Envelope:
    """A message without a control ID is told apart by its content."""
    return Envelope(
        channel="hl7",
        kind=header.kind,
        sender=header.sender,
        control_id=header.control_id or hashlib.sha256(block).hexdigest(),
        body=block,
    )
