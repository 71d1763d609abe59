"""Metal in a CT: found by its density, told apart by where it lies in the vertebrae.

A spacer is what lies in a disc space; screws are what lies in a vertebra's pedicle and body; the rest of a
construct is behind them; everything else is metal elsewhere and nobody's business here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.other_metal import (
    MetalPlaces,
    OtherMetalSettings,
    find_leads,
    find_rods,
    is_plate,
    lead_line,
    where_elsewhere,
)
from plumbline.imaging.screws import ScrewPose, ScrewSettings, fit_screw
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.volume import Volume

Points = NDArray[Any]

LEAST_FORWARD = 0.6
"""Cosine of the largest angle between a pedicle screw and the vertebra's antero-posterior axis."""


class ImplantKind(StrEnum):
    """What a piece of metal is taken for."""

    PEDICLE_SCREW = "pedicle-screw"
    ROD = "rod"
    PLATE = "plate"
    """In front of the bodies or beside them."""
    STIMULATOR_ELECTRODE = "stimulator-electrode"
    """A lead in the canal, under its vertebrae's arches (W22)."""
    ELSEWHERE = "elsewhere"
    """No part of a spine's construct; why is said with it."""
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
    least_marker_mm3, least_companion_mm3, least_body_mm3
        Volume of metal in a disc space from which on it is a marker, a marker where others are, and a solid spacer.
        A tantalum pin of 1 mm shows as about 10 mm3; many spacers have a smaller one at their front.
    least_screw_mm3
        Metal within a vertebra's pedicle and body that makes it an instrumented one.
    own_share
        Share of a connected piece that must lie in the disc space for it to be a spacer there.
    neck_mm, divided_share
        Half the thickness at which a piece that reaches out of a disc space is parted, tried in turn, and the share of
        a part that must lie in it.
    pair_gap_mm, pair_midline_mm, pair_least_markers, pair_spread_mm
        Two spacers side by side leave so much free of metal, its middle so near the midline. One wide spacer has
        markers at both its ends, too: markers are two spacers' from so many pieces on, or where those of each side
        are so far apart sideways, as at the two edges of a narrow spacer and not at one end of a wide one.
    behind_wall_mm, beside_body_mm
        How far behind the wall and beside the bodies a spacer may reach.
    pedicle_behind_mm, pedicle_ahead_mm
        Metal of a screw up to so far behind the posterior wall is shank, not head; up to so far in front of it
        hardly any of a spacer is mixed with it.
    """

    metal_hu: float = 2000.0
    least_marker_mm3: float = 4.0
    least_companion_mm3: float = 1.5
    least_body_mm3: float = 300.0
    least_screw_mm3: float = 150.0
    own_share: float = 0.5
    neck_mm: tuple[float, ...] = (0.7, 1.2, 1.7, 2.2)
    divided_share: float = 0.8
    pair_gap_mm: float = 4.0
    pair_midline_mm: float = 6.0
    pair_least_markers: int = 5
    pair_spread_mm: float = 3.0
    behind_wall_mm: float = 16.0
    beside_body_mm: float = 4.0
    pedicle_behind_mm: float = 12.0
    pedicle_ahead_mm: float = 10.0
    other: OtherMetalSettings = field(default_factory=OtherMetalSettings)
    screw: ScrewSettings = field(default_factory=ScrewSettings)


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def sign(self) -> float:
        """1 for the left, along a frame's ``left``, and -1 for the right."""
        return 1.0 if self is Side.LEFT else -1.0


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
        For a spacer, indices of the vertebrae it lies between; for a screw both are its vertebra; for anything
        else the uppermost and the lowest vertebra that it lies beside.
    side
        For a screw or a rod: on which side of the midline of its vertebrae.
    pose
        For a screw: axis, tip, neck and head; None where its shank cannot be told from other metal.
    line_lps_mm, diameter_mm
        For a rod or a lead: centre line of shape (n, 3), cranial to caudal, and thickness.
    reason
        For metal elsewhere and electrodes: a sentence that says by what it was told.
    """

    kind: ImplantKind
    points_lps_mm: Points
    centre_lps_mm: Points
    volume_mm3: float
    above: int
    below: int
    side: Side | None = None
    pose: ScrewPose | None = None
    line_lps_mm: Points | None = None
    diameter_mm: float | None = None
    reason: str | None = None

    @property
    def axis(self) -> Points | None:
        """For a screw whose pose is known: unit vector towards the tip, shape (3,)."""
        return self.pose.axis if self.pose else None

    @property
    def tip_lps_mm(self) -> Points | None:
        """For a screw whose pose is known: its tip, shape (3,)."""
        return self.pose.tip_lps_mm if self.pose else None

    @property
    def is_spacer(self) -> bool:
        """Whether it is an interbody spacer of either kind."""
        return self.kind in (ImplantKind.SPACER_METAL, ImplantKind.SPACER_MARKERS)


@dataclass(frozen=True, eq=False)
class Hardware:
    """All metal of one exam.

    Parameters
    ----------
    metal
        Shape of the volume's voxels, bool.
    implants
        Of the spine's construct: screws, rods, plates, spacers.
    others
        Metal that is no part of it: electrodes of a stimulator, and metal elsewhere.
    """

    metal: NDArray[np.bool_]
    implants: tuple[Implant, ...]
    others: tuple[Implant, ...] = ()

    @property
    def spacers(self) -> tuple[Implant, ...]:
        """Interbody spacers, cranial to caudal, and from left to right at one level."""
        return tuple(sorted((each for each in self.implants if each.is_spacer), key=lambda each: each.above))

    @property
    def screws(self) -> tuple[Implant, ...]:
        """Pedicle screws, cranial to caudal, the left before the right one."""
        screws = (each for each in self.implants if each.kind is ImplantKind.PEDICLE_SCREW)
        return tuple(sorted(screws, key=lambda each: (each.above, each.side is Side.RIGHT)))

    @property
    def rods(self) -> tuple[Implant, ...]:
        """Rods, the left ones first."""
        rods = (each for each in self.implants if each.kind is ImplantKind.ROD)
        return tuple(sorted(rods, key=lambda each: (each.side is Side.RIGHT, each.above)))

    def beside(self, spacer: Implant) -> int:
        """Which of the spacers at its level a spacer is, from left to right; 0 for the first or only one."""
        return [each for each in self.spacers if each.above == spacer.above].index(spacer)

    @property
    def instrumented(self) -> tuple[int, ...]:
        """Indices of the vertebrae that hold screws or an end of a plate, cranial to caudal."""
        held = (each for each in self.implants if each.kind in (ImplantKind.PEDICLE_SCREW, ImplantKind.PLATE))
        return tuple(sorted({index for each in held for index in (each.above, each.below)}))


def metal_mask(volume: Volume, settings: HardwareSettings | None = None) -> NDArray[np.bool_]:
    """Voxels of metal, bool, shape of the volume's voxels."""
    return np.asarray(volume.voxels > (settings or HardwareSettings()).metal_hu)


