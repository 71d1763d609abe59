"""Orders of the follow-ups, sent by HL7 v2 as a hospital's system does before the patient lies in the scanner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plumbline.adapters.hl7.sending import send_message
from plumbline.demo.patients import WrittenPatient
from plumbline.demo.ports import HOST
from plumbline.phantom.ct_files import ExamHeader

TIMEOUT_S = 20.0
COMPLAINTS = {
    "InCanal": "New foot drop since yesterday.",
    "WrongLevel": "Pain as before the operation.",
}
"""What the order says of a patient's complaints; whoever is not here is ordered in the headers alone."""


def ordered_exams(patients: Sequence[WrittenPatient]) -> Iterator[tuple[ExamHeader, str]]:
    """Last exams that are ordered by HL7, with the complaint."""
    for each in patients:
        if each.patient.name in COMPLAINTS:
            yield each.exams[-1].exam.header, COMPLAINTS[each.patient.name]


def send_orders(patients: Sequence[WrittenPatient], *, port: int) -> None:
    """Send the orders, each waiting until it is accepted. Raises like ``send_message``."""
    for header, complaint in ordered_exams(patients):
        message = order_message(header, complaint)
        send_message(message, HOST, port, message_id=header.accession_number, timeout_s=TIMEOUT_S)


def order_message(header: ExamHeader, complaint: str) -> str:
    """ORM^O01 of a control after the operation; segments end in carriage returns."""
    at = f"{header.performed_at:%Y%m%d%H%M%S}"
    number = header.accession_number
    person = f"{header.patient_id}^^^{header.issuer}^MR||{header.virtual_name}||{header.birth_date:%Y%m%d}|{header.sex}"
    segments = (
        f"MSH|^~\\&|HIS|{header.issuer}|PLUMBLINE||{at}||ORM^O01^ORM_O01|{number}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{person}",
        f"ORC|NW|{number}^HIS|{number}^RIS",
        f"OBR|1|{number}^HIS|{number}^RIS|^{header.study_description}|||||||||{header.reason}. {complaint}",
    )
    return "\r".join(segments) + "\r"
