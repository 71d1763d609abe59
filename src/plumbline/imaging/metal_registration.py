"""Rigid registration of one implant by its density, both exams brought to one resolution first.

Slices are two to five times thicker than pixels are wide and lie otherwise in each exam, so that what a voxel
averages differs. Each exam is blurred to the same round resolution, coarser than its slices; cubic splines then
lose nothing between voxels, and neither exam is the one that alone is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.registration import RegistrationResult, correlation, gain_and_offset
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MetalSettings:
    """How an implant is registered.

    Parameters
    ----------
    resolution_mm, coarser
        Blur (standard deviation) both exams are brought to, at least, and how many times wider in a first pass.
    over_slices
        The blur is at least so many times that of the thicker slices.
    plane_blur_mm, voxel_blur, slice_blur
        What an exam's blur is taken for: of the reconstruction, a pixel's share of its edge, a slice's of the spacing.
    lowest_hu, highest_hu
        Densities are cut to these: neither bone nor streaks pull, and both exams' scales end alike.
    grid_mm, shell_mm
        Grid of the points that are compared, and how far beyond the metal they reach.
    shadow_mm
        What lies nearer than this to other metal is left out.
    capture_mm
        How far the implant may be from its start.
    edge_share
        Standard error of the place of one of an implant's edges that its residuals do not show, as a share of the
        resolution: streaks along a whole face, and edges that lie between slices.
    """

    resolution_mm: float = 1.2
    coarser: float = 2.0
    over_slices: float = 1.1
    plane_blur_mm: float = 0.45
    voxel_blur: float = 0.3
    slice_blur: float = 0.42
    lowest_hu: float = 900.0
    highest_hu: float = 3000.0
    grid_mm: float = 0.8
    shell_mm: float = 2.5
    shadow_mm: float = 2.0
    capture_mm: float = 8.0
    edge_share: float = 0.03
    iterations: int = 30
    stop_mm: float = 0.002
    least_points: int = 50
    least_overlap: float = 0.6


def register_metal(
    baseline: Volume,
    current: Volume,
    points: Points,
    start: RigidTransform,
    *,
    other_metal: tuple[Points | None, Points | None] = (None, None),
    settings: MetalSettings | None = None,
) -> RegistrationResult:
    """Register the implant that ``points`` sample, from a start that maps baseline to current.

    Parameters
    ----------
    points
        Shape (n, 3): a grid over the implant and what is just around it, LPS mm of the baseline.
    other_metal
        Metal of the baseline and of the current exam that is not this implant's.

    Raises
    ------
    AnalysisFailed
        When too little of it is free of other metal or lies inside the other exam, or nothing in it can be aligned.
    """
    settings = settings or MetalSettings()
    slices_mm = max(float(baseline.spacing_mm[2]), float(current.spacing_mm[2]))
    finest = max(settings.resolution_mm, settings.over_slices * settings.slice_blur * slices_mm)
    free = points[_is_free(points, other_metal[0], settings.shadow_mm)]
    transform = start
    for resolution_mm in (settings.coarser * finest, finest):
        level = _Level(baseline, current, free, transform, resolution_mm, other_metal, settings)
        transform = level.align(transform)
    return level.result(transform)


def shell_grid(metal: Points, settings: MetalSettings) -> Points:
    """A grid over metal of shape (n, 3) and its shell, shape (m, 3)."""
    reach = settings.shell_mm + settings.grid_mm
    axes = [
        np.arange(low, high, settings.grid_mm)
        for low, high in zip(metal.min(axis=0) - reach, metal.max(axis=0) + reach, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[~_is_free(grid, metal, settings.shell_mm)]


def _is_free(points: Points, others: Points | None, distance_mm: float) -> NDArray[np.bool_]:
    """Which points lie farther than that from all others."""
    if others is None or not len(others):
        return np.ones(len(points), dtype=bool)
    return ~np.isfinite(spatial.KDTree(others).query(points, distance_upper_bound=distance_mm)[0])


class _Blurred:
    """A part of an exam at one round resolution, as cubic splines."""

    def __init__(
        self,
        volume: Volume,
        points: Points,
        margin_mm: float,
        resolution_mm: float,
        others: Points | None,
        settings: MetalSettings,
    ) -> None:
        index = volume.to_index(points)
        margin, largest = margin_mm / volume.spacing_mm, np.array(volume.shape[::-1])
        first = np.clip(np.floor(index.min(axis=0) - margin).astype(int), 0, largest - 2)
        last = np.clip(np.ceil(index.max(axis=0) + margin).astype(int) + 1, first + 2, largest)
        (x0, y0, z0), (x1, y1, z1) = first.tolist(), last.tolist()
        crop = volume.crop((z0, y0, x0), (z1, y1, x1))
        voxels = np.clip(crop.voxels, settings.lowest_hu, settings.highest_hu).astype(np.float32)
        _hide(voxels, crop, others, settings)
        blur = np.sqrt(np.maximum(resolution_mm**2 - own_blur_mm(volume, settings) ** 2, 0.0)) / volume.spacing_mm
        blur = np.where(blur < _NO_BLUR, 0.0, blur)[::-1]
        smooth = ndimage.gaussian_filter(voxels, blur, mode="nearest", truncate=3.5)
        self._crop = crop
        self._splines = ndimage.spline_filter(smooth, order=3, mode="mirror").astype(np.float32)
        self._slopes = np.gradient(smooth)

    def __call__(self, points: Points) -> Points:
        at = self._crop.array_coordinates(points)
        return ndimage.map_coordinates(self._splines, at, order=3, prefilter=False, mode="mirror")

    def gradient(self, points: Points) -> Points:
        """Shape (n, 3), per mm in LPS."""
        at = self._crop.array_coordinates(points)
        along = [ndimage.map_coordinates(each, at, order=1, mode="nearest") for each in self._slopes]
        return np.stack(along[::-1], axis=1) @ self._crop.index_from_lps[:3, :3]

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """Which points lie inside."""
        at = self._crop.array_coordinates(points)
        return np.all((at >= 0.0) & (at <= np.array(self._crop.shape)[:, None] - 1.0), axis=0)


_NO_BLUR = 0.2


def own_blur_mm(volume: Volume, settings: MetalSettings) -> Points:
    """Blur (standard deviation) that an exam has along columns, rows and slices, shape (3,)."""
    column, row, slices = volume.spacing_mm
    in_plane = [np.hypot(settings.plane_blur_mm, settings.voxel_blur * each) for each in (column, row)]
    return np.array([*in_plane, settings.slice_blur * slices])


def _hide(voxels: NDArray[np.float32], crop: Volume, others: Points | None, settings: MetalSettings) -> None:
    """Put what is no metal in the place of other metal and its halo, so that it does not blur into the implant."""
    if others is None or not len(others):
        return
    index = np.round(crop.to_index(others)).astype(int)[:, ::-1]
    inside = np.all((index >= 0) & (index < crop.shape), axis=1)
    if not inside.any():
        return
    mask = np.zeros(crop.shape, dtype=bool)
    mask[tuple(index[inside].T)] = True
    size = [2 * max(1, round(_HALO_MM / step)) + 1 for step in crop.spacing_mm[::-1]]
    halo: NDArray[Any] = ndimage.maximum_filter(mask, size)  # type: ignore[assignment]
    voxels[halo.astype(bool)] = settings.lowest_hu


_HALO_MM = 1.0


class _Level:
    """One pass: both exams at one resolution, and the steps."""

    def __init__(
        self,
        baseline: Volume,
        current: Volume,
        points: Points,
        start: RigidTransform,
        resolution_mm: float,
        other_metal: tuple[Points | None, Points | None],
        settings: MetalSettings,
    ) -> None:
        if len(points) < settings.least_points:
            raise AnalysisFailed("too little of it is free of other metal to register it")
        self._settings, self._resolution_mm, self._others_now = settings, resolution_mm, other_metal[1]
        around = 3.0 * resolution_mm + 2.0
        before = _Blurred(baseline, points, around, resolution_mm, other_metal[0], settings)
        reach = around + settings.capture_mm
        self._now = _Blurred(current, start.apply(points), reach, resolution_mm, other_metal[1], settings)
        self._points, self._centre = points, points.mean(axis=0)
        self._wanted, self._slope_before = before(points), before.gradient(points)

    @cached_property
    def _reach_mm(self) -> float:
        return float(np.linalg.norm(self._points - self._centre, axis=1).mean())

    def align(self, transform: RigidTransform) -> RigidTransform:
        """Step until the implant rests."""
        is_usable = self._usable(transform)
        for _ in range(self._settings.iterations):
            residuals, jacobian, weights, _ = self._linearised(transform, is_usable)
            step = _solved(jacobian, weights, residuals)
            transform = RigidTransform.about(transform.apply(self._centre), step[:3], step[3:6]) @ transform
            moved_mm = float(np.linalg.norm(step[3:6]) + np.linalg.norm(step[:3]) * self._reach_mm)
            if moved_mm < self._settings.stop_mm:
                break
        return transform

    def _usable(self, transform: RigidTransform) -> NDArray[np.bool_]:
        """Points that lie in the current exam, beside no other metal."""
        moved = transform.apply(self._points)
        inside = self._now.holds(moved)
        if inside.mean() < self._settings.least_overlap:
            raise AnalysisFailed(f"only {inside.mean():.0%} of the piece lie inside the other exam")
        usable = inside & _is_free(moved, self._others_now, self._settings.shadow_mm)
        if usable.sum() < self._settings.least_points:
            raise AnalysisFailed("too little of it is free of other metal to register it")
        return usable

    def _linearised(
        self, transform: RigidTransform, is_usable: NDArray[np.bool_]
    ) -> tuple[Points, Points, Points, Points]:
        """(residuals, jacobian over six motions, gain and offset, weights, values); both exams' slopes count alike."""
        moved = transform.apply(self._points)
        values = self._now(moved)
        gain, offset = gain_and_offset(values[is_usable], self._wanted[is_usable])
        residuals = gain * values + offset - self._wanted
        spread = 1.4826 * float(np.median(np.abs(residuals[is_usable]))) + 5.0
        weights = is_usable / (1.0 + (residuals / (3.0 * spread)) ** 2) ** 2
        slope = 0.5 * (gain * self._now.gradient(moved) + transform.turn(self._slope_before))
        arms = moved - transform.apply(self._centre)
        jacobian = np.column_stack([np.cross(arms, slope), slope, values, np.ones_like(values)])
        return residuals, jacobian, weights, values

    def result(self, transform: RigidTransform) -> RegistrationResult:
        """The motion, and how far its parts agree."""
        is_usable = self._usable(transform)
        residuals, jacobian, weights, values = self._linearised(transform, is_usable)
        return RegistrationResult(
            current_from_baseline=transform,
            covariance=jackknife(residuals, jacobian, weights, octants(self._points - self._centre))
            + self._unseen(transform),
            centre_mm=self._centre,
            residual_hu=float(np.sqrt((weights * residuals**2).sum() / max(float(weights.sum()), 1.0))),
            correlation=correlation(values[is_usable], self._wanted[is_usable]),
            overlap=float(is_usable.mean()),
        )

    def _unseen(self, transform: RigidTransform) -> Points:
        """Covariance (6, 6) of edges whose place is uncertain by a share of the resolution, at the implant's arms."""
        arms = transform.turn(self._points - self._centre)
        inertia = np.eye(3) * (arms**2).sum(axis=1).mean() - arms.T @ arms / len(arms)
        variance = (self._settings.edge_share * self._resolution_mm) ** 2
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = variance * np.linalg.inv(inertia + np.eye(3) * self._resolution_mm**2)
        covariance[3:, 3:] = variance * np.eye(3)
        return covariance