def segment_hardware(
    volume: Volume,
    spine: LocalisedSpine,
    *,
    pieces: MetalPieces | None = None,
    settings: HardwareSettings | None = None,
) -> Hardware:
    """Tell the metal of an exam apart by the vertebrae it lies in.

    Parameters
    ----------
    pieces
        Of the ``metal_mask`` of the volume, where they are at hand already; nothing has claimed them.
    """
    settings = settings or HardwareSettings()
    pieces = pieces or MetalPieces(volume, metal_mask(volume, settings))
    if not len(pieces.points):
        return Hardware(pieces.mask, ())
    places = MetalPlaces(pieces.points, spine, settings.other)
    leads = _electrodes(pieces, places, settings.other)
    implants = [*_spacers(pieces, spine, settings), *_screws(volume, pieces, spine, settings)]
    rest = _Rest(pieces, places, settings.other)
    implants += [*rest.rods(), *rest.plates()]
    return Hardware(pieces.mask, tuple(implants), (*leads, *rest.elsewhere()))


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


def _spacers(pieces: MetalPieces, spine: LocalisedSpine, settings: HardwareSettings) -> Iterator[Implant]:
    for index in range(len(spine.vertebrae) - 1):
        above, below = spine.vertebrae[index], spine.vertebrae[index + 1]
        inside = _in_disc_space(pieces.points, above, below, settings) & ~pieces.is_lead
        _divide_what_reaches_in(pieces, inside, settings)
        in_each = np.bincount(pieces.piece[inside], minlength=len(pieces.sizes))
        is_own = in_each > settings.own_share * np.maximum(pieces.sizes, 1)
        volumes_mm3 = in_each * pieces.voxel.mm3
        is_marker = is_own & (volumes_mm3 >= settings.least_marker_mm3)
        if not is_marker.any():
            continue
        if volumes_mm3[is_marker].sum() < settings.least_body_mm3:
            is_marker = is_own & (volumes_mm3 >= settings.least_companion_mm3)
        chosen = is_marker[pieces.piece]
        pieces.is_spacer |= chosen
        for own in _side_by_side(pieces, chosen, below.frame, settings):
            yield _spacer(pieces, own, index, settings)


