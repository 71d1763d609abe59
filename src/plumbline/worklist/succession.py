"""What follows a reading that was finished before the exam had said all: a new workitem, chained to it. Pure.

A finished workitem never changes (PS3.4 CC.1.1). Where images came after it was finished, or the priority has
become more urgent, the reader is given a new one that names the finished one in Replaced Procedure Step Sequence.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, element, items, sequence, text

_NAMESPACE = uuid.UUID("b0c5a5d2-66f5-5f43-8d8e-0d4f2c9a7e55")
_PRIORITIES = ("HIGH", "MEDIUM", "LOW")


def successor_uid(workitem_uid: str) -> str:
    """UID of the workitem that replaces one; the same every time, so that a repeat makes no second one."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, workitem_uid).int}"


def succeeding(workitem_uid: str, replaced_uid: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Dataset of the workitem that replaces a finished one."""
    replaced = {
        "00081150": element("UI", tags.UPS_PUSH_SOP_CLASS),
        "00081155": element("UI", replaced_uid),
    }
    return {
        **dataset,
        tags.SOP_INSTANCE_UID: element("UI", workitem_uid),
        tags.REPLACED_PROCEDURE_STEP: sequence(replaced),
    }


def says_more(finished: Dataset, new: Dataset) -> bool:
    """Whether a reader who finished a reading has to be told again: more images of the exam, or more urgent."""
    ranks = [_PRIORITIES.index(text(each, tags.PRIORITY)) for each in (new, finished)]
    return ranks[0] < ranks[1] or bool(_images(new) - _images(finished))


def _images(dataset: Dataset) -> set[str]:
    """Instances of the exam itself among the inputs; earlier exams and our own report are none of them."""
    study = text(dataset, tags.STUDY_INSTANCE_UID)
    outputs = [output for performed in items(dataset, tags.PERFORMED) for output in items(performed, tags.OUTPUTS)]
    own = _instances(outputs, study)
    return _instances(items(dataset, tags.INPUTS), study) - own


def _instances(references: list[Dataset], study: str) -> set[str]:
    return {
        text(each, "00081155")
        for item in references
        if text(item, tags.STUDY_INSTANCE_UID) == study
        for each in items(item, tags.REFERENCED_SOP_SEQUENCE)
    }
