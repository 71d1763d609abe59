"""Densities along rays from the inside of a bone, and the edges on them to a fraction of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.body_settings import BodySettings
from plumbline.imaging.edge_planes import Edges
from plumbline.imaging.sampling import is_inside, sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


def rays_along(
    volume: Volume,
    origins: Points,
    direction: Points,
    expected_mm: float | Points,
    reach_mm: float,
    metal: Volume | None,
    settings: BodySettings,
) -> tuple[Points, Points, NDArray[np.bool_]]:
    """(distances from the expected place, density, free of metal) along each ray.

    Distances have shape (n,), the others (rays, n). Where ``expected_mm`` is one number, distances include it.
    """
    at = np.arange(-reach_mm, reach_mm + settings.step_mm / 2, settings.step_mm)
    expected = np.broadcast_to(np.asarray(expected_mm, dtype=float), len(origins))
    points = origins[:, None] + (expected[:, None] + at[None, :])[..., None] * direction
    hu = np.clip(sample(volume, points), *settings.hu_limits)
    hu = ndimage.gaussian_filter1d(hu, settings.smooth_mm / settings.step_mm, axis=1, mode="nearest")
    is_free = is_inside(volume, points)
    if metal is not None:
        is_free &= sample(metal, points) < 0.5
    return at + (float(expected_mm) if np.ndim(expected_mm) == 0 else 0.0), hu, is_free


def edges_along(
    volume: Volume,
    origins: Points,
    direction: Points,
    expected_mm: float | Points,
    reach_mm: float,
    metal: Volume | None,
    settings: BodySettings,
) -> Edges:
    """Steepest fall from bone to what is beyond it along each ray, to a fraction of a step."""
    at, hu, is_free = rays_along(volume, origins, direction, expected_mm, reach_mm, metal, settings)
    fall = -np.gradient(hu, settings.step_mm, axis=1)
    best = _first_strong(fall[:, 1:-1], settings.first_strong_share) + 1
    rays = np.arange(len(best))
    before, peak, after = fall[rays, best - 1], fall[rays, best], fall[rays, best + 1]
    curve = before - 2.0 * peak + after
    part = np.where(np.abs(curve) > 1e-6, 0.5 * (before - after) / np.where(np.abs(curve) > 1e-6, curve, 1.0), 0.0)
    is_free = np.asarray(is_free.all(axis=1))
    is_edge = (peak > settings.least_edge_hu_per_mm) & is_free
    found = at[best] + np.clip(part, -1.0, 1.0) * settings.step_mm - _shell_shift_mm(volume, direction, settings)
    if np.ndim(expected_mm):
        found = found + np.asarray(expected_mm)
    return Edges(found, peak, is_edge, is_free)


def _shell_shift_mm(volume: Volume, direction: Points, settings: BodySettings) -> float:
    """How far beyond the surface of a thin dense shell its blurred picture falls most steeply."""
    along = np.abs(volume.lps_from_index[:3, :3].T @ direction)
    blur = np.array([settings.smooth_mm, settings.kernel_mm, *(settings.voxel_blur * along)])
    return settings.shell_share * float(np.linalg.norm(blur))


def _first_strong(fall: Points, share: float) -> NDArray[np.intp]:
    """Index of the first local maximum along each ray that is not much weaker than the strongest.

    Beyond a disc the neighbour's endplate falls towards its own marrow, too; the body's own comes first.
    """
    padded = np.pad(fall, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_peak = (fall >= padded[:, :-2]) & (fall >= padded[:, 2:])
    is_strong = is_peak & (fall >= share * fall.max(axis=1, keepdims=True))
    return np.argmax(is_strong, axis=1)
