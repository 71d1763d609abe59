"""What kind of exam this is: spine or not, modality, projection, position, levels in view, operated or not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ExamKind(StrEnum):
    """Where the path goes on and where it ends."""

    POSTOPERATIVE_SPINE = "postoperative-spine"
    SPINE = "spine"
    """A spine exam of a patient not known to be operated; hardware in its images may still say otherwise."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SeriesRole:
    """Whether a series may be measured, and why or why not."""

    series_instance_uid: str
    measurable: bool
    preference: float
    """Higher is better among measurable series of one study."""
    reason: str


@dataclass(frozen=True, slots=True)
class Recognition:
    """The answer for one study, with a sentence for each conclusion."""

    kind: ExamKind
    modality: str | None
    projection: str | None
    """``lateral``, ``ap``, ``oblique`` for radiographs; None otherwise or unknown."""
    position: str | None
    """``standing``, ``supine``, ``flexion``, ``extension``... None when unknown."""
    levels_in_view: tuple[str, ...]
    """From header text only; measurement replaces it."""
    series: tuple[SeriesRole, ...]
    reasons: tuple[str, ...]

    @property
    def measurable_series(self) -> tuple[str, ...]:
        """Series Instance UIDs that may be measured, the best first."""
        chosen = sorted((role for role in self.series if role.measurable), key=lambda role: -role.preference)
        return tuple(role.series_instance_uid for role in chosen)