def _divide_what_reaches_in(pieces: MetalPieces, inside: NDArray[np.bool_], settings: HardwareSettings) -> None:
    """Divide the pieces of which a spacer's volume lies in a disc space, but too much of them elsewhere."""
    in_each = np.bincount(pieces.piece[inside], minlength=len(pieces.sizes))
    reaches_in = in_each * pieces.voxel.mm3 >= settings.least_body_mm3
    for number in np.flatnonzero(reaches_in & (in_each < settings.divided_share * pieces.sizes)):
        pieces.divide(
            int(number),
            inside,
            necks_mm=settings.neck_mm,
            least_mm3=settings.least_body_mm3,
            share=settings.divided_share,
        )


def _spacer(pieces: MetalPieces, chosen: NDArray[np.bool_], above: int, settings: HardwareSettings) -> Implant:
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
    pieces: MetalPieces, chosen: NDArray[np.bool_], frame: VertebraFrame, settings: HardwareSettings
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
    if max(volumes) >= settings.least_body_mm3:
        return [chosen]
    places = [_marker_places_mm(pieces, side, frame, settings) for side in sides]
    if min(map(len, places)) < 2:
        return [chosen]
    are_many = sum(map(len, places)) >= settings.pair_least_markers
    are_spread = min(map(np.ptp, places)) >= settings.pair_spread_mm
    return sides if are_many or are_spread else [chosen]


def _marker_places_mm(
    pieces: MetalPieces, chosen: NDArray[np.bool_], frame: VertebraFrame, settings: HardwareSettings
) -> Points:
    """How far to the left the middle of each marker lies, shape (markers,); companions are not counted."""
    aside = frame.coordinates_mm(pieces.points[chosen])[:, 2]
    _, piece, counts = np.unique(pieces.piece[chosen], return_inverse=True, return_counts=True)
    middles = np.bincount(piece, weights=aside) / counts
    return middles[counts * pieces.voxel.mm3 >= settings.least_marker_mm3]


def _screws(
    volume: Volume, pieces: MetalPieces, spine: LocalisedSpine, settings: HardwareSettings
) -> Iterator[Implant]:
    """Metal within pedicle and body, left and right of the midline, as one screw a side.

    A spacer at or in the endplate lies there too; what a spacer has claimed is no screw.
    """
    for index, vertebra in enumerate(spine.vertebrae):
        own = vertebra.frame.coordinates_mm(pieces.points)
        inside = (own[:, 1] < 2.0) & (own[:, 1] > -vertebra.height_mm) & (own[:, 0] > -vertebra.depth_mm - 5.0)
        inside &= ~pieces.is_spacer & (own[:, 0] < 22.0) & (np.abs(own[:, 2]) < vertebra.width_mm / 2 + 6.0)
        within_body = inside & (own[:, 0] < 4.0)
        for side in Side:
            chosen = inside & (own[:, 2] * side.sign > 0)
            if pieces.volume_mm3(within_body & chosen) < settings.least_screw_mm3:
                continue
            shank = chosen & (own[:, 0] < settings.pedicle_behind_mm)
            if not _runs_through_pedicle(pieces.points[shank], own[shank], vertebra.frame):
                continue
            pose = _pose(volume, pieces.points[shank], own[shank], vertebra.frame, settings)
            pieces.is_shank |= (
                chosen if pose is None else pose.shank_holds(pieces.points, settings.screw.shank_reach_mm)
            )
            yield Implant(
                kind=ImplantKind.PEDICLE_SCREW,
                points_lps_mm=pieces.points[chosen],
                centre_lps_mm=pieces.points[chosen].mean(axis=0),
                volume_mm3=pieces.volume_mm3(chosen),
                above=index,
                below=index,
                side=side,
                pose=pose,
                diameter_mm=pose.diameter_mm if pose else None,
            )


