"""The spinal canal in a CT: the run of soft tissue that bone surrounds, with bone in front of it.

Finds a centre line only; where the vertebrae are along it is the business of ``imaging.discs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.errors import AnalysisFailed
from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Field = NDArray[Any]


@dataclass(frozen=True, slots=True)
class CanalSettings:
    """How the canal is told from everything else. Chosen on phantoms and on one real CT.

    Parameters
    ----------
    bone_hu
        What surrounds the canal.
    soft_hu
        Range of what lies inside it.
    reach_mm
        Nearest and farthest bone that counts as its wall.
    directions
        In which bone is looked for, in the axial plane.
    body_hu, body_ahead_mm, body_size_mm
        The vertebral body: its least value, how far its centre lies in front, and the box it fills.
    floor
        Score at which a slice neither adds to the canal nor takes from it.
    smooth_mm
        Standard deviations of the score's smoothing (up, back, left).
    turn_cost
        Per slice and squared step sideways, in voxels.
    midline_mm
        Distance from the patient's middle at which a slice loses ``midline_cost``.
    midline_cost
        See ``midline_mm``.
    line_smooth_mm
        Standard deviation with which the centre line is smoothed.
    shortest_mm
        A canal shorter than this is none.
    """

    bone_hu: float = 180.0
    soft_hu: tuple[float, float] = (-60.0, 140.0)
    reach_mm: tuple[float, float] = (4.0, 24.0)
    directions: int = 16
    body_hu: float = 100.0
    body_ahead_mm: float = 25.0
    body_size_mm: tuple[float, float, float] = (10.0, 22.0, 24.0)
    floor: float = 0.33
    smooth_mm: tuple[float, float, float] = (5.0, 2.0, 2.0)
    turn_cost: float = 0.03
    midline_mm: float = 50.0
    midline_cost: float = 0.15
    line_smooth_mm: float = 8.0
    shortest_mm: float = 40.0


@dataclass(frozen=True, eq=False)
class CanalLine:
    """Centre line of the canal, caudal to cranial, one point per millimetre.

    Parameters
    ----------
    points_lps_mm
        Shape (n, 3).
    """

    points_lps_mm: Points

    @cached_property
    def cranial(self) -> Points:
        """Unit tangents, shape (n, 3)."""
        along = np.gradient(self.points_lps_mm, axis=0)
        return along / np.linalg.norm(along, axis=1, keepdims=True)

    @cached_property
    def left(self) -> Points:
        """Unit vectors to the left, square to the line, shape (n, 3)."""
        aside = np.array([1.0, 0.0, 0.0])
        square = aside - (self.cranial @ aside)[:, None] * self.cranial
        return square / np.linalg.norm(square, axis=1, keepdims=True)

    @cached_property
    def posterior(self) -> Points:
        """Unit vectors to the back, square to both, shape (n, 3)."""
        return np.cross(self.cranial, self.left)

    def seen_from(self, frame: Points, centre_lps_mm: Points) -> Points | None:
        """Where the canal passes a vertebra: coordinates along its axes (rows of ``frame``); None where it does not."""
        own = (self.points_lps_mm - centre_lps_mm) @ frame.T
        nearest = own[int(np.argmin(np.abs(own[:, 1])))]
        return nearest if abs(nearest[1]) <= _PASSES_MM else None


_PASSES_MM = 2.0
"""A canal whose nearest point is farther above or below the middle of a vertebra ends before it."""


def find_canal(coarse: Volume, settings: CanalSettings) -> CanalLine:
    """The centre line of the canal in a coarse volume on LPS axes (see ``sampling.axis_aligned``).

    Raises
    ------
    AnalysisFailed
        If nothing long enough is surrounded by bone.
    """
    gain = canal_score(coarse, settings) - settings.floor - _midline_cost(coarse, settings)
    path = _best_path(gain, settings.turn_cost)
    step_mm = float(coarse.spacing_mm[2])
    if len(path) * step_mm < settings.shortest_mm:
        raise AnalysisFailed(
            "no spinal canal was found in this volume",
            remedy="Choose a CT series that shows the spine with bone around the canal.",
        )
    return CanalLine(_smooth_line(coarse.zyx_to_lps(path), settings.line_smooth_mm))


def canal_score(coarse: Volume, settings: CanalSettings) -> Field:
    """How much every voxel looks like the canal's middle, 0 to about 1; shape of the volume."""
    hu, step_mm = coarse.voxels, float(coarse.spacing_mm[0])
    lower, upper = settings.soft_hu
    is_soft = (hu > lower) & (hu < upper)
    enclosed = np.where(is_soft, _enclosure(hu > settings.bone_hu, step_mm, settings), 0.0).astype(np.float32)
    smooth = ndimage.gaussian_filter(enclosed, np.array(settings.smooth_mm) / step_mm)
    size = [max(1, int(mm / step_mm)) for mm in settings.body_size_mm]
    body = ndimage.uniform_filter((hu > settings.body_hu).astype(np.float32), size)  # type: ignore[arg-type]
    return smooth * np.clip(2.0 * _from(body, rows=-round(settings.body_ahead_mm / step_mm)), 0.0, 1.0)


