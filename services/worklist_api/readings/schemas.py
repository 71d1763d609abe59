"""What ``/api`` returns and the pages show."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class Entry(_Schema):
    """One line of the worklist."""

    workitem_uid: str
    study_instance_uid: str | None
    priority: str
    """STAT, URGENT or ROUTINE."""
    state: str
    label: str
    reasons: list[str]
    patient_name: str
    patient_id: str
    birth_date: date | None
    sex: str
    exam: str
    """Requested procedure, as the order words it."""
    modality: str | None
    accession_number: str
    exam_date: date | None
    days_since_surgery: int | None
    levels: list[str]
    """Levels with a positive finding, else the planned ones."""
    waiting_since: datetime | None
    has_result: bool


class WorklistPage(_Schema):
    """Entries in reading order."""

    entries: list[Entry]
    has_more: bool


class Evidence(_Schema):
    """One evidence picture."""

    ordinal: int
    caption: str
    address: str


class ExamDetails(_Schema):
    """Stored result of an exam's newest revision."""

    study_instance_uid: str
    revision: int
    created_at: datetime
    result: dict[str, Any]
    evidence: list[Evidence]
    workitem: Entry | None
