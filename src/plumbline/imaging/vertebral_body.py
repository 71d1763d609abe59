"""One vertebral body: endplates and walls fitted as planes to subvoxel edges, and the anatomical frame they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.body_settings import BodySettings
from plumbline.imaging.edge_planes import Plane, fit_plane
from plumbline.imaging.edge_rays import edges_along, rays_along
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


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
    roof_tilt, floor_tilt
        (posterior, left) slope of the endplates, outwards.
    roof_rim_mm
        How far the rim of the superior endplate at the posterior wall stands out from its plane.
    edges
        Share of the rays, those that metal hides left out, on which an edge was found.
    """

    centre_lps_mm: Points
    axes: Points
    height_mm: float
    depth_mm: float
    width_mm: float
    wall_error_mm: float = 1.0
    roof_error_mm: float = 1.0
    roof_tilt: tuple[float, float] = (0.0, 0.0)
    floor_tilt: tuple[float, float] = (0.0, 0.0)
    roof_rim_mm: float = 0.0
    edges: float = 0.0

    @property
    def frame(self) -> VertebraFrame:
        """Origin where the posterior wall meets the superior endplate in the midline."""
        posterior, cranial, left = self.axes
        to_wall = self.depth_mm / 2
        to_roof = self.height_mm / 2 + self.roof_tilt[0] * to_wall + self.roof_rim_mm
        return VertebraFrame(self.centre_lps_mm + to_wall * posterior + to_roof * cranial, posterior, cranial, left)


def fit_body(
    volume: Volume,
    start: Body,
    *,
    metal: Volume | None,
    settings: BodySettings,
    has_floor: bool = True,
    faces_mm: tuple[float | None, float | None] = (None, None),
) -> Body:
    """Refine a body from a start a few millimetres and degrees off.

    Parameters
    ----------
    metal
        1 where metal or its shadow is; rays through it are left out.
    faces_mm
        How far above and below the start's centre a spacer begins, which lies on the endplate there; None without one.
    has_floor
        False for the first sacral vertebra, whose lower border is no endplate.
    """
    body = start
    for round_number in range(3):
        is_first = round_number == 0
        guess = _endplates(volume, body, metal, settings, has_floor, faces_mm) if is_first else _Endplates.of(body)
        body = _refined(volume, body, guess, metal, settings, has_floor)
    return body


def fit_endplate(
    volume: Volume, body: Body, side: float, *, metal: Volume | None, settings: BodySettings
) -> Plane | None:
    """One endplate of a body that was found: the superior (``side`` 1) or the inferior (-1); None where none is seen.

    The plane tells the distance from the body's centre along ``side`` times its cranial axis, over (posterior, left)
    millimetres from there; it goes through the rim of the part that is fitted, and its bow is negative where the
    endplate is hollow.
    """
    places = _disc(body, settings)
    radii = settings.fitted_share / 2 * np.array([body.depth_mm, body.width_mm])
    bowl = 1.0 - ((places / radii) ** 2).sum(axis=1)
    origins = body.centre_lps_mm + places @ body.axes[[0, 2]]
    kept = np.array([0.0, settings.rays_a_fact**0.5 / settings.aside_sd])
    plane, expected = None, np.full(len(places), body.height_mm / 2)
    for _ in range(2):
        edges = edges_along(volume, origins, side * body.axes[1], expected, settings.later_reach_mm, metal, settings)
        plane = fit_plane(places, edges, kept, bow=bowl, usual_bow=settings.bowl_prior_mm)
        if plane is None:
            break
        expected = plane.offset + places @ plane.slope + plane.bow * bowl
    return plane


@dataclass(frozen=True, eq=False)
class _Endplates:
    """Where the endplates are expected: distance from the centre, and slope (back, left), of roof and floor.

    ``hidden_mm`` is where they are taken to be if no ray meets them.
    """

    roof_mm: float
    floor_mm: float
    roof_slope: Points
    floor_slope: Points
    hidden_mm: tuple[float, float]

    @classmethod
    def of(cls, body: Body) -> _Endplates:
        """As the body says."""
        half = body.height_mm / 2
        return cls(half, half, np.array(body.roof_tilt), np.array(body.floor_tilt), (half, half))


