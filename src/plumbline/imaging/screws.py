"""The pose of a pedicle screw from its metal: axis, tip, neck and head, told apart from the rod that it carries.

The screws of one side and their rod are one piece of metal in a real CT. A shank is what is round and even
along a line from the front of the body through the pedicle; it ends where the metal round that line grows to
head and rod.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import AnalysisFailed
from plumbline.imaging.sampling import sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ScrewSettings:
    """How a shank is told from head, rod and a spacer that touches it.

    Parameters
    ----------
    metal_share_hu
        Between these densities a sample's share of metal rises from 0 to 1: bone and bright streaks lie below,
        metal at the end of a 12-bit scale above.
    extended_from_hu, extended_share
        Where the shank itself is denser than this the scale is an extended one, and the share rises between these
        fractions of the shank's own density: what blurs into it from a spacer nearby lies below.
    step_mm
        Grid on which the metal round the line is sampled.
    shank_reach_mm, head_reach_mm
        Metal farther from the axis belongs to no shank, and to no head. The thickest screws in use measure 8.5 mm,
        heads 13 mm across.
    head_growth, wane
        Cross-section, as a multiple of the shank's, from which on there is a head, and below which there is nothing.
    grown_mm
        Length over which the cross-section must stay grown: a thread's ridge is shorter.
    longest_behind_mm, longest_ahead_mm
        How far behind and before the middle of the metal in body and pedicle the screw is followed.
    tip_taper_mm
        Pointed part at the tip that is left out of the fit.
    least_shank_mm, largest_axis_sd_deg
        A shorter shank gives no direction, and metal with a more scattered middle is no shank: screws in 2.5 mm
        slices reach 0.6 degrees.
    kernel_mm, voxel_blur, bloom_share
        Blur (standard deviation) of a reconstruction, what a voxel adds as a share of its edge, and how many times
        the blur titanium reaches beyond its surface at the middle of ``metal_share_hu``; on an extended scale the
        edge is where it seems to be.
    independent_mm
        Length of shank over which errors of its centre line are one error: about a thread's lead.
    """

    metal_share_hu: tuple[float, float] = (1500.0, 3000.0)
    extended_from_hu: float = 3600.0
    extended_share: tuple[float, float] = (0.35, 0.75)
    step_mm: float = 0.6
    shank_reach_mm: float = 5.0
    head_reach_mm: float = 7.0
    head_growth: float = 1.5
    wane: float = 0.3
    grown_mm: float = 2.0
    longest_behind_mm: float = 48.0
    longest_ahead_mm: float = 40.0
    tip_taper_mm: float = 4.0
    least_shank_mm: float = 12.0
    largest_axis_sd_deg: float = 1.5
    kernel_mm: float = 0.45
    voxel_blur: float = 0.4
    bloom_share: float = 0.7
    independent_mm: float = 3.0
    rounds: int = 8


@dataclass(frozen=True, eq=False)
class ScrewPose:
    """Where a screw lies.

    Parameters
    ----------
    axis
        Shape (3,): unit vector along the shank towards the tip, LPS.
    tip_lps_mm, neck_lps_mm, head_lps_mm
        Shape (3,): on the axis, its end in the body, where the shank passes into the head, and the middle of the
        metal behind that.
    length_mm
        From tip to neck: how much of the shank shows.
    diameter_mm
        Of a plain bar with the shank's mean cross-section; between a thread's core and its ridge.
    axis_sd_deg
        Standard error of the axis in each direction across it, from the scatter of the centre line.
    """

    axis: Points
    tip_lps_mm: Points
    neck_lps_mm: Points
    head_lps_mm: Points
    length_mm: float
    diameter_mm: float
    axis_sd_deg: float

    def shank_holds(self, points_lps_mm: Points, reach_mm: float) -> NDArray[np.bool_]:
        """Which of the points of shape (n, 3) lie within reach of the axis, from the tip to the neck."""
        along = (points_lps_mm - self.neck_lps_mm) @ self.axis
        away = np.linalg.norm(np.cross(points_lps_mm - self.neck_lps_mm, self.axis), axis=1)
        return (along > 0.0) & (along < self.length_mm + 2.0) & (away < reach_mm)


def fit_screw(
    volume: Volume, shank_points_lps_mm: Points, forward: Points, settings: ScrewSettings | None = None
) -> ScrewPose:
    """Fit a screw's pose at subvoxel precision from metal that is known to be of its shank.

    Parameters
    ----------
    shank_points_lps_mm
        Shape (n, 3): metal voxels in the body and the pedicle on the screw's side.
    forward
        Shape (3,): unit vector to the front of the vertebra.

    Raises
    ------
    AnalysisFailed
        When no even shank of sufficient length lies along any line through these points.
    """
    settings = settings or ScrewSettings()
    density_hu = float(np.percentile(sample(volume, shank_points_lps_mm), 75))
    if density_hu > settings.extended_from_hu:
        low, high = settings.extended_share
        settings = replace(settings, metal_share_hu=(low * density_hu, high * density_hu), bloom_share=0.0)
    line = _Line.through(shank_points_lps_mm, forward)
    for _ in range(settings.rounds):
        better, _ = _MetalAlong(volume, line, settings).refined()
        change = np.degrees(np.arccos(np.clip(better.axis @ line.axis, -1.0, 1.0)))
        line = better
        if change < 0.01:
            break
    pose = _MetalAlong(volume, line, settings).pose()
    if pose.axis_sd_deg > settings.largest_axis_sd_deg:
        raise AnalysisFailed("the metal in the pedicle does not lie along one straight line")
    return pose


@dataclass(frozen=True, eq=False)
class _Line:
    """A point and a unit vector, LPS mm."""

    point: Points
    axis: Points

    @classmethod
    def through(cls, points: Points, forward: Points) -> _Line:
        """The longest extent of a cloud of points, towards the front."""
        centre = points.mean(axis=0)
        _, _, directions = np.linalg.svd(points - centre, full_matrices=False)
        axis = directions[0]
        return cls(centre, axis if axis @ forward > 0 else -axis)

    def at(self, along_mm: float | Points) -> Points:
        """Point so far along the line."""
        return self.point + np.asarray(along_mm)[..., None] * self.axis

    def across(self) -> tuple[Points, Points]:
        """Two unit vectors square to the line and to each other."""
        helper = np.eye(3)[int(np.argmin(np.abs(self.axis)))]
        first = np.cross(self.axis, helper)
        first /= np.linalg.norm(first)
        return first, np.cross(self.axis, first)


class _MetalAlong:
    """The share of metal round a line, on a grid of the line's own axes."""

    def __init__(self, volume: Volume, line: _Line, settings: ScrewSettings) -> None:
        self._volume, self._line, self._settings = volume, line, settings
        self._along = np.arange(-settings.longest_behind_mm, settings.longest_ahead_mm, settings.step_mm)
        aside = np.arange(-settings.head_reach_mm, settings.head_reach_mm + 0.01, settings.step_mm)
        first, second = np.meshgrid(aside, aside, indexing="ij")
        inside = np.hypot(first, second) <= settings.head_reach_mm
        self._first, self._second = first[inside], second[inside]
        u, v = line.across()
        points = line.at(self._along)[:, None] + (self._first[:, None] * u + self._second[:, None] * v)[None]
        low, high = settings.metal_share_hu
        self._share = np.clip((sample(volume, points, outside=-1000.0) - low) / (high - low), 0.0, 1.0)
        self._radius = np.hypot(self._first, self._second)
        self._start, self._stop = self._shank()

    def _area(self, reach_mm: float) -> Points:
        """Cross-section at each place along the line, mm2."""
        return self._share[:, self._radius <= reach_mm].sum(axis=1) * self._settings.step_mm**2

    def _shank(self) -> tuple[int, int]:
        """First and last place of the even run of metal about the middle (neck to tip)."""
        settings = self._settings
        narrow, wide = self._area(settings.shank_reach_mm), self._area(settings.head_reach_mm)
        middle = int(np.argmin(np.abs(self._along)))
        around = slice(middle - round(6.0 / settings.step_mm), middle + round(6.0 / settings.step_mm))
        usual = float(np.median(narrow[around]))
        if usual < 1.0:
            raise AnalysisFailed("the metal in the pedicle lies along no line")
        run = max(1, round(settings.grown_mm / settings.step_mm))
        grown = _stays(wide > settings.head_growth * usual, run)
        gone = narrow < settings.wane * usual
        behind = np.flatnonzero((grown | gone)[:middle])
        ahead = np.flatnonzero(gone[middle:])
        start = int(behind[-1]) + 1 if len(behind) else 0
        stop = middle + int(ahead[0]) if len(ahead) else len(narrow)
        return start, stop

    def _centre_line(self) -> tuple[Points, Points, Points]:
        """(along, offset along both directions across, weight) of the shank's cross-sections that look like one."""
        settings = self._settings
        taper = round(settings.tip_taper_mm / settings.step_mm)
        places = slice(self._start + 1, max(self._stop - taper, self._start + 1))
        near = self._radius <= settings.shank_reach_mm
        share = self._share[places][:, near]
        total = share.sum(axis=1)
        if len(total) * settings.step_mm < settings.least_shank_mm:
            raise AnalysisFailed("too little of the shank can be told from other metal to give its direction")
        offsets = np.stack([share @ self._first[near], share @ self._second[near]], axis=1) / total[:, None]
        usual = float(np.median(total))
        weight = np.exp(-(((total - usual) / (0.35 * usual)) ** 2))
        return self._along[places], offsets, weight

    def refined(self) -> tuple[_Line, float]:
        """The line through the shank's cross-sections, and the standard error of its slope."""
        fit = _robust_line(*self._centre_line())
        shared = max(self._settings.independent_mm / self._settings.step_mm, 1.0)
        u, v = self._line.across()
        axis = self._line.axis + fit.slopes[0] * u + fit.slopes[1] * v
        axis = axis / np.linalg.norm(axis)
        point = self._line.at(fit.middle) + fit.means[0] * u + fit.means[1] * v
        return _Line(point - axis * fit.middle, axis), fit.slope_sd * float(np.sqrt(shared))

    def pose(self) -> ScrewPose:
        """The pose along this line."""
        line, slope_sd = self.refined()
        settings = self._settings
        core = self._share[:, self._radius <= 1.0].mean(axis=1)
        tip_mm = _crossing(self._along, core, self._stop, settings.tip_taper_mm)
        neck_mm = float(self._along[self._start])
        back = np.flatnonzero(core[: self._start] < 0.5)
        end_mm = float(self._along[int(back[-1]) + 1]) if len(back) else neck_mm
        return ScrewPose(
            axis=line.axis,
            tip_lps_mm=line.at(tip_mm),
            neck_lps_mm=line.at(neck_mm),
            head_lps_mm=line.at((min(end_mm, neck_mm) + neck_mm) / 2.0),
            length_mm=tip_mm - neck_mm,
            diameter_mm=self._diameter_mm(),
            axis_sd_deg=float(np.degrees(slope_sd)),
        )

    def _diameter_mm(self) -> float:
        settings = self._settings
        area = float(np.median(self._area(settings.shank_reach_mm)[self._start : self._stop]))
        pitch_mm = float(np.mean(self._volume.spacing_mm))
        bloom_mm = settings.bloom_share * float(np.hypot(settings.kernel_mm, settings.voxel_blur * pitch_mm))
        return max(2.0 * float(np.sqrt(area / np.pi)) - 2.0 * bloom_mm, 0.0)


