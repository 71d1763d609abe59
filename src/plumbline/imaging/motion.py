"""How a spacer has moved: each bone and the spacer registered by itself, and the difference told in anatomical axes.

The reference pose is the baseline's. Directions are those of the vertebra below the spacer as it lay in
the baseline: posterior, cranial and left are positive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import spatial

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.estimates import COVERAGE_FACTOR, Estimate, angle_deg, length_of
from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.markers import MarkerSettings, register_markers
from plumbline.imaging.masks import within_mm
from plumbline.imaging.metal_registration import MetalSettings, register_metal, shell_grid
from plumbline.imaging.posterior_margin import MarginSettings, agreed_margins, posterior_margin, rear_change_mm
from plumbline.imaging.registration import BONE, METAL, RegistrationResult, RegistrationSettings, register_rigid
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What makes a registration believable, and what its own covariance does not know.

    Parameters
    ----------
    metal_shadow_mm
        Bone nearer to metal than this is not used.
    bone_margin_mm
        How far beyond a vertebra's label its edge is looked for.
    least_correlation
        Between the two exams on a vertebra; less is no match.
    least_streaked_correlation, retry_mm, same_place_mm, streaked_error
        One that streaks make look less alike is believed down to this, where from starts so far aside no point of it
        comes to rest farther away; its standard errors are so many times what the residuals say.
    least_spacer_correlation
        The same on a spacer and its edges: of solid metal, and of markers.
    least_coarse_correlation, coarse_mm
        The same of any spacer where a voxel's edge is longer than that: voxels as large as its edges alias.
    surely_same_correlation
        A solid spacer that looks less alike may be another one. The same one reaches 0.985 in slices of 2.5 mm, one
        that is 1 mm larger on each side 0.95: put in its place at a revision it would be measured as if it had moved.
    least_screening_correlation
        The same on the coarse pass that decides which vertebra is which.
    screening_margin
        By how much the best assignment must be better than the second for vertebrae to be told apart.
    voxel_floor, rotation_floor_deg
        Share of the coarser exam's voxel edge that remains as a standard error of the place of each registered piece,
        and an angle for a vertebra: interpolation, sampling and gaps between slices, which residuals do not show.
    axes_sd_deg
        Standard error of a fitted frame's directions, which turns what is measured along them.
    search_mm, least_found_correlation
        Where (posterior, cranial, left of its place) a spacer is looked for that could not be told apart from
        other metal, and how like the baseline's it must look at first.
    coverage_factor
        From a standard error to the half-width of a 95 % interval.
    marker_agreement_mm
        The model of markers and their registration by density put a spacer no farther apart than this.
    """

    metal_shadow_mm: float = 3.0
    bone_margin_mm: float = 2.0
    least_correlation: float = 0.6
    least_streaked_correlation: float = 0.45
    retry_mm: float = 3.0
    same_place_mm: float = 0.5
    streaked_error: float = 2.0
    least_spacer_correlation: Mapping[ImplantKind, float] = field(
        default_factory=lambda: {ImplantKind.SPACER_METAL: 0.9, ImplantKind.SPACER_MARKERS: 0.85}
    )
    least_coarse_correlation: float = 0.8
    coarse_mm: float = 2.6
    surely_same_correlation: float = 0.97
    least_screening_correlation: float = 0.5
    screening_margin: float = 0.02
    voxel_floor: float = 0.06
    rotation_floor_deg: float = 0.1
    axes_sd_deg: float = 1.5
    search_mm: tuple[tuple[float, float, float], ...] = tuple(
        (p, c, s) for p in (-3.0, 2.0, 7.0) for c in (-5.0, -1.0, 4.0) for s in (-4.0, 0.0, 4.0)
    )
    least_found_correlation: float = 0.7
    coverage_factor: float = COVERAGE_FACTOR
    marker_agreement_mm: float = 1.5
    metal: MetalSettings = field(default_factory=MetalSettings)
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    margin: MarginSettings = field(default_factory=MarginSettings)


