"""Pedicle screws of a comparison: each with its identity, and its motion against its own vertebra where it is known."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.checks.context import CheckContext, MeasuredExam
from plumbline.checks.finding import TrackedImplant
from plumbline.checks.tracking import screw_tracking
from plumbline.errors import AnalysisFailed
from plumbline.imaging.hardware import Implant
from plumbline.imaging.screw_motion import ScrewMotion, measure_screws


@dataclass(frozen=True)
class MatchedScrew:
    """One screw of the current exam, with its motion or the reason why that is not known."""

    screw: Implant
    vertebra: str | None
    implant: TrackedImplant
    motion: ScrewMotion | None
    why_not: str | None


def matched_screws(context: CheckContext) -> tuple[MatchedScrew, ...]:
    """Every screw of the current exam, cranial to caudal, left before right.

    Raises
    ------
    AnalysisFailed, InvalidInput
        When the current exam cannot be measured.
    """
    screws = context.current.anatomy.hardware.screws
    reference = _reference(context)
    if isinstance(reference, str):
        return tuple(_alone(context, screw, reference) for screw in screws)
    try:
        shift = context.shift
    except AnalysisFailed as error:
        return tuple(_alone(context, screw, error.what) for screw in screws)
    found = measure_screws(reference.anatomy, context.current.anatomy, shift)
    return tuple(
        _compared(context, each, reference, shift)
        if isinstance(each, ScrewMotion)
        else _alone(context, each.screw, each.why)
        for each in found
    )


def _reference(context: CheckContext) -> MeasuredExam | str:
    """The baseline, or why there is none to measure against."""
    baseline = context.baseline
    if baseline is None:
        return f"there is no baseline to compare with: {context.missing_baseline or 'none was found'}"
    if baseline.why_not_comparable:
        return f"the baseline is not comparable: {baseline.why_not_comparable}"
    if isinstance(baseline.outcome, Exception):
        return f"the baseline cannot be measured: {baseline.outcome}"
    return baseline


def _compared(context: CheckContext, motion: ScrewMotion, reference: MeasuredExam, shift: int) -> MatchedScrew:
    name = _name(context, motion.screw)
    implant = _tracked(reference.study_instance_uid, motion.screw.above - shift, motion.screw, name)
    return MatchedScrew(motion.screw, name, implant, motion, None)


def _alone(context: CheckContext, screw: Implant, why_not: str) -> MatchedScrew:
    name = _name(context, screw)
    implant = _tracked(context.current.study_instance_uid, screw.above, screw, name)
    return MatchedScrew(screw, name, implant, None, why_not)


def _tracked(study_instance_uid: str, ordinal: int, screw: Implant, name: str | None) -> TrackedImplant:
    assert screw.side is not None
    return screw_tracking(study_instance_uid, ordinal, screw.side.value, name)


def _name(context: CheckContext, screw: Implant) -> str | None:
    names = context.current.anatomy.spine.names
    return names[screw.above] if screw.above < len(names) else None