def octants(offsets: Points) -> NDArray[np.intp]:
    """Which eighth of a piece each of its points, of shape (n, 3) from its middle, belongs to."""
    _, axes = np.linalg.eigh(offsets.T @ offsets)
    along = offsets @ axes
    return (along > np.median(along, axis=0)).astype(np.intp) @ np.array([1, 2, 4])


def jackknife(residuals: Points, jacobian: Points, weights: Points, part: NDArray[np.intp]) -> Points:
    """Covariance (6, 6) of a motion from how it changes as each part of the piece in turn is left out.

    Streaks and the grain of slices shift neighbouring points alike, so that single residuals would promise too
    much; the parts of a piece have little in common.
    """
    numbers = np.unique(part)
    steps = np.array([_solved(jacobian, weights * (part != each), residuals)[:6] for each in numbers])
    apart = steps - steps.mean(axis=0)
    return apart.T @ apart * (len(numbers) - 1.0) / len(numbers)


def _solved(jacobian: Points, weights: Points, residuals: Points) -> Points:
    """One step of least squares, hardly held back."""
    weighted = (jacobian * weights[:, None]).T
    normal = weighted @ jacobian
    normal[np.diag_indices_from(normal)] *= 1.0 + 1e-4
    try:
        return np.linalg.solve(normal, -weighted @ residuals)
    except np.linalg.LinAlgError as error:
        raise AnalysisFailed("the piece has no edges that could be aligned") from error