@dataclass(frozen=True, eq=False)
class SpacerMotion:
    """What became of one spacer between baseline and current exam.

    Parameters
    ----------
    translation_mm
        (posterior, cranial, left) of the spacer's centre relative to the vertebra below.
    translation_above_mm
        The same relative to the vertebra above, in the same axes.
    magnitude_mm, rotation_deg, subsidence_mm
        Length of the translation; rotation relative to the vertebra below; how far the spacer has come
        towards the nearer of the two endplates, 0 where towards neither.
    posterior_margin_mm, baseline_posterior_margin_mm
        How far the spacer's most posterior point lies in front of the posterior wall of the vertebra below;
        negative behind it.
    spacer_motion, below_motion, above_motion
        Registrations of the spacer, the vertebra below and the vertebra above.
    baseline_frame
        Axes of the vertebra below as it lay in the baseline, LPS mm.
    may_be_another
        Whether the two spacers look less alike than one and the same usually does.
    """

    spacer: Implant
    baseline_spacer: Implant
    translation_mm: tuple[Estimate, Estimate, Estimate]
    translation_above_mm: tuple[Estimate, Estimate, Estimate]
    magnitude_mm: Estimate
    rotation_deg: Estimate
    subsidence_mm: Estimate
    posterior_margin_mm: Estimate
    baseline_posterior_margin_mm: Estimate
    spacer_motion: RegistrationResult
    below_motion: RegistrationResult
    above_motion: RegistrationResult
    baseline_frame: VertebraFrame
    may_be_another: bool = False


def assign_vertebrae(baseline: ExamAnatomy, current: ExamAnatomy, settings: MotionSettings | None = None) -> int:
    """Which vertebra of the current exam is which of the baseline, by their looks and not by their names.

    Returns
    -------
    int
        ``shift``: baseline vertebra ``i`` is current vertebra ``i + shift``.

    Raises
    ------
    AnalysisFailed
        When no assignment looks alike, or two do equally well on a closer look, too.
    """
    settings = settings or MotionSettings()
    counts = len(baseline.spine.vertebrae), len(current.spine.vertebrae)
    scores = {shift: _likeness(baseline, current, shift, settings) for shift in range(1 - counts[0], counts[1])}
    if max(scores.values(), default=-1.0) < settings.least_screening_correlation:
        raise AnalysisFailed("no vertebra of the two exams looks alike")
    likely = _near_best(scores, settings.screening_margin)
    if len(likely) > 1:
        closer = {shift: _likeness(baseline, current, shift, settings, closely=True) for shift in likely}
        likely = _near_best(closer, settings.screening_margin)
    if len(likely) > 1:
        raise AnalysisFailed("it cannot be told which vertebra of the one exam is which of the other")
    return likely[0]


def _near_best(scores: Mapping[int, float], margin: float) -> list[int]:
    """Those that score less than a margin below the best."""
    return [shift for shift, score in scores.items() if score > max(scores.values()) - margin]


def _likeness(
    baseline: ExamAnatomy, current: ExamAnatomy, shift: int, settings: MotionSettings, *, closely: bool = False
) -> float:
    """Mean correlation over overlapping vertebrae under one assignment.

    At most three are looked at, the middle ones, and only coarsely; closely all, and their edges.
    """
    pairs = [
        (i, i + shift)
        for i in range(len(baseline.spine.vertebrae))
        if 0 <= i + shift < len(current.spine.vertebrae)
        and baseline.spine.vertebrae[i].is_sacrum == current.spine.vertebrae[i + shift].is_sacrum
    ]
    shorter = min(len(baseline.spine.vertebrae), len(current.spine.vertebrae))
    if not pairs or len(pairs) < min(2, shorter):
        return -1.0
    middle = sorted(pairs, key=lambda pair: abs(pair[0] - np.mean([p[0] for p in pairs])))
    found = []
    for first, second in middle if closely else middle[:3]:
        try:
            registration = BONE if closely else _SCREENING
            found.append(register_bone(baseline, current, first, second, settings, registration).correlation)
        except AnalysisFailed:
            found.append(0.0)
    return float(np.mean(found))


