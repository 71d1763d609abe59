"""Completeness as an operator reads it: what was counted of each study, and what a person said of it.

Neither has patient data beyond UIDs; a person's reason is theirs to word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Basis(StrEnum):
    """What it rests on that a study is taken for complete."""

    ARCHIVE = "archive"
    """The archive lists nothing that is not held or set aside."""
    PERSON = "person"
    """Somebody said so."""
    NOT_CONFIRMED = "not-confirmed"
    """The archive did not list the study for so long that it is not waited for any more."""


@dataclass(frozen=True, slots=True)
class StudyCount:
    """One count of a study. ``listed`` is None where the archive does not list the study or was not asked."""

    study_instance_uid: str
    held: int
    listed: int | None
    missing: int
    set_aside: int
    sentence: str
    basis: Basis | None = None
    """None while it is waited for."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A person's word that a study is complete as it is held."""

    declaration_id: int
    declared_by: str
    reason: str
    declared_at: datetime
    revision: int | None = None
    """The revision that was begun on it; None until then."""


@dataclass(frozen=True, slots=True)
class StudyState:
    """Where a study stands."""

    count: StudyCount
    state: str
    revision: int
    note: str | None
    """Why it ended as it did, or what its path waits for."""
    since: datetime
    """Since when it is waited for, or complete."""
    first_instance_at: datetime
    last_instance_at: datetime
    counted_at: datetime | None
    declarations: tuple[Declaration, ...] = ()
    """The newest first."""


class Studies(Protocol):
    """Counts and declarations, kept with the exams."""

    def counted(self, count: StudyCount, at: datetime) -> None:
        """Keep the newest count of a study."""
        ...

    def declare(self, study_instance_uid: str, *, by: str, reason: str, at: datetime) -> None:
        """Take somebody's word that a study is complete as it is held; the next count goes by it.

        Raises
        ------
        InvalidInput
            There is no such study, or nobody or no reason is named.
        Conflict
            The study is complete already.
        """
        ...

    def declaration(self, study_instance_uid: str) -> Declaration | None:
        """The newest word on a study by which no revision was begun yet."""
        ...

    def went_by(self, declaration: Declaration, revision: int) -> None:
        """Note the revision that was begun on somebody's word."""
        ...

    def study(self, study_instance_uid: str) -> StudyState:
        """Where one study stands, with everything that was declared; raise ``InvalidInput`` where there is none."""
        ...

    def studies(self, *, limit: int, offset: int = 0, only_waiting: bool = False) -> Sequence[StudyState]:
        """Studies, the ones with the newest instances first; without declarations."""
        ...