def _runs_through_pedicle(points: Points, own: Points, frame: VertebraFrame) -> bool:
    """Whether metal reaches behind the posterior wall and runs from back to front; a plate's screws do not."""
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return bool(own[:, 0].max() > 2.0) and abs(float(directions[0] @ frame.posterior)) > LEAST_FORWARD


def _pose(
    volume: Volume, points: Points, own: Points, frame: VertebraFrame, settings: HardwareSettings
) -> ScrewPose | None:
    """Pose of a screw from all of its metal, or from that in the pedicle where a spacer's is mixed with the rest.

    None where neither gives a shank that comes from behind the posterior wall.
    """
    for chosen in (points, points[own[:, 0] > -settings.pedicle_ahead_mm]):
        with contextlib.suppress(AnalysisFailed):
            pose = fit_screw(volume, chosen, -frame.posterior, settings.screw)
            neck_behind_mm = frame.coordinates_mm(pose.neck_lps_mm)[0]
            if abs(float(pose.axis @ frame.posterior)) > LEAST_FORWARD and neck_behind_mm > 0.0:
                return pose
    return None


class _Rest:
    """Metal that neither spacers nor screws have claimed; each kind takes its own from what the others left."""

    def __init__(self, pieces: MetalPieces, places: MetalPlaces, settings: OtherMetalSettings) -> None:
        self._pieces = pieces
        self._settings = settings
        self._places = places
        self._is_construct = np.zeros(len(pieces.sizes), dtype=bool)
        self._is_construct[pieces.piece[pieces.is_spacer | pieces.is_shank]] = True

    def rods(self) -> Iterator[Implant]:
        """Rods of both sides."""
        pieces, settings = self._pieces, self._settings
        is_free = ~pieces.is_spacer & ~pieces.is_shank
        for side in Side:
            for rod in find_rods(self._places, pieces.piece, is_free, side.sign, pieces.voxel, settings):
                self._is_construct[pieces.piece[rod.chosen]] = True
                plain = _plain(self._pieces, self._places, ImplantKind.ROD, rod.chosen)
                yield replace(plain, side=side, line_lps_mm=rod.line_lps_mm, diameter_mm=rod.diameter_mm)

    def plates(self) -> Iterator[Implant]:
        """Plates before the bodies or beside them."""
        for chosen in self._left_over():
            if is_plate(self._places, chosen, self._settings):
                self._is_construct[self._pieces.piece[chosen]] = True
                yield _plain(self._pieces, self._places, ImplantKind.PLATE, chosen)

    def elsewhere(self) -> Iterator[Implant]:
        """What is left, each piece with where it lies."""
        for chosen in self._left_over():
            plain = _plain(self._pieces, self._places, ImplantKind.ELSEWHERE, chosen)
            yield replace(plain, reason=where_elsewhere(self._places, chosen))

    def _left_over(self) -> Iterator[NDArray[np.bool_]]:
        """Pieces large enough for a word that are neither of the construct nor a lead, the largest first."""
        pieces = self._pieces
        volumes = pieces.sizes * pieces.voxel.mm3
        is_lead = np.zeros(len(pieces.sizes), dtype=bool)
        is_lead[pieces.piece[pieces.is_lead]] = True
        large = (volumes >= self._settings.least_mm3) & ~self._is_construct & ~is_lead
        for number in sorted(np.flatnonzero(large), key=lambda each: -volumes[each]):
            yield pieces.piece == number


def _plain(pieces: MetalPieces, places: MetalPlaces, kind: ImplantKind, chosen: NDArray[np.bool_]) -> Implant:
    above, below = places.span(chosen)
    points = pieces.points[chosen]
    return Implant(kind, points, points.mean(axis=0), pieces.volume_mm3(chosen), above, below)


def _electrodes(pieces: MetalPieces, places: MetalPlaces, settings: OtherMetalSettings) -> tuple[Implant, ...]:
    """Leads of a stimulator in the canal; they pass disc spaces, so they are told before the spacers."""
    found = []
    for chosen in find_leads(places, pieces.piece, pieces.voxel.mm3, settings):
        pieces.is_lead |= chosen
        plain = _plain(pieces, places, ImplantKind.STIMULATOR_ELECTRODE, chosen)
        line = lead_line(plain.points_lps_mm, places.cranial(chosen))
        found.append(replace(plain, line_lps_mm=line, reason="A row of small contacts lies along the canal."))
    return tuple(found)
