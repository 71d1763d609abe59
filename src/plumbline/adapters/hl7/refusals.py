"""Why a message is refused, in the words and codes of HL7 v2 (tables 0008 and 0357)."""

from __future__ import annotations

from enum import Enum

from plumbline.errors import InvalidInput


class ErrorCode(Enum):
    """Message error condition codes, table 0357: number and text."""

    SEGMENT_SEQUENCE = ("100", "Segment sequence error")
    REQUIRED_FIELD = ("101", "Required field missing")
    DATA_TYPE = ("102", "Data type error")
    TABLE_VALUE = ("103", "Table value not found")
    MESSAGE_TYPE = ("200", "Unsupported message type")
    EVENT = ("201", "Unsupported event code")
    PROCESSING_ID = ("202", "Unsupported processing id")
    VERSION = ("203", "Unsupported version id")
    INTERNAL = ("207", "Application internal error")


class Refused(InvalidInput):
    """A message that is not taken.

    Parameters
    ----------
    sentence
        One sentence without patient data: what is wrong, where, and what to send instead.
    location
        Segment, its number and field, e.g. ``PID^1^3`` (ERR-2).
    is_reject
        Whether it is refused for what it is (AR) rather than for what it says (AE).
    is_for_operator
        Whether it is kept for a person although its type is not taken here.
    """

    def __init__(
        self,
        code: ErrorCode,
        sentence: str,
        location: str = "",
        *,
        is_reject: bool = False,
        is_for_operator: bool = False,
    ) -> None:
        super().__init__(sentence, where=location.replace("^1^", "-").replace("^", "-") or None)
        self.code = code
        self.sentence = sentence
        self.location = location
        self.is_reject = is_reject
        self.is_for_operator = is_for_operator
