"""The built-in localiser: canal, discs, bodies, sacrum, names. No learned weights; it may refuse.

On a coarse grid the canal is followed and discs are found along it; each body is then fitted at full
resolution between its two discs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.labelling import SacrumEvidence, number_from_sacrum
from plumbline.anatomy.numbering import Numbering
from plumbline.anatomy.spine_evidence import BodyEvidence
from plumbline.anatomy.transforms import VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.body_growth import BodyGrowth, is_before_canal, is_plausible
from plumbline.imaging.canal import CanalLine, find_canal
from plumbline.imaging.discs import DiscMap, chain_discs, map_discs
from plumbline.imaging.localiser_settings import LocaliserSettings
from plumbline.imaging.masks import voxels_of, within_box
from plumbline.imaging.metal_blocks import MetalBlocks
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.ribs import bone_of_bodies_hu, find_ribs
from plumbline.imaging.sacral_bone import Bone, sacral_probabilities
from plumbline.imaging.sampling import axis_aligned, coordinates_in, sample
from plumbline.imaging.shanks import part_from_shanks
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.straight import straighten
from plumbline.imaging.vertebral_body import Body, fit_body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


def localise_spine(
    volume: Volume, *, pieces: MetalPieces | None = None, settings: LocaliserSettings | None = None
) -> LocalisedSpine:
    """Find the vertebrae of a CT and name them as far as that can be told.

    Parameters
    ----------
    pieces
        The metal in it, which says nothing about bone; what touches a screw in front of the canal is parted from it.

    Raises
    ------
    AnalysisFailed
        When no canal, too few discs or no body with edges can be found; with which.
    """
    settings = settings or LocaliserSettings()
    coarse = axis_aligned(volume, settings.coarse_mm, largest_hu=settings.largest_hu)
    metal, blocks = pieces.mask if pieces else None, MetalBlocks()
    metal_coarse, shadow_coarse = _coarse_metal(volume, coarse, metal)
    line = find_canal(coarse, settings.canal)
    discs = map_discs(straighten(coarse, shadow_coarse, line), settings.discs)
    if pieces is not None and metal_coarse is not None:
        part_from_shanks(volume, pieces, line.points_lps_mm)
        blocks = MetalBlocks.of(pieces, line.points_lps_mm)
        discs = _with_blocks(_with_spacers(discs, line, metal_coarse, settings), blocks, settings)
    chain = chain_discs(discs, settings.discs)
    if len(chain) < settings.least_bodies:
        raise AnalysisFailed("fewer than two discs were found along the canal")
    shadow = _fine_shadow(volume, metal)
    bone = _without_metal(coarse, metal_coarse)
    bodies = _bodies(volume, bone, line, discs, chain, shadow, blocks, settings)
    return _assemble(volume, bone, line, bodies, metal, settings)


def _coarse_metal(
    volume: Volume, coarse: Volume, metal: NDArray[np.bool_] | None
) -> tuple[Volume | None, Volume | None]:
    """Metal on the coarse grid, and metal with its surroundings."""
    if metal is None or not metal.any():
        return None, None
    index = np.round(coarse.to_index(volume.zyx_to_lps(voxels_of(metal)))).astype(int)[:, ::-1]
    inside = np.all((index >= 0) & (index < coarse.shape), axis=1)
    dense = np.zeros(coarse.shape, dtype=np.float32)
    dense[tuple(index[inside].T)] = 1.0
    around = ndimage.maximum_filter(dense, 3)
    return Volume(dense, coarse.lps_from_index), Volume(around, coarse.lps_from_index)


def _without_metal(coarse: Volume, metal: Volume | None) -> Bone:
    """The coarse volume with soft tissue in place of metal and what streaks most: screws are no ala of a sacrum."""
    if metal is None:
        return Bone(coarse)
    around = ndimage.maximum_filter(metal.voxels, 5) > 0.5
    soft = Volume(np.where(around, np.float32(_SOFT_HU), coarse.voxels), coarse.lps_from_index)
    return Bone(soft, Volume(around.astype(np.float32), coarse.lps_from_index))


def _fine_shadow(volume: Volume, metal: NDArray[np.bool_] | None) -> Volume | None:
    """1 within about 2 mm of metal, 0 elsewhere, at full resolution."""
    if metal is None or not metal.any():
        return None
    z, y, x = (round(2.0 / spacing) for spacing in volume.spacing_mm[::-1])
    return Volume(within_box(metal, (z, y, x)).view(np.uint8), volume.lps_from_index)


def _with_spacers(discs: DiscMap, line: CanalLine, metal: Volume, settings: LocaliserSettings) -> DiscMap:
    """A disc space that holds metal in its middle is a disc, however bright."""
    aside, ahead = np.arange(-4.0, 4.1, 2.0), np.arange(-8.0, 8.1, 2.0)
    points = (
        discs.centres_lps_mm[:, None, None]
        + aside[None, :, None, None] * line.left[:, None, None]
        + ahead[None, None, :, None] * line.posterior[:, None, None]
    )
    share = (sample(metal, points) > 0.5).mean(axis=(1, 2))
    runs, count = ndimage.label(share > 0.15)  # type: ignore[misc]
    contrast = discs.contrast.copy()
    for run in range(1, count + 1):
        middle = round(float(np.average(np.flatnonzero(runs == run), weights=share[runs == run])))
        near = slice(max(middle - 6, 0), middle + 7)
        contrast[near] = np.minimum(contrast[near], 0.1)
        contrast[middle] = settings.spacer_contrast
    return replace(discs, contrast=contrast)


def _with_blocks(discs: DiscMap, blocks: MetalBlocks, settings: LocaliserSettings) -> DiscMap:
    """A block of metal as high as a disc, in the row of bodies, is the surest disc; streaks beside it are none."""
    contrast = discs.contrast.copy()
    places = blocks.places_along(discs.centres_lps_mm)
    for place in places:
        near = slice(max(place - settings.streaks_mm, 0), place + settings.streaks_mm + 1)
        contrast[near] = np.minimum(contrast[near], 0.1)
    contrast[places] = settings.block_contrast
    return replace(discs, contrast=contrast)


def _bodies(
    volume: Volume,
    bone: Bone,
    line: CanalLine,
    discs: DiscMap,
    chain: NDArray[np.intp],
    shadow: Volume | None,
    blocks: MetalBlocks,
    settings: LocaliserSettings,
) -> list[Body]:
    """Fitted bodies caudal to cranial, grown in both directions from those between two discs."""

    def fit(start: Body, has_floor: bool = True) -> Body:
        faces_mm = blocks.faces_mm(start)
        return fit_body(volume, start, metal=shadow, settings=settings.body, has_floor=has_floor, faces_mm=faces_mm)

    between = [fit(_start_between(line, discs, int(a), int(b), settings)) for a, b in pairwise(chain)]
    shallow = (body for body in between if _is_shallow(body, settings))
    between += [fit(_of_usual_depth(body, settings)) for body in shallow]
    plausible = [body for body in between if is_plausible(body, settings) and is_before_canal(body, line)]
    if not plausible:
        raise AnalysisFailed("the vertebral bodies have no edges that could be fitted")
    grow = BodyGrowth(volume, bone, fit, settings, blocks, line)
    return grow.whole(plausible)


def _is_shallow(body: Body, settings: LocaliserSettings) -> bool:
    """Whether a body is much less deep than usual, as where streaks have been taken for its front."""
    return is_plausible(body, settings) and body.depth_mm < _SHALLOW * settings.body.depth_mm


def _of_usual_depth(body: Body, settings: LocaliserSettings) -> Body:
    """The same with its front where it usually is before its posterior wall."""
    ahead_mm = (settings.body.depth_mm - body.depth_mm) / 2
    return replace(body, centre_lps_mm=body.centre_lps_mm - ahead_mm * body.axes[0], depth_mm=settings.body.depth_mm)


_SHALLOW = 0.75
"""Share of the usual depth. A body that really is so shallow is fitted once more and found the same."""

SECOND_SACRAL_BODY = 0.3
"""How often what lies below a first sacral body still looks like a body with a disc above it (lumbarised S1)."""

_MOST_SACRAL = 3
_SOFT_HU = 40.0


def _axes(cranial: Points, posterior: Points) -> Points:
    cranial = cranial / np.linalg.norm(cranial)
    posterior = posterior - (posterior @ cranial) * cranial
    posterior = posterior / np.linalg.norm(posterior)
    return np.stack([posterior, cranial, np.cross(posterior, cranial)])


def _start_between(line: CanalLine, discs: DiscMap, lower: int, upper: int, settings: LocaliserSettings) -> Body:
    below, above = discs.centres_lps_mm[lower], discs.centres_lps_mm[upper]
    distance = float(np.linalg.norm(above - below))
    return Body(
        (below + above) / 2,
        _axes(above - below, line.posterior[(lower + upper) // 2]),
        max(distance - settings.disc_mm, 12.0),
        settings.body.depth_mm,
        settings.body.width_mm,
    )


def _assemble(
    volume: Volume,
    bone: Bone,
    line: CanalLine,
    bodies: list[Body],
    metal: NDArray[np.bool_] | None,
    settings: LocaliserSettings,
) -> LocalisedSpine:
    """Decide where the sacrum begins, drop what is below, name the rest and label its bone."""
    sacral = sacral_probabilities(bone, bodies, settings)
    first_lumbar = _first_lumbar(sacral)
    count = _without_gap(bodies, first_lumbar, settings)
    bodies, sacral = bodies[:count], sacral[:count]
    kept = list(reversed(bodies[max(first_lumbar - 1, 0) :]))
    has_sacrum = first_lumbar > 0
    if len(kept) < settings.least_bodies:
        raise AnalysisFailed("only one vertebral body was found")
    _refuse_slender(kept, settings)
    numbering = _numbered(volume, bone, kept, sacral, first_lumbar, settings)
    vertebrae = tuple(
        _vertebra(body, is_sacrum=has_sacrum and index == len(kept) - 1, volume=volume)
        for index, body in enumerate(kept)
    )
    labels = _labels(volume, vertebrae, metal, settings)
    doubts = (numbering.conflict,) if numbering.conflict else ()
    return LocalisedSpine(vertebrae, labels, line.points_lps_mm[::-1], numbering, "built-in", doubts)


def _refuse_slender(bodies: Sequence[Body], settings: LocaliserSettings) -> None:
    if np.median([body.width_mm for body in bodies]) < settings.least_width_mm:
        raise AnalysisFailed("what was found is too slender for vertebral bodies")


def _without_gap(bodies: Sequence[Body], first: int, settings: LocaliserSettings) -> int:
    """How many bodies, from the lowest on, follow each other without one passed over; ``first`` is not sacral."""
    steps_mm = [float(np.linalg.norm(b.centre_lps_mm - a.centre_lps_mm)) for a, b in pairwise(bodies[first:])]
    for place in range(2, len(steps_mm)):
        if steps_mm[place] > settings.longest_step * np.median(steps_mm[:place]):
            return first + place + 1
    return len(bodies)


def _numbered(
    volume: Volume,
    bone: Bone,
    kept: list[Body],
    sacral: NDArray[np.float64],
    first_lumbar: int,
    settings: LocaliserSettings,
) -> Numbering:
    """Names of the bodies, cranial to caudal, by the sacrum below them and by the ribs.

    Ribs are looked for at one body more than was found: of a vertebra that the border cuts they may be in view.
    """
    bodies = [_body_above(kept[0], kept[1]), *kept]
    ribs = find_ribs(bone.coarse, volume, bodies, settings.ribs, bone_hu=bone_of_bodies_hu(bone.coarse, kept))
    bears_rib = [each.probability for each in ribs] + [None] * (len(bodies) - len(ribs))
    is_sacral = [None, *sacral[max(first_lumbar - 1, 0) :][::-1].tolist()]
    found = [
        BodyEvidence(body.centre_lps_mm, bears_rib=rib, is_sacral=claim)
        for body, rib, claim in zip(bodies, bears_rib, is_sacral, strict=True)
    ]
    evidence = _evidence(sacral, first_lumbar, len(kept))
    return number_from_sacrum(len(kept), evidence, bodies=found if bears_rib[0] is not None else found[1:])


def _body_above(upper: Body, lower: Body) -> Body:
    """Where the next body above should lie: vertebrae become a little lower upwards."""
    step_mm = _UPWARD_SHARE * float(np.linalg.norm(upper.centre_lps_mm - lower.centre_lps_mm))
    return replace(upper, centre_lps_mm=upper.centre_lps_mm + step_mm * upper.axes[1])


_UPWARD_SHARE = 0.97
"""Distance of two bodies as a share of the next one below (T11 to L4 of the key points)."""


def _first_lumbar(sacral: NDArray[np.float64]) -> int:
    """Index (caudal to cranial) of the lowest body that is not sacral by the likeliest reading; 0 for none sacral."""
    lowest = sacral[: min(_MOST_SACRAL, len(sacral) - 1)]
    readings = [
        np.prod(lowest[:count]) * np.prod(1.0 - lowest[count:]) * SECOND_SACRAL_BODY ** max(count - 1, 0)
        for count in range(len(lowest) + 1)
    ]
    return int(np.argmax(readings))


def _evidence(sacral: NDArray[np.float64], first_lumbar: int, count: int) -> list[SacrumEvidence]:
    """Probabilities for where S1 is, as indices cranial to caudal among the kept bodies."""
    if first_lumbar == 0:
        return [SacrumEvidence(count - 1, float(sacral[0]))]
    lowest_lumbar = float(sacral[first_lumbar])
    is_here = float(sacral[first_lumbar - 1]) * (1.0 - lowest_lumbar)
    is_above = lowest_lumbar * SECOND_SACRAL_BODY
    total = max(is_here + is_above, 1e-6)
    sure = float(sacral[first_lumbar - 1])
    return [SacrumEvidence(count - 1, sure * is_here / total), SacrumEvidence(count - 2, sure * is_above / total)]


def _vertebra(body: Body, *, is_sacrum: bool, volume: Volume) -> LocalisedVertebra:
    frame = body.frame
    pitch_mm = float(np.mean(volume.spacing_mm))
    corners = [
        body.centre_lps_mm + np.array(signs) * [body.depth_mm / 2, body.height_mm / 2, 10.0] @ body.axes
        for signs in ((1, 1, 0), (1, -1, 0), (-1, 1, 0), (-1, -1, 0))
    ]
    index = volume.to_index(np.array(corners))
    is_whole = bool(np.all((index >= 0) & (index <= np.array(volume.shape[::-1]) - 1)))
    return LocalisedVertebra(
        frame=frame,
        centre_lps_mm=body.centre_lps_mm,
        depth_mm=body.depth_mm,
        height_mm=body.height_mm,
        width_mm=body.width_mm,
        frame_uncertainty_mm=_wall_uncertainty_mm(body, pitch_mm, is_sacrum=is_sacrum),
        is_whole=is_whole,
        is_sacrum=is_sacrum,
        confidence=float(np.clip(body.edges, 0.0, 1.0)),
    )


def _wall_uncertainty_mm(body: Body, pitch_mm: float, *, is_sacrum: bool) -> float:
    """95 % half-width of the posterior wall's place, calibrated on virtual patients (docs/accuracy.md).

    Of a sacral body only the upper half of the wall is fitted.
    """
    calibrated = _SACRAL_WALL if is_sacrum else 1.0
    return float(1.44 * calibrated * np.hypot(0.25 * pitch_mm + 0.15, 0.4 * body.wall_error_mm))


_SACRAL_WALL = 1.4


def _labels(
    volume: Volume,
    vertebrae: tuple[LocalisedVertebra, ...],
    metal: NDArray[np.bool_] | None,
    settings: LocaliserSettings,
) -> NDArray[np.uint8]:
    """Body and pedicles of each vertebra: bone inside its own slab, nothing of its neighbours'."""
    labels = np.zeros(volume.shape, dtype=np.uint8)
    for number, vertebra in enumerate(vertebrae, start=1):
        back, up, aside = vertebra.depth_mm, vertebra.height_mm, vertebra.width_mm / 2 + 3.0
        first = np.array([-back - 2.0, -up - 0.5, -aside])
        last = np.array([settings.pedicles_behind_mm, 0.5, aside])
        window = _window(volume, vertebra.frame, first, last)
        own = coordinates_in(volume, window, vertebra.frame)
        within = np.logical_and.reduce([(low < k) & (k < high) for low, k, high in zip(first, own, last, strict=True)])
        bone = within & (volume.voxels[window] > settings.bone_hu)
        if metal is not None:
            bone &= ~metal[window]
        target = labels[window]
        target[bone & (target == 0)] = number
    return labels


def _window(volume: Volume, frame: VertebraFrame, first: Points, last: Points) -> tuple[slice, slice, slice]:
    """Smallest box of the array that holds a box of a frame, given by two of its corners."""
    ends = np.stack([first, last])
    corners = np.stack(np.meshgrid(*ends.T, indexing="ij"), axis=-1).reshape(-1, 3)
    at = volume.array_coordinates(frame.origin_lps_mm + corners @ frame.axes)
    lower = np.clip(np.floor(at.min(axis=1)), 0, volume.shape).astype(int)
    upper = np.clip(np.ceil(at.max(axis=1)) + 1, lower, volume.shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
    return z, y, x
