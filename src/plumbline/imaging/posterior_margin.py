"""How far the rear end of a spacer's metal lies in front of the posterior wall of the vertebra below it (B26)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.imaging.estimates import COVERAGE_FACTOR, Estimate
from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.metal_registration import MetalSettings, own_blur_mm
from plumbline.imaging.sampling import sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MarginSettings:
    """How the rear end of a spacer's metal is found.

    Parameters
    ----------
    ray_mm, edge_hu
        Distance of the rays along which it is looked for, and the density at which metal begins.
    titanium_hu, cut_below_hu
        Density of solid titanium; it is measured instead where a scale reaches beyond this value.
    rear_share, marker_share
        Share of the rays, those that reach farthest back, that are the rear end: of a solid spacer, and of markers.
    marker_radius_mm
        Of a pin or bead, and its standard deviation: markers of 0.8 to 1.2 mm are in use.
    marker_mm
        Metal longer than this along a ray is no pin across it.
    shared_error
        Correlation of the errors of two exams of one spacer: the same wall and the same metal are seen alike.
    blur_error, edge_error
        Standard error of the blur that metal is taken for to have spread by, and of an edge among noise and voxels,
        both as shares of the blur.
    """

    ray_mm: float = 0.6
    edge_hu: float = 1600.0
    titanium_hu: float = 8600.0
    cut_below_hu: float = 4000.0
    rear_share: float = 0.03
    marker_share: float = 0.15
    marker_radius_mm: tuple[float, float] = (0.5, 0.1)
    marker_mm: float = 4.0
    blur_error: float = 0.28
    edge_error: float = 0.21
    shared_error: float = 0.5
    metal: MetalSettings = field(default_factory=MetalSettings)


def posterior_margin(exam: ExamAnatomy, spacer: Implant, settings: MarginSettings | None = None) -> Estimate:
    """How far the rearmost point of a spacer's metal lies in front of the posterior wall of the vertebra below.

    The interval is that of the wall, as its localiser states it, and of the metal's edge.
    """
    settings = settings or MarginSettings()
    vertebra = exam.spine.vertebrae[spacer.below]
    rear_mm, error_mm = rear_end_mm(exam.volume, spacer, vertebra.frame, settings)
    return Estimate(-rear_mm, float(np.hypot(vertebra.frame_uncertainty_mm, COVERAGE_FACTOR * error_mm)))


def agreed_margins(
    baseline: Estimate, current: Estimate, change: Estimate, settings: MarginSettings | None = None
) -> tuple[Estimate, Estimate]:
    """The margins of one spacer in two exams, (baseline, current), that differ by what its rear end has moved.

    That is known far better than either wall: each exam says where the wall lies in both. Where they do not agree
    one of them is wrong, and the intervals hold both.

    Parameters
    ----------
    change
        Of the margin from the baseline to the current exam, by registration, mm.
    """
    settings = settings or MarginSettings()
    carried = baseline.value + change.value
    weights = np.array([baseline.uncertainty_95, current.uncertainty_95]) ** -2.0
    value = float(np.average([carried, current.value], weights=weights))
    first, second = weights / weights.sum() * [baseline.uncertainty_95, current.uncertainty_95]
    own_mm = np.sqrt(first**2 + second**2 + 2.0 * settings.shared_error * first * second)
    apart_mm = (carried - current.value) / 2.0
    uncertainty = float(np.linalg.norm([own_mm, apart_mm, change.uncertainty_95 / 2.0]))
    return Estimate(value - change.value, uncertainty), Estimate(value, uncertainty)


def rear_change_mm(
    spacer: Implant, motion: RigidTransform, frame: VertebraFrame, settings: MarginSettings | None = None
) -> float:
    """By how much the margin changes (negative: less of it) with a motion in the frame of the vertebra, mm."""
    settings = settings or MarginSettings()
    before, after = (
        np.sort(frame.coordinates_mm(points)[:, 0])
        for points in (spacer.points_lps_mm, motion.apply(spacer.points_lps_mm))
    )
    rear = slice(-max(3, round(settings.rear_share * len(before))), None)
    return float(before[rear].mean() - after[rear].mean())


def rear_end_mm(
    volume: Volume, spacer: Implant, frame: VertebraFrame, settings: MarginSettings | None = None
) -> tuple[float, float]:
    """Posterior coordinate of the rear end of a spacer's metal in a frame, and its standard error.

    Metal seems larger than it is by what the exam's blur along the frame's posterior axis spreads it. A pin is thinner
    than the blur, so that its middle is known better than its edge.
    """
    settings = settings or MarginSettings()
    along = frame.posterior @ (volume.lps_from_index[:3, :3] / volume.spacing_mm)
    blur_mm = float(np.linalg.norm(along * own_blur_mm(volume, settings.metal)))
    rays = _Rays.through(volume, spacer.points_lps_mm, frame, settings)
    if not len(rays.rear_mm):
        return float(frame.coordinates_mm(spacer.points_lps_mm)[:, 0].max()), blur_mm
    spread_mm = _spread_in_blurs(volume, spacer, settings) * blur_mm
    if spacer.kind is not ImplantKind.SPACER_MARKERS:
        ends, share, doubt_mm = rays.rear_mm - spread_mm, settings.rear_share, settings.blur_error * spread_mm
    else:
        radius_mm, doubt_mm = settings.marker_radius_mm
        is_across = rays.rear_mm - rays.front_mm < settings.marker_mm
        middle = (rays.rear_mm + rays.front_mm) / 2.0
        ends = np.where(is_across, middle + radius_mm, rays.rear_mm - spread_mm)
        share = settings.marker_share
    rearmost = np.sort(ends)[-max(3, round(share * len(ends))) :]
    return float(rearmost.mean()), float(np.hypot(doubt_mm, settings.edge_error * blur_mm))


def _spread_in_blurs(volume: Volume, spacer: Implant, settings: MarginSettings) -> float:
    """How many times the blur a wide piece of this metal reaches beyond its surface at the edge's density."""
    hu = sample(volume, spacer.points_lps_mm)
    full_hu = float(np.percentile(hu, 90))
    if full_hu < settings.cut_below_hu:
        full_hu = settings.titanium_hu
    return float(norm.isf(min(settings.edge_hu / full_hu, 0.5)))


