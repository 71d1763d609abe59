"""Height of a disc space, and what it has lost since the baseline.

The loss is the motion of the vertebra above against the vertebra below, both registered on their own bone: far more
exact than a difference of two heights. The heights are those of the fitted endplates of both exams, made to agree
with the loss. Nothing is said here of what a loss means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.body_settings import BodySettings
from plumbline.imaging.edge_planes import Plane
from plumbline.imaging.estimates import COVERAGE_FACTOR, Estimate
from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.masks import within_box
from plumbline.imaging.motion import SpacerMotion, coarsest_mm
from plumbline.imaging.motion_settings import MotionSettings
from plumbline.imaging.spine import LocalisedVertebra
from plumbline.imaging.vertebral_body import Body, fit_endplate
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class DiscSettings:
    """What the endplates' own spread does not know; the figures are of docs/accuracy.md.

    Parameters
    ----------
    body
        How the edges are looked for: wider and nearer than where a body is first sought, for a spacer hides the
        middle. The bone of an endplate is about 0.65 mm thick: the steepest fall of its blurred picture lies
        the blur less half of that beyond its surface, which is about this share of the blur.
    shadow_mm
        Rays that come nearer to metal than this are not used.
    floor_mm, voxel_share, spread_share
        Standard error of the mean place of an endplate that is seen whole: a floor, and shares of a voxel's length
        across it and of the spread of the edges about the fitted surface.
    bone_floor_mm, bone_voxel_share
        Standard error of the place of each registered vertebra along the axis that residuals do not show: a floor, and
        a share of the coarser exam's longest voxel edge.
    shared
        Correlation of the errors of one disc space's height in two exams: both have the same shape.
    axis_sd_deg, unseen_axis_sd_deg
        Standard error of the direction along which height is told: from two endplates, and from a vertebra's wall.
    place_sd_mm
        Standard error of the place of the disc's middle. It matters where the level has bent.
    largest_contradiction
        Between the heights of both exams and the loss, in standard errors.
    """

    body: BodySettings = field(
        default_factory=lambda: BodySettings(fitted_share=0.8, later_reach_mm=2.0, shell_share=0.7)
    )
    motion: MotionSettings = field(default_factory=MotionSettings)
    shadow_mm: float = 2.0
    floor_mm: float = 0.1
    voxel_share: float = 0.08
    spread_share: float = 0.3
    bone_floor_mm: float = 0.05
    bone_voxel_share: float = 0.02
    shared: float = 0.5
    axis_sd_deg: float = 1.5
    unseen_axis_sd_deg: float = 6.0
    place_sd_mm: float = 1.5
    largest_contradiction: float = 3.0


@dataclass(frozen=True, eq=False)
class DiscSpace:
    """The space between two fitted endplates.

    Parameters
    ----------
    middle_lps_mm, axis
        Shape (3,): midway between the middles of the endplates, and the unit vector from the one below to the one
        above that bisects their normals.
    height_mm, error_mm
        Mean distance of the endplates along the axis over their middle part (the share of depth and width that is
        fitted), and its standard error.
    """

    middle_lps_mm: Points
    axis: Points
    height_mm: float
    error_mm: float


@dataclass(frozen=True, slots=True)
class DiscChange:
    """Height of a disc space in both exams, where both show its endplates, and what was lost in between.

    A loss is positive where the vertebra above has come down on the vertebra below: in the middle of the disc space,
    and at the anterior and posterior edge of the endplate. A level that bends loses height at one edge only.
    """

    height_mm: Estimate | None
    baseline_height_mm: Estimate | None
    lost_mm: Estimate
    lost_anterior_mm: Estimate
    lost_posterior_mm: Estimate

    @property
    def is_lower(self) -> bool:
        """Whether the middle has come down by more than its uncertainty."""
        return self.lost_mm.value > self.lost_mm.uncertainty_95

    @property
    def is_lower_throughout(self) -> bool:
        """Whether both edges have come down, too: bending about a place in the disc space raises one of them."""
        return self.is_lower and min(self.lost_anterior_mm.value, self.lost_posterior_mm.value) > 0.0


def disc_change(
    baseline: ExamAnatomy, current: ExamAnatomy, motion: SpacerMotion, settings: DiscSettings | None = None
) -> DiscChange:
    """What became of the disc space that a spacer stands in."""
    settings = settings or DiscSettings()
    before = disc_space(baseline, motion.baseline_spacer.above, settings)
    now = disc_space(current, motion.baseline_spacer.above + _shift(motion), settings)
    loss = _Loss.of(baseline, current, motion, before, settings)
    lower = baseline.spine.vertebrae[motion.baseline_spacer.below]
    half = lower.depth_mm / 2 * lower.frame.posterior
    lost = loss.at(loss.middle)
    heights = _agreed(before, now, lost, settings)
    return DiscChange(
        height_mm=heights[1],
        baseline_height_mm=heights[0],
        lost_mm=lost,
        lost_anterior_mm=loss.at(loss.middle - half),
        lost_posterior_mm=loss.at(loss.middle + half),
    )


def _shift(motion: SpacerMotion) -> int:
    return motion.spacer.above - motion.baseline_spacer.above


def disc_space(exam: ExamAnatomy, above: int, settings: DiscSettings | None = None) -> DiscSpace | None:
    """The disc space below the vertebra ``above``; None where one of its endplates is not seen."""
    settings = settings or DiscSettings()
    upper, lower = exam.spine.vertebrae[above], exam.spine.vertebrae[above + 1]
    metal = _shadow(exam, settings)
    ceiling = _endplate(exam.volume, upper, -1.0, metal, settings)
    floor = _endplate(exam.volume, lower, 1.0, metal, settings)
    if ceiling is None or floor is None:
        return None
    axis = floor.normal - ceiling.normal
    axis = axis / np.linalg.norm(axis)
    middle = (ceiling.middle + floor.middle) / 2
    height = ceiling.along(middle, axis) - floor.along(middle, axis)
    return DiscSpace(middle, axis, height, float(np.hypot(ceiling.error_mm, floor.error_mm)))


def _shadow(exam: ExamAnatomy, settings: DiscSettings) -> Volume | None:
    """1 near metal, 0 elsewhere."""
    if not exam.hardware.metal.any():
        return None
    reach = [round(settings.shadow_mm / each) for each in exam.volume.spacing_mm[::-1]]
    return Volume(within_box(exam.hardware.metal, reach).view(np.uint8), exam.volume.lps_from_index)


@dataclass(frozen=True, eq=False)
class _Endplate:
    """The mean plane of an endplate: its middle, its outward unit normal, and the standard error of its place."""

    middle: Points
    normal: Points
    error_mm: float

    def along(self, point: Points, axis: Points) -> float:
        """How far along an axis from a point the plane is met."""
        return float((self.middle - point) @ self.normal / (axis @ self.normal))


def _endplate(
    volume: Volume, vertebra: LocalisedVertebra, side: float, metal: Volume | None, settings: DiscSettings
) -> _Endplate | None:
    axes = vertebra.frame.axes
    body = Body(vertebra.centre_lps_mm, axes, vertebra.height_mm, vertebra.depth_mm, vertebra.width_mm)
    plane = fit_endplate(volume, body, side, metal=metal, settings=settings.body)
    if plane is None:
        return None
    normal = side * axes[1] - plane.slope[0] * axes[0] - plane.slope[1] * axes[2]
    middle = body.centre_lps_mm + side * (plane.offset + _MEAN_OF_BOWL * plane.bow) * axes[1]
    normal = normal / np.linalg.norm(normal)
    return _Endplate(middle, normal, _error_mm(plane, volume, normal, settings))


_MEAN_OF_BOWL = 0.5
"""Mean depth of a paraboloid over its ellipse, as a share of its depth in the middle."""


def _error_mm(plane: Plane, volume: Volume, normal: Points, settings: DiscSettings) -> float:
    """Standard error of an endplate's mean place; the less of it metal leaves in view the larger."""
    across_mm = float(np.linalg.norm(volume.lps_from_index[:3, :3].T @ normal))
    whole = np.hypot(settings.floor_mm + settings.voxel_share * across_mm, settings.spread_share * plane.error_mm)
    return float(whole / np.sqrt(plane.seen))


