"""Metal in a CT: found by its density, told apart by where it lies in the vertebrae.

A spacer is what lies in a disc space; screws are what lies in a vertebra's pedicle and body; the rest of a
construct is behind them; everything else is metal elsewhere and nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


class ImplantKind(StrEnum):
    """What a piece of metal is taken for."""

    PEDICLE_SCREW = "pedicle-screw"
    SPACER_METAL = "spacer-metal"
    SPACER_MARKERS = "spacer-markers"
    """Markers of a spacer whose body CT hardly shows."""


@dataclass(frozen=True, slots=True)
class HardwareSettings:
    """What counts as metal, and as an implant.

    Parameters
    ----------
    metal_hu
        Above the densest cortical bone; titanium and tantalum saturate a 12-bit scale at 3071.
    least_marker_mm3, least_body_mm3
        Volume of metal in a disc space from which on it is a marker, and from which on it is a solid spacer.
        A tantalum pin of 1 mm shows as about 10 mm3.
    least_screw_mm3
        Metal within a vertebra's pedicle and body that makes it an instrumented one.
    own_share
        Share of a connected piece that must lie in the disc space for it to be a spacer there.
    pair_gap_mm, pair_midline_mm, pair_least_markers
        Two spacers side by side leave so much free of metal, its middle so near the midline; markers are two
        spacers' only from so many pieces on, for one wide spacer has markers at both its ends, too.
    """

    metal_hu: float = 2000.0
    least_marker_mm3: float = 4.0
    least_body_mm3: float = 300.0
    least_screw_mm3: float = 150.0
    own_share: float = 0.5
    pair_gap_mm: float = 4.0
    pair_midline_mm: float = 6.0
    pair_least_markers: int = 5
    behind_wall_mm: float = 16.0
    beside_body_mm: float = 4.0


@dataclass(frozen=True, eq=False)
class Implant:
    """One implant.

    Parameters
    ----------
    kind
        What it is taken for.
    points_lps_mm
        Shape (n, 3): centres of its metal voxels.
    centre_lps_mm
        Shape (3,): their mean, weighted by density above the metal threshold.
    volume_mm3
        Of its metal voxels, blooming included.
    above, below
        For a spacer, indices of the vertebrae it lies between; for a screw both are its vertebra.
    axis, tip_lps_mm
        For a screw: unit vector towards the tip, and the tip. None for spacers.
    """

    kind: ImplantKind
    points_lps_mm: Points
    centre_lps_mm: Points
    volume_mm3: float
    above: int
    below: int
    axis: Points | None = None
    tip_lps_mm: Points | None = None

    @property
    def is_spacer(self) -> bool:
        """Whether it is an interbody spacer of either kind."""
        return self.kind in (ImplantKind.SPACER_METAL, ImplantKind.SPACER_MARKERS)


@dataclass(frozen=True, eq=False)
class Hardware:
    """All metal of one exam.

    ``metal`` has the shape of the volume's voxels, bool.
    """

    metal: NDArray[np.bool_]
    implants: tuple[Implant, ...]

    @property
    def spacers(self) -> tuple[Implant, ...]:
        """Interbody spacers, cranial to caudal, and from left to right at one level."""
        return tuple(sorted((each for each in self.implants if each.is_spacer), key=lambda each: each.above))

    def beside(self, spacer: Implant) -> int:
        """Which of the spacers at its level a spacer is, from left to right; 0 for the first or only one."""
        return [each for each in self.spacers if each.above == spacer.above].index(spacer)

    @property
    def instrumented(self) -> tuple[int, ...]:
        """Indices of the vertebrae that hold screws, cranial to caudal."""
        return tuple(sorted({each.above for each in self.implants if each.kind is ImplantKind.PEDICLE_SCREW}))


def metal_mask(volume: Volume, settings: HardwareSettings | None = None) -> NDArray[np.bool_]:
    """Voxels of metal, bool, shape of the volume's voxels."""
    return np.asarray(volume.voxels > (settings or HardwareSettings()).metal_hu)


