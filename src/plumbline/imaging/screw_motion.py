"""How a pedicle screw has moved against its own vertebra: bone and shank registered each by itself.

A screw is the one on the same side of the same vertebra. Directions are those of that vertebra as it lay in the
baseline: posterior, cranial and left are positive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import AnalysisFailed
from plumbline.imaging.bone_motion import believed_bone
from plumbline.imaging.hardware import Implant
from plumbline.imaging.motion import (
    Estimate,
    ExamAnatomy,
    coarsest_mm,
    translation_against,
)
from plumbline.imaging.motion_settings import MotionSettings
from plumbline.imaging.registration import METAL, RegistrationResult, RegistrationSettings, register_rigid
from plumbline.imaging.screws import ScrewPose

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ScrewMotionSettings:
    """How a shank is registered, and what its covariance does not know.

    Parameters
    ----------
    grid_mm, shell_mm, neck_gap_mm
        Grid of the points on which a shank is registered, how far they reach beyond its surface and its tip, and
        how far before the neck they begin: the head turns on the shank.
    least_correlation
        Between the two exams on a shank and its edges.
    end_error
        Standard error of the place of either end of a shank, as a share of the coarser exam's largest voxel edge, and
        per millimetre of it once more: 0.04 mm at 1 mm and 0.11 mm at 2.5 mm, where a shank is two slices thick.
    bone_factor
        How many times the standard error of a vertebra's rotation from its residual is the true one.

    The last two are from randomised phantoms (``docs/accuracy.md``).
    """

    motion: MotionSettings = field(default_factory=MotionSettings)
    registration: RegistrationSettings = METAL
    grid_mm: float = 0.6
    shell_mm: float = 2.0
    neck_gap_mm: float = 2.0
    least_correlation: float = 0.85
    end_error: tuple[float, float] = (0.03, 0.006)
    bone_factor: float = 2.2


@dataclass(frozen=True, eq=False)
class ScrewMotion:
    """What became of one screw between baseline and current exam, against its own vertebra.

    Parameters
    ----------
    axis, baseline_axis
        Unit vectors of shape (3,) towards the tip, now and then, both in LPS of the baseline with the vertebra
        where it lay then.
    angle_deg
        Between the two.
    tilt_cranial_deg, tilt_left_deg
        How far the axis has turned so that its tip points more cranial and more to the left.
    tip_mm, head_mm
        (posterior, cranial, left) by which tip and head have moved.
    screw_motion, vertebra_motion
        Of shank and vertebra, LPS mm.
    baseline_frame
        Of the vertebra.
    """

    screw: Implant
    baseline_screw: Implant
    axis: Points
    baseline_axis: Points
    angle_deg: Estimate
    tilt_cranial_deg: Estimate
    tilt_left_deg: Estimate
    tip_mm: tuple[Estimate, Estimate, Estimate]
    head_mm: tuple[Estimate, Estimate, Estimate]
    screw_motion: RegistrationResult
    vertebra_motion: RegistrationResult
    baseline_frame: VertebraFrame


@dataclass(frozen=True, eq=False)
class UnmeasuredScrew:
    """A screw of the current exam whose motion is not known, with the reason."""

    screw: Implant
    why: str


def measure_screw(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    baseline_screw: Implant,
    screw: Implant,
    vertebra_motion: RegistrationResult,
    settings: ScrewMotionSettings | None = None,
) -> ScrewMotion:
    """Measure one screw that is in both exams.

    Parameters
    ----------
    vertebra_motion
        ``believed_bone`` of its vertebra, which the screws of both sides share.

    Raises
    ------
    AnalysisFailed
        When a shank cannot be told from other metal in either exam, or does not look alike in both.
    """
    settings = settings or ScrewMotionSettings()
    before, now = _pose(baseline_screw, "the baseline"), _pose(screw, "this exam")
    own = _registered(baseline, current, before, now, settings)
    frame = baseline.spine.vertebrae[baseline_screw.above].frame
    relative = vertebra_motion.current_from_baseline.inverse() @ own.current_from_baseline
    pitch_mm = coarsest_mm(baseline, current)
    factor = settings.motion.coverage_factor
    axes = relative.turn(before.axis), vertebra_motion.current_from_baseline.inverse().turn(now.axis)
    axis = _mean_direction(*axes)
    covariance = _direction_covariance(axes, vertebra_motion, before, pitch_mm, settings)
    tilts = [_tilt(before.axis, axis, direction, covariance, factor) for direction in (frame.cranial, frame.left)]
    tip, head = (
        translation_against(own, vertebra_motion, frame, point, pitch_mm, settings.motion)
        for point in (before.tip_lps_mm, before.head_lps_mm)
    )
    return ScrewMotion(
        screw=screw,
        baseline_screw=baseline_screw,
        axis=axis,
        baseline_axis=before.axis,
        angle_deg=_angle(before.axis, axis, covariance, factor),
        tilt_cranial_deg=tilts[0],
        tilt_left_deg=tilts[1],
        tip_mm=tip,
        head_mm=head,
        screw_motion=own,
        vertebra_motion=vertebra_motion,
        baseline_frame=frame,
    )


def _pose(screw: Implant, where: str) -> ScrewPose:
    if screw.pose is None:
        raise AnalysisFailed(f"the screw's shank cannot be told from other metal in {where}")
    return screw.pose


def _registered(
    baseline: ExamAnatomy, current: ExamAnatomy, before: ScrewPose, now: ScrewPose, settings: ScrewMotionSettings
) -> RegistrationResult:
    """The shank registered from the two fitted poses, roll unknown and of no consequence."""
    points = _shank_points(before, settings)
    result = register_rigid(baseline.volume, current.volume, points, _between(before, now), settings.registration)
    if result.correlation < settings.least_correlation:
        raise AnalysisFailed(f"the screw does not look alike in both exams (correlation {result.correlation:.2f})")
    return result


def _between(before: ScrewPose, now: ScrewPose) -> RigidTransform:
    """The least turn that lays one pose on the other, tip on tip."""
    cross = np.cross(before.axis, now.axis)
    sine = float(np.linalg.norm(cross))
    angle = float(np.arctan2(sine, before.axis @ now.axis))
    vector = cross / sine * angle if sine > 1e-9 else np.zeros(3)
    return RigidTransform.about(before.tip_lps_mm, vector, now.tip_lps_mm - before.tip_lps_mm)


def _shank_points(pose: ScrewPose, settings: ScrewMotionSettings) -> Points:
    """Points of the shank and of what is just around it, from before the neck to beyond the tip."""
    reach = pose.diameter_mm / 2.0 + settings.shell_mm
    aside = np.arange(-reach, reach + 0.01, settings.grid_mm)
    along = np.arange(settings.neck_gap_mm, pose.length_mm + settings.shell_mm, settings.grid_mm)
    t, u, v = np.meshgrid(along, aside, aside, indexing="ij")
    kept = np.hypot(u, v) <= reach
    first = np.cross(pose.axis, np.eye(3)[int(np.argmin(np.abs(pose.axis)))])
    first /= np.linalg.norm(first)
    second = np.cross(pose.axis, first)
    offsets = t[kept][:, None] * pose.axis + u[kept][:, None] * first + v[kept][:, None] * second
    return pose.neck_lps_mm + offsets


def _mean_direction(first: Points, second: Points) -> Points:
    """Of the registered and of the fitted axis: their errors have little in common."""
    total = first + second
    return total / np.linalg.norm(total)


def _direction_covariance(
    axes: tuple[Points, Points],
    bone: RegistrationResult,
    pose: ScrewPose,
    pitch_mm: float,
    settings: ScrewMotionSettings,
) -> Points:
    """Covariance (3, 3), radians squared, of the relative rotation's vector in the baseline's axes.

    From the vertebra's registration, the slices, and how far the registered and the fitted axis differ.
    """
    back = bone.current_from_baseline.rotation.T
    covariance = back @ bone.covariance[:3, :3] @ back.T * settings.bone_factor**2
    lever_mm = max(pose.length_mm, 1.0) / 12**0.5
    share, growing = settings.end_error
    slices = (share + growing * pitch_mm) * pitch_mm / lever_mm
    apart = float(np.linalg.norm(axes[0] - axes[1])) / 2.0
    return covariance + np.eye(3) * (slices**2 + apart**2 / 2.0)


def _tilt(before: Points, after: Points, towards: Points, covariance: Points, factor: float) -> Estimate:
    """Turn of an axis towards a direction, from the part of the direction that is square to it."""
    square = towards - (towards @ before) * before
    square /= np.linalg.norm(square)
    turn = np.cross(before, square)
    value = np.degrees(np.arctan2(after @ square, after @ before))
    return Estimate(float(value), float(np.degrees(np.sqrt(turn @ covariance @ turn))) * factor)


def _angle(before: Points, after: Points, covariance: Points, factor: float) -> Estimate:
    """Angle between two axes; what noise alone would make of none is taken off."""
    cross = np.cross(before, after)
    seen = float(np.arctan2(np.linalg.norm(cross), before @ after))
    across = np.eye(3) - np.outer(before, before)
    noise = across @ covariance @ across
    angle = float(np.sqrt(max(seen**2 - float(np.trace(noise)), 0.0)))
    about = cross / np.linalg.norm(cross) if seen > 1e-9 else np.zeros(3)
    spread = float(np.sqrt(about @ covariance @ about))
    if angle < 2.0 * spread or seen <= 1e-9:
        spread = max(spread, float(np.sqrt(np.trace(noise) / 2.0)))
    return Estimate(float(np.degrees(angle)), float(np.degrees(spread)) * factor)


def measure_screws(
    baseline: ExamAnatomy, current: ExamAnatomy, shift: int, settings: ScrewMotionSettings | None = None
) -> tuple[ScrewMotion | UnmeasuredScrew, ...]:
    """Every screw of the current exam against the baseline's, cranial to caudal, left before right.

    Baseline vertebra ``i`` is current vertebra ``i + shift``. Each vertebra is registered once for its screws.
    """
    settings = settings or ScrewMotionSettings()
    bones: dict[int, RegistrationResult | AnalysisFailed] = {}
    return tuple(_measured(baseline, current, screw, shift, bones, settings) for screw in current.hardware.screws)


def _measured(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    screw: Implant,
    shift: int,
    bones: dict[int, RegistrationResult | AnalysisFailed],
    settings: ScrewMotionSettings,
) -> ScrewMotion | UnmeasuredScrew:
    index = screw.above - shift
    partner = next((e for e in baseline.hardware.screws if e.above == index and e.side == screw.side), None)
    if partner is None:
        return UnmeasuredScrew(screw, "the baseline shows no screw on this side of this vertebra")
    try:
        bone = _bone(baseline, current, index, shift, bones, settings)
        return measure_screw(baseline, current, partner, screw, bone, settings)
    except AnalysisFailed as error:
        return UnmeasuredScrew(screw, error.what)


def _bone(
    baseline: ExamAnatomy,
    current: ExamAnatomy,
    index: int,
    shift: int,
    bones: dict[int, RegistrationResult | AnalysisFailed],
    settings: ScrewMotionSettings,
) -> RegistrationResult:
    if index not in bones:
        try:
            bones[index] = believed_bone(baseline, current, index, shift, "of the screw", settings.motion)
        except AnalysisFailed as error:
            bones[index] = error
    found = bones[index]
    if isinstance(found, AnalysisFailed):
        raise found
    return found
