"""What of a workitem of ours is sent to a foreign manager of workitems (PS3.4 table CC.2.5-3, the SCU's side)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.attributes import UPS_ATTRIBUTES, Attribute, Requirement
from plumbline.worklist.dataset import Dataset, element, has_value, items, sequence
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State

_UNDEFINED = "-"
_OF_THE_REQUEST = frozenset({Refusal.NO_SUCH_WORKITEM, Refusal.UNKNOWN_RECEIVER, Refusal.ONLY_CREATED_SCHEDULED})
_BY_STATUS = {refusal.dimse_status: refusal for refusal in Refusal}


def for_creation(dataset: Dataset) -> dict[str, Any]:
    """Attribute list of N-CREATE: what a user may give, in state SCHEDULED, with an empty Transaction UID."""
    chosen = _allowed(dataset, UPS_ATTRIBUTES, lambda row: row.create)
    chosen[tags.TRANSACTION_UID] = element("UI")
    chosen[tags.STATE] = element("CS", State.SCHEDULED.value)
    chosen[tags.PROGRESS_INFORMATION] = sequence()
    chosen[tags.PERFORMED] = sequence()
    return chosen


def for_update(dataset: Dataset) -> dict[str, Any]:
    """Modification list of N-SET: nothing of the patient, the visit or the request, which no update may touch."""
    return _allowed(dataset, UPS_ATTRIBUTES, lambda row: row.update)


def _allowed(dataset: Dataset, rows: Mapping[str, Attribute], requirement: Any) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for tag, given in dataset.items():
        row = rows.get(tag)
        if row is None or not _may_be_given(requirement(row), has_value(dataset, tag)):
            continue
        below = [_allowed(item, row.items, requirement) for item in items(dataset, tag)] if row.items else []
        chosen[tag] = sequence(*below) if below else given
    return chosen


def _may_be_given(requirement: Requirement | None, is_given: bool) -> bool:
    """Whether a user may send it so; what a provider needs a value of is left out where there is none."""
    if requirement is None or requirement.user == _UNDEFINED:
        return False
    return is_given or requirement.provider not in ("1", "1C")


def refusal_of(status: int) -> WorkitemInvalid | WorkitemConflict | None:
    """Error for a status that a manager answered with, None where PS3.4 annex CC does not define it."""
    reason = _BY_STATUS.get(status)
    if reason is None:
        return None
    is_of_the_request = reason.dimse_status < 0xC000 and reason is not Refusal.DUPLICATE
    return WorkitemInvalid(reason) if is_of_the_request or reason in _OF_THE_REQUEST else WorkitemConflict(reason)
