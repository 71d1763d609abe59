"""Workitems as rows of the store: the columns that searches match, and the dataset that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plumbline.adapters.database.tables import WorkitemRow
from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, items, text, values
from plumbline.worklist.matching import moment_span
from plumbline.worklist.rendering import rendered
from plumbline.worklist.workitem import Workitem

REFERENCES = frozenset({tags.INPUTS, tags.PERFORMED})
"""Attributes that have a column of their own."""

ONE_ITEM_KEYS = {
    (tags.REFERENCED_REQUEST_SEQUENCE, tags.ACCESSION_NUMBER): WorkitemRow.accession_number,
    (tags.WORKITEM_CODE, tags.CODE_VALUE): WorkitemRow.workitem_code,
    (tags.STATION_NAMES, tags.CODE_VALUE): WorkitemRow.station,
}
"""Columns of matching keys within a sequence that mostly has one item."""


def row_of(workitem: Workitem) -> WorkitemRow:
    """Row of a new workitem."""
    return WorkitemRow(
        workitem_uid=workitem.workitem_uid,
        created_at=workitem.created_at,
        version=workitem.version,
        **changeable_columns(workitem),
    )


def changed_columns(workitem: Workitem, before: Workitem) -> dict[str, object]:
    """Columns of a changed workitem; without its long sequences where they are what they were."""
    columns = changeable_columns(workitem)
    if all(workitem.dataset.get(tag) == before.dataset.get(tag) for tag in REFERENCES):
        del columns["references"]
    return columns


def changeable_columns(workitem: Workitem) -> dict[str, object]:
    """Columns of everything that may change after creation."""
    dataset = workitem.dataset
    start = moment_span(text(dataset, tags.START))
    return {
        "study_instance_uid": workitem.study_instance_uid,
        "state": workitem.state.value,
        "priority_rank": workitem.priority_rank,
        "transaction_uid": workitem.transaction_uid,
        "dataset": {tag: value for tag, value in workitem.dataset.items() if tag not in REFERENCES},
        "references": {tag: value for tag, value in workitem.dataset.items() if tag in REFERENCES},
        "updated_at": workitem.updated_at,
        "patient_id": _of_one_value(dataset, tags.PATIENT_ID),
        "worklist_label": _of_one_value(dataset, tags.WORKLIST_LABEL),
        **{column.key: _of_one_item(dataset, *path) for path, column in ONE_ITEM_KEYS.items()},
        "starts_at": start[0] if start else None,
        "rendered": rendered(dataset),
    }


def _of_one_value(dataset: Dataset, tag: str) -> str | None:
    """Value of an element, empty where it has none, None where it has several."""
    return None if len(values(dataset, tag)) > 1 else text(dataset, tag)


def _of_one_item(dataset: Dataset, sequence_tag: str, tag: str) -> str | None:
    """Value in the one item of a sequence, empty where it has none, None where it has several."""
    held = items(dataset, sequence_tag)
    return None if len(held) > 1 else "".join(_of_one_value(item, tag) or "" for item in held)


def workitem_of(row: WorkitemRow, references: Mapping[str, Any] | None = None) -> Workitem:
    """Workitem of a row, with its long sequences where they are given."""
    return Workitem(
        workitem_uid=row.workitem_uid,
        dataset={**row.dataset, **(references or {})},
        created_at=row.created_at,
        updated_at=row.updated_at,
        transaction_uid=row.transaction_uid,
        version=row.version,
    )