_SCREENING = RegistrationSettings(sigmas_mm=(3.0,), points=3000, iterations=10, stop_mm=0.1)


def register_bone(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_index: int,
    current_index: int,
    settings: MotionSettings | None = None,
    registration: RegistrationSettings = BONE,
) -> RegistrationResult:
    """Register one vertebra on its own bone, metal and its shadow left out, from the two fitted frames.

    Raises
    ------
    AnalysisFailed
        When too little of its bone is free of metal, or it leaves the other exam.
    """
    settings = settings or MotionSettings()
    points = bone_points(baseline, baseline_index, settings)
    frame = baseline.spine.vertebrae[baseline_index].frame
    there = current.spine.vertebrae[current_index].frame
    rotation = there.axes.T @ frame.axes
    start = RigidTransform(rotation, there.origin_lps_mm - rotation @ frame.origin_lps_mm)
    return register_rigid(baseline.volume, current.volume, points, start, registration)


def bone_points(exam: ExamAnatomy, index: int, settings: MotionSettings) -> Points:
    """Voxel centres of one vertebra and its edge, free of metal and its shadow, LPS mm, shape (n, 3)."""
    key = index, settings.bone_margin_mm, settings.metal_shadow_mm
    if key not in exam._bone_points:
        exam._bone_points[key] = _bone_points(exam, index, settings)
    return exam._bone_points[key]


def _bone_points(exam: ExamAnatomy, index: int, settings: MotionSettings) -> Points:
    extent = exam.bone_boxes[index]
    if extent is None:
        raise AnalysisFailed("the bone of a vertebra could not be outlined")
    spacing_zyx = exam.volume.spacing_mm[::-1]
    reach = np.ceil((settings.bone_margin_mm + settings.metal_shadow_mm) / spacing_zyx).astype(int) + 1
    box = tuple(slice(max(s.start - int(r), 0), s.stop + int(r)) for s, r in zip(extent, reach, strict=True))
    labels = exam.spine.labels[box]
    own = labels == index + 1
    near = within_mm(own, settings.bone_margin_mm, spacing_zyx) & (own | (labels == 0))
    metal = exam.hardware.metal[box]
    if metal.any():
        near &= ~within_mm(metal, settings.metal_shadow_mm, spacing_zyx)
    index_zyx = np.argwhere(near) + [s.start for s in box]
    return exam.volume.zyx_to_lps(index_zyx)


def measure_spacer(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_spacer: Implant,
    spacer: Implant,
    shift: int,
    settings: MotionSettings | None = None,
) -> SpacerMotion:
    """Measure one spacer that is in both exams.

    Raises
    ------
    AnalysisFailed
        When a vertebra or the spacer cannot be registered, with which one and why.
    """
    settings = settings or MotionSettings()
    below = believed_bone(baseline, current, baseline_spacer.below, shift, "below the spacer", settings)
    above = believed_bone(baseline, current, baseline_spacer.above, shift, "above the spacer", settings)
    own = _register_spacer(baseline, current, baseline_spacer, spacer, below, settings)
    frame = baseline.spine.vertebrae[baseline_spacer.below].frame
    centre = middle_lps_mm(baseline_spacer, frame)
    pitch_mm = coarsest_mm(baseline, current)
    translation = translation_against(own, below, frame, centre, pitch_mm, settings)
    translation_above = translation_against(own, above, frame, centre, pitch_mm, settings)
    relative = below.current_from_baseline.inverse() @ own.current_from_baseline
    rear_change = rear_change_mm(baseline_spacer, relative, frame, settings.margin)
    baseline_margin, margin = agreed_margins(
        posterior_margin(baseline, baseline_spacer, settings.margin),
        posterior_margin(current, spacer, settings.margin),
        Estimate(rear_change, translation[0].uncertainty_95),
        settings.margin,
    )
    return SpacerMotion(
        spacer=spacer,
        baseline_spacer=baseline_spacer,
        translation_mm=translation,
        translation_above_mm=translation_above,
        magnitude_mm=length_of(translation),
        rotation_deg=_rotation(own, below, settings),
        subsidence_mm=_subsidence(translation[1], translation_above[1]),
        posterior_margin_mm=margin,
        baseline_posterior_margin_mm=baseline_margin,
        spacer_motion=own,
        below_motion=below,
        above_motion=above,
        baseline_frame=frame,
        may_be_another=(
            baseline_spacer.kind is ImplantKind.SPACER_METAL
            and pitch_mm <= settings.coarse_mm
            and own.correlation < settings.surely_same_correlation
        ),
    )


