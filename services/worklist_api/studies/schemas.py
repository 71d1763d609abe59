"""What ``/api/studies`` takes and returns; no patient data beyond UIDs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class Word(BaseModel):
    """A person's word that a study is complete as it is held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    """Who says so."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    """Why, for those who read it later; no patient's name."""


class DeclaredComplete(_Schema):
    """A word that was given."""

    by: str
    reason: str
    at: datetime
    revision: int | None
    """The revision that was begun on it; none yet where null."""


class StudyStatus(_Schema):
    """Where a study stands."""

    study_instance_uid: str
    state: str
    """receiving, complete, done, reference, not-applicable or failed."""
    revision: int
    held: int
    listed: int | None
    """Instances that the archive lists; null where it does not know the study."""
    missing: int
    quarantined: int
    basis: str | None
    """What completeness rests on: archive, person or not-confirmed; null while it is waited for."""
    reason: str
    since: datetime
    """Since when it is waited for, or complete."""
    counted_at: datetime | None
    first_instance_at: datetime
    last_instance_at: datetime
    declarations: list[DeclaredComplete] = []


class StudyPage(_Schema):
    """Studies, the ones with the newest instances first."""

    studies: list[StudyStatus]
    has_more: bool
