"""Whether a rib joins a vertebra: a bony tube followed from the side of the body outward, left and right apart.

A transverse process begins at the same place and ends soon; a rib goes on, outward and downward, as a tube that
soft tissue surrounds. What the field of view cuts off is unknown and never absent. How many ribs a spine
has, and what follows for its names, is the business of ``anatomy.labelling``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.sampling import is_inside, sample
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Field = NDArray[Any]


@dataclass(frozen=True, slots=True)
class RibSettings:
    """What a rib looks like. Geometry from anatomy, thresholds chosen on phantoms and seen to hold on one real CT.

    Parameters
    ----------
    soft_hu, bone_share, bone_hu, bone_ramp_hu
        Bone begins at this share of the way from soft tissue to the exam's own vertebral bodies, within these
        limits, and counts in full so much above: osteopenic ribs are bone, contrast in a kidney is not.
    hollow_voxels
        Size of the closing that fills the fatty marrow in a shell of cortex.
    tube_mm, around_mm, around_weight
        Standard deviations of the mean inside a rib and of the mean around it, and what the second takes from
        the first: an iliac wing, or a kidney full of contrast, fills both.
    apart_mm
        From this far from the middle of the body on, what is followed must be a tube; over so many millimetres.
    radii_mm, radius_step_mm
        Distances from the middle of the body between which a rib is followed, square to its axis.
    aside_deg, aside_step_deg
        Directions in which it is looked for, 0 to the side and 90 to the back.
    heights_mm, height_step_mm
        Range above (positive) and below the middle of the body.
    origin_margin_mm
        A rib begins between the endplates of its vertebra, or so far beyond them.
    slope, slope_sd, bend_mm, slope_weight, bend_weight
        Descent for each millimetre outward and its spread; usual turn sideways for each step; what leaving these
        costs.
    floor, unseen
        Likeness to a rib that adds nothing, and what a place outside the field of view counts as.
    least_bone, longest_gap
        A place is bone from this likeness on; after so many steps without bone it has ended.
    least_seen_mm
        So much of it must be in view.
    root_steps, least_root_seen
        Where a rib begins is in view when this share of the first steps' places are; where it is not, what is
        seen farther out must point there.
    rib_reach_mm, reach_sd_mm
        Distance from the middle of the body at which an end is as likely a rib's as a transverse process's: the
        longest ones, of L3, end at 50 to 60 mm; and the width of that judgement.
    surest
        Nothing is surer than this: a twelfth rib may be a stub, a first lumbar vertebra may bear one.
    one_side_weight
        Weight of one side where the other is not in view.
    none_below
        A vertebra less probable than this to bear ribs is taken for one that bears none.
    """

    soft_hu: float = 50.0
    bone_share: float = 0.5
    bone_hu: tuple[float, float] = (140.0, 190.0)
    bone_ramp_hu: float = 100.0
    hollow_voxels: int = 3
    tube_mm: float = 1.5
    around_mm: float = 7.0
    around_weight: float = 1.5
    apart_mm: tuple[float, float] = (36.0, 8.0)
    radii_mm: tuple[float, float] = (27.0, 75.0)
    radius_step_mm: float = 3.0
    aside_deg: tuple[float, float] = (-10.0, 68.0)
    aside_step_deg: float = 3.0
    heights_mm: tuple[float, float] = (16.0, -62.0)
    height_step_mm: float = 2.0
    origin_margin_mm: float = 3.0
    slope: float = 0.45
    slope_sd: float = 0.5
    bend_mm: float = 4.0
    slope_weight: float = 0.15
    bend_weight: float = 0.05
    floor: float = 0.25
    unseen: float = 0.25
    least_bone: float = 0.45
    longest_gap: int = 1
    least_seen_mm: float = 24.0
    root_steps: int = 6
    least_root_seen: float = 0.85
    rib_reach_mm: float = 62.0
    reach_sd_mm: float = 2.5
    surest: float = 0.994
    one_side_weight: float = 0.75
    none_below: float = 0.5

    @property
    def radii(self) -> Points:
        """Distances from the middle of the body, shape (k,)."""
        return np.arange(self.radii_mm[0], self.radii_mm[1] + 1e-6, self.radius_step_mm)

    @property
    def asides(self) -> Points:
        """Directions in radians, shape (t,)."""
        return np.radians(np.arange(self.aside_deg[0], self.aside_deg[1] + 1e-6, self.aside_step_deg))

    @property
    def heights(self) -> Points:
        """Heights against the middle of the body, from above to below, shape (c,)."""
        return np.arange(self.heights_mm[0], self.heights_mm[1] - 1e-6, -self.height_step_mm)


@dataclass(frozen=True, eq=False)
class RibTrace:
    """What goes out from one side of a vertebra, as far as it could be followed.

    Parameters
    ----------
    points_lps_mm
        Shape (n, 3): its course, from the vertebra outward.
    reach_mm
        Distance of its end from the axis of the body.
    probability
        That it is a rib; None where the field of view does not tell.
    is_root_seen
        Whether the place where a rib would begin is in view.
    """

    points_lps_mm: Points
    reach_mm: float
    probability: float | None
    is_root_seen: bool


@dataclass(frozen=True, eq=False)
class RibEvidence:
    """Both sides of one vertebra, and the probability that it bears ribs; None where neither side tells."""

    left: RibTrace
    right: RibTrace
    probability: float | None


def find_ribs(
    coarse: Volume, volume: Volume, bodies: Sequence[Body], settings: RibSettings | None = None, *, bone_hu: float
) -> tuple[RibEvidence, ...]:
    """Look for the ribs of these bodies, cranial to caudal, down to the first that bears none.

    What lies below that one bears none either, and iliac wings and rods are not mistaken for its ribs. The
    answer is as long as what was looked at.

    Parameters
    ----------
    coarse
        The exam on an LPS grid of about 2 mm (``sampling.axis_aligned``), soft tissue in the place of metal.
    volume
        The exam as it was read: what lies outside of it is unknown.
    bodies
        They need not be in view themselves: the rib of a vertebra just above the field may be.
    bone_hu
        Density of the exam's own vertebral bodies (``bone_of_bodies_hu``).
    """
    settings = settings or RibSettings()
    found: list[RibEvidence] = []
    for body in bodies:
        left, right = (_trace(shells, settings) for shells in _both_sides(coarse, volume, body, bone_hu, settings))
        found.append(RibEvidence(left, right, _of_both(left, right, settings)))
        probability = found[-1].probability
        if probability is not None and probability < settings.none_below:
            break
    return tuple(found)


def bone_of_bodies_hu(coarse: Volume, bodies: Sequence[Body]) -> float:
    """Density that three quarters of a vertebral body do not reach, in the median of these bodies."""
    grid = np.stack(np.meshgrid(*(np.linspace(-0.35, 0.35, 6),) * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sizes = [np.array([body.depth_mm, body.height_mm, body.width_mm]) for body in bodies]
    inside = [body.centre_lps_mm + (grid * size) @ body.axes for body, size in zip(bodies, sizes, strict=True)]
    return float(np.median([np.percentile(sample(coarse, points), 75) for points in inside]))


def _of_both(left: RibTrace, right: RibTrace, settings: RibSettings) -> float | None:
    """Mean of the log-odds of both sides: a rib on one side alone leaves the question open.

    One whose beginning is hidden is believed only where the other side shows its fellow.
    """
    known = [each for each in (left, right) if each.probability is not None]
    if not known or (len(known) == 1 and not known[0].is_root_seen):
        return None
    weight = 1.0 if len(known) > 1 else settings.one_side_weight
    odds = [float(np.log(each.probability / (1.0 - each.probability))) for each in known]  # type: ignore[operator]
    return float(1.0 / (1.0 + np.exp(-weight * np.mean(odds))))


# --- likeness to a rib, on cylinders around a body ---------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Shells:
    """Halves of cylinders around the axis of a body, on one side of it.

    Parameters
    ----------
    points_lps_mm
        Shape (k, t, c, 3), by distance, direction and height.
    bone, likeness
        Shape (k, t, c): share of bone in a rib's width, and the same less its share around it.
    is_seen
        Shape (k, t, c): whether it is in the field of view.
    is_origin
        Shape (c,): heights at which a rib may begin.
    """

    points_lps_mm: Points
    bone: Field
    likeness: Field
    is_seen: NDArray[np.bool_]
    is_origin: NDArray[np.bool_]


def _both_sides(
    coarse: Volume, volume: Volume, body: Body, bone_hu: float, settings: RibSettings
) -> tuple[_Shells, _Shells]:
    """Left and right of a body."""
    points = np.stack([_cylinder(body, side, settings) for side in (1.0, -1.0)])
    near = _cropped(coarse, points, margin_mm=3.0 * settings.around_mm)
    share = _bone_share(near.voxels, bone_hu, settings)
    bone, around = (_mean_within(near, share, width, points) for width in (settings.tube_mm, settings.around_mm))
    start, over = settings.apart_mm
    is_apart = np.clip((settings.radii - start) / over, 0.0, 1.0)[:, None, None]
    likeness = bone - settings.around_weight * is_apart * around
    is_seen = is_inside(volume, points)
    is_origin = np.abs(settings.heights) < body.height_mm / 2 + settings.origin_margin_mm
    left, right = (_Shells(points[n], bone[n], likeness[n], is_seen[n], is_origin) for n in (0, 1))
    return left, right


def _cylinder(body: Body, side: float, settings: RibSettings) -> Points:
    """Points around one side of a body, shape (k, t, c, 3)."""
    posterior, cranial, left = body.axes
    radii, asides = settings.radii[:, None, None, None], settings.asides[None, :, None, None]
    heights = settings.heights[None, None, :, None]
    outward = side * np.cos(asides) * left + np.sin(asides) * posterior
    return body.centre_lps_mm + radii * outward + heights * cranial


def _cropped(coarse: Volume, points: Points, margin_mm: float) -> Volume:
    """The part of the volume that holds the points, with a margin for the means."""
    index = coarse.to_index(points.reshape(-1, 3))[:, ::-1]
    margin = np.ceil(margin_mm / coarse.spacing_mm[::-1])
    start = np.clip(np.floor(index.min(axis=0)) - margin, 0, np.array(coarse.shape) - 1).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + margin, start + 1, coarse.shape).astype(int)
    (z0, y0, x0), (z1, y1, x1) = start.tolist(), stop.tolist()
    return coarse.crop((z0, y0, x0), (z1, y1, x1))


def _bone_share(hu: Field, bone_hu: float, settings: RibSettings) -> Field:
    """0 for soft tissue to 1 for bone and the marrow in it, by the density of the exam's own vertebral bodies."""
    middle = settings.soft_hu + settings.bone_share * (bone_hu - settings.soft_hu)
    middle = float(np.clip(middle, *settings.bone_hu))
    share = np.clip((hu - middle) / settings.bone_ramp_hu + 0.5, 0.0, 1.0).astype(np.float32)
    return ndimage.grey_closing(share, size=settings.hollow_voxels)