@dataclass(frozen=True, eq=False)
class _Loss:
    """How far the vertebra above has come down on the vertebra below, at any place, along the axis of the disc."""

    motion: SpacerMotion
    middle: Points
    axis: Points
    axis_sd_deg: float
    pitch_mm: float
    settings: DiscSettings

    @classmethod
    def of(
        cls,
        baseline: ExamAnatomy,
        current: ExamAnatomy,
        motion: SpacerMotion,
        space: DiscSpace | None,
        settings: DiscSettings,
    ) -> _Loss:
        pitch_mm = coarsest_mm(baseline, current)
        if space is not None:
            return cls(motion, space.middle_lps_mm, space.axis, settings.axis_sd_deg, pitch_mm, settings)
        upper, lower = (baseline.spine.vertebrae[motion.baseline_spacer.above + k] for k in (0, 1))
        ceiling = upper.centre_lps_mm - upper.height_mm / 2 * upper.frame.cranial
        floor = lower.centre_lps_mm + lower.height_mm / 2 * lower.frame.cranial
        sd_deg = settings.unseen_axis_sd_deg
        return cls(motion, (ceiling + floor) / 2, lower.frame.cranial, sd_deg, pitch_mm, settings)

    def at(self, point: Points) -> Estimate:
        """Loss at a place of the baseline, LPS mm, with what both registrations leave open there."""
        below, above = self.motion.below_motion, self.motion.above_motion
        relative = below.current_from_baseline.inverse() @ above.current_from_baseline
        moved = relative.apply(point) - point
        along = float(moved @ self.axis)
        axis_now = below.current_from_baseline.turn(self.axis)
        covariance = above.point_covariance(point) + below.point_covariance(point)
        sds_mm = [
            float(np.sqrt(axis_now @ covariance @ axis_now)),
            np.sqrt(2.0) * (self.settings.bone_floor_mm + self.settings.bone_voxel_share * self.pitch_mm),
            *(self._lever_mm(each.centre_mm, point) for each in (below, above)),
            np.radians(self.axis_sd_deg) * float(np.linalg.norm(moved - along * self.axis)),
            self.settings.place_sd_mm * _slope(relative, self.axis),
        ]
        return Estimate(-along, COVERAGE_FACTOR * float(np.linalg.norm(sds_mm)))

    def _lever_mm(self, centre: Points, point: Points) -> float:
        """What the least error of a vertebra's rotation moves a point along the axis."""
        arm = np.linalg.norm(np.cross(point - centre, self.axis))
        return float(np.radians(self.settings.motion.rotation_floor_deg) * arm)


