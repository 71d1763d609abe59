"""Shanks of pedicle screws, found beside the canal before any vertebra is known, and what they touch in front of it.

A spacer that touches a screw is one piece of metal with it, and with the rod behind. The screw comes through a pedicle,
the spacer does not: without the shanks the metal in front of the canal falls apart into what it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import AnalysisFailed
from plumbline.imaging.beside_canal import BesideCanal
from plumbline.imaging.masks import connected
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.screws import ScrewPose, ScrewSettings, fit_screw
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ShankSettings:
    """Where shanks pass the canal, and what is cut off.

    Parameters
    ----------
    aside_mm, behind_mm
        A pedicle lies so far beside the middle of the canal, and the shank in it so far behind that middle.
    least_mm3
        Less metal there is no shank.
    least_forward, longest_mm, thickest_mm
        A shank runs forward by this much of its direction; nothing longer or thicker is one.
    beyond_mm, beyond_voxels
        What lies no farther outside a shank's surface is its thread, or blurred from it, the more so in larger voxels.
    least_part_mm3, least_width_mm
        What is smaller or thinner stays with the screw.
    """

    aside_mm: tuple[float, float] = (7.0, 30.0)
    behind_mm: tuple[float, float] = (-9.0, 6.0)
    least_mm3: float = 100.0
    least_forward: float = 0.6
    longest_mm: float = 75.0
    thickest_mm: float = 10.0
    beyond_mm: float = 0.8
    beyond_voxels: float = 0.3
    least_part_mm3: float = 300.0
    least_width_mm: float = 7.5
    screw: ScrewSettings = field(default_factory=ScrewSettings)


def part_from_shanks(
    volume: Volume, pieces: MetalPieces, canal_lps_mm: Points, settings: ShankSettings | None = None
) -> None:
    """Make each solid part of a piece that is left in front of the canal without the shanks a piece of its own.

    Parameters
    ----------
    canal_lps_mm
        Shape (n, 3): centre line of the canal.
    """
    settings = settings or ShankSettings()
    if len(canal_lps_mm) < 2 or not len(pieces.points):
        return
    place = BesideCanal.of(canal_lps_mm, pieces.points)
    shanks = tuple(_shanks(volume, pieces, place, settings))
    is_rest = np.ones(len(pieces.points), dtype=bool)
    beyond_mm = settings.beyond_mm + settings.beyond_voxels * pieces.voxel.largest_mm
    for shank in shanks:
        is_rest &= ~shank.shank_holds(pieces.points, shank.diameter_mm / 2 + beyond_mm)
    for number in np.unique(pieces.piece[~is_rest]):
        rest = np.flatnonzero(is_rest & (pieces.piece == number))
        part, count = connected(pieces.index_zyx[rest])
        for each in range(1, count + 1):
            own = rest[part == each]
            is_solid = len(own) * pieces.voxel.mm3 >= settings.least_part_mm3
            if is_solid and place.behind[own].mean() < 0.0 and _is_wide(pieces.points[own], settings):
                pieces.part_off(own)


def _is_wide(points: Points, settings: ShankSettings) -> bool:
    """Whether a part has two extents of a spacer at least; what is left along a shank is long and thin."""
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return bool(np.ptp(points @ axes[1]) >= settings.least_width_mm)


def _shanks(volume: Volume, pieces: MetalPieces, place: BesideCanal, settings: ShankSettings) -> Iterator[ScrewPose]:
    """What passes the canal as a screw does: straight, round, forward."""
    front, back = settings.behind_mm
    nearest, farthest = settings.aside_mm
    passes = (place.behind > front) & (place.behind < back) & (place.aside > nearest) & (place.aside < farthest)
    beside = np.flatnonzero(passes)
    part, count = connected(pieces.index_zyx[beside])
    for number in range(1, count + 1):
        own = beside[part == number]
        if len(own) * pieces.voxel.mm3 < settings.least_mm3:
            continue
        forward = place.forward[own].mean(axis=0)
        with contextlib.suppress(AnalysisFailed):
            pose = fit_screw(volume, pieces.points[own], forward, settings.screw)
            is_forward = float(pose.axis @ forward) > settings.least_forward
            if is_forward and pose.length_mm < settings.longest_mm and pose.diameter_mm < settings.thickest_mm:
                yield pose
