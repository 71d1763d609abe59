"""HL7 v2 messages for tests, built and validated with hl7apy, which shares no code with what reads them here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import count

from hl7apy.core import Message

VT, END = b"\x0b", b"\x1c\r"
_numbers = count(1)

STRUCTURES = {"ORM^O01": "ORM_O01", "OMI^O23": "OMI_O23", "OMG^O19": "OMG_O19", "ADT^A40": "ADT_A39"}


@dataclass(frozen=True)
class Person:
    """A patient who does not exist, as a hospital's system writes one."""

    patient_id: str = "P1"
    authority: str = "HOSPITAL"
    born: date | None = date(1961, 4, 2)
    sex: str = "F"
    name: str = "Example^Ada"

    @property
    def identifier(self) -> str:
        return f"{self.patient_id}^^^{self.authority}^MR"


@dataclass(frozen=True)
class OrderText:
    """What an order says."""

    procedure: str = "CTLSP^CT lumbar spine^L"
    placer: str = "PL1"
    filler: str = "FI1"
    accession: str = ""
    study_uid: str = ""
    relevant: str = ""
    reason: str = ""
    diagnosis: str = ""
    notes: tuple[str, ...] = ()
    observations: tuple[tuple[str, str], ...] = ()
    """(what, answer)."""
    priority: str = ""
    planned: str = "20260301"
    control: str = "NW"
    status: str = ""


@dataclass(frozen=True)
class Frame:
    """What stands in MSH."""

    version: str = "2.5.1"
    charset: str = "UNICODE UTF-8"
    control_id: str = ""
    accept: str = ""
    application: str = ""
    processing: str = "P"
    sent: str = "20260228120000"
    codec: str = "utf-8"
    further: dict[str, str] = field(default_factory=dict)


def order_message(
    kind: str = "OMI^O23", person: Person | None = None, order: OrderText | None = None, frame: Frame | None = None
) -> bytes:
    """One order of one patient."""
    person, order, frame = person or Person(), order or OrderText(), frame or Frame()
    message = _framed(kind, frame)
    structure = STRUCTURES[kind]
    patient = message.add_group(f"{structure}_PATIENT")
    _fill_pid(patient, person)
    group = message.add_group(f"{structure}_ORDER")
    group.orc.orc_1, group.orc.orc_2, group.orc.orc_3 = order.control, f"{order.placer}^HIS", f"{order.filler}^RIS"
    if order.status:
        group.orc.orc_5 = order.status
    if kind == "ORM^O01":
        group.orc.orc_7 = f"^^^{order.planned}^^{order.priority}"
    detail = group
    if kind == "ORM^O01":
        detail = group.add_group("ORM_O01_ORDER_DETAIL")
        obr = detail.add_group("ORM_O01_OBRRQDRQ1RXOODSODT_SUPPGRP" if frame.version >= "2.5" else "ORM_O01_CHOICE").obr
    else:
        _fill_timing(group, structure, order)
        obr = group.obr
    _fill_obr(obr, order, kind)
    _fill_text(detail, structure if kind != "ORM^O01" else "ORM_O01", order)
    if kind == "OMI^O23":
        group.ipc.ipc_1 = order.accession or order.filler
        group.ipc.ipc_2, group.ipc.ipc_4 = "RP1", "SPS1"
        group.ipc.ipc_3 = order.study_uid or f"2.25.{next(_numbers)}"
    return _bytes(message, frame, zds=order.study_uid if kind == "ORM^O01" else "")


def merge_message(survivor: Person, retired: Person, frame: Frame | None = None) -> bytes:
    """ADT^A40: the retired record is one with the survivor's."""
    frame = frame or Frame()
    message = _framed("ADT^A40", frame)
    message.evn.evn_2 = frame.sent
    group = message.add_group("ADT_A39_PATIENT")
    _fill_pid(group, survivor)
    group.mrg.mrg_1 = retired.identifier
    return _bytes(message, frame)


PATIENT_STRUCTURES = {
    **dict.fromkeys(("A01", "A04", "A08"), "ADT_A01"),
    "A11": "ADT_A09",
    "A18": "ADT_A18",
    **dict.fromkeys(("A28", "A31"), "ADT_A05"),
    **dict.fromkeys(("A34", "A36", "A47"), "ADT_A30"),
    **dict.fromkeys(("A43", "A44"), "ADT_A43"),
}
"""Structure of each event of a patient that is built here (HL7 2.5.1, table 0354)."""
_WITHOUT_VISIT = frozenset({"ADT_A30", "ADT_A43"})


