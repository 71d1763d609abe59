"""What a viewer needs to show two exams in one vertebra's frame: series, frame, rigid transform, outlines.

Plain JSON, stored with the result. Frames and points are in LPS millimetres of the exam that they belong to;
``reference_from_current`` maps points of the current exam to the reference, as the vertebra below moved.
``still`` says where the evidence pictures show the same, for whoever cannot or need not load the volumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.checks.context import CheckContext, MatchedSpacer
from plumbline.checks.evidence import EvidenceDrawing
from plumbline.imaging.drawing import PANEL_PX, PIXEL_MM, Cut, panel_corner_px
from plumbline.imaging.hardware import Implant
from plumbline.imaging.motion import ExamAnatomy, middle_lps_mm

View = Mapping[str, Any]
OUTLINE_GRID_MM = 0.5
"""Implant points are snapped to this grid before their hull is taken, which keeps its faces few."""
_DECIMALS = 3


def views_of(
    context: CheckContext, measured_series: Mapping[str, str], drawn: Sequence[EvidenceDrawing] = ()
) -> tuple[View, ...]:
    """One view a spacer of the current exam: beside the baseline where it was registered, else alone.

    Parameters
    ----------
    drawn
        The evidence pictures, in the order in which they are stored.
    """
    if isinstance(context.current.outcome, Exception):
        return ()
    return tuple(
        {**_view(context, matched, measured_series), "still": _still(matched, drawn)} for matched in context.spacers
    )


def _still(matched: MatchedSpacer, drawn: Sequence[EvidenceDrawing]) -> View | None:
    """Which picture shows this spacer, counted from 1, and the corner of each panel in it, pixels."""
    for ordinal, picture in enumerate(drawn, start=1):
        if picture.spacer is matched.spacer:
            rows, columns, _ = picture.pixels.shape
            panels = {
                exam: {cut.value: list(panel_corner_px(row, cut)) for cut in Cut}
                for row, exam in enumerate(picture.rows)
            }
            size = {"columns": columns, "rows": rows, "panel": PANEL_PX, "pixel_mm": PIXEL_MM}
            return {"picture": ordinal, **size, **panels}
    return None


def _view(context: CheckContext, matched: MatchedSpacer, series: Mapping[str, str]) -> View:
    current = context.current.anatomy
    uid = context.current.study_instance_uid
    alone: dict[str, Any] = {
        "level": matched.level,
        "current": {"study_instance_uid": uid, "series_instance_uid": series.get(uid)},
        "reference": None,
        "frame": frame_document(current.spine.vertebrae[matched.spacer.below].frame),
        "centre_lps_mm": _rounded(matched.spacer.centre_lps_mm),
        "outline": outline_document(matched.spacer),
        "vertebrae": _vertebrae(current),
    }
    return {**alone, **_compared(context, matched, series)}


def _compared(context: CheckContext, matched: MatchedSpacer, series: Mapping[str, str]) -> dict[str, Any]:
    """What is known only where the spacer was registered with the baseline's."""
    motion, baseline = matched.motion, context.baseline
    if motion is None or baseline is None:
        return {"why_alone": matched.why_not}
    below = motion.below_motion.current_from_baseline
    before = middle_lps_mm(motion.baseline_spacer, motion.baseline_frame)
    start, end = below.apply(before), motion.spacer_motion.current_from_baseline.apply(before)
    uid = baseline.study_instance_uid
    return {
        "reference": {"study_instance_uid": uid, "series_instance_uid": series.get(uid), "role": baseline.role},
        "frame": frame_document(motion.baseline_frame.moved_by(below)),
        "reference_from_current": transform_document(below.inverse()),
        "reference_outline": outline_document(motion.baseline_spacer),
        "centre_lps_mm": _rounded((start + end) / 2),
        "displacement_lps_mm": [_rounded(start), _rounded(end)],
        "displacement_mm": {
            "value": round(motion.magnitude_mm.value, 2),
            "uncertainty_95": round(motion.magnitude_mm.uncertainty_95, 2),
        },
    }


def frame_document(frame: VertebraFrame) -> dict[str, list[float]]:
    """JSON form of a vertebra's frame."""
    return {
        "origin_lps_mm": _rounded(frame.origin_lps_mm),
        "posterior": _rounded(frame.posterior, 6),
        "cranial": _rounded(frame.cranial, 6),
        "left": _rounded(frame.left, 6),
    }


def transform_document(transform: RigidTransform) -> dict[str, Any]:
    """JSON form of a rigid transform; the rotation by rows."""
    return {
        "rotation": [_rounded(row, 8) for row in transform.rotation],
        "translation_mm": _rounded(transform.translation_mm),
    }


def outline_document(implant: Implant) -> dict[str, Any] | None:
    """Convex hull of an implant's metal as points and triangles; None where its points span no volume."""
    points = np.unique(np.round(implant.points_lps_mm / OUTLINE_GRID_MM), axis=0) * OUTLINE_GRID_MM
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return None
    corners = hull.vertices
    index = np.full(len(points), -1)
    index[corners] = np.arange(len(corners))
    return {
        "points_lps_mm": [_rounded(point) for point in points[corners]],
        "triangles": index[hull.simplices].tolist(),
    }


def _vertebrae(exam: ExamAnatomy) -> list[dict[str, Any]]:
    """Names and centres of the vertebrae, by the most probable numbering."""
    return [
        {"name": name, "centre_lps_mm": _rounded(vertebra.centre_lps_mm)}
        for vertebra, name in zip(exam.spine.vertebrae, exam.spine.names, strict=False)
    ]


def _rounded(values: NDArray[Any], decimals: int = _DECIMALS) -> list[float]:
    return [round(float(value), decimals) for value in values]
