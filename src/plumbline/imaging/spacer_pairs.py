"""Which spacer of one exam is which of the other, where the two exams show another number of them.

Markers are grouped in each exam by itself, and one that a streak hides can make one spacer of two. Both exams show
the same implants, so the exam that shows more of their pieces says how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.markers import pieces_of

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpacerPair:
    """One spacer of the current exam and the baseline's that it is.

    Parameters
    ----------
    baseline
        None where the baseline tells none apart at this level.
    beside
        Which of the spacers at its level it is, from left to right.
    is_sure
        False where the exams show another number of spacers and neither could be grouped like the other.
    """

    current: Implant
    baseline: Implant | None
    beside: int
    is_sure: bool = True


def pair_spacers(baseline: ExamAnatomy, current: ExamAnatomy, shift: int) -> tuple[SpacerPair, ...]:
    """Every spacer of the current exam, from above and from left to right, with the baseline's.

    Baseline vertebra ``i`` is current vertebra ``i + shift``.
    """
    found: list[SpacerPair] = []
    for above in sorted({each.above for each in current.hardware.spacers}):
        now = [each for each in current.hardware.spacers if each.above == above]
        before = [each for each in baseline.hardware.spacers if each.above + shift == above]
        if before and len(before) != len(now):
            before, now = _alike_grouped(baseline, before, current, now)
        is_sure = not before or len(before) == len(now)
        partners = before if before and is_sure else [None] * len(now)
        found += [SpacerPair(*pair, beside, is_sure) for beside, pair in enumerate(zip(now, partners, strict=True))]
    return tuple(found)


def _alike_grouped(
    baseline: ExamAnatomy, before: list[Implant], current: ExamAnatomy, now: list[Implant]
) -> tuple[list[Implant], list[Implant]]:
    """Both exams' spacers of one level in the grouping of the exam that shows more pieces; unchanged if that fails."""
    shown = [sum(len(_pieces(exam, each)) for each in own) for exam, own in ((baseline, before), (current, now))]
    is_told_by_baseline = shown[0] > shown[1] or (shown[0] == shown[1] and len(before) > len(now))
    model, other, exam = (before, now, current) if is_told_by_baseline else (now, before, baseline)
    example = baseline if is_told_by_baseline else current
    if len(model) == 1:
        regrouped: list[Implant] | None = [_merged(other)]
    elif len(model) == 2 and len(other) == 1:
        regrouped = _split(exam, other[0], [_places_mm(example, each) for each in model])
    else:
        regrouped = None
    if regrouped is None:
        return before, now
    return (before, regrouped) if is_told_by_baseline else (regrouped, now)


def _pieces(exam: ExamAnatomy, spacer: Implant) -> list[Points]:
    return pieces_of(exam.volume, spacer.points_lps_mm)


def _merged(spacers: Sequence[Implant]) -> Implant:
    """Several groups of metal as one spacer."""
    volumes = [each.volume_mm3 for each in spacers]
    is_solid = any(each.kind is ImplantKind.SPACER_METAL for each in spacers)
    return replace(
        spacers[0],
        kind=ImplantKind.SPACER_METAL if is_solid else ImplantKind.SPACER_MARKERS,
        points_lps_mm=np.concatenate([each.points_lps_mm for each in spacers]),
        centre_lps_mm=np.average([each.centre_lps_mm for each in spacers], axis=0, weights=volumes),
        volume_mm3=float(sum(volumes)),
    )


def _split(exam: ExamAnatomy, spacer: Implant, models: Sequence[Points]) -> list[Implant] | None:
    """The left and the right part of a group, each like its model; None where it is one piece.

    ``models`` holds the places of each part's pieces in the other exam, in the axes of its vertebra.
    """
    frame = exam.spine.vertebrae[spacer.below].frame
    pieces = sorted(_pieces(exam, spacer), key=lambda each: -float(frame.coordinates_mm(each)[:, 2].mean()))
    if len(pieces) < 2:
        return None
    places = frame.coordinates_mm(np.array([each.mean(axis=0) for each in pieces]))
    costs = [_unlike_mm(places[:at], models[0]) + _unlike_mm(places[at:], models[1]) for at in range(1, len(pieces))]
    at = int(np.argmin(costs)) + 1
    return [_part(spacer, np.concatenate(part)) for part in (pieces[:at], pieces[at:])]


def _places_mm(exam: ExamAnatomy, spacer: Implant) -> Points:
    """Middles of a spacer's pieces in the axes of the vertebra below, shape (n, 3)."""
    middles = np.array([each.mean(axis=0) for each in _pieces(exam, spacer)])
    return exam.spine.vertebrae[spacer.below].frame.coordinates_mm(middles)


def _unlike_mm(places: Points, model: Points) -> float:
    """How far pieces lie from those of a model, added up, once it is shifted so that one lies on one."""
    shifted = places[None, None] - places[:, None, None] + model[None, :, None]
    away = np.linalg.norm(shifted[..., None, :] - model, axis=-1).min(axis=-1)
    return float(away.sum(axis=-1).min())


def _part(spacer: Implant, points: Points) -> Implant:
    share = len(points) / len(spacer.points_lps_mm)
    return replace(
        spacer, points_lps_mm=points, centre_lps_mm=points.mean(axis=0), volume_mm3=share * spacer.volume_mm3
    )
