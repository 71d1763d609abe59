"""Metal that is neither spacer nor screw: rods, plates, electrodes of a stimulator, and what lies elsewhere.

Told by shape and by place in the vertebrae's frames. What hangs on a screw and is none of these (a cross-link, a
set screw) is left unnamed, for it tells nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.spine import LocalisedSpine

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class OtherMetalSettings:
    """What the rest of the metal looks like.

    Parameters
    ----------
    rod_behind_mm, rod_aside_mm
        Nearest and farthest behind the posterior wall, and how far beside the midline, a rod lies.
    rod_least_mm, rod_diameter_mm
        Shortest rod, and thinnest and thickest in use (3.5 to 6.35 mm, blooming added).
    slab_mm, slab_voxels
        Thickness of the slabs whose centres make a rod's centre line, and its least as a multiple of a voxel's edge.
    bare_percentile
        Of the slabs' cross-sections: the bare rod's. Heads of screws make the others larger.
    plate_ahead_mm, plate_beside_mm
        How far before and beside the bodies a plate lies.
    plate_thickness_mm, plate_least_mm
        Thickest plate with its blooming, and the least of its two other extents.
    lead_behind_mm, lead_aside_mm
        Between posterior wall and arches, near the midline: where the canal is.
    lead_contact_mm3, lead_gap_mm, lead_least_mm, lead_least_contacts
        Largest single contact of an electrode, how far apart the columns of two leads and the contacts of one lie,
        the shortest row of contacts and their least number: pins of a spacer in the canal are fewer and nearer.
    beyond_mm
        How far above the uppermost and below the lowest vertebra in view something is still beside them.
    least_mm3
        Less metal is not worth a word.
    """

    rod_behind_mm: tuple[float, float] = (5.0, 60.0)
    rod_aside_mm: float = 45.0
    rod_least_mm: float = 18.0
    rod_diameter_mm: tuple[float, float] = (2.5, 9.0)
    slab_mm: float = 2.0
    slab_voxels: float = 1.3
    bare_percentile: float = 30.0
    plate_ahead_mm: float = 12.0
    plate_beside_mm: float = 14.0
    plate_thickness_mm: float = 7.0
    plate_least_mm: float = 10.0
    lead_behind_mm: tuple[float, float] = (1.0, 20.0)
    lead_aside_mm: float = 11.0
    lead_contact_mm3: float = 120.0
    lead_gap_mm: tuple[float, float] = (3.0, 14.0)
    lead_least_mm: float = 18.0
    lead_least_contacts: int = 4
    beyond_mm: float = 20.0
    least_mm3: float = 20.0


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """Largest edge and volume of a voxel."""

    largest_mm: float
    mm3: float


@dataclass(frozen=True, eq=False)
class Rod:
    """A rod's centre line of shape (n, 3), cranial to caudal, its thickness, and which of the points are it."""

    line_lps_mm: Points
    diameter_mm: float
    chosen: NDArray[np.bool_]


class MetalPlaces:
    """Where each metal voxel lies in the frame of the vertebra that it is beside.

    ``nearest`` is that vertebra's index, ``own`` the (posterior, cranial, left) coordinates in its frame,
    ``is_beyond`` whether a voxel lies above or below all vertebrae in view.
    """

    def __init__(self, points_lps_mm: Points, spine: LocalisedSpine, settings: OtherMetalSettings) -> None:
        self.points = points_lps_mm
        self.spine = spine
        own = np.stack([each.frame.coordinates_mm(points_lps_mm) for each in spine.vertebrae])
        middle = np.array([each.height_mm / 2 for each in spine.vertebrae])[:, None]
        self.nearest = np.argmin(np.abs(own[..., 1] + middle), axis=0)
        self.own = np.take_along_axis(own, self.nearest[None, :, None], axis=0)[0]
        self.is_above = own[0, :, 1] > settings.beyond_mm
        self.is_below = own[-1, :, 1] < -spine.vertebrae[-1].height_mm - settings.beyond_mm
        self.depth = np.array([each.depth_mm for each in spine.vertebrae])[self.nearest]
        self.width = np.array([each.width_mm for each in spine.vertebrae])[self.nearest]

    @property
    def is_beyond(self) -> NDArray[np.bool_]:
        """Above or below all vertebrae in view."""
        return self.is_above | self.is_below

    def span(self, chosen: NDArray[np.bool_]) -> tuple[int, int]:
        """Uppermost and lowest vertebra that some of the points lie beside."""
        return int(self.nearest[chosen].min()), int(self.nearest[chosen].max())

    def cranial(self, chosen: NDArray[np.bool_]) -> Points:
        """Mean cranial direction of the vertebrae beside some of the points, shape (3,)."""
        upper, lower = self.span(chosen)
        mean = np.mean([each.frame.cranial for each in self.spine.vertebrae[upper : lower + 1]], axis=0)
        return mean / np.linalg.norm(mean)


