"""From image planes to one volume with a sound geometry, or a refusal with the reason.

A volume that pretends to be regular where the slices are not would bend every later measurement, so
nothing is resampled or guessed here; a tilted gantry is said by the affine map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import InvalidInput

Points = NDArray[Any]

SPACING_TOLERANCE = 0.02
"""Largest deviation of a slice gap from the mean gap, as a fraction of it; headers round positions."""

SPACING_TOLERANCE_MM = 0.02

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine within one stack."""

LEAST_SHARE_OF_RUN = 0.75
"""Share of the slices that must lie on one side of a gap for that side to be measured."""

LARGEST_TILT_DEG = 35.0
"""No gantry tilts farther; a stack that leans more has wrong positions."""

DRIFT_TOLERANCE_MM = 0.1
"""Largest distance of a slice's corner from the straight line along which the corners of a stack lie."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Geometry of one slice (PS3.3 C.7.6.2.1.1).

    ``orientation`` holds the direction cosines of increasing column index, then of increasing row
    index. ``spacing_mm`` is (between rows, between columns) as in Pixel Spacing (0028,0030).
    """

    position_lps_mm: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Stack:
    """Order of the planes along their normal, and the geometry of the volume they make.

    ``order[k]`` is the index of the plane that becomes slice ``k``; slices run along the cross product
    of the orientation vectors. Planes beyond a gap are not in it. ``lps_from_index`` as in ``imaging.volume.Volume``,
    with the slices' direction as it is: square to them, or leaning by the tilt of the gantry.
    """

    order: tuple[int, ...]
    lps_from_index: Points
    note: str | None = None
    """What was left out, where slices are missing and the longest run without a gap is the volume."""


def stack_planes(planes: Sequence[Plane]) -> Stack:
    """Order planes into a regular stack.

    Raises
    ------
    InvalidInput
        When there are fewer than two planes, their matrices or directions differ, two share a position,
        so many slices are missing that no run without a gap holds most of them, the gaps are irregular, or
        the slices do not lie along one straight line.
    """
    if len(planes) < 2:
        raise InvalidInput(f"a volume needs at least two slices, this series has {len(planes)}")
    _refuse_mixed(planes)
    column_direction, row_direction = _directions(planes[0])
    normal = np.cross(column_direction, row_direction)
    positions = np.array([plane.position_lps_mm for plane in planes], dtype=float)
    heights_mm = positions @ normal
    order = np.argsort(heights_mm, kind="stable")
    run, note = _longest_run(heights_mm[order])
    order = order[run]
    _refuse_uneven(heights_mm[order])
    first = planes[order[0]]
    affine = np.eye(4)
    affine[:3, 0] = column_direction * first.spacing_mm[1]
    affine[:3, 1] = row_direction * first.spacing_mm[0]
    affine[:3, 2] = _straight_step(positions[order], normal)
    affine[:3, 3] = positions[order[0]]
    return Stack(tuple(int(i) for i in order), affine, note)


def _directions(plane: Plane) -> tuple[Points, Points]:
    cosines = np.array(plane.orientation, dtype=float)
    column_direction, row_direction = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(column_direction), np.linalg.norm(row_direction)
    if cosines.shape != (6,) or min(lengths) < 0.5 or abs(column_direction @ row_direction) > 0.01:
        raise InvalidInput("Image Orientation (Patient) (0020,0037) does not hold two perpendicular directions")
    return column_direction / lengths[0], row_direction / lengths[1]


def _refuse_mixed(planes: Sequence[Plane]) -> None:
    first = planes[0]
    if any((p.rows, p.columns) != (first.rows, first.columns) for p in planes):
        raise InvalidInput("the slices of this series have different matrix sizes")
    if any(not np.allclose(p.spacing_mm, first.spacing_mm, rtol=1e-3) for p in planes):
        raise InvalidInput("the slices of this series have different pixel spacings")
    if min(first.spacing_mm) <= 0:
        raise InvalidInput("Pixel Spacing (0028,0030) is not positive")
    if any(not np.allclose(p.orientation, first.orientation, atol=ORIENTATION_TOLERANCE) for p in planes):
        raise InvalidInput("the slices of this series have different orientations")


def _longest_run(heights_mm: Points) -> tuple[slice, str | None]:
    """Longest part of sorted planes without a missing slice; refused where it is not most of them."""
    gaps_mm = np.diff(heights_mm)
    typical_mm = float(np.median(gaps_mm))
    breaks = np.flatnonzero(gaps_mm > 1.5 * typical_mm) if typical_mm > 0 else np.array([], dtype=int)
    if not len(breaks):
        return slice(None), None
    absent = int(np.sum(np.round(gaps_mm[breaks] / typical_mm) - 1))
    told = f"{absent} slices are missing from this series, the first after slice {int(breaks[0]) + 1}"
    edges = [0, *(breaks + 1).tolist(), len(heights_mm)]
    start, stop = max(pairwise(edges), key=lambda edge: edge[1] - edge[0])
    if stop - start < LEAST_SHARE_OF_RUN * len(heights_mm):
        raise InvalidInput(told)
    return slice(start, stop), f"{told}; the {stop - start} slices on one side of the gap are used."


def _refuse_uneven(heights_mm: Points) -> None:
    """Refuse sorted planes whose gaps are not all alike."""
    gaps_mm = np.diff(heights_mm)
    typical_mm = float(np.median(gaps_mm))
    doubled = int(np.sum(gaps_mm < max(SPACING_TOLERANCE_MM, 0.1 * typical_mm)))
    if doubled:
        raise InvalidInput(f"{doubled} slices of this series lie where another one lies")
    mean_mm = float((heights_mm[-1] - heights_mm[0]) / len(gaps_mm))
    if np.max(np.abs(gaps_mm - mean_mm)) > max(SPACING_TOLERANCE * mean_mm, SPACING_TOLERANCE_MM):
        raise InvalidInput(
            f"the slices of this series are unevenly spaced ({gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm)"
        )


def _straight_step(positions: Points, normal: Points) -> Points:
    """From slice to slice, LPS mm, shape (3,); refused where the corners do not lie along one straight line."""
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    aside = positions - positions[0] - np.arange(len(positions))[:, None] * step
    aside -= (aside @ normal)[:, None] * normal
    wander_mm = float(np.linalg.norm(aside, axis=1).max())
    if wander_mm > DRIFT_TOLERANCE_MM:
        raise InvalidInput(f"the slices of this series lie up to {wander_mm:.1f} mm beside one straight line")
    lean_deg = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1.0, 1.0))))
    if lean_deg > LARGEST_TILT_DEG:
        raise InvalidInput(f"the slices of this series lean by {lean_deg:.0f} degrees, farther than any gantry tilts")
    return step
