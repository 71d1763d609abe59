"""Small spines with known truth, from analytic shapes: bodies with discs, a canal behind them, ribs and processes.

Every surface is drawn with partial volume: a voxel holds the share of the shape that its distance says. Own
axes of a body are (posterior, cranial, left) about its centre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]

SOFT_HU, DISC_HU, MARROW_HU, CORTEX_HU = 45.0, 75.0, 180.0, 700.0
DEPTH_MM, WIDTH_MM, HEIGHT_MM, DISC_MM = 33.0, 46.0, 26.0, 8.0
CORTEX_MM = 1.0
UPRIGHT = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Axes of a body that stands straight: rows posterior, cranial, left in LPS."""


def leaning(back_deg: float = 0.0, left_deg: float = 0.0, turn_deg: float = 0.0) -> Points:
    """Axes that lean back (the roof to the rear), lean to the left, and are turned about the long axis."""
    turn = RigidTransform.about(np.zeros(3), np.radians([-back_deg, left_deg, turn_deg]), np.zeros(3))
    return turn.turn(UPRIGHT)


def body_at(centre: Sequence[float], axes: Points = UPRIGHT, **changes: float) -> Body:
    """A body of the usual size."""
    size = {"height_mm": HEIGHT_MM, "depth_mm": DEPTH_MM, "width_mm": WIDTH_MM, **changes}
    return Body(np.array(centre, dtype=float), axes, **size)


@dataclass(frozen=True)
class Grid:
    """LPS mm of the first and the last voxel, and the voxel spacing x, y, z."""

    first_mm: tuple[float, float, float]
    last_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def draw(self, *paints: Callable[[Points, Points], None], noise_hu: float = 0.0, seed: int = 0) -> Volume:
        """Soft tissue, painted over by each in turn: ``paint(hu, points)`` changes ``hu``."""
        ends = zip(self.first_mm, self.last_mm, self.spacing_mm, strict=True)
        x, y, z = (np.arange(first, last + 1e-6, step) for first, last, step in ends)
        points = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
        hu = np.full(points.shape[:3], SOFT_HU)
        for paint in paints:
            paint(hu, points)
        hu += np.random.default_rng(seed).normal(scale=max(noise_hu, 1e-9), size=hu.shape)
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.first_mm
        return Volume(hu.astype(np.float32), affine)


def over(hu: Points, distance_mm: Points, value: float | Points, voxel_mm: float = 1.0) -> None:
    """Paint what lies at negative distance."""
    share = np.clip(0.5 - distance_mm / voxel_mm, 0.0, 1.0)
    hu += share * (value - hu)


def voxel_mm(points: Points) -> float:
    return float(points[0, 0, 1, 0] - points[0, 0, 0, 0])


def paint_near(hu: Points, points: Points, middle: Points, reach_mm: float, paint: Callable[[Points, Points], None]):
    """Paint the box of voxels within reach of a middle only: the rest of the grid is out of it."""
    first = points[0, 0, 0]
    step = points[min(1, points.shape[0] - 1), 1, 1] - first
    size = np.array(hu.shape[::-1])
    lower = np.clip(np.floor((middle - reach_mm - first) / step), 0, size).astype(int)
    upper = np.clip(np.ceil((middle + reach_mm - first) / step) + 1, lower, size).astype(int)
    box = tuple(slice(a, b) for a, b in zip(lower[::-1], upper[::-1], strict=True))
    if all(each.stop - each.start > 1 for each in box):
        paint(hu[box], points[box])


def own_mm(points: Points, body: Body) -> Points:
    return (points - body.centre_lps_mm) @ body.axes.T


def body_distance(points: Points, body: Body) -> Points:
    """Signed distance to an elliptic cylinder, nearly."""
    posterior, cranial, left = np.moveaxis(own_mm(points, body), -1, 0)
    a, b = body.depth_mm / 2, body.width_mm / 2
    level = np.sqrt((posterior / a) ** 2 + (left / b) ** 2 + 1e-9)
    side = (level - 1.0) * np.hypot(posterior, left) / level
    # The posterior wall of a vertebra is flat.
    side = np.maximum(side, posterior - 0.82 * a)
    return np.maximum(side, np.abs(cranial) - body.height_mm / 2)


