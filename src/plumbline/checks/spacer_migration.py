"""Has the interbody spacer moved since the baseline, and has it sunk into an endplate?

The first position is the reference; a spacer that is not where it was means that the fusion has failed
(B26). Displacement is measured against the vertebra below, each bone and the spacer registered by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plumbline.checks.context import CheckContext, LostSpacer, MatchedSpacer
from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.checks.thresholds import CheckThresholds
from plumbline.imaging.disc_space import DiscChange
from plumbline.imaging.motion import Estimate, SpacerMotion, middle_lps_mm

SOURCES = ("B26",)
NO_SPACER = "No interbody spacer can be seen in this exam."


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding a spacer; not applicable where there is none."""
    lost = tuple(_lost(spacer) for spacer in context.lost_spacers)
    if not context.spacers and not lost:
        return (Finding(CheckName.SPACER_MIGRATION, None, Status.NOT_APPLICABLE, (NO_SPACER,), sources=SOURCES),)
    return (*(_finding(spacer, context) for spacer in context.spacers), *lost)


def _lost(spacer: LostSpacer) -> Finding:
    """A spacer that only the baseline shows: removed, or hidden among other metal."""
    return Finding(
        check=CheckName.SPACER_MIGRATION,
        level=spacer.level,
        status=Status.FAILED if spacer.is_broken else Status.INDETERMINATE,
        reasons=(spacer.why,),
        reference="baseline",
        sources=SOURCES,
    )


def _finding(matched: MatchedSpacer, context: CheckContext) -> Finding:
    if matched.motion is None:
        return Finding(
            check=CheckName.SPACER_MIGRATION,
            level=matched.level,
            status=Status.FAILED if matched.is_broken else Status.INDETERMINATE,
            reasons=(matched.why_not or "The motion could not be measured.",),
            reference="baseline" if context.baseline else None,
            sources=SOURCES,
            implant=matched.implant,
        )
    status, reasons = judge(matched.motion, context.thresholds, _slice_mm(context))
    return Finding(
        check=CheckName.SPACER_MIGRATION,
        level=matched.level,
        status=status,
        reasons=(*reasons, *disc_words(matched.disc)),
        measurements=measurements_of(matched.motion, matched.disc),
        reference="baseline",
        sources=SOURCES,
        implant=matched.implant,
        geometry=_geometry(matched.motion),
    )


def _slice_mm(context: CheckContext) -> float:
    assert context.baseline is not None
    return max(float(exam.anatomy.volume.spacing_mm[2]) for exam in (context.current, context.baseline))


def judge(motion: SpacerMotion, thresholds: CheckThresholds, slice_mm: float) -> tuple[Status, tuple[str, ...]]:
    """Status and reasons of one measured motion.

    Positive needs a displacement that reaches its threshold and exceeds its own 95 % uncertainty.
    """
    moved, sunk = motion.magnitude_mm, motion.subsidence_mm
    told = f"Measured against the vertebra below, the spacer's centre lies {direction_words(motion)} the baseline."
    if slice_mm > thresholds.largest_slice_mm:
        return _judge_thick(motion, thresholds, slice_mm, told)
    limits = ((moved, thresholds.migration_mm), (sunk, thresholds.subsidence_mm))
    reached = [(each, limit) for each, limit in limits if each.value >= limit]
    if any(each.value > each.uncertainty_95 for each, _ in reached):
        return Status.POSITIVE, (told, *_called(reached, sunk, thresholds), *_caution(motion))
    if reached or not moved.uncertainty_95 <= thresholds.largest_uncertainty_mm:
        return Status.INDETERMINATE, (told, "It is too uncertain to call this moved or unchanged.")
    return Status.NEGATIVE, (told, *_not_called(moved, thresholds), *_caution(motion))


def _caution(motion: SpacerMotion) -> Iterator[str]:
    if motion.may_be_another:
        yield (
            f"The spacer looks less alike in both exams than one and the same usually does (correlation "
            f"{motion.spacer_motion.correlation:.2f}); whether it was exchanged should be looked at."
        )


def _called(reached: list[tuple[Estimate, float]], sunk: Estimate, thresholds: CheckThresholds) -> Iterator[str]:
    if sunk.value >= thresholds.subsidence_mm:
        yield (
            f"It has come {_words(sunk)} mm towards an endplate, which is what subsidence looks like "
            f"(threshold {thresholds.subsidence_mm:.1f} mm)."
        )
    if all(each.value - each.uncertainty_95 < limit for each, limit in reached):
        yield f"The 95 % interval includes less than the threshold of {reached[0][1]:.1f} mm."
    yield "The registration of spacer and bone on the pictures shows whether to believe it."


