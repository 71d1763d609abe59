"""Screws of the randomised pairs: how far their angle against their own vertebra is from the truth.

No screw of the campaign moves in its bone, so the true change is none; an exam's own error of each axis is kept, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plumbline.checks.context import CheckContext
from plumbline.checks.screws import MatchedScrew, matched_screws
from plumbline.errors import PlumblineError
from plumbline.phantom.hardware import Implant, ImplantKind, Thread
from plumbline.phantom.randomised import RandomExam, RandomPatient

SAME_PLACE_MM = 12.0
"""A found screw belongs to the true one whose entry is nearer to its neck than this."""


@dataclass(frozen=True)
class ScrewCase:
    """One true screw of one pair, and what was said of it.

    ``change_deg`` is the raw angle between its axes then and now, before noise is taken off; None where it was not
    measured, for which ``why_not`` gives the reason. ``axis_error_deg`` is of the current exam alone.
    """

    slice_class: str
    patient: int
    follow_up: int
    screw: str
    is_found: bool
    why_not: str | None = None
    change_deg: float | None = None
    angle_deg: float | None = None
    angle_95_deg: float | None = None
    tip_mm: tuple[float, ...] = ()
    tip_95_mm: tuple[float, ...] = ()
    axis_error_deg: float | None = None


def screw_cases(context: CheckContext, patient: RandomPatient, index: int) -> Iterator[ScrewCase]:
    """Every true screw of a follow-up."""
    exam = patient.follow_ups[index - 1].exam
    try:
        found = matched_screws(context)
    except PlumblineError:
        found = ()
    for implant in exam.scene.implants:
        if implant.kind is ImplantKind.PEDICLE_SCREW:
            yield _case(patient, index, implant, exam, found)


def _case(
    patient: RandomPatient, index: int, implant: Implant, exam: RandomExam, found: tuple[MatchedScrew, ...]
) -> ScrewCase:
    entry, tip = _ends_mm(implant, exam)
    near = [each for each in found if np.linalg.norm(each.screw.centre_lps_mm - (entry + tip) / 2) < SAME_PLACE_MM]
    who = (patient.slice_class.value, patient.number, index, implant.name)
    if not near:
        return ScrewCase(*who, is_found=False, why_not="not found")
    (screw, motion), why = (near[0].screw, near[0].motion), near[0].why_not
    error = None
    if screw.axis is not None:
        error = angle_between_deg(screw.axis, (tip - entry) / np.linalg.norm(tip - entry))
    if motion is None:
        return ScrewCase(*who, is_found=True, why_not=why, axis_error_deg=error)
    return ScrewCase(
        *who,
        is_found=True,
        change_deg=angle_between_deg(motion.axis, motion.baseline_axis),
        angle_deg=motion.angle_deg.value,
        angle_95_deg=motion.angle_deg.uncertainty_95,
        tip_mm=tuple(each.value for each in motion.tip_mm),
        tip_95_mm=tuple(each.uncertainty_95 for each in motion.tip_mm),
        axis_error_deg=error,
    )


def _ends_mm(implant: Implant, exam: RandomExam) -> tuple[np.ndarray, np.ndarray]:
    shank = next(part.solid for part in implant.parts if isinstance(part.solid, Thread))
    place = exam.scene.exam_from_implant(implant)
    return place.apply(np.asarray(shank.start_mm)), place.apply(np.asarray(shank.stop_mm))


def angle_between_deg(first: np.ndarray, second: np.ndarray) -> float:
    """Angle between two unit vectors."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


def screw_summary(cases: list[ScrewCase], prefix: str) -> dict[str, float]:
    """Figures of one slice class; the error is the raw change, which noise alone makes."""
    changes = np.array([c.change_deg for c in cases if c.change_deg is not None])
    if not len(changes):
        return {f"{prefix}_screws": float(len(cases))}
    axes = np.array([c.axis_error_deg for c in cases if c.axis_error_deg is not None])
    within = [(c.angle_deg or 0.0) <= (c.angle_95_deg or 0.0) for c in cases if c.change_deg is not None]
    tips = np.array([c.tip_mm for c in cases if c.tip_mm])
    spread = np.array([c.tip_95_mm for c in cases if c.tip_mm])
    figures = {
        "screws": len(cases),
        "screws_measured": len(changes),
        "screw_angle_p95_deg": np.percentile(changes, 95),
        "screw_angle_median_deg": np.median(changes),
        "screw_angle_coverage": np.mean(within),
        "screw_axis_p95_deg": np.percentile(axes, 95),
        "screw_tip_p95_mm": np.percentile(np.abs(tips), 95, axis=0).max(),
        "screw_tip_coverage": np.mean(np.abs(tips) <= spread),
    }
    return {f"{prefix}_{key}": round(float(value), 4) for key, value in figures.items()}