def patient_message(event: str, person: Person, retired: Person | None = None) -> bytes:
    """ADT message of an event; with the retired record where the event has one."""
    frame, structure = Frame(), PATIENT_STRUCTURES[event]
    message = _framed(f"ADT^{event}", frame, structure)
    message.evn.evn_2 = frame.sent
    holder = message.add_group("ADT_A43_PATIENT") if structure == "ADT_A43" else message
    _fill_pid(holder, person)
    if retired:
        holder.mrg.mrg_1 = retired.identifier
    if structure not in _WITHOUT_VISIT:
        message.pv1.pv1_2 = "O"
    return _bytes(message, frame)


def _framed(kind: str, frame: Frame, structure: str = "") -> Message:
    structure = structure or STRUCTURES[kind]
    message = Message(structure, version=frame.version)
    msh = message.msh
    msh.msh_3, msh.msh_4, msh.msh_5, msh.msh_6 = "HIS", "HOSPITAL", "PLUMBLINE", "READING"
    msh.msh_7, msh.msh_9 = frame.sent, kind if frame.version == "2.3" else f"{kind}^{structure}"
    msh.msh_10 = frame.control_id or f"MSG{next(_numbers):05d}"
    msh.msh_11, msh.msh_12 = frame.processing, frame.version
    if frame.accept:
        msh.msh_15 = frame.accept
    if frame.application:
        msh.msh_16 = frame.application
    if frame.charset:
        msh.msh_18 = frame.charset
    return message


def _fill_pid(group: object, person: Person) -> None:
    pid = group.pid  # type: ignore[attr-defined]
    pid.pid_3, pid.pid_5 = person.identifier, person.name
    if person.born:
        pid.pid_7 = person.born.strftime("%Y%m%d")
    if person.sex:
        pid.pid_8 = person.sex


def _fill_timing(group: object, structure: str, order: OrderText) -> None:
    if not order.planned and not order.priority:
        return
    tq1 = group.add_group(f"{structure}_TIMING").tq1  # type: ignore[attr-defined]
    if order.planned:
        tq1.tq1_7 = order.planned
    if order.priority:
        tq1.tq1_9 = order.priority


def _fill_obr(obr: object, order: OrderText, kind: str) -> None:
    obr.obr_1, obr.obr_2, obr.obr_3 = "1", f"{order.placer}^HIS", f"{order.filler}^RIS"  # type: ignore[attr-defined]
    obr.obr_4 = order.procedure  # type: ignore[attr-defined]
    if order.relevant:
        obr.obr_13 = order.relevant  # type: ignore[attr-defined]
    if order.accession and kind != "OMI^O23":
        obr.obr_18 = order.accession  # type: ignore[attr-defined]
    if kind == "ORM^O01" and (order.priority or order.planned):
        obr.obr_27 = f"^^^{order.planned}^^{order.priority}"  # type: ignore[attr-defined]
    if order.reason:
        obr.obr_31 = f"^{order.reason}"  # type: ignore[attr-defined]


def _fill_text(group: object, structure: str, order: OrderText) -> None:
    for number, text in enumerate(order.notes, start=1):
        nte = group.add_segment("NTE")  # type: ignore[attr-defined]
        nte.nte_1, nte.nte_3 = str(number), text
    if order.diagnosis:
        dg1 = group.add_segment("DG1")  # type: ignore[attr-defined]
        dg1.dg1_1, dg1.dg1_3, dg1.dg1_6 = "1", f"^{order.diagnosis}", "A"
    for number, (what, answer) in enumerate(order.observations, start=1):
        obx = group.add_group(f"{structure}_OBSERVATION").obx  # type: ignore[attr-defined]
        obx.obx_1, obx.obx_2, obx.obx_3, obx.obx_4, obx.obx_11 = str(number), "TX", f"^{what}", "1", "F"
        obx.obx_5 = answer


def _validate(message: Message) -> None:
    """Validate against the standard's structure; of ORM^O01, whose choice hl7apy does not know, each segment."""
    if message.name != "ORM_O01":
        message.validate()
        return
    waiting = list(message.children)
    while waiting:
        each = waiting.pop()
        if each.classname == "Segment":
            each.validate()
        else:
            waiting.extend(each.children)


def _bytes(message: Message, frame: Frame, *, zds: str = "") -> bytes:
    _validate(message)
    text = message.to_er7().rstrip("\r") + "\r"
    if zds:  # a segment of IHE's, of which no version of the standard knows
        text += f"ZDS|{zds}^Application^DICOM\r"
    return text.encode(frame.codec)