def find_spacer(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_spacer: Implant,
    shift: int,
    settings: MotionSettings | None = None,
) -> Implant:
    """Look for a spacer of the baseline in metal of the current exam that could not be told apart there.

    A spacer that has sunk on to a screw makes one piece of metal with it. The baseline's is tried in places
    around where it was, and taken where it looks the same.

    Raises
    ------
    AnalysisFailed
        When nothing there looks like it.
    """
    settings = settings or MotionSettings()
    below = believed_bone(baseline, current, baseline_spacer.below, shift, "below the spacer", settings)
    carried = below.current_from_baseline
    frame = baseline.spine.vertebrae[baseline_spacer.below].frame
    points = _with_shell(baseline.volume, baseline_spacer)
    found: list[RegistrationResult] = []
    for offset in settings.search_mm:
        start = RigidTransform(carried.rotation, carried.translation_mm + carried.turn(np.array(offset) @ frame.axes))
        with contextlib.suppress(AnalysisFailed):
            found.append(register_rigid(baseline.volume, current.volume, points, start, _METAL_SCREENING))
    best = max(found, key=lambda each: each.correlation, default=None)
    if best is None or best.correlation < settings.least_found_correlation:
        raise AnalysisFailed(
            "the baseline shows a spacer here and this exam none that can be told from other metal: "
            "it was removed or is hidden"
        )
    move = best.current_from_baseline
    return replace(
        baseline_spacer,
        points_lps_mm=move.apply(baseline_spacer.points_lps_mm),
        centre_lps_mm=move.apply(baseline_spacer.centre_lps_mm),
        above=baseline_spacer.above + shift,
        below=baseline_spacer.below + shift,
    )


_METAL_SCREENING = replace(METAL, sigmas_mm=(2.5, 1.2), points=4000, iterations=12, stop_mm=0.05)


def coarsest_mm(*exams: ExamAnatomy) -> float:
    """Longest edge of a voxel of any of the exams."""
    return max(float(np.max(exam.volume.spacing_mm)) for exam in exams)


def believed_bone(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    index: int,
    shift: int,
    which: str,
    settings: MotionSettings | None = None,
) -> RegistrationResult:
    """Motion of the baseline's vertebra ``index``, where it is in view and looks alike in both exams.

    Parameters
    ----------
    which
        Of the vertebra, for people: ``below the spacer``.

    Raises
    ------
    AnalysisFailed
        When it is not in view, cannot be registered, or looks like another one.
    """
    settings = settings or MotionSettings()
    other = index + shift
    if not 0 <= other < len(current.spine.vertebrae):
        raise AnalysisFailed(f"the vertebra {which} is not in view in the current exam")
    try:
        result = register_bone(baseline, current, index, other, settings)
    except AnalysisFailed as error:
        raise AnalysisFailed(f"the vertebra {which} cannot be registered: {error.what}") from error
    if result.correlation >= settings.least_correlation:
        return result
    may_be_streaked = result.correlation >= settings.least_streaked_correlation
    if may_be_streaked and _is_found_again(baseline, current, index, result, settings):
        return replace(result, covariance=settings.streaked_error**2 * result.covariance)
    raise AnalysisFailed(
        f"the vertebra {which} does not look alike in both exams (correlation {result.correlation:.2f})"
    )


