"""Which pictures show what the checks found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.checks.context import CheckContext, MatchedSpacer
from plumbline.checks.finding import CheckName, Finding
from plumbline.imaging.drawing import BASELINE_COLOUR, CURRENT_COLOUR, Label, Mark, View, draw_comparison
from plumbline.imaging.hardware import HardwareSettings, Implant
from plumbline.imaging.motion import ExamAnatomy, SpacerMotion, middle_lps_mm

METAL_HU = HardwareSettings().metal_hu
_SHOWN = (CheckName.SPACER_MIGRATION.value, CheckName.SPACER_POSITION.value)
VIEW = "sagittal, coronal and axial"
CURRENT, REFERENCE = "current", "reference"


@dataclass(frozen=True, eq=False)
class EvidenceDrawing:
    """One drawn picture of one spacer of the current exam, and the names of the checks it shows."""

    caption: str
    view: str
    checks: tuple[str, ...]
    pixels: NDArray[np.uint8]
    spacer: Implant
    rows: tuple[str, ...]
    """Which exam each row of panels shows: ``reference`` or ``current``."""


def draw_evidence(context: CheckContext, findings: Iterable[Finding]) -> tuple[EvidenceDrawing, ...]:
    """One picture a spacer: against the baseline where it was measured, else the current exam alone."""
    levels = {finding.level for finding in findings if finding.check is CheckName.SPACER_MIGRATION}
    if isinstance(context.current.outcome, Exception):
        return ()
    return tuple(_drawings(context, levels))


def _drawings(context: CheckContext, levels: set[str | None]) -> Iterator[EvidenceDrawing]:
    for matched in context.spacers:
        if matched.level not in levels:
            continue
        if matched.motion is not None and context.baseline is not None:
            yield _compared(context.current.anatomy, context.baseline.anatomy, matched, matched.motion)
        else:
            yield _alone(context.current.anatomy, matched)


def _compared(
    current: ExamAnatomy, baseline: ExamAnatomy, matched: MatchedSpacer, motion: SpacerMotion
) -> EvidenceDrawing:
    frame = motion.baseline_frame
    frame_now = frame.moved_by(motion.below_motion.current_from_baseline)
    start = frame.coordinates_mm(middle_lps_mm(motion.baseline_spacer, frame))
    moved = np.array([each.value for each in motion.translation_mm])
    told = f"{motion.magnitude_mm.value:.1f} ± {motion.magnitude_mm.uncertainty_95:.1f} mm"
    pixels = draw_comparison(
        [
            View(
                baseline.volume,
                frame,
                motion.baseline_spacer.points_lps_mm,
                METAL_HU,
                "Baseline, in the axes of the vertebra below",
                BASELINE_COLOUR,
            ),
            View(
                current.volume,
                frame_now,
                motion.spacer.points_lps_mm,
                METAL_HU,
                "Current, the same vertebra in the same place",
                CURRENT_COLOUR,
            ),
        ],
        start + moved / 2,
        f"{matched.level or 'unnamed level'}: spacer {told} from where it was in the baseline",
        mark=Mark(start, start + moved, told),
        labels=_labels(current, frame_now),
    )
    caption = (
        f"{matched.level or 'Unnamed level'}: baseline and current exam in the frame of the vertebra below; "
        f"outline of the spacer at both times; displacement {told}"
    )
    return EvidenceDrawing(caption, VIEW, _SHOWN, pixels, matched.spacer, (REFERENCE, CURRENT))


def _alone(current: ExamAnatomy, matched: MatchedSpacer) -> EvidenceDrawing:
    frame = current.spine.vertebrae[matched.spacer.below].frame
    view = View(
        current.volume,
        frame,
        matched.spacer.points_lps_mm,
        METAL_HU,
        "Current exam, in the axes of the vertebra below",
        CURRENT_COLOUR,
    )
    level = matched.level or "Unnamed level"
    pixels = draw_comparison(
        [view],
        frame.coordinates_mm(matched.spacer.centre_lps_mm),
        f"{level}: position of the spacer; not compared",
        labels=_labels(current, frame),
    )
    caption = f"{level}: position of the spacer in the current exam"
    return EvidenceDrawing(caption, VIEW, (CheckName.SPACER_POSITION.value,), pixels, matched.spacer, (CURRENT,))


def _labels(exam: ExamAnatomy, frame: VertebraFrame) -> list[Label]:
    """Level names at the vertebral bodies, by the most probable numbering."""
    return [
        Label(frame.coordinates_mm(vertebra.centre_lps_mm), name)
        for vertebra, name in zip(exam.spine.vertebrae, exam.spine.names, strict=False)
    ]
