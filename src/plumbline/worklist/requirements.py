"""The requirements of PS3.4 table CC.2.5-3, enforced: at creation, at every update and before a final state.

What a sender left out and the provider may add (type 2 attributes, the label of the worklist) is added;
everything else that is missing or not allowed is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.attributes import UPS_ATTRIBUTES, Attribute, FinalCode
from plumbline.worklist.dataset import Dataset, element, has_value, items, sequence, text, values
from plumbline.worklist.form import check_form
from plumbline.worklist.refusals import Refusal, WorkitemConflict, WorkitemInvalid
from plumbline.worklist.states import State

_ALLOWED_VALUES = {
    tags.PRIORITY: frozenset({"HIGH", "MEDIUM", "LOW"}),
    tags.READINESS: frozenset({"INCOMPLETE", "UNAVAILABLE", "READY"}),
}
_ADDED_VALUES = {tags.WORKLIST_LABEL: "Worklist"}
"""Type 1 for the provider and type 2 for the user: what is written where the user said nothing."""


def completed_for_creation(dataset: Any) -> tuple[dict[str, Any], bool]:
    """Check a dataset that is to become a workitem, and add what the provider may add.

    Returns
    -------
    tuple
        The dataset to store, and whether anything was added.

    Raises
    ------
    WorkitemInvalid
        NOT_CREATED_SCHEDULED, MISSING_ATTRIBUTE, MISSING_VALUE, NOT_ALLOWED or INVALID_VALUE.
    """
    given = check_form(dataset)
    if text(given, tags.STATE) not in ("", State.SCHEDULED.value):
        raise WorkitemInvalid(Refusal.NOT_CREATED_SCHEDULED)
    if has_value(given, tags.TRANSACTION_UID):
        raise WorkitemInvalid(Refusal.NOT_ALLOWED, where="TransactionUID")
    _check_values(given)
    completed = _completed(given, UPS_ATTRIBUTES, "")
    completed.pop(tags.TRANSACTION_UID, None)
    added = {tag: value for tag, value in _ADDED_VALUES.items() if not has_value(completed, tag)}
    completed.update({tag: element("LO", value) for tag, value in added.items()})
    return completed, bool(completed.keys() - given.keys() or added)


def _completed(given: Dataset, rows: Mapping[str, Attribute], path: str) -> dict[str, Any]:
    """Dataset with its empty type 2 attributes, at this level and in its items."""
    completed = dict(given)
    for row in rows.values():
        where = f"{path}{row.keyword}"
        if row.create is None:
            _refuse_present(given, row, where)
        elif row.tag not in given:
            if row.create.user == "1":
                raise WorkitemInvalid(Refusal.MISSING_ATTRIBUTE, where=where)
            if row.create.user == "2" and row.tag != tags.TRANSACTION_UID:
                completed[row.tag] = element(row.vr)
        else:
            if row.create.user in ("1", "1C") and not has_value(given, row.tag):
                raise WorkitemInvalid(Refusal.MISSING_VALUE, where=where)
            if row.items and items(given, row.tag):
                completed[row.tag] = sequence(*(_completed(i, row.items, f"{where}.") for i in items(given, row.tag)))
    return completed


def check_update(changes: Any) -> Dataset:
    """Check the attributes of an update; the Transaction UID has to be taken out before.

    Raises
    ------
    WorkitemInvalid
        MISSING_ATTRIBUTE, MISSING_VALUE, NOT_ALLOWED or INVALID_VALUE.
    """
    given = check_form(changes)
    _check_values(given)
    _check_changes(given, UPS_ATTRIBUTES, "", is_item=False)
    return given


def _check_changes(given: Dataset, rows: Mapping[str, Attribute], path: str, *, is_item: bool) -> None:
    for row in rows.values():
        where = f"{path}{row.keyword}"
        if row.update is None:
            _refuse_present(given, row, where)
        elif row.tag in given:
            if row.update.provider in ("1", "1C") and not has_value(given, row.tag):
                raise WorkitemInvalid(Refusal.MISSING_VALUE, where=where)
            for item in items(given, row.tag):
                _check_changes(item, row.items, f"{where}.", is_item=True)
        elif is_item and row.update.user == "1":
            raise WorkitemInvalid(Refusal.MISSING_ATTRIBUTE, where=where)


def _refuse_present(given: Dataset, row: Attribute, where: str) -> None:
    if row.tag in given:
        raise WorkitemInvalid(Refusal.NOT_ALLOWED, where=where)


def _check_values(given: Dataset) -> None:
    for tag, allowed in _ALLOWED_VALUES.items():
        if not set(values(given, tag)) <= allowed or len(values(given, tag)) > 1:
            raise WorkitemInvalid(Refusal.INVALID_VALUE, where=UPS_ATTRIBUTES[tag].keyword)


def check_final(dataset: Dataset, state: State) -> None:
    """Check that a workitem may take a final state (PS3.4 CC.2.5.1.1).

    Raises
    ------
    WorkitemConflict
        FINAL_STATE_NOT_MET, naming every attribute that lacks a value.
    """
    missing = list(_missing_values(dataset, UPS_ATTRIBUTES, state, ""))
    if missing:
        sentence = f"these attributes need a value before the state may be {state.value}: {', '.join(missing)}"
        raise WorkitemConflict(Refusal.FINAL_STATE_NOT_MET, detail=sentence)


def _missing_values(dataset: Dataset, rows: Mapping[str, Attribute], state: State, path: str) -> Iterator[str]:
    required = {FinalCode.ALWAYS, FinalCode.COMPLETED if state is State.COMPLETED else FinalCode.CANCELED}
    for row in rows.values():
        if row.final in required and not has_value(dataset, row.tag):
            yield f"{path}{row.keyword}"
        for item in items(dataset, row.tag):
            yield from _missing_values(item, row.items, state, f"{path}{row.keyword}.")
