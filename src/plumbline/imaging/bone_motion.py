"""Which vertebra of one exam is which of another, and where each has gone: by its own bone, not by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.masks import within_mm
from plumbline.imaging.motion_settings import MotionSettings
from plumbline.imaging.registration import BONE, RegistrationResult, RegistrationSettings, register_rigid

Points = NDArray[Any]


def assign_vertebrae(baseline: ExamAnatomy, current: ExamAnatomy, settings: MotionSettings | None = None) -> int:
    """Which vertebra of the current exam is which of the baseline, by their looks and not by their names.

    Returns
    -------
    int
        ``shift``: baseline vertebra ``i`` is current vertebra ``i + shift``.

    Raises
    ------
    AnalysisFailed
        When no assignment looks alike, or two do equally well on a closer look, too.
    """
    settings = settings or MotionSettings()
    counts = len(baseline.spine.vertebrae), len(current.spine.vertebrae)
    scores = {shift: _likeness(baseline, current, shift, settings) for shift in range(1 - counts[0], counts[1])}
    if max(scores.values(), default=-1.0) < settings.least_screening_correlation:
        raise AnalysisFailed("no vertebra of the two exams looks alike")
    likely = _near_best(scores, settings.screening_margin)
    if len(likely) > 1:
        closer = {shift: _likeness(baseline, current, shift, settings, closely=True) for shift in likely}
        likely = _near_best(closer, settings.screening_margin)
    if len(likely) > 1:
        raise AnalysisFailed("it cannot be told which vertebra of the one exam is which of the other")
    return likely[0]


def _near_best(scores: Mapping[int, float], margin: float) -> list[int]:
    """Those that score less than a margin below the best."""
    return [shift for shift, score in scores.items() if score > max(scores.values()) - margin]


def _likeness(
    baseline: ExamAnatomy, current: ExamAnatomy, shift: int, settings: MotionSettings, *, closely: bool = False
) -> float:
    """Mean correlation over overlapping vertebrae under one assignment.

    At most three are looked at, the middle ones, and only coarsely; closely all, and their edges.
    """
    pairs = [
        (i, i + shift)
        for i in range(len(baseline.spine.vertebrae))
        if 0 <= i + shift < len(current.spine.vertebrae)
        and baseline.spine.vertebrae[i].is_sacrum == current.spine.vertebrae[i + shift].is_sacrum
    ]
    shorter = min(len(baseline.spine.vertebrae), len(current.spine.vertebrae))
    if not pairs or len(pairs) < min(2, shorter):
        return -1.0
    middle = sorted(pairs, key=lambda pair: abs(pair[0] - np.mean([p[0] for p in pairs])))
    found = []
    for first, second in middle if closely else middle[:3]:
        try:
            registration = BONE if closely else _SCREENING
            found.append(register_bone(baseline, current, first, second, settings, registration).correlation)
        except AnalysisFailed:
            found.append(0.0)
    return float(np.mean(found))


_SCREENING = RegistrationSettings(sigmas_mm=(3.0,), points=3000, iterations=10, stop_mm=0.1)


def register_bone(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_index: int,
    current_index: int,
    settings: MotionSettings | None = None,
    registration: RegistrationSettings = BONE,
) -> RegistrationResult:
    """Register one vertebra on its own bone, metal and its shadow left out, from the two fitted frames.

    Raises
    ------
    AnalysisFailed
        When too little of its bone is free of metal, or it leaves the other exam.
    """
    settings = settings or MotionSettings()
    points = bone_points(baseline, baseline_index, settings)
    frame = baseline.spine.vertebrae[baseline_index].frame
    there = current.spine.vertebrae[current_index].frame
    rotation = there.axes.T @ frame.axes
    start = RigidTransform(rotation, there.origin_lps_mm - rotation @ frame.origin_lps_mm)
    return register_rigid(baseline.volume, current.volume, points, start, registration)


def bone_points(exam: ExamAnatomy, index: int, settings: MotionSettings) -> Points:
    """Voxel centres of one vertebra and its edge, free of metal and its shadow, LPS mm, shape (n, 3)."""
    key = index, settings.bone_margin_mm, settings.metal_shadow_mm
    if key not in exam._bone_points:
        exam._bone_points[key] = _bone_points(exam, index, settings)
    return exam._bone_points[key]


def _bone_points(exam: ExamAnatomy, index: int, settings: MotionSettings) -> Points:
    extent = exam.bone_boxes[index]
    if extent is None:
        raise AnalysisFailed("the bone of a vertebra could not be outlined")
    spacing_zyx = exam.volume.spacing_mm[::-1]
    reach = np.ceil((settings.bone_margin_mm + settings.metal_shadow_mm) / spacing_zyx).astype(int) + 1
    box = tuple(slice(max(s.start - int(r), 0), s.stop + int(r)) for s, r in zip(extent, reach, strict=True))
    labels = exam.spine.labels[box]
    own = labels == index + 1
    near = within_mm(own, settings.bone_margin_mm, spacing_zyx) & (own | (labels == 0))
    metal = exam.hardware.metal[box]
    if metal.any():
        near &= ~within_mm(metal, settings.metal_shadow_mm, spacing_zyx)
    index_zyx = np.argwhere(near) + [s.start for s in box]
    return exam.volume.zyx_to_lps(index_zyx)


def believed_bone(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    index: int,
    shift: int,
    which: str,
    settings: MotionSettings | None = None,
) -> RegistrationResult:
    """Motion of the baseline's vertebra ``index``, where it is in view and looks alike in both exams.

    Parameters
    ----------
    which
        Of the vertebra, for people: ``below the spacer``.

    Raises
    ------
    AnalysisFailed
        When it is not in view, cannot be registered, or looks like another one.
    """
    settings = settings or MotionSettings()
    other = index + shift
    if not 0 <= other < len(current.spine.vertebrae):
        raise AnalysisFailed(f"the vertebra {which} is not in view in the current exam")
    try:
        result = register_bone(baseline, current, index, other, settings)
    except AnalysisFailed as error:
        raise AnalysisFailed(f"the vertebra {which} cannot be registered: {error.what}") from error
    if result.correlation >= settings.least_correlation:
        return result
    may_be_streaked = result.correlation >= settings.least_streaked_correlation
    if may_be_streaked and _is_found_again(baseline, current, index, result, settings):
        return replace(result, covariance=settings.streaked_error**2 * result.covariance)
    raise AnalysisFailed(
        f"the vertebra {which} does not look alike in both exams (correlation {result.correlation:.2f})"
    )


def _is_found_again(
    baseline: ExamAnatomy, current: ExamAnatomy, index: int, result: RegistrationResult, settings: MotionSettings
) -> bool:
    """Whether a vertebra comes to rest in the same place from starts on all sides of it."""
    points, frame = bone_points(baseline, index, settings), baseline.spine.vertebrae[index].frame
    found = result.current_from_baseline
    for direction in (frame.posterior, -frame.posterior, frame.cranial, -frame.cranial):
        aside = found.turn(settings.retry_mm * direction)
        start = RigidTransform(found.rotation, found.translation_mm + aside)
        try:
            again = register_rigid(baseline.volume, current.volume, points, start, BONE).current_from_baseline
        except AnalysisFailed:
            return False
        if np.linalg.norm(again.apply(points) - found.apply(points), axis=1).max() > settings.same_place_mm:
            return False
    return True
