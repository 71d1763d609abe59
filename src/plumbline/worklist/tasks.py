"""Processing workitems: the comparison of an exam as a task that this system or another performer carries out. Pure.

The task of an exam is about the same patient, request and images as its reading, and as urgent. Source: IHE AIW-I,
PS3.4 annex CC.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.dataset import (
    Dataset,
    coded,
    datetime_element,
    element,
    items,
    limited_text,
    sequence,
    text,
)
from plumbline.worklist.reading import RetrievalSource, StoredObject, reference_to
from plumbline.worklist.states import State

PROCESSING = ("110004", "DCM", "Computer Aided Detection")
"""Scheduled Workitem Code of a comparison (CID 9231)."""

WORK_OF_MACHINES = frozenset({"110001", "110002", "110003", "110004"})
"""Codes of CID 9231 for work that no reader does: image processing, quality control, computer-aided diagnosis and
detection."""

NOT_FIT = ("110514", "DCM", "Incorrect worklist entry selected")
BROKE_OFF = ("110501", "DCM", "Equipment failure")
RESCHEDULED = ("110528", "DCM", "Discontinued Procedure Step rescheduled")
"""Procedure Step Discontinuation Reasons (CID 9300)."""

STATION_SCHEME = "99PLUMBLINE"
_NAMESPACE = uuid.UUID("6f2a5d0e-8b0c-5a3e-9d52-1c0b7f7b4e60")
_NOT_OF_THE_TASK = (tags.PERFORMED, tags.EXPECTED_COMPLETION, tags.REPLACED_PROCEDURE_STEP)


@dataclass(frozen=True, slots=True)
class Station:
    """Who performs: the AE Title as Code Value of Scheduled and Performed Station Name."""

    ae_title: str

    @property
    def code(self) -> Dataset:
        """Item of a station name code sequence."""
        return coded(self.ae_title, STATION_SCHEME, self.ae_title)


def task_uid(study_instance_uid: str, revision: int) -> str:
    """SOP Instance UID of the task of one revision of an exam; the same in every re-run."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{study_instance_uid} {revision}').int}"


def task_of_reading(reading: Dataset, *, workitem_uid: str, station: Station) -> dict[str, Any]:
    """Dataset of the task of an exam, in state SCHEDULED, from that of its reading."""
    kept = {tag: value for tag, value in reading.items() if tag not in _NOT_OF_THE_TASK}
    return {
        **kept,
        tags.SOP_INSTANCE_UID: element("UI", workitem_uid),
        tags.LABEL: limited_text("LO", "Comparison with earlier exams"),
        tags.COMMENTS: element("LT"),
        tags.WORKITEM_CODE: sequence(coded(*PROCESSING)),
        tags.STATION_NAMES: sequence(station.code),
        tags.STATE: element("CS", State.SCHEDULED.value),
        tags.PROGRESS_INFORMATION: sequence(),
        tags.PERFORMED: sequence(),
    }


def is_for_people(dataset: Dataset) -> bool:
    """Whether a reader has to do with a workitem: its code is not one of machines' work."""
    codes = {text(item, tags.CODE_VALUE) for item in items(dataset, tags.WORKITEM_CODE)}
    return not codes & WORK_OF_MACHINES


def study_of(dataset: Dataset) -> str | None:
    """Study that a workitem is about: its own, else the one study that its inputs name; None where that is open."""
    own = text(dataset, tags.STUDY_INSTANCE_UID)
    named = {text(item, tags.STUDY_INSTANCE_UID) for item in items(dataset, tags.INPUTS)} - {""}
    return own or (named.pop() if len(named) == 1 else None)


def performed(
    station: Station,
    *,
    began_at: datetime,
    ended_at: datetime,
    outputs: Sequence[StoredObject],
    source: RetrievalSource,
) -> dict[str, Any]:
    """Update that says what was done, as PS3.4 table CC.2.5-3 asks before the state may be COMPLETED."""
    item = {
        "00404028": sequence(station.code),  # Performed Station Name Code
        "00404019": sequence(coded(*PROCESSING)),  # Performed Workitem Code
        "00404050": datetime_element(began_at),
        "00404051": datetime_element(ended_at),
        tags.OUTPUTS: sequence(*(reference_to(each, source) for each in outputs)),
    }
    return {tags.PERFORMED: sequence(item)}


def discontinued(at: datetime, code: tuple[str, str, str], words: str) -> dict[str, Any]:
    """Update that says why, as the table asks before the state may be CANCELED."""
    progress = {
        tags.CANCELLATION_TIME: datetime_element(at),
        tags.DISCONTINUATION_REASON: sequence(coded(*code)),
        tags.REASON_FOR_CANCELLATION: limited_text("LT", words),
    }
    return {tags.PROGRESS_INFORMATION: sequence(progress)}