def segment_hardware(
    volume: Volume,
    spine: LocalisedSpine,
    *,
    metal: NDArray[np.bool_] | None = None,
    settings: HardwareSettings | None = None,
) -> Hardware:
    """Tell the metal of an exam apart by the vertebrae it lies in.

    Parameters
    ----------
    metal
        ``metal_mask`` of the volume, where it is at hand already.
    """
    settings = settings or HardwareSettings()
    metal = metal_mask(volume, settings) if metal is None else metal
    pieces = _Pieces(volume, metal)
    if not len(pieces.points):
        return Hardware(metal, ())
    implants = [*_spacers(pieces, spine, settings), *_screws(pieces, spine, settings)]
    return Hardware(metal, tuple(implants))


def _connected(metal: NDArray[np.bool_], index_zyx: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Number of the connected piece of each metal voxel, and how many there are."""
    if not len(index_zyx):
        return np.zeros(0, dtype=int), 0
    first, last = index_zyx.min(axis=0), index_zyx.max(axis=0) + 1
    box = metal[tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))]
    labelled: NDArray[Any] = np.empty(box.shape, dtype=np.int32)
    count = int(ndimage.label(box, structure=np.ones((3, 3, 3)), output=labelled))  # type: ignore[arg-type]
    return labelled[tuple((index_zyx - first).T)], count


class _Pieces:
    """Metal voxels as points, each with the connected piece it belongs to, and whether a spacer has claimed it."""

    def __init__(self, volume: Volume, metal: NDArray[np.bool_]) -> None:
        self.index_zyx = np.argwhere(metal)
        self.points = volume.zyx_to_lps(self.index_zyx)
        self.piece, count = _connected(metal, self.index_zyx)
        self.sizes = np.bincount(self.piece, minlength=count + 1)
        self.density = volume.voxels[tuple(self.index_zyx.T)].astype(float)
        self.is_spacer = np.zeros(len(self.points), dtype=bool)
        self.voxel_mm3 = float(np.abs(np.linalg.det(volume.lps_from_index[:3, :3])))

    def volume_mm3(self, chosen: NDArray[np.bool_]) -> float:
        """Volume of some of the points."""
        return float(chosen.sum()) * self.voxel_mm3

    def centre(self, chosen: NDArray[np.bool_], floor_hu: float) -> Points:
        """Density-weighted mean of some of the points."""
        weights = np.maximum(self.density[chosen] - floor_hu, 1.0)
        return np.average(self.points[chosen], axis=0, weights=weights)


def disc_height_mm(above: LocalisedVertebra, below: LocalisedVertebra) -> float:
    """Height of the disc space at the posterior third of the superior endplate below."""
    floor = below.frame.origin_lps_mm - below.frame.posterior * below.depth_mm / 3
    ceiling = above.frame.origin_lps_mm - above.frame.cranial * above.height_mm
    return float((ceiling - floor) @ below.frame.cranial)


def _in_disc_space(
    points: Points, above: LocalisedVertebra, below: LocalisedVertebra, settings: HardwareSettings
) -> NDArray[np.bool_]:
    """Between the two endplates and a little into them, from in front of the bodies to the canal's back."""
    under, over = below.frame.coordinates_mm(points), above.frame.coordinates_mm(points)
    into_mm = 5.0
    beside = max(below.width_mm, above.width_mm) / 2 + settings.beside_body_mm
    return np.asarray(
        (under[:, 1] > -into_mm)
        & (over[:, 1] < -above.height_mm + into_mm)
        & (under[:, 0] > -below.depth_mm - 12.0)
        & (under[:, 0] < settings.behind_wall_mm)
        & (np.abs(under[:, 2]) < beside)
    )


def _spacers(pieces: _Pieces, spine: LocalisedSpine, settings: HardwareSettings) -> Iterator[Implant]:
    for index in range(len(spine.vertebrae) - 1):
        above, below = spine.vertebrae[index], spine.vertebrae[index + 1]
        inside = _in_disc_space(pieces.points, above, below, settings)
        in_each = np.bincount(pieces.piece[inside], minlength=len(pieces.sizes))
        is_own = in_each > settings.own_share * np.maximum(pieces.sizes, 1)
        is_own &= in_each * pieces.voxel_mm3 >= settings.least_marker_mm3
        chosen = is_own[pieces.piece]
        if not chosen.any():
            continue
        pieces.is_spacer |= chosen
        for own in _side_by_side(pieces, chosen, below.frame, settings):
            yield _spacer(pieces, own, index, settings)


def _spacer(pieces: _Pieces, chosen: NDArray[np.bool_], above: int, settings: HardwareSettings) -> Implant:
    volume_mm3 = pieces.volume_mm3(chosen)
    is_solid = volume_mm3 >= settings.least_body_mm3
    return Implant(
        kind=ImplantKind.SPACER_METAL if is_solid else ImplantKind.SPACER_MARKERS,
        points_lps_mm=pieces.points[chosen],
        centre_lps_mm=pieces.centre(chosen, settings.metal_hu),
        volume_mm3=volume_mm3,
        above=above,
        below=above + 1,
    )


def _side_by_side(
    pieces: _Pieces, chosen: NDArray[np.bool_], frame: VertebraFrame, settings: HardwareSettings
) -> list[NDArray[np.bool_]]:
    """One spacer, or the left and the right one of a pair."""
    aside = frame.coordinates_mm(pieces.points[chosen])[:, 2]
    ends = np.sort(aside)
    gaps = np.diff(ends)
    middle = np.abs((ends[1:] + ends[:-1]) / 2) < settings.pair_midline_mm
    if not middle.any() or float((gaps * middle).max()) < settings.pair_gap_mm:
        return [chosen]
    at = int(np.argmax(gaps * middle))
    border = float((ends[at] + ends[at + 1]) / 2)
    is_left = chosen.copy()
    is_left[chosen] = aside > border
    sides = [is_left, chosen & ~is_left]
    volumes = [pieces.volume_mm3(side) for side in sides]
    if min(volumes) >= settings.least_body_mm3:
        return sides
    counts = [len(np.unique(pieces.piece[side])) for side in sides]
    is_pair = max(volumes) < settings.least_body_mm3 and sum(counts) >= settings.pair_least_markers and min(counts) >= 2
    return sides if is_pair else [chosen]


def _screws(pieces: _Pieces, spine: LocalisedSpine, settings: HardwareSettings) -> Iterator[Implant]:
    """Metal within pedicle and body, left and right of the midline, as one screw a side.

    A spacer at or in the endplate lies there too; what a spacer has claimed is no screw.
    """
    for index, vertebra in enumerate(spine.vertebrae):
        own = vertebra.frame.coordinates_mm(pieces.points)
        inside = (own[:, 1] < 2.0) & (own[:, 1] > -vertebra.height_mm) & (own[:, 0] > -vertebra.depth_mm - 5.0)
        inside &= ~pieces.is_spacer & (own[:, 0] < 22.0) & (np.abs(own[:, 2]) < vertebra.width_mm / 2 + 6.0)
        within_body = inside & (own[:, 0] < 4.0)
        for side in (1.0, -1.0):
            chosen = inside & (own[:, 2] * side > 0)
            if pieces.volume_mm3(within_body & chosen) < settings.least_screw_mm3:
                continue
            axis, tip = _screw_axis(pieces.points[chosen], vertebra.frame)
            if abs(axis @ vertebra.frame.posterior) < 0.6:
                continue
            yield Implant(
                kind=ImplantKind.PEDICLE_SCREW,
                points_lps_mm=pieces.points[chosen],
                centre_lps_mm=pieces.points[chosen].mean(axis=0),
                volume_mm3=pieces.volume_mm3(chosen),
                above=index,
                below=index,
                axis=axis,
                tip_lps_mm=tip,
            )


def _screw_axis(points: Points, frame: VertebraFrame) -> tuple[Points, Points]:
    """Direction of the longest extent, towards the front, and the point farthest along it."""
    centre = points.mean(axis=0)
    _, _, directions = np.linalg.svd(points - centre, full_matrices=False)
    axis = directions[0] if directions[0] @ frame.posterior < 0 else -directions[0]
    along = (points - centre) @ axis
    return axis, centre + axis * float(np.percentile(along, 99))