def _is_found_again(
    baseline: ExamAnatomy, current: ExamAnatomy, index: int, result: RegistrationResult, settings: MotionSettings
) -> bool:
    """Whether a vertebra comes to rest in the same place from starts on all sides of it."""
    points, frame = bone_points(baseline, index, settings), baseline.spine.vertebrae[index].frame
    found = result.current_from_baseline
    for direction in (frame.posterior, -frame.posterior, frame.cranial, -frame.cranial):
        aside = found.turn(settings.retry_mm * direction)
        start = RigidTransform(found.rotation, found.translation_mm + aside)
        try:
            again = register_rigid(baseline.volume, current.volume, points, start, BONE).current_from_baseline
        except AnalysisFailed:
            return False
        if np.linalg.norm(again.apply(points) - found.apply(points), axis=1).max() > settings.same_place_mm:
            return False
    return True


def _register_spacer(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_spacer: Implant,
    spacer: Implant,
    below: RegistrationResult,
    settings: MotionSettings,
) -> RegistrationResult:
    """From where the spacer would be had it not moved, shifted to where its metal lies now."""
    carried = below.current_from_baseline
    shift = spacer.centre_lps_mm - carried.apply(baseline_spacer.centre_lps_mm)
    start = RigidTransform(carried.rotation, carried.translation_mm + shift)
    before, now = baseline_spacer.points_lps_mm, spacer.points_lps_mm
    grid = shell_grid(np.concatenate([before, start.inverse().apply(now)]), settings.metal)
    others = _other_metal(baseline, before), _other_metal(current, now)
    try:
        result = register_metal(
            baseline.volume, current.volume, grid, start, other_metal=others, settings=settings.metal
        )
    except AnalysisFailed as error:
        raise AnalysisFailed(f"the spacer cannot be registered: {error.what}") from error
    if result.correlation < _least_correlation(baseline, current, baseline_spacer, settings):
        raise AnalysisFailed(f"the spacer does not look alike in both exams (correlation {result.correlation:.2f})")
    if ImplantKind.SPACER_MARKERS not in (baseline_spacer.kind, spacer.kind):
        return result
    with contextlib.suppress(AnalysisFailed):
        by_model = register_markers(
            baseline.volume,
            current.volume,
            before,
            now,
            result.current_from_baseline,
            other_metal=others,
            settings=settings.markers,
        )
        if _agree(by_model, result, settings):
            return by_model
    return result


def _least_correlation(baseline: ExamAnatomy, current: ExamAnatomy, spacer: Implant, settings: MotionSettings) -> float:
    """How alike a spacer has to look in two exams with voxels as coarse as theirs."""
    if coarsest_mm(baseline, current) > settings.coarse_mm:
        return settings.least_coarse_correlation
    return settings.least_spacer_correlation[spacer.kind]


def _agree(first: RegistrationResult, second: RegistrationResult, settings: MotionSettings) -> bool:
    """Whether two registrations put the middle of a spacer in about the same place."""
    middle = first.centre_mm
    apart = first.current_from_baseline.apply(middle) - second.current_from_baseline.apply(middle)
    is_alike = first.correlation >= settings.least_spacer_correlation[ImplantKind.SPACER_MARKERS]
    return is_alike and float(np.linalg.norm(apart)) <= settings.marker_agreement_mm


def _other_metal(exam: ExamAnatomy, own: Points) -> Points:
    """Metal around a spacer that is not its own, LPS mm of shape (n, 3)."""
    around_mm, same_mm = 12.0, 0.5 * float(np.linalg.norm(exam.volume.spacing_mm))
    index = exam.volume.to_index(own)[:, ::-1]
    margin = around_mm / exam.volume.spacing_mm[::-1]
    first = np.clip(np.floor(index.min(axis=0) - margin), 0, None).astype(int)
    last = np.minimum(np.ceil(index.max(axis=0) + margin) + 1, exam.volume.shape).astype(int)
    box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    metal = exam.volume.zyx_to_lps(np.argwhere(exam.hardware.metal[box]) + first)
    if not len(metal):
        return metal
    return metal[spatial.KDTree(own).query(metal)[0] > same_mm]


