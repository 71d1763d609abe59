"""From a message to what it says: which messages are taken here, and what else is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.adapters.hl7.adt import MERGES, MOVES, PASSED_OVER
from plumbline.adapters.hl7.message import Header, Message, read_message
from plumbline.adapters.hl7.orders import ORDER_MESSAGES, order_notices
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from plumbline.adapters.hl7.values import SiteIdentifiers, identifiers, patient
from plumbline.exams.notices import MergeNotice, Notice

UNDERSTOOD = (*sorted(ORDER_MESSAGES), *sorted(MERGES))


@dataclass(frozen=True)
class ReadingPolicy:
    """What a site sends.

    Parameters
    ----------
    charset
        Codec of messages that leave MSH-18 empty.
    processing_ids
        MSH-11 that are taken: production messages only, unless the site says so.
    passed_over
        Types of message that are acknowledged and not used.
    """

    identifiers: SiteIdentifiers = field(default_factory=SiteIdentifiers)
    charset: str = "utf-8"
    processing_ids: frozenset[str] = frozenset({"P"})
    passed_over: frozenset[str] = PASSED_OVER


def check_header(header: Header, policy: ReadingPolicy) -> None:
    """Raise ``Refused`` where a message is not for here, whatever it says."""
    if not header.control_id.strip():
        raise Refused(ErrorCode.REQUIRED_FIELD, "MSH-10 is empty: a message needs a control ID.", "MSH^1^10")
    if header.processing_id not in policy.processing_ids:
        taken = ", ".join(sorted(policy.processing_ids))
        raise Refused(
            ErrorCode.PROCESSING_ID, f"MSH-11 is not one that is taken here ({taken}).", "MSH^1^11", is_reject=True
        )
    if not header.version.startswith("2."):
        raise Refused(ErrorCode.VERSION, "MSH-12 is not a version 2 of HL7.", "MSH^1^12", is_reject=True)
    _check_type(header, policy)


def _check_type(header: Header, policy: ReadingPolicy) -> None:
    if header.kind in UNDERSTOOD or header.kind in policy.passed_over:
        return
    if header.kind in MOVES:
        sentence = "This change of whose a record is cannot be carried out here; an operator must look at it."
        raise Refused(ErrorCode.EVENT, sentence, "MSH^1^9", is_reject=True, is_for_operator=True)
    is_known_code = any(kind.startswith(f"{header.message_code}^") for kind in UNDERSTOOD)
    code = ErrorCode.EVENT if is_known_code and header.message_code else ErrorCode.MESSAGE_TYPE
    sentence = f"Messages of this type are not taken here; send one of {', '.join(UNDERSTOOD)}."
    raise Refused(code, sentence.replace("^", " "), "MSH^1^9", is_reject=True)


def read_notices(block: bytes, header: Header, policy: ReadingPolicy) -> list[Notice]:
    """What a message says; nothing where it is one that is passed over.

    Raises
    ------
    Refused
        When it is not for here, or something that is needed is missing or wrong.
    """
    check_header(header, policy)
    if header.kind not in UNDERSTOOD:
        return []
    message = read_message(block, header, default_charset=policy.charset)
    if header.kind in MERGES:
        return list(merge_notices(message, policy.identifiers))
    return list(order_notices(message, policy.identifiers))


def merge_notices(message: Message, site: SiteIdentifiers) -> list[MergeNotice]:
    """Every pair of PID and MRG of a merge; the message may hold several.

    Raises
    ------
    Refused
        When a PID has no MRG, an identifier is missing, or nothing says who issued one.
    """
    notices: list[MergeNotice] = []
    pid = None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG":
            number = len(notices) + 1
            surviving = patient(pid, site)
            retired = identifiers(segment, 1, site)
            if not retired:
                raise Refused(ErrorCode.REQUIRED_FIELD, "MRG-1 names no record to merge.", f"MRG^{number}^1")
            _need_issuers(MergeNotice(surviving, retired), number)
            notices.append(MergeNotice(surviving, retired))
    if not notices:
        raise Refused(ErrorCode.SEGMENT_SEQUENCE, "A merge needs PID and, after it, MRG.", "MRG^1")
    return notices


def _need_issuers(notice: MergeNotice, number: int) -> None:
    """Refuse a merge of bare numbers: what they name depends on who gave them."""
    if notice.surviving.issuer is None:
        raise Refused(ErrorCode.REQUIRED_FIELD, "PID-3 does not say who issued the identifier.", f"PID^{number}^3")
    if any(issuer is None for _, issuer in notice.retired):
        raise Refused(ErrorCode.REQUIRED_FIELD, "MRG-1 does not say who issued the identifier.", f"MRG^{number}^1")