def _endplates(
    volume: Volume,
    body: Body,
    metal: Volume | None,
    settings: BodySettings,
    has_floor: bool,
    faces_mm: tuple[float | None, float | None],
) -> _Endplates:
    """Both endplates found as a whole: streaks of metal make edges in a body, but not one whole plane at its height."""
    posterior, cranial, left = body.axes
    disc = _disc(body, settings)
    origins = body.centre_lps_mm + disc[:, :1] * posterior + disc[:, 1:] * left
    half = body.height_mm / 2
    roof = _evidence(volume, origins, disc, cranial, half, metal, settings)
    at, slopes = roof.at_mm, roof.slopes
    floor = _evidence(volume, origins, disc, -cranial, half, metal, settings) if has_floor else None
    usual = float((floor or roof).strength.max())
    roof = roof.with_hidden(faces_mm[0], usual, settings)
    floor = floor.with_hidden(faces_mm[1], float(roof.strength.max()), settings) if floor else None
    total = roof.strength[:, None] + (floor.strength[None, :] if floor else np.zeros((1, len(at))))
    height = at[:, None] + at[None, :]
    place = (at[:, None] - at[None, :]) / 2
    away = ((height - 2 * half) / (settings.height_sd_share * 2 * half)) ** 2 + (place / settings.place_sd_mm) ** 2
    if floor is None:
        away = ((at[:, None] - half) / settings.place_sd_mm) ** 2 + ((at[None, :] - half) / 0.1) ** 2
    for ends, face_mm in zip((at[:, None], at[None, :]), faces_mm if has_floor else (faces_mm[0], None), strict=True):
        if face_mm is not None:
            floating, sunk = settings.face_sd_mm
            away = away + ((ends - face_mm) / np.where(ends > face_mm, sunk, floating)) ** 2
    total = total / max(float(total.max()), 1e-6) - settings.unlikely * away / (4.0 + away)
    up, down = (int(i) for i in np.unravel_index(int(total.argmax()), total.shape))
    floor_slope = floor.slopes[down] if floor else np.zeros(2)
    likeliest = float(at[up]), float(at[down])
    hidden = [half if face_mm is None else end for end, face_mm in zip(likeliest, faces_mm, strict=True)]
    return _Endplates(*likeliest, slopes[up], floor_slope, (hidden[0], hidden[1]))


@dataclass(frozen=True, eq=False)
class _Evidence:
    """For each distance along a direction: mean fall of the density over a whole plane, and its best slope.

    ``seen`` is how much of that fall could be seen, 0 where metal hides the plane and 1 where it hides nothing.
    """

    at_mm: Points
    strength: Points
    slopes: Points
    seen: Points

    def with_hidden(self, face_mm: float | None, usual: float, settings: BodySettings) -> _Evidence:
        """Where metal hides the plane about a spacer's face, one of the ``usual`` strength may well be there."""
        if face_mm is None:
            return self
        floating, sunk = settings.face_sd_mm
        away = (self.at_mm - face_mm) / np.where(self.at_mm > face_mm, sunk, floating)
        credit = settings.hidden_credit * usual * (1.0 - self.seen) * np.exp(-0.5 * away**2)
        return replace(self, strength=self.strength + credit)


def _evidence(
    volume: Volume,
    origins: Points,
    places: Points,
    direction: Points,
    expected_mm: float,
    metal: Volume | None,
    settings: BodySettings,
) -> _Evidence:
    reach_mm = settings.first_reach_mm + 8.0
    at, hu, is_free = rays_along(volume, origins, direction, expected_mm, reach_mm, metal, settings)
    margin = round(8.0 / settings.step_mm)
    middle = np.arange(margin, len(at) - margin)
    most = margin // 2
    around = np.arange(margin - most, len(at) - margin + most)
    strengths, slopes, seen = [], [], []
    for back in np.tan(np.radians(settings.lean_deg[0])):
        for aside in np.tan(np.radians(settings.lean_deg[1])):
            slope = np.array([back, aside])
            shift = np.clip(np.rint(places @ slope / settings.step_mm).astype(int), -most, most)
            rays = np.arange(len(hu))[:, None], around[None, :] + shift[:, None]
            strength, share = _whole_step(hu[rays], is_free[rays], most, settings)
            strengths.append(strength[: len(middle)])
            seen.append(share[: len(middle)])
            slopes.append(slope)
    best = np.argmax(strengths, axis=0)[None]
    strength, share = (np.take_along_axis(np.array(each), best, axis=0)[0] for each in (strengths, seen))
    return _Evidence(at[middle], np.clip(strength, 0.0, None), np.array(slopes)[best[0]], share)