def find_rods(
    places: MetalPlaces,
    piece: NDArray[np.intp],
    is_free: NDArray[np.bool_],
    side: float,
    voxel: VoxelSize,
    settings: OtherMetalSettings,
) -> Iterator[Rod]:
    """Long thin metal behind the bodies on one side of the midline, along the spine.

    Parameters
    ----------
    piece, is_free
        Shape (n,): connected piece of each point, and whether it can be a rod's: heads of screws can.
    side
        1 for the left, -1 for the right.
    """
    nearest_mm, farthest_mm = settings.rod_behind_mm
    behind = (places.own[:, 0] > nearest_mm) & (places.own[:, 0] < farthest_mm) & ~places.is_beyond
    behind &= is_free & (places.own[:, 2] * side > 0) & (np.abs(places.own[:, 2]) < settings.rod_aside_mm)
    for number in np.unique(piece[behind]):
        rod = _rod(places, behind & (piece == number), voxel, settings)
        if rod is not None:
            yield rod


def _rod(places: MetalPlaces, chosen: NDArray[np.bool_], voxel: VoxelSize, settings: OtherMetalSettings) -> Rod | None:
    points = places.points[chosen]
    cranial = places.cranial(chosen)
    height = points @ cranial
    if np.ptp(height) < settings.rod_least_mm:
        return None
    slab_mm = max(settings.slab_mm, settings.slab_voxels * voxel.largest_mm)
    slab = np.floor((height - height.min()) / slab_mm).astype(int)
    count = np.bincount(slab)
    held = np.flatnonzero(count > 0)
    area = count[held] * voxel.mm3 / slab_mm
    usual = float(np.percentile(area, settings.bare_percentile))
    diameter_mm = 2.0 * float(np.sqrt(usual / np.pi))
    thinnest, thickest = settings.rod_diameter_mm
    if not thinnest <= diameter_mm <= thickest or len(held) < 0.7 * len(count):
        return None
    centres = np.stack([points[slab == each].mean(axis=0) for each in held])
    line = _smooth_line(centres, cranial, np.clip(1.3 * usual / area, 0.0, 1.0) ** 4)
    away = np.min(np.linalg.norm(points[:, None] - _dense(line)[None], axis=2), axis=1)
    own = chosen.copy()
    own[chosen] = away < diameter_mm / 2.0 + voxel.largest_mm
    return Rod(line, diameter_mm, own)


def _dense(line: Points) -> Points:
    """A polyline with a point at about every millimetre."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(int(along[-1]), 2))
    return np.stack([np.interp(at, along, line[:, k]) for k in range(3)], axis=1)


def _smooth_line(centres: Points, cranial: Points, weight: Points) -> Points:
    """Centres of slabs on a curve of second order along the spine, cranial to caudal; a rod is bent smoothly."""
    height = centres @ cranial
    order = 2 if len(centres) > 6 else 1
    aside = centres - height[:, None] * cranial
    mean, scale = height.mean(), max(float(np.ptp(height)), 1.0)
    powers = np.vander((height - mean) / scale, order + 1)
    fitted, *_ = np.linalg.lstsq(powers * weight[:, None], aside * weight[:, None], rcond=None)
    line = powers @ fitted + height[:, None] * cranial
    return line[np.argsort(-height)]


def is_plate(places: MetalPlaces, chosen: NDArray[np.bool_], settings: OtherMetalSettings) -> bool:
    """Whether most of a piece is a flat sheet before the bodies or beside them, over more than one vertebra."""
    own = places.own[chosen]
    ahead = -own[:, 0] - places.depth[chosen]
    beside = np.abs(own[:, 2]) - places.width[chosen] / 2
    is_front = (ahead > -2.0) & (ahead < settings.plate_ahead_mm)
    is_flank = (beside > -3.0) & (beside < settings.plate_beside_mm) & (own[:, 0] < 2.0) & (ahead < 2.0)
    for region in (is_front, is_flank):
        if region.mean() < 0.5 or places.is_beyond[chosen].any():
            continue
        points = places.points[chosen][region]
        long_mm, wide_mm, thin_mm = _extents(points)
        upper, lower = places.span(chosen)
        if thin_mm < settings.plate_thickness_mm and min(long_mm, wide_mm) > settings.plate_least_mm and lower > upper:
            return True
    return False


def _extents(points: Points) -> tuple[float, float, float]:
    """Longest, middle and shortest extent of a cloud of points along its own axes, outliers left out."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    low, high = np.percentile(centred @ axes.T, (3.0, 97.0), axis=0)
    long_mm, wide_mm, thin_mm = (float(each) for each in high - low)
    return long_mm, wide_mm, thin_mm


