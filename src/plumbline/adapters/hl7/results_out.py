"""Results out by HL7 v2: ORU^R01 (2.5.1) over MLLP.

The message says priority, status, short text and link. Its control id and the filler order number are derived
from the result, so a receiver that got it twice, because an acknowledgement was lost, has one result.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import hl7

from plumbline.adapters.hl7.sending import send_message
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.outgoing import TAKES_BACK
from plumbline.pipeline.ports import ReportObject
from plumbline.triage.priority import Priority

VERSION = "2.5.1"
SENDING_APPLICATION = "PLUMBLINE"
CODING_SCHEME = "99PLUMBLINE"
LONGEST_CONTROL_ID = 20
_NAMESPACE = uuid.UUID("5a1d38a4-1b8e-5b9e-9a53-0a3d5ef1a0b7")
_RESULT_STATUS = {"preliminary": "P", "final": "F", "corrected": "C", "withdrawn": "X", "cancelled": "X"}
"""OBR-25 (table 0123); X: no results available, order cancelled."""
_OBSERVATION_STATUS = {**_RESULT_STATUS, "withdrawn": "W"}
"""OBX-11 (table 0085); W: what was posted is wrong, X: no result can be had."""
_DELETED = '""'
"""HL7's null: the receiver is to empty the value that it has."""
_SEPARATORS = "|^~\\&"
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "})


def control_id(delivery: Delivery) -> str:
    """MSH-10 of a delivery: the same whenever it is sent again."""
    return uuid.uuid5(_NAMESPACE, f"{delivery.destination} {delivery.key}").hex[:LONGEST_CONTROL_ID].upper()


def result_message(
    notice: Mapping[str, Any], *, message_id: str, sent_at: datetime, application: str = "", facility: str = ""
) -> hl7.Message:
    """Build ORU^R01 of a result.

    Parameters
    ----------
    notice
        What ``pipeline.outgoing.result_notice`` wrote.
    message_id
        MSH-10.
    application, facility
        MSH-5 and MSH-6 of the receiver.
    """
    lines = [
        _segment(
            "MSH", *("",) * 1, "^~\\&", SENDING_APPLICATION, "", _text(application), _text(facility), _moment(sent_at),
            "", "ORU^R01^ORU_R01", message_id, "P", VERSION, "", "", "", "", "", "UNICODE UTF-8",
        ),
        _patient(notice["patient"]),
        _request(notice),
        _timing(notice),
        *_observations(notice),
    ]  # fmt: skip
    return cast(hl7.Message, hl7.parse("\r".join(lines) + "\r"))


def _segment(name: str, *fields: str) -> str:
    if name == "MSH":
        fields = fields[1:]
    return "|".join((name, *fields)).rstrip("|")


def _patient(patient: Mapping[str, Any]) -> str:
    identifier = f"{_text(patient['id'])}^^^{_text(patient['issuer'])}^MR"
    name = "^".join(_text(part) for part in (patient["name"] or "").split("=")[0].split("^"))
    birth = (patient["birth_date"] or "").replace("-", "")
    return _segment("PID", "1", "", identifier, "", name, "", birth, patient["sex"] or "")


def _request(notice: Mapping[str, Any]) -> str:
    """OBR: the accession number is the placer's and the filler's order number, OBR-25 the status."""
    accession = _text(notice["accession_number"]) or _text(notice["study_instance_uid"])
    code = next(iter(notice["procedure_codes"]), None)
    service = (
        "^".join(_text(part) for part in (code[0], code[2], code[1])) if code else f"^{_text(notice['description'])}"
    )
    fields = {
        1: "1",
        2: accession,
        3: f"{accession}^{SENDING_APPLICATION}",
        4: service,
        7: _moment_of(notice["performed_at"]),
        22: _moment_of(notice["completed_at"]),
        24: "RAD",
        25: _RESULT_STATUS[notice["status"]],
        27: f"^^^^^{Priority(notice['priority']).hl7}",
    }
    return _segment("OBR", *(fields.get(number, "") for number in range(1, 28)))


def _timing(notice: Mapping[str, Any]) -> str:
    return _segment("TQ1", "1", *("",) * 7, Priority(notice["priority"]).hl7)


def _observations(notice: Mapping[str, Any]) -> list[str]:
    """OBX: the priority, the short text, the SR's UID and the link."""
    status = _OBSERVATION_STATUS[notice["status"]]
    report = notice["report"] or {}
    priority = f"{notice['priority']}^{notice['priority']}^{CODING_SCHEME}"
    observed = [
        ("CWE", "PRIORITY", "Reading priority", _DELETED if notice["status"] in TAKES_BACK else priority),
        ("TX", "TEXT", "Result", "~".join(_text(reason) for reason in notice["reasons"])),
        ("ST", "STUDY", "Study Instance UID", _text(notice["study_instance_uid"])),
        ("ST", "SR", "SOP Instance UID of the report", _text(report.get("sop_instance_uid"))),
        (
            "RP",
            "LINK",
            "Comparison",
            f"{_text(notice['link'])}^{SENDING_APPLICATION}^TEXT^HTML" if notice["link"] else "",
        ),
    ]
    given = [each for each in observed if each[3]]
    return [
        _segment("OBX", str(number), kind, f"{code}^{meaning}^{CODING_SCHEME}", "", value, *("",) * 5, status)
        for number, (kind, code, meaning, value) in enumerate(given, start=1)
    ]


def _text(words: str | None) -> str:
    return (words or "").translate(_ESCAPES)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _moment_of(written: str | None) -> str:
    if not written:
        return ""
    moment = datetime.fromisoformat(written)
    return _moment(moment) if moment.tzinfo else moment.strftime("%Y%m%d%H%M%S")


class ResultSender:
    """``Destination`` that sends each result over MLLP and waits for its acknowledgement."""

    def __init__(
        self, host: str, port: int, *, application: str = "", facility: str = "", timeout_s: float = 30.0
    ) -> None:
        self._address = (host, port)
        self._receiver = {"application": application, "facility": facility}
        self._timeout_s = timeout_s

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``."""
        message_id = control_id(delivery)
        message = result_message(delivery.notice, message_id=message_id, sent_at=delivery.created_at, **self._receiver)
        send_message(message, *self._address, message_id=message_id, timeout_s=self._timeout_s)