def vertebral(body: Body, marrow_hu: float = MARROW_HU, cortex_hu: float = CORTEX_HU) -> Callable[..., None]:
    """A body: marrow in a shell of cortex, a disc above and below it."""

    def paint_own(hu: Points, points: Points) -> None:
        step = voxel_mm(points)
        posterior, cranial, left = np.moveaxis(own_mm(points, body), -1, 0)
        inside = np.hypot(posterior / (body.depth_mm / 2), left / (body.width_mm / 2)) - 1.0
        disc = np.maximum(inside * 16.0, np.abs(cranial) - body.height_mm / 2 - DISC_MM)
        over(hu, np.maximum(disc, -(np.abs(cranial) - body.height_mm / 2)), DISC_HU, step)
        distance = body_distance(points, body)
        over(hu, distance, cortex_hu, step)
        over(hu, distance + CORTEX_MM, marrow_hu, step)

    return lambda hu, points: paint_near(hu, points, body.centre_lps_mm, 40.0, paint_own)


def arch(body: Body, behind_mm: float = 22.0, radius_mm: float = 12.0) -> Callable[..., None]:
    """A ring of bone behind a body with the canal in it, in the upper two thirds of its height."""

    def paint_own(hu: Points, points: Points) -> None:
        posterior, cranial, left = np.moveaxis(own_mm(points, body), -1, 0)
        ring = np.abs(np.hypot(posterior - behind_mm, left) - radius_mm) - 3.0
        within = np.abs(cranial - body.height_mm / 6) - body.height_mm / 3
        over(hu, np.maximum(np.maximum(ring, within), -body_distance(points, body)), 400.0, voxel_mm(points))

    return lambda hu, points: paint_near(hu, points, body.centre_lps_mm, 55.0, paint_own)


def tube(knots: Points, radius_mm: float, hollow_hu: float | None = None, cortex_hu: float = CORTEX_HU):
    """A bony tube along LPS points of shape (n, 3): solid, or a shell of 1.2 mm around marrow."""

    def paint(hu: Points, points: Points) -> None:
        lower, upper = knots.min(axis=0) - radius_mm - 3.0, knots.max(axis=0) + radius_mm + 3.0
        near = np.all((points >= lower) & (points <= upper), axis=-1)
        step = voxel_mm(points)
        own, distance = hu[near], np.full(int(near.sum()), np.inf)
        for start, stop in pairwise(knots):
            along = stop - start
            share = np.clip((points[near] - start) @ along / (along @ along), 0.0, 1.0)
            distance = np.minimum(distance, np.linalg.norm(points[near] - start - share[:, None] * along, axis=1))
        over(own, distance - radius_mm, cortex_hu, step)
        if hollow_hu is not None:
            over(own, distance - radius_mm + 1.2, hollow_hu, step)
        hu[near] = own

    return paint


def rib_course(body: Body, side: float, length_mm: float = 80.0, drop: float = 0.42) -> Points:
    """Knots of a rib of ``body``, left (1) or right (-1): from its side backward, then outward, always down."""
    steps = np.linspace(0.0, length_mm, 17)
    angles = np.radians(20.0 + 0.8 * steps)
    directions = np.stack([np.cos(angles), np.full(17, -drop), side * np.sin(angles)], axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    start = np.array([14.0, -3.0, side * 26.0])
    course = np.vstack([start, start + np.cumsum(directions[:-1] * np.diff(steps)[:, None], axis=0)])
    return body.centre_lps_mm + course @ body.axes


def transverse_process(body: Body, side: float, reach_mm: float = 36.0) -> Points:
    """Knots of a transverse process: from the pedicle outward, and there it ends."""
    own = np.array([[18.0, 3.0, side * 15.0], [27.0, 4.0, side * reach_mm]])
    return body.centre_lps_mm + own @ body.axes


def column(count: int = 4, bend_deg: float = 6.0) -> tuple[Body, ...]:
    """Bodies one above the other, cranial to caudal, each leaning back by so much more than the one above."""
    leans = bend_deg * (np.arange(count) - (count - 1) / 2)
    centre, bodies = np.zeros(3), []
    for lean_deg in leans:
        body = body_at(centre, leaning(-lean_deg))
        bodies.append(body)
        centre = centre - (HEIGHT_MM + DISC_MM) * body.axes[1]
    middle = np.mean([each.centre_lps_mm for each in bodies], axis=0)
    return tuple(body_at(each.centre_lps_mm - middle, each.axes) for each in bodies)


def spinal_column(bodies: Sequence[Body]) -> list[Callable[..., None]]:
    """Paints of bodies, discs between them, and the ring of bone round the canal."""
    return [paint(body) for body in bodies for paint in (vertebral, arch)]