@dataclass(frozen=True, eq=False)
class _Rays:
    """Where rays along the posterior axis leave the metal at its rear, and where they had entered it there."""

    rear_mm: Points
    front_mm: Points

    @classmethod
    def through(cls, volume: Volume, metal: Points, frame: VertebraFrame, settings: MarginSettings) -> _Rays:
        own = frame.coordinates_mm(metal)
        first, last = own.min(axis=0), own.max(axis=0)
        step = settings.ray_mm / 4.0
        cranial, left = (np.arange(first[k], last[k] + 0.01, settings.ray_mm) for k in (1, 2))
        along = np.arange(max(first[0] - 3.0, last[0] - _DEEPEST_MM), last[0] + 3.0, step)
        p, c, s = np.meshgrid(along, cranial, left, indexing="ij")
        hu = sample(volume, frame.origin_lps_mm + np.stack([p, c, s], axis=-1) @ frame.axes).reshape(len(along), -1)
        is_metal = hu > settings.edge_hu
        hu, is_metal = (each[:, is_metal.any(axis=0) & ~is_metal[-1]] for each in (hu, is_metal))
        leaves = len(along) - 1 - np.argmax(is_metal[::-1], axis=0)
        is_gap = ~is_metal & (np.arange(len(along))[:, None] < leaves)
        before = np.where(is_gap.any(axis=0), len(along) - 1 - np.argmax(is_gap[::-1], axis=0), 0)
        return cls(_crossing(along, hu, leaves, settings.edge_hu), _crossing(along, hu, before, settings.edge_hu))


_DEEPEST_MM = 30.0


def _crossing(along: Points, hu: Points, at: NDArray[np.intp], edge_hu: float) -> Points:
    """Place between sample ``at`` of each ray and the next one where the density passes the edge's."""
    here, there = (np.take_along_axis(hu, np.clip(at + k, 0, len(along) - 1)[None], axis=0)[0] for k in (0, 1))
    change = np.where(np.abs(there - here) > 1.0, there - here, 1.0)
    part = np.clip((edge_hu - here) / change, 0.0, 1.0)
    return along[at] + part * float(along[1] - along[0])
