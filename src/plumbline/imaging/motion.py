"""How a spacer has moved: each bone and the spacer registered by itself, and the difference told in anatomical axes.

The reference pose is the baseline's. Directions are those of the vertebra below the spacer as it lay in
the baseline: posterior, cranial and left are positive.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import spatial

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.bone_motion import believed_bone
from plumbline.imaging.estimates import Estimate, angle_deg, length_of
from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.markers import register_markers
from plumbline.imaging.masks import within_mm
from plumbline.imaging.metal_registration import register_metal, shell_grid
from plumbline.imaging.motion_settings import MotionSettings
from plumbline.imaging.posterior_margin import agreed_margins, posterior_margin, rear_change_mm
from plumbline.imaging.registration import METAL, RegistrationResult, register_rigid
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


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