def _whole_step(hu: Points, is_free: NDArray[np.bool_], margin: int, settings: BodySettings) -> tuple[Points, Points]:
    """Bone inside less disc outside, at each distance, in the mean over the rays that are free of metal there.

    It counts as the root of the share of these rays, which is returned with it. Where metal hides most of one side
    there is no step to be seen.
    """
    free = np.concatenate([[0], np.cumsum(is_free.sum(axis=0))])
    total = np.concatenate([[0.0], np.cumsum((hu * is_free).sum(axis=0))])
    inside, outside = round(settings.endplate_mm / settings.step_mm), round(settings.beyond_mm / settings.step_mm)
    at = np.arange(margin, hu.shape[1] - margin)
    free_inside, free_outside = free[at + 1] - free[at + 1 - inside], free[at + 1 + outside] - free[at + 1]
    step = (total[at + 1] - total[at + 1 - inside]) / np.maximum(free_inside, 1) - (
        total[at + 1 + outside] - total[at + 1]
    ) / np.maximum(free_outside, 1)
    share = np.minimum(free_inside / inside, free_outside / outside) / len(hu)
    seen = np.where(share >= settings.least_free, np.sqrt(share), 0.0)
    return step * seen, seen


def _refined(
    volume: Volume,
    body: Body,
    guess: _Endplates,
    metal: Volume | None,
    settings: BodySettings,
    has_floor: bool,
) -> Body:
    posterior, cranial, left = body.axes
    disc = _disc(body, settings)
    origins = body.centre_lps_mm + disc[:, :1] * posterior + disc[:, 1:] * left
    half, reach = body.height_mm / 2, settings.later_reach_mm
    to_roof, to_floor = guess.roof_mm + disc @ guess.roof_slope, guess.floor_mm + disc @ guess.floor_slope
    kept = np.array([0.0, settings.rays_a_fact**0.5 / settings.aside_sd])
    roof = fit_plane(disc, edges_along(volume, origins, cranial, to_roof, reach, metal, settings), kept)
    floor = edges_along(volume, origins, -cranial, to_floor, reach, metal, settings) if has_floor else None
    floor = fit_plane(disc, floor, kept) if floor else None
    rows = _wall_rows(half, lowest=-0.7 if has_floor else -0.4)
    wall_origins = body.centre_lps_mm + rows[:, :1] * cranial + rows[:, 1:] * left
    reach_wall = settings.wall_reach_mm
    wall_edges = edges_along(volume, wall_origins, posterior, body.depth_mm / 2, reach_wall, metal, settings)
    rims = [_rim_mm(volume, body, end, sign, metal, settings) for end, sign in ((roof, 1.0), (floor, -1.0))]
    upper, lower = (_at_wall_mm(body, end) + rim for end, rim in zip((roof, floor), rims, strict=True))
    wall = fit_plane(rows, wall_edges, bow=_hollow(rows[:, 0], upper, lower), usual_bow=settings.hollow_prior_mm)
    front = fit_plane(
        rows, edges_along(volume, wall_origins, -posterior, body.depth_mm / 2, reach_wall, metal, settings)
    )
    sides = [_side(volume, body, sign, metal, settings) for sign in (1.0, -1.0)]
    return replace(_assembled(body, guess, roof, floor, wall, front, sides), roof_rim_mm=rims[0])


def _hollow(up: Points, upper_mm: float, lower_mm: float) -> Points:
    """Shape of a hollow of the posterior wall, -1 in its middle and 0 at both its edges, at places up the wall.

    Endplates are hollow and lean against each other, so that the wall's edges are not where their middles are.
    """
    return (up - upper_mm) * (up + lower_mm) / ((upper_mm + lower_mm) / 2) ** 2