def find_leads(
    places: MetalPlaces,
    piece: NDArray[np.intp],
    voxel_mm3: float,
    settings: OtherMetalSettings,
) -> Iterator[NDArray[np.bool_]]:
    """Rows of small contacts along the canal, each as a mask of the points; one or two leads lie side by side."""
    nearest_mm, farthest_mm = settings.lead_behind_mm
    in_canal = (places.own[:, 0] > nearest_mm) & (places.own[:, 0] < farthest_mm)
    in_canal &= ~places.is_beyond & (np.abs(places.own[:, 2]) < settings.lead_aside_mm)
    sizes = np.bincount(piece) * voxel_mm3
    within = np.bincount(piece, weights=in_canal) / np.maximum(np.bincount(piece), 1)
    is_contact = (sizes <= settings.lead_contact_mm3) & (within > 0.9)
    contacts = in_canal & is_contact[piece]
    if not contacts.any():
        return
    column_mm, step_mm = settings.lead_gap_mm
    for column in _clusters(places.own[:, 2], contacts, column_mm):
        upward = places.points @ places.cranial(column)
        for row in _clusters(upward, column, step_mm):
            count = len(np.unique(piece[row]))
            if np.ptp(upward[row]) >= settings.lead_least_mm and count >= settings.lead_least_contacts:
                yield row


def _clusters(values: Points, chosen: NDArray[np.bool_], gap: float) -> Iterator[NDArray[np.bool_]]:
    """Parts of the chosen points between which a value leaves a gap."""
    index = np.flatnonzero(chosen)
    order = index[np.argsort(values[index], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(values[order]) > gap) + 1):
        mask = np.zeros(len(values), dtype=bool)
        mask[part] = True
        yield mask


def lead_line(points: Points, cranial: Points) -> Points:
    """Centre line of a lead, cranial to caudal: its two ends along the spine and the middle."""
    height = points @ cranial
    low, middle, high = np.percentile(height, (2.0, 50.0, 98.0))
    return np.stack([points[np.abs(height - at) < 3.0].mean(axis=0) for at in (high, middle, low)])


def where_elsewhere(places: MetalPlaces, chosen: NDArray[np.bool_]) -> str:
    """A sentence that says where metal lies that is no part of the spine's construct."""
    own = np.median(places.own[chosen], axis=0)
    depth, width = float(np.median(places.depth[chosen])), float(np.median(places.width[chosen]))
    if places.is_above[chosen].mean() > 0.5:
        return "It lies above the vertebrae in view."
    if places.is_below[chosen].mean() > 0.5:
        return "It lies below the vertebrae in view, as a hip replacement or a nail does."
    if abs(own[2]) > width / 2 + 10.0:
        side = "left" if own[2] > 0 else "right"
        return f"It lies {abs(own[2]):.0f} mm {side} of the midline, beside the spine."
    if own[0] < -depth - 5.0:
        return f"It lies {-own[0] - depth:.0f} mm in front of the bodies, as a clip or a stent does."
    if own[0] > 10.0:
        return f"It lies {own[0]:.0f} mm behind the posterior wall and is neither screw nor rod."
    return "It lies among the vertebrae and is shaped like no implant that is known here."
