"""From a label map that somebody else made to the localiser's output: bodies, frames, bone labels and names.

The map says where the vertebrae are and what they may be called. Their edges are fitted in the image, and
the names are weighed against spacing, sacrum and each other: a map that contradicts them is a declared
conflict, not the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.labelling import NumberingSettings, number_spine
from plumbline.anatomy.numbering import Numbering
from plumbline.anatomy.numbering_statistics import CHAIN
from plumbline.anatomy.segment_names import SACRUM
from plumbline.anatomy.spine_evidence import BodyEvidence, SpineEvidence
from plumbline.errors import AnalysisFailed
from plumbline.imaging.label_maps import LabelMap, LabelSegment
from plumbline.imaging.localiser_settings import LocaliserSettings
from plumbline.imaging.mapped_body import BodyCore, MappedBodySettings, body_in_mask, contains, find_core
from plumbline.imaging.sacral_bone import Bone, sacral_probability
from plumbline.imaging.sampling import axis_aligned, is_inside
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.vertebral_body import Body, fit_body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MappedSpineSettings:
    """How far a label map is trusted.

    Parameters
    ----------
    least_vertebrae
        Fewer, and the built-in localiser is asked instead.
    coded_reliability, text_reliability
        How often one name is right that a code, or free text, gives; a whole map that is one off is
        weighed apart (``NumberingSettings.label_map_shifted``).
    missed
        How often a map leaves out a vertebra between two others.
    largest_fit_shift_mm
        A fitted body farther than this from where the mask has it is not believed.
    sacral_claim
        Bounds on how sure the image's own judgement of a sacrum may be, beside a label map.
    same_vertebra_mm
        Segments of one name whose bodies are nearer than this are parts of one vertebra.
    canal_behind_mm
        Middle of the canal behind the posterior wall.
    sacrum_reach_mm
        So much of a sacrum around its first body is labelled as S1.
    """

    least_vertebrae: int = 2
    coded_reliability: float = 0.985
    text_reliability: float = 0.96
    missed: float = 0.005
    largest_fit_shift_mm: float = 8.0
    least_edges: float = 0.3
    sacral_claim: tuple[float, float] = (0.03, 0.97)
    same_vertebra_mm: float = 14.0
    canal_behind_mm: float = 8.0
    sacrum_reach_mm: float = 45.0
    bone_hu: float = 130.0
    body: MappedBodySettings = field(default_factory=MappedBodySettings)
    localiser: LocaliserSettings = field(default_factory=LocaliserSettings)
    numbering: NumberingSettings = field(default_factory=NumberingSettings)


@dataclass(frozen=True, eq=False)
class _Mapped:
    """One vertebra of the map: its name there (None: the map left it out), mask, and body in the image."""

    label: str | None
    mask: Volume | None
    body: Body
    is_fitted: bool


def spine_from_label_map(
    volume: Volume,
    label_map: LabelMap,
    *,
    metal: NDArray[np.bool_] | None = None,
    settings: MappedSpineSettings | None = None,
) -> LocalisedSpine:
    """Make the localiser's output of a label map.

    Raises
    ------
    AnalysisFailed
        When fewer than two vertebrae of the map lie in the volume.
    """
    settings = settings or MappedSpineSettings()
    fitting = _Fitting(volume, metal, settings)
    mapped, doubts = _vertebrae(volume, label_map, fitting, settings)
    if len(mapped) < settings.least_vertebrae:
        raise AnalysisFailed(f"the label map ({label_map.origin}) shows fewer than two vertebrae of this series")
    mapped = _with_sacrum(label_map, mapped, fitting, settings)
    reliability = _reliability(label_map, settings)
    numbering = _numbering(volume, mapped, reliability, settings)
    filled = _with_missing(mapped, numbering, fitting)
    if len(filled) > len(mapped):
        doubts.append("The label map leaves out a vertebra between two others; it was looked for in the image.")
        mapped = filled
        numbering = _numbering(volume, mapped, reliability, settings)
    conflict = " ".join([*doubts, *([numbering.conflict] if numbering.conflict else [])]) or None
    vertebrae = tuple(_vertebra(each, volume, index == len(mapped) - 1) for index, each in enumerate(mapped))
    return LocalisedSpine(
        vertebrae,
        _labels(volume, mapped, metal, settings),
        np.stack([_canal_point(each.body, settings) for each in mapped]),
        replace(numbering, conflict=conflict),
        f"label map ({label_map.origin})",
        (conflict,) if conflict else (),
    )


# --- vertebrae ------------------------------------------------------------------------------------


class _Fitting:
    """Fits bodies to the edges of one image."""

    def __init__(self, volume: Volume, metal: NDArray[np.bool_] | None, settings: MappedSpineSettings) -> None:
        self._volume = volume
        self._shadow = _shadow(volume, metal)
        self._settings = settings

    def fitted(self, start: Body, *, has_floor: bool = True) -> tuple[Body, bool]:
        """The body at the image's edges, or the start and False where they do not bear it out."""
        body = fit_body(
            self._volume, start, metal=self._shadow, settings=self._settings.localiser.body, has_floor=has_floor
        )
        moved = float(np.linalg.norm(body.centre_lps_mm - start.centre_lps_mm))
        is_good = moved <= self._settings.largest_fit_shift_mm and body.edges >= self._settings.least_edges
        return (body, True) if is_good else (start, False)