def _at_wall_mm(body: Body, end: Plane | None) -> float:
    """How far from the centre an endplate's plane meets the posterior wall."""
    return end.offset + float(end.slope[0]) * body.depth_mm / 2 if end else body.height_mm / 2


def _rim_mm(
    volume: Volume, body: Body, end: Plane | None, sign: float, metal: Volume | None, settings: BodySettings
) -> float:
    """How far an endplate's rim at the posterior wall stands out from its plane; the usual where metal hides it."""
    usual, spread = settings.rim_prior_mm
    if end is None:
        return 0.0
    aside = np.linspace(-settings.rim_aside_mm, settings.rim_aside_mm, 13)
    p, left = np.meshgrid(body.depth_mm / 2 - np.array(settings.rim_inside_mm), aside, indexing="ij")
    places = np.stack([p.ravel(), left.ravel()], axis=1)
    origins = body.centre_lps_mm + places @ body.axes[[0, 2]]
    expected = end.offset + places @ end.slope
    direction, reach = sign * body.axes[1], settings.later_reach_mm
    found = edges_along(volume, origins, direction, expected, reach, metal, settings)
    lifts = (found.at_mm - expected)[found.is_edge]
    known = len(lifts) / settings.rays_a_fact * (spread / max(end.error_mm, 0.15)) ** 2
    middle = float(np.median(lifts)) if len(lifts) else usual
    return float((usual + known * middle) / (1.0 + known))


def _assembled(
    body: Body,
    guess: _Endplates,
    roof: Plane | None,
    floor: Plane | None,
    wall: Plane | None,
    front: Plane | None,
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
    to_roof = roof.offset if roof else guess.hidden_mm[0]
    to_floor = floor.offset if floor else guess.hidden_mm[1]
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
        floor_tilt=(float(floor.slope[0]), float(floor.slope[1])) if floor else (0.0, 0.0),
        edges=float(np.mean(found)) if found else 0.0,
    )


def _normal(direction: Points, first: Points, second: Points, plane: Plane | None) -> Points:
    """Unit normal of a plane whose distance along ``direction`` slopes over the two others."""
    if plane is None:
        return direction
    normal = direction - plane.slope[0] * first - plane.slope[1] * second
    return normal / np.linalg.norm(normal)


def _disc(body: Body, settings: BodySettings) -> Points:
    """(posterior, left) places of the rays to an endplate."""
    deep, wide = settings.fitted_share * body.depth_mm / 2, settings.fitted_share * body.width_mm / 2
    p, left = np.meshgrid(np.linspace(-deep, deep, 11), np.linspace(-wide, wide, 13), indexing="ij")
    inside = (p / deep) ** 2 + (left / wide) ** 2 <= 1.0
    return np.stack([p[inside], left[inside]], axis=1)


def _wall_rows(half_height_mm: float, *, lowest: float = -0.7) -> Points:
    """(cranial, left) places of the rays to a wall; the middle, where the basivertebral vein leaves, is spared.

    ``lowest`` is a share of the half height: how far down a sacral body reaches is not known.
    """
    c, left = np.meshgrid(np.linspace(lowest, 0.7, 11) * half_height_mm, np.arange(-9.0, 9.1, 1.5), indexing="ij")
    is_vein = (np.abs(c) < 0.25 * half_height_mm) & (np.abs(left) < 4.0)
    return np.stack([c[~is_vein], left[~is_vein]], axis=1)


def _side(volume: Volume, body: Body, sign: float, metal: Volume | None, settings: BodySettings) -> float | None:
    """Distance of a side from the centre, along left (1) or right (-1); None where no edge is seen."""
    posterior, cranial, left = body.axes
    c, p = np.meshgrid(np.linspace(-0.3, 0.3, 5) * body.height_mm, np.linspace(-10.0, 2.0, 5), indexing="ij")
    origins = body.centre_lps_mm + c.reshape(-1, 1) * cranial + p.reshape(-1, 1) * posterior
    found = edges_along(volume, origins, sign * left, body.width_mm / 2, settings.wall_reach_mm, metal, settings)
    if found.is_edge.sum() < 5:
        return None
    return float(np.median(found.at_mm[found.is_edge]))
