"""Thresholds of the checks, with their sources in the clinical facts. A site may override each by its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckThresholds:
    """Defaults of the clinical facts; millimetres unless the name says otherwise.

    Parameters
    ----------
    migration_mm
        Displacement from which on a spacer has migrated (B26: 2 mm or more).
    subsidence_mm
        Sinking through an endplate from which on it is called subsidence (B26; same measure as migration).
    margin_mm
        The spacer's posterior end should lie at least this far in front of the posterior wall (B26).
    largest_slice_mm
        Thicker slices cannot carry a 2 mm threshold: only gross change is told.
    gross_change_mm
        What is told of thicker slices.
    largest_uncertainty_mm
        A displacement less certain than this (95 %) is not called negative.
    least_name_confidence
        Names less probable than this do not confirm that the planned level was operated.
    least_alarm_confidence
        An operation at another level than the planned one is stated when all labellings that say so are together
        at least this probable.
    relevant_labelling
        A labelling at least this probable that says otherwise makes the answer one that cannot be told.
    sure_name_confidence
        Names less probable than this that hang on the sacrum alone are given with a declared doubt (B26).
    mismatch_deg
        Pelvic incidence and lumbar lordosis that differ by more do not fit each other (SCH12; B26 and W22 for why
        under- and over-correction both matter).
    placement_mm
        Half-width of the 95 % interval within which a reader places a point on a radiograph, along each axis.
    """

    migration_mm: float = 2.0
    subsidence_mm: float = 2.0
    margin_mm: float = 2.0
    largest_slice_mm: float = 2.6
    gross_change_mm: float = 5.0
    largest_uncertainty_mm: float = 1.5
    least_name_confidence: float = 0.8
    least_alarm_confidence: float = 0.95
    relevant_labelling: float = 0.05
    sure_name_confidence: float = 0.98
    mismatch_deg: float = 10.0
    placement_mm: float = 2.0
