"""Reference roles and the explained choice: which exam is compared with, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.recognition import Recognition
from plumbline.exams.study import Study


class Role(StrEnum):
    """What an earlier exam is to the current one."""

    PREOPERATIVE = "preoperative"
    BASELINE = "baseline"
    PRIOR = "prior"


@dataclass(frozen=True)
class Candidate:
    """One exam that might be compared with.

    Parameters
    ----------
    held_instances, archive_instances
        How many instances are held here and how many the archive lists; None where not counted.
    hardware_seen
        Metal in the spine seen, looked for and not seen, or not known.
    """

    study: Study
    recognition: Recognition
    held_instances: int | None = None
    archive_instances: int | None = None
    hardware_seen: bool | None = None
    archive: str | None = None
    """Name of the archive elsewhere that has it; None for our own."""
    shortfall: str = ""
    """Why instances are missing, as a clause, where it is known."""
    uncounted_by: str | None = None
    """Name of an archive elsewhere that has it, too, and does not tell how many instances."""
    unreadable: str = ""
    """Why its images cannot be read as one exam of one patient, as a clause; empty where they can."""

    @property
    def is_partial(self) -> bool:
        """Whether fewer instances are held than the archive lists, or an archive may have more."""
        if self.uncounted_by is not None:
            return True
        if self.held_instances is None or self.archive_instances is None:
            return False
        return self.held_instances < self.archive_instances


@dataclass(frozen=True, slots=True)
class ScoreWeights:
    """How much each named part counts in a candidate's score; only their ratios matter."""

    modality: float = 3.0
    region: float = 2.0
    levels: float = 2.0
    view: float = 2.0
    time: float = 1.0
    geometry: float = 1.0
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class PriorPolicy:
    """What the site asks of a reference.

    ``maximum_slice_mm``: thicker slices cannot carry a 2 mm threshold (B26), so the exam is not
    comparable. ``maximum_baseline_delay_days``: a first exam later than this after the operation is not
    a baseline (None: any first exam is, with the delay said). ``must_agree_on_position``: radiographs of
    known but different position are not comparable (B26, "same conditions").
    """

    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    weights: ScoreWeights = field(default_factory=ScoreWeights)
    maximum_slice_mm: float = 5.0
    maximum_baseline_delay_days: int | None = None
    must_agree_on_position: bool = True
    allows_partial: bool = True
    """Whether an exam may be chosen before all its instances are held; it is marked in either case."""
    late_baseline_days: int = 42
    """A baseline later than this after the operation is said to be late (FBS24: end of the postoperative phase)."""


@dataclass(frozen=True)
class Reference:
    """One considered exam: chosen for a role, or rejected, each with its score and reasons."""

    study_instance_uid: str
    role: Role | None
    """None for a candidate that was not chosen for any role."""
    comparable: bool
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    is_partial: bool = False
    """Chosen or not, fewer instances are held than the archive lists."""

    def as_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {
            "role": self.role.value if self.role else None,
            "study_instance_uid": self.study_instance_uid,
            "comparable": self.comparable,
            "score": round(self.score, 3),
            "parts": {name: round(value, 3) for name, value in self.parts.items()},
            "reasons": list(self.reasons),
            "partial": self.is_partial,
        }


@dataclass(frozen=True)
class ReferenceChoice:
    """All candidates with their fate, and for each role without a valid exam the reason."""

    considered: tuple[Reference, ...]
    missing: Mapping[Role, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the choice rests on: the operation that counts, and doubts about it."""
    conflicts: tuple[str, ...] = ()
    """Why exams under the patient's identifiers were left out as perhaps another person's."""

    def chosen(self, role: Role) -> Reference | None:
        """The exam chosen for a role, or None."""
        return next((reference for reference in self.considered if reference.role is role), None)
