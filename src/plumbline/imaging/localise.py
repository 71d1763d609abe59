"""The built-in localiser: canal, discs, bodies, sacrum, names. No learned weights; it may refuse.

On a coarse grid the canal is followed and discs are found along it; each body is then fitted at full
resolution between its two discs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.labelling import SacrumEvidence, number_from_sacrum
from plumbline.anatomy.numbering import Numbering
from plumbline.anatomy.spine_evidence import BodyEvidence
from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.canal import CanalLine, CanalSettings, find_canal
from plumbline.imaging.discs import DiscMap, DiscSettings, chain_discs, map_discs
from plumbline.imaging.masks import voxels_of, within_box
from plumbline.imaging.ribs import RibSettings, bone_of_bodies_hu, find_ribs
from plumbline.imaging.sampling import axis_aligned, coordinates_in, is_inside, sample
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.straight import straighten
from plumbline.imaging.vertebral_body import Body, BodySettings, fit_body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class LocaliserSettings:
    """Everything the localiser goes by.

    Parameters
    ----------
    coarse_mm
        Grid on which canal and discs are looked for.
    bone_hu
        Bone for labels.
    disc_mm
        Usual height of a disc, taken off the distance of two disc centres.
    spacer_contrast
        What metal in the middle of a disc space counts as, against 1 for a dark disc between bright bodies.
    least_bodies
        Fewer make no spine.
    poor_quality
        A neighbour that was fitted less well is looked for again with the size usual in this spine.
    sacral_share, sacral_scale, lean_weight
        Bone beside a body (``lateral_bone_share``) at which it is as likely sacral as not, the width of that
        judgement, and what each degree of lean beyond 25 adds.
    least_known
        Of the places beside a body, so many have to be in view for their bone to say anything.
    surely_sacral
        Below a body that is sacral with this probability no other is looked for.
    most_unlike
        What a neighbour's other height (as a logarithm) costs at most.
    """

    canal: CanalSettings = field(default_factory=CanalSettings)
    discs: DiscSettings = field(default_factory=DiscSettings)
    body: BodySettings = field(default_factory=BodySettings)
    ribs: RibSettings = field(default_factory=RibSettings)
    coarse_mm: float = 2.0
    largest_hu: float = 1500.0
    bone_hu: float = 130.0
    disc_mm: float = 8.0
    spacer_contrast: float = 0.7
    least_bodies: int = 2
    least_edges: float = 0.42
    poor_quality: float = 0.75
    sacral_share: float = 0.65
    least_known: float = 0.3
    surely_sacral: float = 0.95
    sacral_scale: float = 0.05
    lean_weight: float = 0.002
    most_unlike: float = 0.3
    pedicles_behind_mm: float = 10.0


def localise_spine(
    volume: Volume, *, metal: NDArray[np.bool_] | None = None, settings: LocaliserSettings | None = None
) -> LocalisedSpine:
    """Find the vertebrae of a CT and name them as far as that can be told.

    Parameters
    ----------
    metal
        Voxels of metal, bool, shape of the volume; they say nothing about bone.

    Raises
    ------
    AnalysisFailed
        When no canal, too few discs or no body with edges can be found; with which.
    """
    settings = settings or LocaliserSettings()
    coarse = axis_aligned(volume, settings.coarse_mm, largest_hu=settings.largest_hu)
    metal_coarse, shadow_coarse = _coarse_metal(volume, coarse, metal)
    line = find_canal(coarse, settings.canal)
    discs = map_discs(straighten(coarse, shadow_coarse, line), settings.discs)
    if metal_coarse is not None:
        discs = _with_spacers(discs, line, metal_coarse, settings)
    chain = chain_discs(discs, settings.discs)
    if len(chain) < settings.least_bodies:
        raise AnalysisFailed("fewer than two discs were found along the canal")
    shadow = _fine_shadow(volume, metal)
    bone = _without_metal(coarse, metal_coarse)
    bodies = _bodies(volume, bone, line, discs, chain, shadow, settings)
    return _assemble(volume, bone, line, bodies, metal, settings)


@dataclass(frozen=True, eq=False)
class Bone:
    """An exam on the coarse grid, and 1 where metal or its halo hides what is there; nothing hides it without metal."""

    coarse: Volume
    hidden: Volume | None = None


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


def _bodies(
    volume: Volume,
    bone: Bone,
    line: CanalLine,
    discs: DiscMap,
    chain: NDArray[np.intp],
    shadow: Volume | None,
    settings: LocaliserSettings,
) -> list[Body]:
    """Fitted bodies caudal to cranial, grown in both directions from the best one between two discs."""

    def fit(start: Body, has_floor: bool = True) -> Body:
        return fit_body(volume, start, metal=shadow, settings=settings.body, has_floor=has_floor)

    between = [fit(_start_between(line, discs, int(a), int(b), settings)) for a, b in pairwise(chain)]
    plausible = [body for body in between if _is_plausible(body, settings)]
    if not plausible:
        raise AnalysisFailed("the vertebral bodies have no edges that could be fitted")
    seed = max(plausible, key=_quality)
    grow = _Growth(volume, bone, fit, settings)
    return [*reversed(grow.from_body(seed, up=False)), seed, *grow.from_body(seed, up=True)]


def _is_plausible(body: Body, settings: LocaliserSettings) -> bool:
    return body.edges >= settings.least_edges and 14.0 <= body.height_mm <= 40.0


def _quality(body: Body) -> float:
    """How well a body was fitted, and how much it is shaped like one: about as high as four fifths of its depth."""
    shape = max(abs(float(np.log(body.height_mm / (0.8 * body.depth_mm)))) - 0.25, 0.0)
    return body.edges - 0.05 * body.wall_error_mm - shape


class _Growth:
    """From one fitted body to the next, by its endplate and the usual height of a disc."""

    def __init__(
        self, volume: Volume, bone: Bone, fit: Callable[[Body, bool], Body], settings: LocaliserSettings
    ) -> None:
        self._volume = volume
        self._bone = bone
        self._fit = fit
        self._settings = settings

    def from_body(self, seed: Body, *, up: bool) -> list[Body]:
        """Bodies beyond the seed, nearest first; downwards it ends with the first that is surely sacral."""
        found: list[Body] = []
        current, known = seed, [seed]
        while len(found) < _LONGEST_SPINE:
            if not up and sacral_probability(self._bone, current, self._settings) >= self._settings.surely_sacral:
                break
            following = self._next(current, known, up=up)
            if following is None:
                break
            found.append(following)
            known.append(following)
            current = following
        return found

    def _next(self, body: Body, known: Sequence[Body], *, up: bool) -> Body | None:
        """The likeliest neighbour; where that is a poor one, starts of the size usual in this spine are tried, too."""
        best = self._likeliest(body, body, up=up)
        if best is None or _quality(best) >= self._settings.poor_quality:
            return best
        sizes = np.median([(each.height_mm, each.depth_mm, each.width_mm) for each in known], axis=0)
        usual = replace(body, height_mm=float(sizes[0]), depth_mm=float(sizes[1]), width_mm=float(sizes[2]))
        other = self._likeliest(body, usual, up=up)
        sign = 1.0 if up else -1.0
        return max(
            (best, other or best), key=lambda each: self._likeness(usual, each) - _odd_gap(_gap_mm(body, each, sign))
        )

    def _likeliest(self, body: Body, sized: Body, *, up: bool) -> Body | None:
        tried = [self._step(body, sized, gap_mm, lean_deg, up=up) for gap_mm, lean_deg in _STEPS[up]]
        good = [each for each in tried if each is not None]
        sign = 1.0 if up else -1.0
        return max(
            good, key=lambda each: self._likeness(sized, each) - _odd_gap(_gap_mm(body, each, sign)), default=None
        )

    def _likeness(self, body: Body, other: Body) -> float:
        """Quality of a neighbour, which has about the same height; a sacral one need not."""
        unlike = abs(float(np.log(other.height_mm / body.height_mm)))
        return _quality(other) - min(unlike, self._settings.most_unlike)

    def _step(self, body: Body, sized: Body, gap_mm: float, lean_deg: float, *, up: bool) -> Body | None:
        """The neighbour beyond a disc of ``gap_mm`` that leans by ``lean_deg`` more; None where there is none.

        It is looked for with the size of ``sized``.
        """
        sign = 1.0 if up else -1.0
        turn = RigidTransform.about(np.zeros(3), body.axes[2] * np.radians(lean_deg), np.zeros(3))
        axes = turn.turn(body.axes)
        to_disc, from_disc = (body.height_mm + gap_mm) / 2, (sized.height_mm + gap_mm) / 2
        centre = body.centre_lps_mm + sign * (to_disc * body.axes[1] + from_disc * axes[1])
        start = replace(sized, centre_lps_mm=centre, axes=axes)
        if not self._is_in_view(start, lowest=-1.0 if up else 0.0):
            return None
        fitted = self._fit(start, self._is_in_view(start, lowest=-1.0))
        return fitted if self._is_neighbour(body, fitted, sign) else None

    def _is_in_view(self, body: Body, *, lowest: float) -> bool:
        """Whether a body's roof is in view, and its posterior wall down to ``lowest`` half heights from its centre.

        The front of a sacrum reaches lower than its wall and is often cut.
        """
        front = () if lowest > -1.0 else ((-1.0, lowest),)
        corners = [
            body.centre_lps_mm + np.array([p * body.depth_mm / 2, c * body.height_mm / 2, 0.0]) @ body.axes
            for p, c in ((-1.0, 1.0), (1.0, 1.0), (1.0, lowest), *front)
        ]
        index = self._volume.to_index(np.array(corners))
        return bool(np.all((index >= 0) & (index <= np.array(self._volume.shape[::-1]) - 1)))

    def _is_neighbour(self, body: Body, other: Body, sign: float) -> bool:
        """Whether a fitted body can be the next one: size, disc between them, offset and angle."""
        if not _is_plausible(other, self._settings):
            return False
        between, along = other.centre_lps_mm - body.centre_lps_mm, _common_axis(body, other)
        aside = np.linalg.norm(between - (between @ along) * along)
        angle = np.degrees(np.arccos(np.clip(body.axes[1] @ other.axes[1], -1.0, 1.0)))
        return bool(-3.0 <= _gap_mm(body, other, sign) <= 20.0 and aside <= 16.0 and angle <= 38.0)


def _common_axis(body: Body, other: Body) -> Points:
    along = body.axes[1] + other.axes[1]
    return along / np.linalg.norm(along)


def _gap_mm(body: Body, other: Body, sign: float) -> float:
    """Height of what lies between a body and the next one up (``sign`` 1) or down (-1)."""
    between = other.centre_lps_mm - body.centre_lps_mm
    return sign * float(between @ _common_axis(body, other)) - (body.height_mm + other.height_mm) / 2


def _odd_gap(gap_mm: float) -> float:
    """What a neighbour costs that leaves no room for a disc, or room for more than one."""
    low, high = _USUAL_GAP_MM
    return _ODD_PER_MM * max(low - gap_mm, gap_mm - high, 0.0)


_USUAL_GAP_MM = 2.5, 15.0
_ODD_PER_MM = 0.05


SECOND_SACRAL_BODY = 0.3
"""How often what lies below a first sacral body still looks like a body with a disc above it (lumbarised S1)."""

_MOST_SACRAL = 3
_LONGEST_SPINE = 20
_STEPS = {True: ((8.0, 0.0), (5.0, -6.0), (12.0, 0.0)), False: ((9.0, 6.0), (6.0, 14.0), (12.0, 14.0), (9.0, 24.0))}
"""(disc height, further lean to the back) tried upwards and downwards: discs grow and lean more towards the sacrum."""


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


def lateral_bone_share(bone: Bone, body: Body, settings: LocaliserSettings) -> float | None:
    """Share of the places beside a body under which there is bone, in front and behind added; the poorer side.

    The ala of the sacrum fills them; beside a lumbar body lies muscle, behind it a transverse process. None where
    metal and the borders of the exam hide both sides.
    """
    front = np.arange(-body.depth_mm / 2 + 8.0, body.depth_mm / 2 - 8.0 + 0.1, 3.0)
    rear = np.arange(-6.0, 19.0, 3.0)
    sides = [[_bone_beside(bone, body, side, along, settings) for along in (front, rear)] for side in (1.0, -1.0)]
    return min((before + behind for before, behind in sides if before is not None and behind is not None), default=None)


def _bone_beside(bone: Bone, body: Body, side: float, along: Points, settings: LocaliserSettings) -> float | None:
    """Share of the places in view with bone; None where too few are in view."""
    posterior, cranial, left = body.axes
    aside = side * (max(body.width_mm / 2 + 3.5, 26.0) + np.arange(0.0, 18.1, 3.0))
    up = np.arange(-body.height_mm / 2 - 2.0, body.height_mm / 2, 3.0)
    points = (
        body.centre_lps_mm
        + aside[:, None, None, None] * left
        + along[None, :, None, None] * posterior
        + up[None, None, :, None] * cranial
    )
    is_bone = sample(bone.coarse, points).max(axis=2) > _CORTEX_HU
    is_known = is_inside(bone.coarse, points).mean(axis=2) >= _LEAST_IN_VIEW
    if bone.hidden is not None:
        is_known &= is_bone | np.all(sample(bone.hidden, points) < 0.5, axis=2)
    return float(is_bone[is_known].mean()) if is_known.mean() >= settings.least_known else None


_LEAST_IN_VIEW = 0.5
_CORTEX_HU = 145.0
_SOFT_HU = 40.0


def sacral_probability(bone: Bone, body: Body, settings: LocaliserSettings) -> float:
    """How probable it is that a body is a sacral one, from the bone beside it and its lean."""
    lean_deg = float(np.degrees(np.arctan2(-body.axes[1][1], body.axes[1][2])))
    beside = lateral_bone_share(bone, body, settings)
    share = (settings.sacral_share if beside is None else beside) + settings.lean_weight * float(
        np.clip(lean_deg - 25.0, -25.0, 25.0)
    )
    return float(1.0 / (1.0 + np.exp(-(share - settings.sacral_share) / settings.sacral_scale)))


def _assemble(
    volume: Volume,
    bone: Bone,
    line: CanalLine,
    bodies: list[Body],
    metal: NDArray[np.bool_] | None,
    settings: LocaliserSettings,
) -> LocalisedSpine:
    """Decide where the sacrum begins, drop what is below, name the rest and label its bone."""
    sacral = np.array([sacral_probability(bone, body, settings) for body in bodies])
    first_lumbar = _first_lumbar(sacral)
    kept = list(reversed(bodies[max(first_lumbar - 1, 0) :]))
    has_sacrum = first_lumbar > 0
    if len(kept) < settings.least_bodies:
        raise AnalysisFailed("only one vertebral body was found")
    numbering = _numbered(volume, bone, kept, sacral, first_lumbar, settings)
    vertebrae = tuple(
        _vertebra(body, is_sacrum=has_sacrum and index == len(kept) - 1, volume=volume)
        for index, body in enumerate(kept)
    )
    labels = _labels(volume, vertebrae, metal, settings)
    doubts = (numbering.conflict,) if numbering.conflict else ()
    return LocalisedSpine(vertebrae, labels, line.points_lps_mm[::-1], numbering, "built-in", doubts)


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
        frame_uncertainty_mm=float(np.hypot(0.25 * pitch_mm + 0.15, 0.4 * body.wall_error_mm) * 1.96 / 1.5),
        is_whole=is_whole,
        is_sacrum=is_sacrum,
        confidence=float(np.clip(body.edges, 0.0, 1.0)),
    )


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
