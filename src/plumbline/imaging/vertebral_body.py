"""One vertebral body: endplates and walls fitted as planes to subvoxel edges, and the anatomical frame they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.sampling import sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BodySettings:
    """How a body's edges are looked for.

    Parameters
    ----------
    radius_mm
        Of the part of an endplate that is fitted.
    first_reach_mm, later_reach_mm
        How far from its expected place an edge is looked for, at first and once it was fitted.
    wall_reach_mm
        The same for the walls.
    least_edge_hu_per_mm
        Weaker edges are not edges.
    smooth_mm
        Smoothing along the rays.
    first_strong_share
        The first edge outwards counts that is at least this share of the strongest.
    """

    radius_mm: float = 12.0
    first_reach_mm: float = 6.0
    later_reach_mm: float = 4.0
    wall_reach_mm: float = 8.0
    least_edge_hu_per_mm: float = 12.0
    smooth_mm: float = 0.9
    step_mm: float = 0.5
    first_strong_share: float = 0.6
    depth_mm: float = 33.0
    width_mm: float = 46.0


@dataclass(frozen=True, eq=False)
class Body:
    """A fitted body.

    Parameters
    ----------
    centre_lps_mm
        Shape (3,).
    axes
        Shape (3, 3): rows posterior, cranial, left.
    height_mm, depth_mm, width_mm
        Between endplates, between walls, between sides, through the centre.
    wall_error_mm, roof_error_mm
        Robust spread of the wall's and the superior endplate's points about their planes.
    roof_tilt
        (posterior, left) slope of the superior endplate.
    edges
        Share of the rays on which an edge was found.
    """

    centre_lps_mm: Points
    axes: Points
    height_mm: float
    depth_mm: float
    width_mm: float
    wall_error_mm: float = 1.0
    roof_error_mm: float = 1.0
    roof_tilt: tuple[float, float] = (0.0, 0.0)
    edges: float = 0.0

    @property
    def frame(self) -> VertebraFrame:
        """Origin where the posterior wall meets the superior endplate in the midline."""
        posterior, cranial, left = self.axes
        to_wall = self.depth_mm / 2
        to_roof = self.height_mm / 2 + self.roof_tilt[0] * to_wall
        return VertebraFrame(self.centre_lps_mm + to_wall * posterior + to_roof * cranial, posterior, cranial, left)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edge positions along rays, their strengths, and which are edges."""

    at_mm: Points
    strength: Points
    is_edge: NDArray[np.bool_]


def fit_body(
    volume: Volume, start: Body, *, metal: Volume | None, settings: BodySettings, has_floor: bool = True
) -> Body:
    """Refine a body from a start a few millimetres and degrees off.

    Parameters
    ----------
    metal
        1 where metal or its shadow is; rays through it are left out.
    has_floor
        False for the first sacral vertebra, whose lower border is no endplate.
    """
    body = start
    for round_number in range(3):
        reach = settings.first_reach_mm if round_number == 0 else settings.later_reach_mm
        body = _refined(volume, body, metal, settings, reach, has_floor)
    return body


def _refined(
    volume: Volume, body: Body, metal: Volume | None, settings: BodySettings, reach: float, has_floor: bool
) -> Body:
    posterior, cranial, left = body.axes
    disc = _disc(settings.radius_mm)
    origins = body.centre_lps_mm + disc[:, :1] * posterior + disc[:, 1:] * left
    half = body.height_mm / 2
    roof = _plane(disc, _edges(volume, origins, cranial, half, reach, metal, settings))
    floor = _plane(disc, _edges(volume, origins, -cranial, half, reach, metal, settings)) if has_floor else None
    rows = _wall_rows(half)
    wall_origins = body.centre_lps_mm + rows[:, :1] * cranial + rows[:, 1:] * left
    reach_wall = settings.wall_reach_mm
    wall = _plane(rows, _edges(volume, wall_origins, posterior, body.depth_mm / 2, reach_wall, metal, settings))
    front = _plane(rows, _edges(volume, wall_origins, -posterior, body.depth_mm / 2, reach_wall, metal, settings))
    sides = [_side(volume, body, sign, metal, settings) for sign in (1.0, -1.0)]
    return _assembled(body, roof, floor, wall, front, sides)


@dataclass(frozen=True, eq=False)
class _Plane:
    """``offset + slope . (u, v)`` along a direction; ``edges`` is the share of rays with an edge."""

    offset: float
    slope: Points
    error_mm: float
    edges: float


def _assembled(
    body: Body,
    roof: _Plane | None,
    floor: _Plane | None,
    wall: _Plane | None,
    front: _Plane | None,
    sides: list[float | None],
) -> Body:
    posterior, cranial, left = body.axes
    up = _normal(cranial, posterior, left, roof)
    if floor is not None:
        up = up + _normal(cranial, posterior, left, replace(floor, slope=-floor.slope))
    up = up / np.linalg.norm(up)
    back = _normal(posterior, cranial, left, wall)
    back = back / np.linalg.norm(back)
    up = up - (up @ back) * back
    up = up / np.linalg.norm(up)
    to_roof = roof.offset if roof else body.height_mm / 2
    to_floor = floor.offset if floor else body.height_mm / 2
    to_wall = wall.offset if wall else body.depth_mm / 2
    to_front = front.offset if front else body.depth_mm / 2
    centre = body.centre_lps_mm + (to_wall - to_front) / 2 * posterior
    if floor is not None or roof is None:
        centre = centre + (to_roof - to_floor) / 2 * cranial
        height = to_roof + to_floor
    else:
        centre = centre + (to_roof - body.height_mm / 2) * cranial
        height = body.height_mm
    width = body.width_mm
    if sides[0] is not None and sides[1] is not None:
        centre = centre + (sides[0] - sides[1]) / 2 * left
        width = sides[0] + sides[1]
    found = [each.edges for each in (roof, floor, wall, front) if each is not None]
    return Body(
        centre_lps_mm=centre,
        axes=np.stack([back, up, np.cross(back, up)]),
        height_mm=float(np.clip(height, 8.0, 45.0)),
        depth_mm=float(np.clip(to_wall + to_front, 18.0, 50.0)),
        width_mm=float(np.clip(width, 24.0, 70.0)),
        wall_error_mm=wall.error_mm if wall else 3.0,
        roof_error_mm=roof.error_mm if roof else 3.0,
        roof_tilt=(float(roof.slope[0]), float(roof.slope[1])) if roof else (0.0, 0.0),
        edges=float(np.mean(found)) if found else 0.0,
    )


