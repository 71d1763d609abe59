"""Orders in ORM^O01, OMI^O23 and OMG^O19: one notice for each order group.

The three differ in where they put a few fields; senders differ more. So a group is read as all segments from
one ORC to the next, and every field is looked for wherever it may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from plumbline.adapters.hl7.message import Message, Segment
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from plumbline.adapters.hl7.values import SiteIdentifiers, day_if_readable, moment, patient, words
from plumbline.exams.facts import SourceKind
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import Order, order_from_text
from plumbline.exams.study import PatientIdentity

ORDER_MESSAGES = frozenset({"ORM^O01", "OMI^O23", "OMG^O19"})

STATUS_OF_CONTROL = {
    **dict.fromkeys(("NW", "RO", "XO", "XR", "XX", "SN", "NA", "OK", "PA", "CH", "RL", "RR"), OrderStatus.ACTIVE),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR", "RP", "RU", "RQ"), OrderStatus.CANCELLED),
    **dict.fromkeys(
        ("SC", "SR", "SS", "HD", "OH", "HR", "OE", "RE", "UA", "UC", "UD", "UH", "UR", "UX"), OrderStatus.UNCHANGED
    ),
}
"""ORC-1 (table 0119). An order that was replaced no longer counts; the one that replaces it comes as RO or NW."""
CANCELLED_STATUS = frozenset({"CA", "DC", "RP"})
"""ORC-5 (table 0038): a change of status to one of these ends the order."""
DAY_TYPES = frozenset({"DT", "TS", "DTM"})
"""OBX-2 of values that are a day or a moment, such as the day of an operation that an order form asked for."""
TEXT_TYPES = frozenset({"ST", "TX", "FT", "CE", "CWE", "CNE", "IS", "ID", ""})
"""OBX-2 of values that are words."""


@dataclass(frozen=True)
class _Group:
    """The segments of one order."""

    number: int
    segments: tuple[Segment, ...]
    part: int = 0
    """Which of several OBR that share one ORC, from 1; 0 where there is one."""

    def first(self, name: str) -> Segment:
        """The first segment of a name, an empty one where there is none."""
        return next((each for each in self.segments if each.name == name), Segment(name, (), "|^~\\&"))

    def all(self, name: str) -> list[Segment]:
        return [each for each in self.segments if each.name == name]

    def at(self, place: str) -> str:
        """First value of a field named like ``OBR-18``."""
        name, _, number = place.partition("-")
        return self.first(name).value(int(number))


def order_notices(message: Message, site: SiteIdentifiers) -> list[OrderNotice]:
    """What a message says of its orders.

    Raises
    ------
    Refused
        When a segment or field that an order cannot do without is missing or wrong.
    """
    who = _only_patient(message, site)
    groups = [part for group in _groups(message) for part in _parted(group)]
    if not groups:
        raise Refused(ErrorCode.SEGMENT_SEQUENCE, "The message holds no order: it has neither ORC nor OBR.", "ORC^1")
    return [_notice(group, who, message, site) for group in groups]


def _only_patient(message: Message, site: SiteIdentifiers) -> PatientIdentity:
    """The patient of all orders of a message; one that names another as well is not taken apart by guess."""
    who = patient(message.first("PID"), site)
    for number, pid in enumerate(message.named("PID"), start=1):
        other = patient(pid, site)
        if {(other.patient_id, other.issuer), *other.other_ids} != {(who.patient_id, who.issuer), *who.other_ids}:
            raise Refused(
                ErrorCode.SEGMENT_SEQUENCE, "The message names two patients; send a message for each.", f"PID^{number}"
            )
    return who


def _groups(message: Message) -> Iterator[_Group]:
    """Split by ORC, or by OBR where a sender leaves ORC out; what stands before the first is of no order."""
    opener = "ORC" if message.first("ORC") else "OBR"
    held: list[Segment] = []
    number = 0
    for segment in message.segments:
        if segment.name == opener:
            if held:
                yield _Group(number, tuple(held))
            held, number = [], number + 1
        if number:
            held.append(segment)
    if held:
        yield _Group(number, tuple(held))


def _parted(group: _Group) -> Iterator[_Group]:
    """The orders of a group: some senders put several OBR after one ORC. One that has a result (OBR-25) is no order."""
    asked = [at for at, each in enumerate(group.segments) if each.name == "OBR" and not each.value(25)]
    if len(asked) < 2:
        yield group
        return
    shared = group.segments[: asked[0]]
    for part, (begins, ends) in enumerate(zip(asked, [*asked[1:], len(group.segments)], strict=True), start=1):
        yield _Group(group.number, (*shared, *group.segments[begins:ends]), part)


def _notice(group: _Group, who: PatientIdentity, message: Message, site: SiteIdentifiers) -> OrderNotice:
    status = _status(group)
    procedure = [*words(group.first("OBR"), 4), *words(group.first("OBR"), 44)]
    if not procedure and status is OrderStatus.ACTIVE:
        raise Refused(ErrorCode.REQUIRED_FIELD, "OBR-4 does not say what is ordered.", f"OBR^{group.number}^4")
    planned_on = _planned_on(group)
    header = message.first("MSH")
    sent_at = moment(header, 7) if header else None
    written = planned_on or (sent_at.date() if sent_at else None)
    return OrderNotice(
        order_key=_key(group, message),
        status=status,
        patient=who,
        order=_order(group, procedure, written, site),
        study_instance_uid=_study_instance_uid(group, message),
        planned_on=planned_on,
        sent_at=sent_at,
    )


def _status(group: _Group) -> OrderStatus:
    control = group.first("ORC").value(1).upper() or "NW"
    status = STATUS_OF_CONTROL.get(control)
    if status is None:
        raise Refused(
            ErrorCode.TABLE_VALUE, "ORC-1 is not an order control code of table 0119.", f"ORC^{group.number}^1"
        )
    if status is OrderStatus.UNCHANGED and group.first("ORC").value(5).upper() in CANCELLED_STATUS:
        return OrderStatus.CANCELLED
    return status


def _key(group: _Group, message: Message) -> str:
    """Placer order number, else filler order number, with who gave it (EI-2, else the sending facility).

    Where several OBR share an ORC, the number of the OBR goes before that of the ORC, which is told apart by the part.
    """
    places = [("placer", "ORC", 2), ("placer", "OBR", 2), ("filler", "ORC", 3), ("filler", "OBR", 3)]
    if group.part:
        places.sort(key=lambda place: place[1] == "ORC")
    for kind, name, number in places:
        segment = group.first(name)
        if entity := segment.value(number):
            namespace = segment.value(number, 2) or message.header.sending[1] or message.header.sending[0]
            part = f"#{group.part}" if group.part > 1 and name == "ORC" else ""
            return f"hl7:{kind}:{namespace}:{entity}{part}"
    raise Refused(
        ErrorCode.REQUIRED_FIELD,
        "The order has no number: ORC-2, OBR-2, ORC-3 and OBR-3 are all empty.",
        f"ORC^{group.number}^2",
    )


def _order(group: _Group, procedure: Sequence[str], written: date | None, site: SiteIdentifiers) -> Order:
    indication = _indication(group)
    text = "\n".join(dict.fromkeys([*procedure, *indication, *_notes(group)]))
    order = order_from_text(text, source=SourceKind.ORDER, reference_date=written)
    return replace(
        order,
        indication="; ".join(indication) or None,
        priority=_priority(group),
        accession_number=next((number for place in site.accession_from if (number := group.at(place))), None),
    )


def _indication(group: _Group) -> list[str]:
    """Relevant clinical information, reason for study, diagnoses."""
    obr = group.first("OBR")
    diagnoses = [text for dg1 in group.all("DG1") for text in (*words(dg1, 3), dg1.text(dg1.raw(4)).strip()) if text]
    relevant = [obr.text(components[0]).strip() for components in obr.repetitions(13)]
    return list(dict.fromkeys(text for text in (*relevant, *words(obr, 31), *diagnoses) if text))


def _notes(group: _Group) -> Iterator[str]:
    """Comments, and observations that are words, each with what was observed."""
    for note in group.all("NTE"):
        yield from (text for rep in note.raw(3).split(note.delimiters[2]) if (text := note.text(rep).strip()))
    for obx in group.all("OBX"):
        if answer := _answer(obx):
            asked = " ".join(words(obx, 3))
            yield f"{asked}: {answer}" if asked else answer


def _answer(obx: Segment) -> str:
    """Value of an observation that is words or a day, empty for others."""
    kind = obx.value(2).upper()
    if kind in DAY_TYPES:
        when = day_if_readable(obx, 5)
        return when.isoformat() if when else ""
    return " ".join(words(obx, 5)) if kind in TEXT_TYPES else ""


def _priority(group: _Group) -> str | None:
    """TQ1-9, else OBR-27.6, ORC-7.6, OBR-5, as sent."""
    obr, orc = group.first("OBR"), group.first("ORC")
    told = (group.first("TQ1").value(9), obr.value(27, 6), orc.value(7, 6), obr.value(5))
    return next((code for code in told if code), None)


def _planned_on(group: _Group) -> date | None:
    """Scheduled date, start of the timing, date requested, date observed."""
    obr = group.first("OBR")
    told = (
        day_if_readable(obr, 36),
        day_if_readable(group.first("TQ1"), 7),
        day_if_readable(obr, 27, component=4),
        day_if_readable(group.first("ORC"), 7, component=4),
        day_if_readable(obr, 6),
        day_if_readable(obr, 7),
    )
    return next((when for when in told if when), None)


def _study_instance_uid(group: _Group, message: Message) -> str | None:
    """IPC-3, or the segment ZDS that profiles of IHE add; a ZDS at the end of the message is of its only order."""
    zds = group.first("ZDS").value(1) or (last.value(1) if (last := message.first("ZDS")) and group.number == 1 else "")
    return group.first("IPC").value(3) or zds or None