def _shadow(volume: Volume, metal: NDArray[np.bool_] | None, reach_mm: float = 2.0) -> Volume | None:
    """1 near metal, 0 elsewhere, at full resolution."""
    if metal is None or not metal.any():
        return None
    size = [max(1, 2 * round(reach_mm / spacing) + 1) for spacing in volume.spacing_mm[::-1]]
    return Volume(ndimage.maximum_filter(metal.astype(np.uint8), size), volume.lps_from_index)


@dataclass(frozen=True, eq=False)
class _Cored:
    """A segment and the core of its body."""

    segment: LabelSegment
    core: BodyCore


def _vertebrae(
    volume: Volume, label_map: LabelMap, fitting: _Fitting, settings: MappedSpineSettings
) -> tuple[list[_Mapped], list[str]]:
    """Vertebrae above the sacrum, cranial to caudal, and what is wrong with their labels in words."""
    cored: list[_Cored] = []
    for segment in label_map.segments:
        core = None if segment.name.name in (SACRUM, "S1") else find_core(segment.mask, settings.body)
        if core is not None and bool(is_inside(volume, core.centre_lps_mm)):
            cored.append(_Cored(segment, core))
    cored, doubts = _merged(cored, settings)
    cored.sort(key=lambda each: -float(each.core.centre_lps_mm[2]))
    if len(cored) < settings.least_vertebrae:
        return [], doubts
    axes = _directions(cored)
    mapped = []
    for each, own_axes in zip(cored, axes, strict=True):
        body, is_fitted = fitting.fitted(body_in_mask(each.segment.mask, each.core, own_axes, settings.body))
        mapped.append(_Mapped(each.segment.name.name, each.segment.mask, body, is_fitted))
    return mapped, doubts


def _merged(cored: Sequence[_Cored], settings: MappedSpineSettings) -> tuple[list[_Cored], list[str]]:
    """Overlapping bodies told apart: parts of one vertebra become one, one name for two is said."""
    kept: list[_Cored] = []
    doubts: list[str] = []
    for each in sorted(cored, key=lambda one: -one.core.depth_in_mask_mm):
        near = [one for one in kept if _distance(one, each) < settings.same_vertebra_mm]
        if not near:
            if any(one.segment.name.name == each.segment.name.name for one in kept):
                doubts.append(f"Two segments of the label map are called {each.segment.name.name}.")
            kept.append(each)
        elif near[0].segment.name.name != each.segment.name.name:
            names = f"{near[0].segment.name.name} and {each.segment.name.name}"
            doubts.append(f"One vertebra is called both {names} in the label map.")
    return kept, doubts


def _distance(one: _Cored, other: _Cored) -> float:
    return float(np.linalg.norm(one.core.centre_lps_mm - other.core.centre_lps_mm))


def _directions(cored: Sequence[_Cored]) -> list[Points]:
    """Axes (rows posterior, cranial, left) of each body: along the spine, and away from the posterior elements."""
    centres = np.stack([each.core.centre_lps_mm for each in cored])
    cranial = -np.gradient(centres, axis=0)
    seen = [each.core.backward for each in cored if each.core.backward is not None]
    usual = np.median(seen, axis=0) if seen else np.array([0.0, 1.0, 0.0])
    return [
        _axes(up, usual if each.core.backward is None else each.core.backward)
        for each, up in zip(cored, cranial, strict=True)
    ]


def _axes(cranial: Points, posterior: Points) -> Points:
    cranial = cranial / np.linalg.norm(cranial)
    posterior = posterior - (posterior @ cranial) * cranial
    posterior = posterior / np.linalg.norm(posterior)
    return np.stack([posterior, cranial, np.cross(posterior, cranial)])


# --- the sacrum -----------------------------------------------------------------------------------

_SACRAL_STEPS = ((6.0, 14.0), (9.0, 14.0), (12.0, 14.0), (6.0, 24.0), (9.0, 24.0), (9.0, 34.0), (9.0, 6.0))
"""(disc height in mm, further forward lean in degrees) from the last lumbar body to the first sacral one."""