def _mean_within(near: Volume, share: Field, width_mm: float, points: Points) -> Field:
    """Gaussian mean of the share of bone at the points."""
    mean = ndimage.gaussian_filter(share, width_mm / near.spacing_mm[::-1], truncate=3.0)
    return sample(Volume(mean, near.lps_from_index), points)


# --- the best way outward ----------------------------------------------------------------------------


def _trace(shells: _Shells, settings: RibSettings) -> RibTrace:
    """Follow what leaves one side of a body."""
    likeness = np.where(shells.is_seen, shells.likeness, settings.unseen)
    way = _best_way(likeness - settings.floor, shells.is_origin, settings)
    is_seen = shells.is_seen[tuple(way.T)]
    is_bone = shells.bone[tuple(way.T)] >= settings.least_bone
    last = _end(is_seen, is_bone, settings.longest_gap)
    followed = way[: last + 1]
    root = shells.is_seen[: settings.root_steps][:, :, shells.is_origin]
    is_root_seen = bool(root.mean() >= settings.least_root_seen)
    return RibTrace(
        shells.points_lps_mm[tuple(followed.T)],
        float(settings.radii[last]),
        _probability(shells, followed, settings, is_root_seen=is_root_seen),
        is_root_seen,
    )


def _best_way(gain: Field, is_origin: NDArray[np.bool_], settings: RibSettings) -> NDArray[np.intp]:
    """The way outward with the largest sum, as (distance, direction, height) indices, shape (m, 3)."""
    totals = np.full(gain.shape, -np.inf)
    chosen = np.zeros((*gain.shape, 2), dtype=np.int8)
    totals[0][:, is_origin] = gain[0][:, is_origin]
    for k in range(1, len(gain)):
        best, steps = _best_before(totals[k - 1], float(settings.radii[k]), settings)
        totals[k], chosen[k] = best + gain[k], steps
    return _backward(totals, chosen)


