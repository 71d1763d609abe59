"""Rigid registration of one piece of bone or metal between two volumes, with its own uncertainty.

A robust Gauss-Newton minimisation of intensity differences on sampled points, from coarse to fine. It is
no general registration: it knows one rigid piece, a fair start, and two volumes of one modality; in
return it is quick and says how certain each of its six numbers is (docs/adr/0012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.sampling import block_mean
from plumbline.imaging.volume import Volume

Points = NDArray[Any]

LEEWAY_IN_SIGMA = 4.0
"""After a pass with that smoothing a piece is nearer to its place than so many times the smoothing."""
BLOCKS_IN_SIGMA = 1.5
"""A smoothed field is kept on a grid whose edges are this many times shorter than the smoothing, where voxels are."""


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """How a piece is registered.

    Parameters
    ----------
    sigmas_mm
        Smoothing of both volumes, one pass each, coarse to fine.
    points
        How many points are sampled at most.
    lowest_hu, highest_hu
        Intensities are clipped to this range: what lies outside it does not pull.
    capture_mm
        How far the piece may be from its start.
    stop_mm
        A pass ends when a step moves the piece by less.
    least_overlap
        Share of the points that must lie inside the other volume.
    """

    sigmas_mm: tuple[float, ...] = (3.0, 1.5, 0.7)
    points: int = 20_000
    iterations: int = 25
    lowest_hu: float = -150.0
    highest_hu: float = 1200.0
    capture_mm: float = 14.0
    stop_mm: float = 0.003
    least_overlap: float = 0.6


BONE = RegistrationSettings()
METAL = RegistrationSettings(sigmas_mm=(2.5, 1.2, 0.6), lowest_hu=900.0, highest_hu=3000.0, capture_mm=10.0)
"""For implants: clipped from below so that neither bone nor streaks pull."""


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """Where a piece went.

    Parameters
    ----------
    current_from_baseline
        The motion, LPS mm.
    covariance
        Shape (6, 6): of (rotation vector in radians about ``centre_mm`` as mapped, translation in mm), from
        the residual and the image's own gradients, widened for correlated noise.
    centre_mm
        Shape (3,): middle of the piece in the baseline.
    residual_hu
        Root mean square of the robustly weighted differences.
    correlation
        Between the two intensities on the points, -1 to 1.
    overlap
        Share of the points inside the other volume.
    """

    current_from_baseline: RigidTransform
    covariance: Points
    centre_mm: Points
    residual_hu: float
    correlation: float
    overlap: float

    def point_covariance(self, point_mm: Points) -> Points:
        """Covariance (3, 3), mm squared, of where a baseline point is said to have gone."""
        arm = self.current_from_baseline.turn(np.asarray(point_mm) - self.centre_mm)
        jacobian = np.hstack([-_cross_matrix(arm), np.eye(3)])
        return jacobian @ self.covariance @ jacobian.T


def register_rigid(
    baseline: Volume,
    current: Volume,
    points_lps_mm: Points,
    start: RigidTransform,
    settings: RegistrationSettings = BONE,
) -> RegistrationResult:
    """Register the piece that ``points_lps_mm`` sample, from a start that maps baseline to current.

    Parameters
    ----------
    points_lps_mm
        Shape (n, 3): points of the piece in the baseline, edges included, other pieces and metal shadow left
        out.

    Raises
    ------
    AnalysisFailed
        When there are too few points, the piece leaves the other volume, or nothing in it can be aligned.
    """
    if len(points_lps_mm) < 50:
        raise AnalysisFailed(f"only {len(points_lps_mm)} points of the piece can be used to register it")
    picked = np.random.default_rng(0).permutation(len(points_lps_mm))[: settings.points]
    points = np.asarray(points_lps_mm, dtype=float)[picked]
    transform, leeway_mm = start, settings.capture_mm
    *coarse, finest = settings.sigmas_mm
    for sigma_mm in coarse:
        transform = _Level(baseline, current, points, transform, sigma_mm, leeway_mm, settings).align(transform)
        leeway_mm = min(leeway_mm, LEEWAY_IN_SIGMA * sigma_mm)
    level = _Level(baseline, current, points, transform, finest, leeway_mm, settings)
    return level.result(level.align(transform))


class _Level:
    """One pass: both volumes smoothed alike, the points' baseline intensities, and the steps."""

    def __init__(
        self,
        baseline: Volume,
        current: Volume,
        points: Points,
        start: RigidTransform,
        sigma_mm: float,
        leeway_mm: float,
        settings: RegistrationSettings,
    ) -> None:
        self._settings = settings
        self._points = points
        self._centre = points.mean(axis=0)
        self._sigma_mm = sigma_mm
        self._pitch_mm = max(float(np.prod(baseline.spacing_mm)), float(np.prod(current.spacing_mm))) ** (1 / 3)
        around = 3 * sigma_mm + 2
        fixed = _smoothed_crop(baseline, points, around, sigma_mm, settings)
        self._fixed = _sample(fixed.voxels, fixed.array_coordinates(points))
        self._moving = _smoothed_crop(current, start.apply(points), around + leeway_mm, sigma_mm, settings)
        self._gradient = np.gradient(self._moving.voxels)

    def align(self, transform: RigidTransform) -> RigidTransform:
        """Step until the piece rests."""
        reach_mm = float(np.linalg.norm(self._points - self._centre, axis=1).mean())
        for _ in range(self._settings.iterations):
            step = self._step(transform)
            transform = RigidTransform.about(transform.apply(self._centre), step[:3], step[3:]) @ transform
            if np.linalg.norm(step[3:]) + np.linalg.norm(step[:3]) * reach_mm < self._settings.stop_mm:
                break
        return transform

    def _linearised(self, transform: RigidTransform) -> tuple[Points, Points, Points, Points, NDArray[np.bool_]]:
        """(residuals, jacobian over six motions and gain and offset, weights, values, inside)."""
        moved = transform.apply(self._points)
        at = self._moving.array_coordinates(moved)
        inside = np.all((at >= 0) & (at <= np.array(self._moving.shape)[:, None] - 1), axis=0)
        if inside.mean() < self._settings.least_overlap:
            raise AnalysisFailed(f"only {inside.mean():.0%} of the piece lie inside the other exam")
        values = _sample(self._moving.voxels, at)
        along_zyx = np.stack([_sample(each, at) for each in self._gradient])
        gain, offset = gain_and_offset(values[inside], self._fixed[inside])
        residuals = gain * values + offset - self._fixed
        spread = 1.4826 * float(np.median(np.abs(residuals[inside]))) + 5.0
        weights = inside / (1.0 + (residuals / (3.0 * spread)) ** 2) ** 2
        arms = (moved - transform.apply(self._centre)).T
        slope = gain * (self._moving.index_from_lps[2::-1, :3].T @ along_zyx)
        turning = [arms[k - 2] * slope[k - 1] - arms[k - 1] * slope[k - 2] for k in range(3)]
        jacobian = np.stack([*turning, *slope, values, np.ones_like(values)], axis=1)
        return residuals, jacobian, weights, values, inside

    def _step(self, transform: RigidTransform) -> Points:
        residuals, jacobian, weights, _, _ = self._linearised(transform)
        weighted = (jacobian * weights[:, None]).T
        normal = weighted @ jacobian
        normal += np.diag(np.diag(normal)) * 1e-3
        try:
            return np.linalg.solve(normal, -weighted @ residuals)[:6]
        except np.linalg.LinAlgError as error:
            raise AnalysisFailed("the piece has no edges that could be aligned") from error

    def result(self, transform: RigidTransform) -> RegistrationResult:
        """The motion with its covariance."""
        residuals, jacobian, weights, values, inside = self._linearised(transform)
        normal = (jacobian * weights[:, None]).T @ jacobian
        motion = normal[:6, :6] - normal[:6, 6:] @ np.linalg.pinv(normal[6:, 6:]) @ normal[6:, :6]
        variance = float((weights * residuals**2).sum() / max(weights.sum(), 1.0))
        covariance = np.linalg.pinv(motion) * variance * self._correlated_noise()
        return RegistrationResult(
            current_from_baseline=transform,
            covariance=covariance,
            centre_mm=self._centre,
            residual_hu=variance**0.5,
            correlation=correlation(values[inside], self._fixed[inside]),
            overlap=float(inside.mean()),
        )

    def _correlated_noise(self) -> float:
        """How many points share one independent piece of noise, at least 1.

        Smoothing by sigma correlates noise over about (2 sqrt(pi) sigma)^3; the voxel itself counts as a
        smoothing by 0.4 of its edge.
        """
        width_mm = float(np.hypot(self._sigma_mm, 0.4 * self._pitch_mm))
        extent = self._points.max(axis=0) - self._points.min(axis=0)
        per_point_mm3 = float(np.prod(np.maximum(extent, 1.0))) * 0.5 / len(self._points)
        return max(1.0, (2.0 * np.pi**0.5 * width_mm) ** 3 / per_point_mm3)


