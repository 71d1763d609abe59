"""What the motion of bones and spacers goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plumbline.imaging.estimates import COVERAGE_FACTOR
from plumbline.imaging.hardware import ImplantKind
from plumbline.imaging.markers import MarkerSettings
from plumbline.imaging.metal_registration import MetalSettings
from plumbline.imaging.posterior_margin import MarginSettings


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