_SIDEWAYS, _DOWNWARD = range(-3, 4), range(-1, 4)
"""Cells that a way may turn, and go down, in one step outward."""


def _best_before(before: Field, radius_mm: float, settings: RibSettings) -> tuple[Field, NDArray[np.int8]]:
    """For every cell of a cylinder the best total of the last one less the cost of the step, and that step."""
    best = np.full(before.shape, -np.inf)
    steps = np.zeros((*before.shape, 2), dtype=np.int8)
    for aside in _SIDEWAYS:
        turn_mm = aside * np.radians(settings.aside_step_deg) * radius_mm
        for down in _DOWNWARD:
            candidate = _shifted(before, aside, down) - _step_cost(turn_mm, down, settings)
            is_better = candidate > best
            best[is_better] = candidate[is_better]
            steps[is_better] = aside, down
    return best, steps


def _step_cost(turn_mm: float, down: int, settings: RibSettings) -> float:
    slope = down * settings.height_step_mm / settings.radius_step_mm
    steep = (slope - settings.slope) / settings.slope_sd
    return settings.slope_weight * steep**2 + settings.bend_weight * (turn_mm / settings.bend_mm) ** 2


def _shifted(values: Field, rows: int, columns: int) -> Field:
    """Each value moved on by so many rows and columns; minus infinity where nothing comes from."""
    moved = np.full(values.shape, -np.inf)
    (to_rows, from_rows), (to_columns, from_columns) = (
        (slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size + min(-by, 0)))
        for by, size in zip((rows, columns), values.shape, strict=True)
    )
    moved[to_rows, to_columns] = values[from_rows, from_columns]
    return moved