def _with_sacrum(
    label_map: LabelMap, mapped: list[_Mapped], fitting: _Fitting, settings: MappedSpineSettings
) -> list[_Mapped]:
    """The vertebrae with the first sacral one, where the map has a sacrum and the image bears it out."""
    sacra = [each for each in label_map.segments if each.name.name in (SACRUM, "S1")]
    if not sacra:
        return mapped
    last = mapped[-1].body
    tried: list[tuple[float, Body, LabelSegment]] = []
    for gap_mm, lean_deg in _SACRAL_STEPS:
        body, is_fitted = fitting.fitted(_next_below(last, gap_mm, lean_deg), has_floor=False)
        inside = [each for each in sacra if contains(each.mask, body.centre_lps_mm)]
        if is_fitted and inside:
            unlike = abs(float(np.log(body.depth_mm / last.depth_mm))) + abs(
                float(np.log(body.width_mm / last.width_mm))
            )
            tried.append((body.edges - 0.05 * body.wall_error_mm - unlike, body, inside[0]))
    if not tried:
        return mapped
    _, body, segment = max(tried, key=lambda each: each[0])
    return [
        *mapped,
        _Mapped(segment.name.name, _near(segment.mask, body, settings.sacrum_reach_mm), body, is_fitted=True),
    ]


def _next_below(body: Body, gap_mm: float, lean_deg: float) -> Body:
    posterior, cranial, left = body.axes
    lean = np.radians(lean_deg)
    up = np.cos(lean) * cranial - np.sin(lean) * posterior
    back = np.cos(lean) * posterior + np.sin(lean) * cranial
    half = (body.height_mm + gap_mm) / 2
    return replace(body, centre_lps_mm=body.centre_lps_mm - half * (cranial + up), axes=np.stack([back, up, left]))


def _near(mask: Volume, body: Body, reach_mm: float) -> Volume:
    """The part of a mask within reach of a body's centre."""
    index = np.argwhere(mask.voxels)
    distance = np.linalg.norm(mask.zyx_to_lps(index) - body.centre_lps_mm, axis=1)
    voxels = np.zeros(mask.shape, dtype=bool)
    voxels[tuple(index[distance <= reach_mm].T)] = True
    return Volume(voxels, mask.lps_from_index)


# --- names ----------------------------------------------------------------------------------------


def _reliability(label_map: LabelMap, settings: MappedSpineSettings) -> float:
    is_coded = all(segment.name.is_coded for segment in label_map.segments)
    return settings.coded_reliability if is_coded else settings.text_reliability


_JUDGED_FROM_BELOW = 2
"""So many of the lowest bodies are judged for being sacral."""


def _numbering(
    volume: Volume, mapped: Sequence[_Mapped], reliability: float, settings: MappedSpineSettings
) -> Numbering:
    """Weigh the map's names against spacing and the image's own judgement of the lowest vertebrae."""
    coarse = axis_aligned(volume, settings.localiser.coarse_mm, largest_hu=settings.localiser.largest_hu)
    low, high = settings.sacral_claim
    evidence = []
    for index, each in enumerate(mapped):
        is_judged = index >= len(mapped) - _JUDGED_FROM_BELOW
        sacral = sacral_probability(Bone(coarse), each.body, settings.localiser) if is_judged else None
        claim = None if sacral is None else float(np.clip(sacral, low, high))
        if each.label == SACRUM:
            evidence.append(BodyEvidence(each.body.centre_lps_mm, is_sacral=_both(reliability, claim)))
        else:
            evidence.append(BodyEvidence(each.body.centre_lps_mm, is_sacral=claim, label=each.label))
    whole = SpineEvidence(tuple(evidence), label_reliability=reliability)
    return number_spine(whole, replace(settings.numbering, missed=settings.missed, false=0.0))


def _both(map_claim: float, image_claim: float | None) -> float:
    """Probability that follows from two independent judgements of one thing."""
    if image_claim is None:
        return map_claim
    holds, fails = map_claim * image_claim, (1.0 - map_claim) * (1.0 - image_claim)
    return holds / (holds + fails)


def _with_missing(mapped: Sequence[_Mapped], numbering: Numbering, fitting: _Fitting) -> list[_Mapped]:
    """Vertebrae that the map left out between two others, looked for halfway."""
    names = numbering.best.names if numbering.best else ()
    filled = [mapped[0]]
    for (upper, lower), (one, other) in zip(pairwise(mapped), pairwise(names), strict=True):
        for body in _between(upper.body, lower.body, _skipped(one, other)):
            found, is_fitted = fitting.fitted(body)
            filled.append(_Mapped(None, None, found, is_fitted))
        filled.append(lower)
    return filled


def _skipped(upper: str, lower: str) -> int:
    """How many usual vertebrae lie between two names."""
    usual = [name for name in CHAIN if name not in ("T13", "L6") or name in (upper, lower)]
    return max(usual.index(lower) - usual.index(upper) - 1, 0) if (upper, lower) != ("L4", "S1") else 0


