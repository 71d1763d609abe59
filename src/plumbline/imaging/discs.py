"""Discs along the canal: dark planes between bright ones, in a chain with a spine's spacing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.straight import AHEAD_MM, ASIDE_MM, StraightSpine

Points = NDArray[Any]
Field = NDArray[Any]


@dataclass(frozen=True, slots=True)
class DiscSettings:
    """What a disc and the distance between two of them look like.

    Parameters
    ----------
    body_behind_mm
        Where the middle of the bodies lies against the middle of the canal.
    radius_mm
        Of the part of a disc that is looked at.
    pitches_deg
        Largest lean against the canal, and the step in which it is tried.
    half_thickness_mm
        Half of the dark band.
    neighbours_mm
        Distance of the bright bands from its middle.
    soft_hu, hu_limits
        Value of a disc; values are cut to the limits.
    window_mm
        Length of canal over which the brightness of bone is compared.
    floor, largest
        Contrast (1 is bone against disc) that adds nothing to a chain, and the largest that adds more.
    gaps_mm
        Distances between neighbouring discs that cost nothing: T10 to S1 in 1,225 spines (mean and two
        standard deviations; ImFusion VID key points).
    gap_sd_mm
        Scale on which a distance outside them costs.
    change_sd
        Relative change between neighbouring distances that costs 0.5.
    shortest_gap_mm, longest_gap_mm
        Distances that are tried at all.
    """

    body_behind_mm: float = -24.0
    radius_mm: float = 13.0
    pitches_deg: tuple[float, float] = (32.0, 4.0)
    half_thickness_mm: float = 1.5
    neighbours_mm: tuple[float, float] = (4.0, 8.0)
    soft_hu: float = 50.0
    hu_limits: tuple[float, float] = (-50.0, 500.0)
    window_mm: int = 90
    floor: float = 0.22
    largest: float = 0.8
    gaps_mm: tuple[float, float] = (27.0, 41.0)
    gap_sd_mm: float = 3.0
    change_sd: float = 0.15
    shortest_gap_mm: int = 20
    longest_gap_mm: int = 48


@dataclass(frozen=True, eq=False)
class DiscMap:
    """Evidence along the canal, one entry per millimetre.

    Parameters
    ----------
    contrast
        Shape (n,): best contrast over all leans; 0 where too little can be seen.
    pitch_deg
        Shape (n,): the lean with that contrast, positive when the plane rises to the front.
    brightness
        Shape (n,): mean of the planes square to the canal, 0 for disc and 1 for bone; may exceed both.
    centres_lps_mm
        Shape (n, 3): middle of the bodies beside each point of the canal.
    bone_hu
        Shape (n,): typical value of the bodies around each point.
    """

    contrast: Points
    pitch_deg: Points
    brightness: Points
    centres_lps_mm: Points
    bone_hu: Points


def map_discs(spine: StraightSpine, settings: DiscSettings) -> DiscMap:
    """Contrast of leaning planes along the straightened spine."""
    largest, step = settings.pitches_deg
    pitches = np.arange(-largest, largest + 0.1, step)
    hu = np.clip(spine.hu, *settings.hu_limits)
    planes = np.stack([_plane_means(hu, pitch, settings) for pitch in pitches], axis=1)
    upright = planes[:, len(pitches) // 2]
    bone_hu = _local_bone_hu(upright, settings)
    scaled = (planes - settings.soft_hu) / (bone_hu - settings.soft_hu)[:, None]
    contrast = np.stack([_contrast(scaled[:, i], settings) for i in range(len(pitches))], axis=1)
    contrast -= 0.1 * (np.abs(pitches) / largest)[None, :] ** 2
    best = contrast.argmax(axis=1)
    rows = np.arange(len(best))
    return DiscMap(
        contrast[rows, best],
        pitches[best],
        np.nan_to_num(scaled[:, len(pitches) // 2], nan=0.7),
        spine.points_lps_mm(settings.body_behind_mm),
        bone_hu,
    )


def _local_bone_hu(upright: Points, settings: DiscSettings) -> Points:
    """Typical value of the bodies around each point of the canal, at least 30 HU above a disc, shape (n,)."""
    known = np.where(np.isfinite(upright), upright, np.nanmedian(upright) if np.isfinite(upright).any() else 0.0)
    local = ndimage.percentile_filter(known, 65, size=settings.window_mm, mode="nearest")
    return np.maximum(local, settings.soft_hu + 30.0)


def _plane_means(hu: Field, pitch_deg: float, settings: DiscSettings) -> Points:
    """Mean in the disc's ellipse for planes of one lean through every point of the canal; NaN if hidden."""
    rows = np.flatnonzero(np.abs(AHEAD_MM - settings.body_behind_mm) < settings.radius_mm)
    total, count = np.zeros(len(hu)), np.zeros(len(hu))
    for row in rows:
        off_mm = AHEAD_MM[row] - settings.body_behind_mm
        half_width = settings.radius_mm * np.sqrt(max(0.0, 1.0 - (off_mm / settings.radius_mm) ** 2))
        band = hu[:, row, np.abs(ASIDE_MM) <= half_width]
        shift = -off_mm * np.tan(np.radians(pitch_deg))
        total += _shifted(np.nansum(band, axis=1), shift)
        count += _shifted(np.sum(np.isfinite(band), axis=1).astype(float), shift)
    full = max(1.0, float(np.max(count)))
    return np.where(count > 0.4 * full, total / np.maximum(count, 1e-6), np.nan)