def _slope(relative: RigidTransform, axis: Points) -> float:
    """Change of the loss a millimetre aside: by how much the level has bent."""
    return float(np.linalg.norm((relative.rotation - np.eye(3)).T @ axis))


def _agreed(
    before: DiscSpace | None, now: DiscSpace | None, lost: Estimate, settings: DiscSettings
) -> tuple[Estimate | None, Estimate | None]:
    """Heights at the baseline and now that differ by the loss: the mean of what both exams say, each as sure as it is.

    Each exam is the other's test. Where one shows no endplates, or where both contradict each other by far more than
    their errors explain (an edge was taken for an endplate that is none), no height is told.
    """
    if before is None or now is None:
        return None, None
    change_sd = lost.uncertainty_95 / COVERAGE_FACTOR
    heights = np.array([before.height_mm - lost.value, now.height_mm])
    errors = np.array([before.error_mm, now.error_mm])
    shared = np.array([[1.0, settings.shared], [settings.shared, 1.0]])
    expected = float(errors @ (2.0 * np.eye(2) - shared) @ errors) + change_sd**2
    if abs(heights[0] - heights[1]) > settings.largest_contradiction * expected**0.5:
        return None, None
    weights = errors**-2 / (errors**-2).sum()
    variance = float((weights * errors) @ shared @ (weights * errors)) + (change_sd / 2) ** 2
    height, half = float(weights @ heights), COVERAGE_FACTOR * variance**0.5
    return Estimate(height + lost.value, half), Estimate(height, half)