def _between(upper: Body, lower: Body, count: int) -> list[Body]:
    """Bodies halfway between two, as large as the mean of them."""
    bodies = []
    for number in range(1, count + 1):
        part = number / (count + 1)
        mixed = (1 - part) * upper.axes + part * lower.axes
        bodies.append(
            Body(
                (1 - part) * upper.centre_lps_mm + part * lower.centre_lps_mm,
                _axes(mixed[1], mixed[0]),
                (upper.height_mm + lower.height_mm) / 2,
                (upper.depth_mm + lower.depth_mm) / 2,
                (upper.width_mm + lower.width_mm) / 2,
            )
        )
    return bodies


# --- the localiser's output -----------------------------------------------------------------------


def _vertebra(mapped: _Mapped, volume: Volume, is_last: bool) -> LocalisedVertebra:
    body = mapped.body
    pitch_mm = float(np.mean(volume.spacing_mm))
    corners = (
        body.centre_lps_mm
        + np.array([[p * body.depth_mm / 2, c * body.height_mm / 2, 0.0] for p in (-1.0, 1.0) for c in (-1.0, 1.0)])
        @ body.axes
    )
    wall_error_mm = body.wall_error_mm if mapped.is_fitted else 2.0 * body.wall_error_mm + pitch_mm
    return LocalisedVertebra(
        frame=body.frame,
        centre_lps_mm=body.centre_lps_mm,
        depth_mm=body.depth_mm,
        height_mm=body.height_mm,
        width_mm=body.width_mm,
        frame_uncertainty_mm=float(np.hypot(0.25 * pitch_mm + 0.15, 0.4 * wall_error_mm) * 1.96 / 1.5),
        is_whole=bool(np.all(is_inside(volume, corners))),
        is_sacrum=is_last and mapped.label in (SACRUM, "S1"),
        confidence=float(np.clip(body.edges, 0.0, 1.0)) if mapped.is_fitted else 0.3,
    )


def _canal_point(body: Body, settings: MappedSpineSettings) -> Points:
    return body.centre_lps_mm + (body.depth_mm / 2 + settings.canal_behind_mm) * body.axes[0]


def _labels(
    volume: Volume, mapped: Sequence[_Mapped], metal: NDArray[np.bool_] | None, settings: MappedSpineSettings
) -> NDArray[np.uint8]:
    """Each vertebra's own voxels, from its mask; without metal, and without what another one has already."""
    labels = np.zeros(volume.shape, dtype=np.uint8)
    for number, each in enumerate(mapped, start=1):
        window, own = _own_voxels(volume, each, settings)
        if metal is not None:
            own &= ~metal[window]
        target = labels[window]
        target[own & (target == 0)] = number
    return labels


def _own_voxels(
    volume: Volume, mapped: _Mapped, settings: MappedSpineSettings
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    """Window of the volume, and which of its voxels are in the mask; bone in the body's box where there is none."""
    body, mask = mapped.body, mapped.mask
    size = np.array([body.depth_mm, body.height_mm, body.width_mm])
    signs = np.array([[a, b, c] for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
    if mask is None:
        window = _window(volume, body.centre_lps_mm + (signs * size) @ body.axes)
        own = np.abs((_points(volume, window) - body.centre_lps_mm) @ body.axes.T) <= size / 2
        return window, own.all(axis=-1) & (volume.voxels[window] > settings.bone_hu)
    window = _window(volume, mask.to_lps((signs + 0.5) * (np.array(mask.shape[::-1]) - 1.0)))
    return window, contains(mask, _points(volume, window))


def _window(volume: Volume, corners_lps_mm: Points) -> tuple[slice, ...]:
    """Box of the array around points, one voxel wider."""
    index = volume.to_index(corners_lps_mm)[:, ::-1]
    start = np.clip(np.floor(index.min(axis=0)) - 1, 0, volume.shape).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 2, start, volume.shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))


def _points(volume: Volume, window: tuple[slice, ...]) -> Points:
    grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij"), axis=-1)
    return volume.zyx_to_lps(grid)


def with_disagreement(spine: LocalisedSpine, others: Sequence[LabelMap]) -> LocalisedSpine:
    """The spine with a declared conflict where another label map of the same series calls a vertebra otherwise."""
    for vertebra, name in reversed(list(zip(spine.vertebrae, spine.names, strict=True))):
        said = {
            "S1" if segment.name.name == SACRUM else segment.name.name
            for other in others
            for segment in other.segments
            if contains(segment.mask, vertebra.centre_lps_mm)
        }
        if said and name not in said:
            conflict = f"Another label map calls {name} {' and '.join(sorted(said))}."
            whole = " ".join(part for part in (spine.numbering.conflict, conflict) if part)
            return replace(spine, numbering=replace(spine.numbering, conflict=whole), doubts=(whole,))
    return spine