def _enclosure(is_bone: NDArray[np.bool_], step_mm: float, settings: CanalSettings) -> Field:
    """Share of axial directions in which bone is met within reach; shape of the volume."""
    hits = np.zeros(is_bone.shape, dtype=np.float32)
    for angle in np.arange(settings.directions) * 2.0 * np.pi / settings.directions:
        met = np.zeros(is_bone.shape, dtype=bool)
        for radius in np.arange(settings.reach_mm[0], settings.reach_mm[1] + 0.1, step_mm):
            rows, columns = round(radius * np.sin(angle) / step_mm), round(radius * np.cos(angle) / step_mm)
            met |= _from(is_bone, rows=rows, columns=columns)
        hits += met
    return hits / settings.directions


def _from(field: NDArray[Any], *, rows: int, columns: int = 0) -> NDArray[Any]:
    """The field's value ``rows`` farther back and ``columns`` farther left of each voxel; zero outside."""
    shifted = np.zeros_like(field)
    height, width = field.shape[1:]
    to_rows, from_rows = _overlap(height, rows)
    to_columns, from_columns = _overlap(width, columns)
    shifted[:, to_rows, to_columns] = field[:, from_rows, from_columns]
    return shifted


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    start, stop = max(0, -shift), max(0, min(size, size - shift))
    stop = max(start, stop)
    return slice(start, stop), slice(start + shift, stop + shift) if stop > start else slice(0, 0)


def _midline_cost(coarse: Volume, settings: CanalSettings) -> Field:
    """Cost by column, shape (1, 1, columns): the canal keeps near the middle of the patient."""
    tissue = np.count_nonzero(coarse.voxels > -200.0, axis=(0, 1)).astype(float)
    columns = np.arange(len(tissue))
    middle = float(np.average(columns, weights=tissue)) if tissue.any() else len(tissue) / 2.0
    away_mm = np.abs(columns - middle) * float(coarse.spacing_mm[0])
    return (settings.midline_cost * (away_mm / settings.midline_mm) ** 2).astype(np.float32)[None, None, :]


_STEPS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy * dy + dx * dx <= 5]


def _best_path(gain: Field, turn_cost: float) -> NDArray[np.float64]:
    """The run of neighbouring slices with the largest sum, as (slice, row, column) rows, caudal first."""
    totals = np.empty_like(gain)
    chosen = np.full(gain.shape, -1, dtype=np.int8)
    totals[0] = gain[0]
    for z in range(1, gain.shape[0]):
        before = totals[z - 1][None]
        best = np.zeros(gain.shape[1:], dtype=np.float32)
        for number, (dy, dx) in enumerate(_STEPS):
            candidate = _from(before, rows=-dy, columns=-dx)[0] - turn_cost * (dy * dy + dx * dx)
            is_better = candidate > best
            best[is_better] = candidate[is_better]
            chosen[z][is_better] = number
        totals[z] = gain[z] + best
    return _trace(totals, chosen)


def _trace(totals: Field, chosen: NDArray[np.int8]) -> NDArray[np.float64]:
    z, y, x = (int(i) for i in np.unravel_index(int(np.argmax(totals)), totals.shape))
    path = [(z, y, x)]
    while chosen[z, y, x] >= 0:
        dy, dx = _STEPS[chosen[z, y, x]]
        z, y, x = z - 1, y - dy, x - dx
        path.append((z, y, x))
    return np.array(path[::-1], dtype=float)


def _smooth_line(points: Points, sigma_mm: float) -> Points:
    """The polyline at every millimetre, smoothed, its ends continued straight."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.arange(0.0, along[-1], 1.0)
    dense = np.stack([np.interp(at, along, points[:, k]) for k in range(3)], axis=1)
    margin, lever = int(3 * sigma_mm), min(15, len(dense) - 1)
    steps = np.arange(1, margin + 1)[:, None]
    head = dense[0] + (dense[0] - dense[lever]) / lever * steps[::-1]
    tail = dense[-1] + (dense[-1] - dense[-1 - lever]) / lever * steps
    smooth = ndimage.gaussian_filter1d(np.concatenate([head, dense, tail]), sigma_mm, axis=0)
    return smooth[margin:-margin]
