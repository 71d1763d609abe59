"""Why a workitem request is refused, as the Standard names the reasons. Each face turns them into its own language.

::

    InvalidInput
    └── WorkitemInvalid     the request itself is wrong, or names a workitem that is not there
    Conflict
    └── WorkitemConflict    the request contradicts the state of the workitem or its lock
"""

from __future__ import annotations

from enum import Enum

from plumbline.errors import Conflict, InvalidInput


class Refusal(Enum):
    """A reason with the DIMSE status that PS3.4 gives it and a sentence. Source: PS3.4 CC.2.1.4 to CC.2.7.4."""

    NO_LONGER_UPDATABLE = (0xC300, "The workitem is finished and may no longer be changed.")
    WRONG_TRANSACTION_UID = (0xC301, "The correct Transaction UID was not provided.")
    ALREADY_IN_PROGRESS = (0xC302, "The workitem is already IN PROGRESS.")
    ONLY_CREATED_SCHEDULED = (0xC303, "A workitem becomes SCHEDULED only when it is created.")
    FINAL_STATE_NOT_MET = (0xC304, "The workitem does not meet the requirements of the final state.")
    NO_SUCH_WORKITEM = (0xC307, "There is no such workitem.")
    UNKNOWN_RECEIVER = (0xC308, "The receiving application is not known.")
    NOT_CREATED_SCHEDULED = (0xC309, "A workitem has to be created in the state SCHEDULED.")
    NOT_IN_PROGRESS = (0xC310, "The workitem is not yet IN PROGRESS.")
    ALREADY_COMPLETED = (0xC311, "The workitem is already COMPLETED.")
    PERFORMER_NOT_REACHABLE = (0xC312, "The performer cannot be contacted.")
    PERFORMER_DECLINES = (0xC313, "The performer chooses not to cancel.")
    UNSUITABLE_ACTION = (0xC314, "The action does not fit the named instance.")
    DUPLICATE = (0x0111, "A workitem with this UID exists already.")
    INVALID_VALUE = (0x0106, "An attribute has a value that is not allowed.")
    MISSING_ATTRIBUTE = (0x0120, "A required attribute is missing.")
    MISSING_VALUE = (0x0121, "A required attribute has no value.")
    NOT_ALLOWED = (0x0105, "An attribute is not allowed in this request.")

    def __init__(self, dimse_status: int, sentence: str) -> None:
        self.dimse_status = dimse_status
        self.sentence = sentence


class Notice(Enum):
    """Why an accepted request changed less than was asked, with its DIMSE warning status."""

    CREATED_WITH_MODIFICATIONS = (0xB300, "The UPS was created with modifications.")
    NO_DELETION_LOCK = (0xB301, "Deletion Lock not granted.")
    ALREADY_CANCELED = (0xB304, "The UPS is already in the requested state of CANCELED.")
    COERCED = (0xB305, "Invalid values were coerced to valid values.")
    ALREADY_COMPLETED = (0xB306, "The UPS is already in the requested state of COMPLETED.")

    def __init__(self, dimse_status: int, sentence: str) -> None:
        self.dimse_status = dimse_status
        self.sentence = sentence


class WorkitemInvalid(InvalidInput):
    """The request cannot be carried out in any state."""

    def __init__(self, reason: Refusal, *, where: str | None = None, detail: str | None = None) -> None:
        super().__init__(detail or reason.sentence, where=where)
        self.reason = reason


class WorkitemConflict(Conflict):
    """The request contradicts the state of the workitem or does not hold its lock."""

    def __init__(self, reason: Refusal, *, where: str | None = None, detail: str | None = None) -> None:
        super().__init__(detail or reason.sentence, where=where)
        self.reason = reason