@dataclass(frozen=True, eq=False)
class _CentreFit:
    """Offsets across as straight functions of the place along: ``means`` at ``middle``, ``slopes``, and their error."""

    middle: float
    means: Points
    slopes: Points
    slope_sd: float
    distance: Points


def _robust_line(along: Points, offsets: Points, weight: Points) -> _CentreFit:
    """Line through centres of cross-sections; those that a neighbour's metal or a streak pulls aside count less."""
    fit = _weighted_line(along, offsets, weight)
    for _ in range(4):
        spread = float(np.median(fit.distance)) / _MEDIAN_OF_TWO + 0.02
        fit = _weighted_line(along, offsets, weight / (1.0 + (fit.distance / (2.0 * spread)) ** 2) ** 2)
    return fit


_MEDIAN_OF_TWO = 1.1774
"""Median length of two independent normal errors at a right angle, in standard deviations of one."""


def _weighted_line(along: Points, offsets: Points, weight: Points) -> _CentreFit:
    middle = float(np.average(along, weights=weight))
    arms = along - middle
    lever = float((weight * arms**2).sum())
    means = np.average(offsets, axis=0, weights=weight)
    slopes = (weight * arms) @ offsets / lever
    distance = np.hypot(*(offsets - means - arms[:, None] * slopes).T)
    variance = float((weight * distance**2).sum() / weight.sum() / 2.0)
    return _CentreFit(middle, means, slopes, float(np.sqrt(variance / lever)), distance)


def _stays(is_so: NDArray[np.bool_], run: int) -> NDArray[np.bool_]:
    """Whether something holds at a place and at the ``run - 1`` places behind it (towards the head)."""
    held = is_so.copy()
    for shift in range(1, run):
        held[shift:] &= is_so[:-shift]
    return held


def _crossing(along: Points, core: Points, stop: int, search_mm: float) -> float:
    """Where the metal on the axis ends, between the last place of the shank and a little before it."""
    step = float(along[1] - along[0])
    last = min(stop + round(search_mm / step), len(core) - 1)
    solid = np.flatnonzero(core[:last] >= 0.5)
    if not len(solid):
        return float(along[min(stop, len(along) - 1)])
    at = int(solid[-1])
    before, after = float(core[at]), float(core[min(at + 1, len(core) - 1)])
    return float(along[at]) + step * (before - 0.5) / max(before - after, 1e-6)