def _with_shell(volume: Volume, implant: Implant, shell_mm: float = 2.5) -> Points:
    """Points of an implant and of what is just around it, so that its edges count, on a grid of about 0.5 mm."""
    index = np.round(volume.to_index(implant.points_lps_mm)).astype(int)[:, ::-1]
    margin = np.ceil(shell_mm / volume.spacing_mm[::-1]).astype(int) + 1
    first = np.maximum(index.min(axis=0) - margin, 0)
    mask = np.zeros(np.minimum(index.max(axis=0) + margin + 1, volume.shape) - first, dtype=bool)
    mask[tuple((index - first).T)] = True
    near = np.argwhere(within_mm(mask, shell_mm, volume.spacing_mm[::-1])) + first
    halves = np.array([[z, y, x] for z in (-0.25, 0.25) for y in (-0.25, 0.25) for x in (-0.25, 0.25)])
    return volume.zyx_to_lps((near[:, None, :] + halves[None]).reshape(-1, 3))


def translation_against(
    own: RegistrationResult,
    bone: RegistrationResult,
    frame: VertebraFrame,
    centre: Points,
    pitch_mm: float,
    settings: MotionSettings,
) -> tuple[Estimate, Estimate, Estimate]:
    """(posterior, cranial, left) by which a point of an implant has moved against a bone, in the baseline's axes.

    Parameters
    ----------
    own, bone
        Motions of the implant and of the bone.
    centre
        Shape (3,): the point in the baseline, LPS mm.
    pitch_mm
        Coarser exam's largest voxel edge.
    """
    back = bone.current_from_baseline.inverse()
    moved = back.apply(own.current_from_baseline.apply(centre)) - centre
    covariance = own.point_covariance(centre) + bone.point_covariance(centre)
    axes = frame.axes @ back.rotation
    floor = 2.0 * (settings.voxel_floor * pitch_mm) ** 2
    spread = np.sqrt(np.diag(axes @ covariance @ axes.T) + floor) * settings.coverage_factor
    values = frame.components_mm(moved)
    turned = np.radians(settings.axes_sd_deg) * settings.coverage_factor * np.sqrt((values**2).sum() - values**2)
    spread = np.hypot(spread, turned)
    posterior, cranial, left = (Estimate(float(v), float(s)) for v, s in zip(values, spread, strict=True))
    return posterior, cranial, left


def middle_lps_mm(spacer: Implant, frame: VertebraFrame) -> Points:
    """Middle of a spacer's extents along a frame's axes, shape (3,): its markers may be more at one end."""
    own = frame.coordinates_mm(spacer.points_lps_mm)
    middle = (own.min(axis=0) + own.max(axis=0)) / 2
    return frame.origin_lps_mm + middle @ frame.axes


def _rotation(own: RegistrationResult, below: RegistrationResult, settings: MotionSettings) -> Estimate:
    """Angle by which a spacer has turned against the vertebra below; each axis is as certain as its lever arms."""
    relative = below.current_from_baseline.inverse() @ own.current_from_baseline
    vector = below.current_from_baseline.turn(relative.rotation_vector_rad)
    floor = np.eye(3) * np.radians(settings.rotation_floor_deg) ** 2
    return angle_deg(vector, own.covariance[:3, :3] + below.covariance[:3, :3] + floor)


def _subsidence(below: Estimate, above: Estimate) -> Estimate:
    """Towards the endplate below is caudal against it, towards the one above is cranial against that."""
    sinking = Estimate(-below.value, below.uncertainty_95), above
    worse = max(sinking, key=lambda each: each.value)
    return Estimate(max(worse.value, 0.0), worse.uncertainty_95)