def _normal(direction: Points, first: Points, second: Points, plane: _Plane | None) -> Points:
    """Unit normal of a plane whose distance along ``direction`` slopes over the two others."""
    if plane is None:
        return direction
    normal = direction - plane.slope[0] * first - plane.slope[1] * second
    return normal / np.linalg.norm(normal)


def _disc(radius_mm: float) -> Points:
    """(posterior, left) places of the rays to an endplate."""
    axis = np.arange(-radius_mm, radius_mm + 0.1, 2.0)
    p, left = np.meshgrid(axis * 0.85, axis, indexing="ij")
    inside = (p / 0.85) ** 2 + left**2 <= radius_mm**2
    return np.stack([p[inside], left[inside]], axis=1)


def _wall_rows(half_height_mm: float) -> Points:
    """(cranial, left) places of the rays to a wall; the middle, where the basivertebral vein leaves, is spared."""
    c, left = np.meshgrid(np.linspace(-0.7, 0.7, 11) * half_height_mm, np.arange(-9.0, 9.1, 1.5), indexing="ij")
    is_vein = (np.abs(c) < 0.25 * half_height_mm) & (np.abs(left) < 4.0)
    return np.stack([c[~is_vein], left[~is_vein]], axis=1)


def _side(volume: Volume, body: Body, sign: float, metal: Volume | None, settings: BodySettings) -> float | None:
    """Distance of a side from the centre, along left (1) or right (-1); None where no edge is seen."""
    posterior, cranial, left = body.axes
    c, p = np.meshgrid(np.linspace(-0.3, 0.3, 5) * body.height_mm, np.linspace(-10.0, 2.0, 5), indexing="ij")
    origins = body.centre_lps_mm + c.reshape(-1, 1) * cranial + p.reshape(-1, 1) * posterior
    found = _edges(volume, origins, sign * left, body.width_mm / 2, settings.wall_reach_mm, metal, settings)
    if found.is_edge.sum() < 5:
        return None
    return float(np.median(found.at_mm[found.is_edge]))


def _edges(
    volume: Volume,
    origins: Points,
    direction: Points,
    expected_mm: float,
    reach_mm: float,
    metal: Volume | None,
    settings: BodySettings,
) -> _Edges:
    """Steepest fall from bone to what is beyond it along each ray, to a fraction of a step."""
    at = np.arange(expected_mm - reach_mm, expected_mm + reach_mm + settings.step_mm / 2, settings.step_mm)
    points = origins[:, None] + at[None, :, None] * direction
    hu = np.clip(sample(volume, points), -100.0, 700.0)
    hu = ndimage.gaussian_filter1d(hu, settings.smooth_mm / settings.step_mm, axis=1, mode="nearest")
    fall = -np.gradient(hu, settings.step_mm, axis=1)
    best = _first_strong(fall[:, 1:-1], settings.first_strong_share) + 1
    rays = np.arange(len(best))
    before, peak, after = fall[rays, best - 1], fall[rays, best], fall[rays, best + 1]
    curve = before - 2.0 * peak + after
    part = np.where(np.abs(curve) > 1e-6, 0.5 * (before - after) / np.where(np.abs(curve) > 1e-6, curve, 1.0), 0.0)
    is_edge = peak > settings.least_edge_hu_per_mm
    if metal is not None:
        is_edge &= sample(metal, points).max(axis=1) < 0.5
    return _Edges(at[best] + np.clip(part, -1.0, 1.0) * settings.step_mm, peak, is_edge)


def _first_strong(fall: Points, share: float) -> NDArray[np.intp]:
    """Index of the first local maximum along each ray that is not much weaker than the strongest.

    Beyond a disc the neighbour's endplate falls towards its own marrow, too; the body's own comes first.
    """
    padded = np.pad(fall, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_peak = (fall >= padded[:, :-2]) & (fall >= padded[:, 2:])
    is_strong = is_peak & (fall >= share * fall.max(axis=1, keepdims=True))
    return np.argmax(is_strong, axis=1)


def _plane(places: Points, edges: _Edges) -> _Plane | None:
    """Robust plane through the edges; None where there are too few."""
    chosen = edges.is_edge
    if chosen.sum() < max(12, 0.2 * len(places)):
        return None
    design = np.column_stack([np.ones(int(chosen.sum())), places[chosen]])
    target, strength = edges.at_mm[chosen], edges.strength[chosen]
    weights = strength.copy()
    solution = np.zeros(3)
    spread = 1.0
    for _ in range(12):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
        residual = target - design @ solution
        spread = 1.4826 * float(np.median(np.abs(residual))) + 0.15
        weights = strength / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    slope = np.clip(solution[1:], -0.35, 0.35)
    return _Plane(float(solution[0]), slope, spread, float(chosen.mean()))
