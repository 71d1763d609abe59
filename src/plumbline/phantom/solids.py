"""Solids as signed distances (millimetres, negative inside), and solids of bone baked on a grid.

A bone is computed once on a grid in its own axes and resampled for every exam: its surface, cortex and
trabeculae are then the same bone wherever it lies. Axes are (posterior, cranial, left) throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.phantom.enlargement import Enlargement

Points = NDArray[Any]
Field = NDArray[Any]

FAR_MM = 6.0
"""Distances are kept inside plus and minus this; nothing is drawn farther from a surface."""


class Solid(Protocol):
    """Something with a surface."""

    def distance_mm(self, points_mm: Points) -> Points:
        """Signed distance of points (..., 3) in own axes, shape (...)."""
        ...

    def bounds_mm(self) -> tuple[Points, Points]:
        """Lower and upper corner of a box around it, each shape (3,)."""
        ...


def smooth_union(first: Points, second: Points, blend_mm: float) -> Points:
    """Union of two distance fields whose crease is filled over ``blend_mm``."""
    share = np.clip(0.5 + 0.5 * (second - first) / blend_mm, 0.0, 1.0)
    return second + (first - second) * share - blend_mm * share * (1.0 - share)


def smooth_intersection(first: Points, second: Points, blend_mm: float) -> Points:
    """Intersection of two distance fields whose edge is rounded over ``blend_mm``."""
    return -smooth_union(-first, -second, blend_mm)


def capsule(
    points_mm: Sequence[Field], start_mm: Points, stop_mm: Points, radius_mm: float, end_radius_mm: float
) -> Field:
    """Distance to a tapered rod with round ends; points as one array an axis, which broadcast."""
    start = np.asarray(start_mm, dtype=np.float32)
    along = np.asarray(stop_mm, dtype=np.float32) - start
    offset = [axis - first for axis, first in zip(points_mm, start, strict=True)]
    share = sum(each * step for each, step in zip(offset, along, strict=True)) / float(along @ along)
    share = np.clip(share, 0.0, 1.0)
    gap = np.sqrt(sum((each - share * step) ** 2 for each, step in zip(offset, along, strict=True)))
    return gap - (radius_mm + share * (end_radius_mm - radius_mm))


def rounded_box(points_mm: Points, half_mm: Points, radius_mm: float) -> Points:
    """Distance to a box about the origin with half sizes ``half_mm`` and rounded edges."""
    x, y, z = (np.abs(points_mm[..., axis]) - (float(half) - radius_mm) for axis, half in enumerate(half_mm))
    outside = np.sqrt(np.maximum(x, 0.0) ** 2 + np.maximum(y, 0.0) ** 2 + np.maximum(z, 0.0) ** 2)
    return outside + np.minimum(np.maximum(np.maximum(x, y), z), 0.0) - radius_mm


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid in own axes.

    Parameters
    ----------
    origin_mm
        Position of voxel (0, 0, 0).
    pitch_mm
        Voxel edge.
    shape
        Voxels along (posterior, cranial, left).
    """

    origin_mm: tuple[float, float, float]
    pitch_mm: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, lower_mm: Points, upper_mm: Points, pitch_mm: float) -> Grid:
        """The grid that covers a box."""
        size = np.ceil((np.asarray(upper_mm) - np.asarray(lower_mm)) / pitch_mm).astype(int) + 1
        return cls(tuple(float(v) for v in lower_mm), pitch_mm, tuple(int(n) for n in size))  # type: ignore[arg-type]

    def axes_mm(self) -> list[Field]:
        """Coordinates along each axis."""
        return [
            (start + self.pitch_mm * np.arange(n)).astype(np.float32)
            for start, n in zip(self.origin_mm, self.shape, strict=True)
        ]

    def window(self, lower_mm: Points, upper_mm: Points) -> tuple[slice, slice, slice]:
        """Index box that covers a box in millimetres, clipped to the grid."""
        start = np.floor((np.asarray(lower_mm) - self.origin_mm) / self.pitch_mm).astype(int)
        stop = np.ceil((np.asarray(upper_mm) - self.origin_mm) / self.pitch_mm).astype(int) + 1
        start, stop = np.clip(start, 0, self.shape), np.clip(stop, 0, self.shape)
        return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))  # type: ignore[return-value]

    def mesh_mm(self, window: tuple[slice, slice, slice] | None = None) -> tuple[Field, Field, Field]:
        """Positions of all voxels (or of a window of them): one array an axis, which broadcast to its shape."""
        axes = self.axes_mm()
        if window is not None:
            axes = [axis[part] for axis, part in zip(axes, window, strict=True)]
        p, c, left = np.ix_(*axes)
        return p, c, left


class Carving:
    """A distance field on a grid that solids are added to, each only in its own neighbourhood."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.distance = np.full(grid.shape, FAR_MM * 2, dtype=np.float32)

    def add_capsule(
        self, start: Points, stop: Points, radius: float, end: float, *, blend: float = 2.0, flat: float = 1.0
    ) -> None:
        """Add a tapered rod; ``flat`` above 1 stretches its cross-section in the cranial direction by that factor."""
        start, stop = np.asarray(start, dtype=np.float32), np.asarray(stop, dtype=np.float32)
        margin = max(radius, end) * np.array([1.0, flat, 1.0]) + FAR_MM
        window = self.grid.window(np.minimum(start, stop) - margin, np.maximum(start, stop) + margin)
        p, c, left = self.grid.mesh_mm(window)
        squash = np.array([1.0, 1.0 / flat, 1.0], dtype=np.float32)
        found = capsule((p, c * squash[1], left), start * squash, stop * squash, radius, end)
        self.merge(window, found, blend)

    def merge(self, window: tuple[slice, slice, slice], found: Points, blend: float) -> None:
        """Unite the field in ``window`` with another distance field."""
        self.distance[window] = smooth_union(self.distance[window], found, blend)

    def finished(self) -> Field:
        """The field with unit slope near the surface, clipped to ``FAR_MM``."""
        slopes = np.gradient(self.distance, self.grid.pitch_mm)
        slope = np.sqrt(sum(s * s for s in slopes))
        distance = self.distance / np.clip(slope, 0.6, 2.5)
        return np.clip(distance, -FAR_MM, FAR_MM).astype(np.float32)


def trabeculae(
    grid: Grid, rng: np.random.Generator, *, mean_hu: float, spread_hu: float, grain_mm: tuple[float, float, float]
) -> Field:
    """Marrow with a trabecular grain, longer along the cranial axis, and slow variation; HU on the grid."""
    sigma = np.array(grain_mm) / grid.pitch_mm
    fine = ndimage.gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), sigma, mode="wrap")
    slow = rng.standard_normal([max(2, int(n * grid.pitch_mm / 9.0)) for n in grid.shape]).astype(np.float32)
    for axis, (count, coarse) in enumerate(zip(grid.shape, slow.shape, strict=True)):
        slow = Enlargement.at((np.arange(count) + 0.5) * coarse / count - 0.5, coarse).along(slow, axis)
    slow *= 0.6 * spread_hu
    fine *= spread_hu / fine.std()
    fine += slow
    fine += mean_hu
    return fine


@dataclass(frozen=True, eq=False)
class BakedBone:
    """One bone in its own axes.

    Parameters
    ----------
    grid
        Where the fields lie.
    distance
        Signed distance to the outer surface, millimetres.
    cortex_mm
        Thickness of the dense shell, by position along the posterior axis.
    marrow_hu, cortex_hu
        Hounsfield units inside and in the shell.
    """

    grid: Grid
    distance: Field
    cortex_mm: Field
    marrow_hu: Field
    cortex_hu: float