def _smoothed_crop(
    volume: Volume, points: Points, margin_mm: float, sigma_mm: float, settings: RegistrationSettings
) -> Volume:
    index = volume.to_index(points)
    margin = margin_mm / volume.spacing_mm
    largest = np.array(volume.shape[::-1])
    blocks = np.clip(np.floor(sigma_mm / (BLOCKS_IN_SIGMA * volume.spacing_mm)).astype(int), 1, largest // 2)
    start = np.clip(np.floor(index.min(axis=0) - margin).astype(int), 0, largest - 2 * blocks)
    stop = np.clip(np.ceil(index.max(axis=0) + margin).astype(int) + 1, start + 2 * blocks, largest)
    (x0, y0, z0), (x1, y1, z1) = start.tolist(), stop.tolist()
    crop = block_mean(volume.crop((z0, y0, x0), (z1, y1, x1)), blocks, settings.lowest_hu, settings.highest_hu)
    blurred = (blocks**2 - 1) / 12.0 / blocks**2
    sigma = np.sqrt(np.maximum((sigma_mm / crop.spacing_mm) ** 2 - blurred, 0.0))[::-1]
    smoothed = ndimage.gaussian_filter(crop.voxels, np.where(sigma < 0.25, 0.0, sigma), mode="nearest", truncate=3.0)
    return Volume(smoothed, crop.lps_from_index)


def _sample(values: NDArray[Any], at_zyx: Points) -> Points:
    return ndimage.map_coordinates(values, at_zyx, order=1, mode="nearest")


def gain_and_offset(values: Points, wanted: Points) -> tuple[float, float]:
    """Of another kernel or tube voltage; kept near 1 so that nothing is aligned by fading it out."""
    spread = float(values.std())
    gain = float(np.clip(np.mean((values - values.mean()) * (wanted - wanted.mean())) / max(spread**2, 1e-6), 0.6, 1.6))
    return gain, float(np.median(wanted - gain * values))


def correlation(first: Points, second: Points) -> float:
    """Of two sets of values; 0 where either does not vary."""
    if first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _cross_matrix(vector: Points) -> Points:
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