def _backward(totals: Field, chosen: NDArray[np.int8]) -> NDArray[np.intp]:
    k, aside, down = (int(i) for i in np.unravel_index(int(np.argmax(totals)), totals.shape))
    way = [(k, aside, down)]
    while k > 0:
        turned, lowered = chosen[k, aside, down]
        k, aside, down = k - 1, aside - int(turned), down - int(lowered)
        way.append((k, aside, down))
    return np.array(way[::-1], dtype=np.intp)


# --- rib or transverse process -----------------------------------------------------------------------


def _end(is_seen: NDArray[np.bool_], is_bone: NDArray[np.bool_], longest_gap: int) -> int:
    """Index of the last step before a gap that is seen to be one, or of the whole way's last step."""
    is_gap = is_seen & ~is_bone
    run = 0
    for step, gap in enumerate(is_gap):
        run = run + 1 if gap else 0
        if run > longest_gap:
            return max(step - run, 0)
    return max(len(is_gap) - 1 - run, 0)


def _probability(
    shells: _Shells, followed: NDArray[np.intp], settings: RibSettings, *, is_root_seen: bool
) -> float | None:
    """How probably a way is a rib; None where too little of it, of its beginning or of its end is seen."""
    at = tuple(followed.T)
    shown = shells.is_seen[at] & (shells.bone[at] >= settings.least_bone)
    odds = (float(settings.radii[len(followed) - 1]) - settings.rib_reach_mm) / settings.reach_sd_mm
    probability = float(np.clip(1.0 / (1.0 + np.exp(-odds)), 1.0 - settings.surest, settings.surest))
    if probability < 0.5:
        return probability if is_root_seen and _ends_in_view(shells, followed) else None
    is_shown = shown.sum() * settings.radius_step_mm >= settings.least_seen_mm
    is_own = is_root_seen or _points_to_origin(shown, followed, shells.is_origin, settings)
    return probability if is_shown and is_own else None


def _ends_in_view(shells: _Shells, followed: NDArray[np.intp]) -> bool:
    """Whether what comes after the end of a way, as it would go on, is in the field of view."""
    step, aside, down = followed[-1]
    beyond = shells.is_seen[step + 1 : step + 3, max(aside - 1, 0) : aside + 2, down : down + 3]
    return bool(beyond.all())


def _points_to_origin(
    shown: NDArray[np.bool_], followed: NDArray[np.intp], is_origin: NDArray[np.bool_], settings: RibSettings
) -> bool:
    """Whether what is in view, drawn on straight, begins at this vertebra and not at the one above or below."""
    steps = np.flatnonzero(shown)
    if len(steps) < 3:
        return False
    heights_mm = settings.heights[followed[steps, 2]]
    _, at_start_mm = np.polyfit(steps, heights_mm, 1)
    own = settings.heights[is_origin]
    return bool(own.min() <= at_start_mm <= own.max())