def _shifted(values: Points, by: float) -> Points:
    at = np.arange(len(values)) + by
    return np.interp(at, np.arange(len(values)), values, left=0.0, right=0.0)


def _contrast(scaled: Points, settings: DiscSettings) -> Points:
    """Neighbouring bright bands minus the dark one; halfway between the weaker and the mean neighbour."""
    near, far = settings.neighbours_mm
    inner = _band(scaled, -settings.half_thickness_mm, settings.half_thickness_mm)
    above, below = _band(scaled, near, far), _band(scaled, -far, -near)
    weaker = np.fmin(above, below)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean([above, below], axis=0)
    return np.nan_to_num(0.5 * (weaker + mean) - inner, nan=0.0)


def _band(values: Points, start_mm: float, stop_mm: float) -> Points:
    """Mean over a window of offsets along the canal, without what is hidden."""
    offsets = np.arange(round(start_mm), round(stop_mm) + 1)
    known = np.isfinite(values)
    total = sum(_shifted(np.where(known, values, 0.0), float(o)) for o in offsets)
    count = sum(_shifted(known.astype(float), float(o)) for o in offsets)
    return np.where(count > 0.5, total / np.maximum(count, 1e-6), np.nan)


def chain_discs(discs: DiscMap, settings: DiscSettings) -> NDArray[np.intp]:
    """The most plausible chain of discs, as places along the canal, caudal to cranial.

    Dynamic programming over (place, distance to the disc below): contrast of the discs, bone between
    them, distances of a spine and little change from one distance to the next. Empty if nothing adds up.
    """
    gain = np.clip(discs.contrast, -0.3, settings.largest) - settings.floor
    gaps = np.arange(settings.shortest_gap_mm, settings.longest_gap_mm + 1)
    change = -0.5 * (np.log(gaps[:, None] / gaps[None, :]) / settings.change_sd) ** 2
    count = len(gain)
    totals = np.full((count, len(gaps)), -np.inf)
    before = np.full((count, len(gaps)), -1, dtype=int)
    smooth = ndimage.uniform_filter1d(discs.brightness, 3)
    summed = np.concatenate([[0.0], np.cumsum(np.clip(smooth, -0.5, 1.2))])
    for place in range(gaps[0], count):
        usable = gaps[gaps <= place]
        below = place - usable
        options = totals[below] + 0.4 * change[: len(usable)]
        chosen = np.argmax(options, axis=1)
        longer, start = options[np.arange(len(usable)), chosen], gain[below]
        link = gain[place] + _links(discs, summed, below, place, settings)
        totals[place, : len(usable)] = link + np.where(longer > start, longer, start)
        before[place, : len(usable)] = np.where(longer > start, chosen, -1)
    if not np.isfinite(totals).any() or totals.max() <= 0.0:
        return np.zeros(0, dtype=np.intp)
    return _trace_chain(totals, before, gaps)


def _links(discs: DiscMap, summed: Points, below: NDArray[np.intp], above: int, settings: DiscSettings) -> Points:
    """Gain or cost of a body between a place and each of those below: bone in its middle, and its length."""
    length = np.linalg.norm(discs.centres_lps_mm[above] - discs.centres_lps_mm[below], axis=1)
    shortest, longest = settings.gaps_mm
    excess = np.maximum(np.maximum(shortest - length, length - longest), 0.0) / settings.gap_sd_mm
    margin = 6
    bone = (summed[above - margin] - summed[below + margin]) / np.maximum(1, above - below - 2 * margin)
    return np.minimum(0.0, bone - 0.3) - 0.3 * excess**2


def _trace_chain(totals: Points, before: NDArray[np.intp], gaps: NDArray[np.intp]) -> NDArray[np.intp]:
    place, number = (int(i) for i in np.unravel_index(int(np.argmax(totals)), totals.shape))
    places = [place]
    while True:
        earlier = int(before[place, number])
        place -= int(gaps[number])
        places.append(place)
        if earlier < 0:
            return np.array(places[::-1])
        number = earlier