def _not_called(moved: Estimate, thresholds: CheckThresholds) -> Iterator[str]:
    if moved.value <= moved.uncertainty_95:
        yield "This is within the measurement's own uncertainty."
    else:
        yield (
            f"This is more than the measurement's own uncertainty but less than {thresholds.migration_mm:.1f} mm; "
            "a later exam would show whether it goes on."
        )
    if moved.value + moved.uncertainty_95 >= thresholds.migration_mm:
        yield f"The 95 % interval reaches the threshold of {thresholds.migration_mm:.1f} mm."


def _judge_thick(
    motion: SpacerMotion, thresholds: CheckThresholds, slice_mm: float, told: str
) -> tuple[Status, tuple[str, ...]]:
    thick = f"Slices of {slice_mm:.1f} mm are too thick for the threshold of {thresholds.migration_mm:.1f} mm"
    if motion.magnitude_mm.value - motion.magnitude_mm.uncertainty_95 >= thresholds.gross_change_mm:
        return Status.POSITIVE, (told, f"{thick}, but a change this gross can be told.")
    return Status.INDETERMINATE, (told, f"{thick}; only gross change could be told.")


def measurements_of(motion: SpacerMotion, disc: DiscChange | None = None) -> dict[str, Measurement]:
    """Everything measured, under the keys of the contract; a height whose endplates are not seen is left out."""
    names = ("translation_posterior", "translation_cranial", "translation_left")
    below = {f"{name}_mm": each for name, each in zip(names, motion.translation_mm, strict=True)}
    above = {f"{name}_above_mm": each for name, each in zip(names, motion.translation_above_mm, strict=True)}
    rest = {
        "translation_mm": motion.magnitude_mm,
        "rotation_deg": motion.rotation_deg,
        "subsidence_mm": motion.subsidence_mm,
        "posterior_margin_mm": motion.posterior_margin_mm,
        "baseline_posterior_margin_mm": motion.baseline_posterior_margin_mm,
    }
    told = {**below, **rest, **(_heights(disc) if disc else {}), **above}
    return {key: Measurement(each.value, each.uncertainty_95) for key, each in told.items()}


def _heights(disc: DiscChange) -> dict[str, Estimate]:
    heights = {"disc_height_mm": disc.height_mm, "baseline_disc_height_mm": disc.baseline_height_mm}
    seen = {key: each for key, each in heights.items() if each is not None}
    return seen | {
        "disc_height_lost_mm": disc.lost_mm,
        "disc_height_lost_anterior_mm": disc.lost_anterior_mm,
        "disc_height_lost_posterior_mm": disc.lost_posterior_mm,
    }


def disc_words(disc: DiscChange | None) -> Iterator[str]:
    """What the disc space has lost in height, where that is more than its uncertainty.

    A level that bends comes down in the middle, too, when it does not bend about that: one of its edges rises then.
    """
    if disc is None or not disc.is_lower:
        return
    anterior, posterior = disc.lost_anterior_mm.value, disc.lost_posterior_mm.value
    lower = f"In its middle the disc space is {_words(disc.lost_mm)} mm lower than at the baseline"
    if not disc.is_lower_throughout:
        edge, raised = ("anterior", anterior) if anterior <= 0.0 else ("posterior", posterior)
        yield f"{lower} and at its {edge} edge {-raised:.1f} mm higher: the level has bent between the exams."
        return
    now = f"; it is {_words(disc.height_mm)} mm high now" if disc.height_mm else ""
    yield f"{lower} ({anterior:.1f} mm at its anterior edge, {posterior:.1f} mm at its posterior edge){now}."


def direction_words(motion: SpacerMotion) -> str:
    """A displacement in words, the largest component first, e.g. ``3.1 ± 0.4 mm posterior of``."""
    towards = (("posterior of", "anterior of"), ("cranial of", "caudal of"), ("left of", "right of"))
    named = [
        (abs(each.value), f"{_words(Estimate(abs(each.value), each.uncertainty_95))} mm {words[each.value < 0]}")
        for each, words in zip(motion.translation_mm, towards, strict=True)
    ]
    said = [words for size, words in sorted(named, reverse=True) if size >= 0.5] or [max(named)[1]]
    return " and ".join(said)


def _words(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} ± {estimate.uncertainty_95:.1f}"


def _geometry(motion: SpacerMotion) -> dict[str, tuple[tuple[float, float, float], ...]]:
    """From where the centre would be had the spacer not moved to where it is, LPS mm of the current exam."""
    centre = middle_lps_mm(motion.baseline_spacer, motion.baseline_frame)
    unmoved = motion.below_motion.current_from_baseline.apply(centre)
    now = motion.spacer_motion.current_from_baseline.apply(centre)
    if np.linalg.norm(now - unmoved) < 1e-3:
        return {}
    (x0, y0, z0), (x1, y1, z1) = unmoved.tolist(), now.tolist()
    return {"displacement": ((x0, y0, z0), (x1, y1, z1))}
