"""Markers of a radiolucent spacer as what they are: thin pins and beads, blurred by the scanner, cut off by its scale.

A pin of 1 mm lies in few voxels, and in thick slices in two or three: no interpolation tells where it is. So all
markers are modelled once, as straight pieces of wire that are rigidly one, and the model is fitted to the voxels
of both exams at the same time. What comes out is the motion between them, and how certain it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, spatial, special

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.registration import RegistrationResult
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MarkerSettings:
    """How markers are modelled.

    Parameters
    ----------
    reach_mm, voxels
        Voxels so near to a marker's metal are fitted, at most so many in each exam.
    least_piece_mm3, least_markers, most_markers
        Smallest piece of metal that is a marker; fewer do not make a constellation, more are no markers.
    same_place_mm
        Pieces of the two exams nearer to each other are one marker.
    shadow_mm
        Voxels nearer than this to other metal are left out.
    noise_hu, misfit_share
        What a voxel differs from the model: streaks and noise, and a share of the model's own density, for the
        point spread is not quite normal.
    plane_blur_mm, slice_blur
        Usual blur (standard deviation) within a slice in mm, and of the slice's profile as a share of the spacing;
        both are fitted for each exam, and each is known beforehand to this ratio (standard deviation of its logarithm).
    blur_spread
        That ratio.
    """

    reach_mm: float = 3.0
    voxels: int = 5000
    least_piece_mm3: float = 1.0
    least_markers: int = 2
    most_markers: int = 8
    same_place_mm: float = 2.5
    shadow_mm: float = 2.0
    noise_hu: float = 100.0
    misfit_share: float = 0.06
    plane_blur_mm: float = 0.48
    slice_blur: float = 0.45
    blur_spread: float = 0.3


def pieces_of(volume: Volume, points_lps_mm: Points) -> list[Points]:
    """Connected pieces of metal voxels of shape (n, 3)."""
    index = np.round(volume.to_index(points_lps_mm)).astype(int)[:, ::-1]
    first = index.min(axis=0)
    mask = np.zeros(index.max(axis=0) - first + 1, dtype=bool)
    mask[tuple((index - first).T)] = True
    labelled: NDArray[Any] = np.empty(mask.shape, dtype=np.int32)
    count = int(ndimage.label(mask, structure=np.ones((3, 3, 3)), output=labelled))  # type: ignore[arg-type]
    piece = labelled[tuple((index - first).T)]
    return [points_lps_mm[piece == number] for number in range(1, count + 1)]


def register_markers(
    baseline: Volume,
    current: Volume,
    baseline_points: Points,
    current_points: Points,
    start: RigidTransform,
    *,
    other_metal: tuple[Points | None, Points | None] = (None, None),
    settings: MarkerSettings | None = None,
) -> RegistrationResult:
    """Register a constellation of markers by one model of them in both exams.

    Parameters
    ----------
    baseline_points, current_points
        Shape (n, 3) and (m, 3): metal voxels of the markers; one that only one exam shows above the threshold is a
        marker all the same.
    start
        Maps baseline to current to about half the distance of two markers.
    other_metal
        Metal of the baseline and of the current exam that is no marker of it; what lies beside it is left out.

    Raises
    ------
    AnalysisFailed
        When the metal is no constellation of markers, or the fit does not come to rest.
    """
    settings = settings or MarkerSettings()
    pieces = _common_pieces(baseline, current, baseline_points, current_points, start, settings)
    if not settings.least_markers <= len(pieces) <= settings.most_markers:
        raise AnalysisFailed(f"{len(pieces)} pieces of metal are no constellation of markers")
    fit = _JointFit(
        (
            _Seen.of(baseline, pieces, other_metal[0], settings),
            _Seen.of(current, [start.apply(each) for each in pieces], other_metal[1], settings),
        ),
        pieces,
        start,
        settings,
    )
    return fit.result()


def _common_pieces(
    baseline: Volume,
    current: Volume,
    baseline_points: Points,
    current_points: Points,
    start: RigidTransform,
    settings: MarkerSettings,
) -> list[Points]:
    """Markers of either exam, in the baseline's millimetres."""
    before = _large_enough(baseline, baseline_points, settings)
    now = [start.inverse().apply(each) for each in _large_enough(current, current_points, settings)]
    taken = spatial.KDTree(np.concatenate(before)) if before else None
    only_now = [each for each in now if taken is None or taken.query(each)[0].min() > settings.same_place_mm]
    return [*before, *only_now]


def _large_enough(volume: Volume, points: Points, settings: MarkerSettings) -> list[Points]:
    voxel_mm3 = float(np.abs(np.linalg.det(volume.lps_from_index[:3, :3])))
    return [each for each in pieces_of(volume, points) if len(each) * voxel_mm3 >= settings.least_piece_mm3]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Voxels round the markers in one exam.

    Parameters
    ----------
    points, hu, nearest
        Places of shape (n, 3) in LPS mm, densities, and which marker each is nearest to.
    axes
        Shape (3, 3): rows are the directions of columns, rows and slices.
    slice_mm
        Distance of slices.
    largest_hu
        Where the scale ends; infinite where it does not cut.
    """

    points: Points
    hu: Points
    nearest: NDArray[np.intp]
    axes: Points
    slice_mm: float
    largest_hu: float

    @classmethod
    def of(cls, volume: Volume, pieces: Sequence[Points], others: Points | None, settings: MarkerSettings) -> _Seen:
        index = volume.to_index(np.concatenate(pieces))
        margin = np.ceil(settings.reach_mm / volume.spacing_mm)
        first = np.clip(np.floor(index.min(axis=0) - margin), 0, None).astype(int)
        last = np.minimum(np.ceil(index.max(axis=0) + margin) + 1, volume.shape[::-1]).astype(int)
        if np.any(last <= first):
            raise AnalysisFailed("the markers would lie outside the other exam")
        grid = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1).reshape(-1, 3)
        points = volume.to_lps(grid)
        reach = settings.reach_mm
        away = np.stack([spatial.KDTree(each).query(points, distance_upper_bound=reach)[0] for each in pieces])
        is_near = np.isfinite(away.min(axis=0))
        if others is not None and len(others):
            beside = spatial.KDTree(others).query(points, distance_upper_bound=settings.shadow_mm)[0]
            is_near &= ~np.isfinite(beside)
        near = np.flatnonzero(is_near)
        near = np.sort(np.random.default_rng(0).permutation(near)[: settings.voxels])
        x, y, z = grid[near].T
        return cls(
            points=points[near],
            hu=np.asarray(volume.voxels[z, y, x], dtype=float),
            nearest=away[:, near].argmin(axis=0),
            axes=(volume.lps_from_index[:3, :3] / volume.spacing_mm).T,
            slice_mm=float(volume.spacing_mm[2]),
            largest_hu=_end_of_scale(volume.voxels),
        )


def _end_of_scale(voxels: NDArray[Any]) -> float:
    """The value at which a scale is cut: the largest, where many voxels have it."""
    largest = voxels.max()
    return float(largest) if int((voxels == largest).sum()) >= _CUT_VOXELS else float("inf")


_CUT_VOXELS = 10
_BACKGROUND_HU = 150.0


class _JointFit:
    """The unknowns of one constellation in two exams, as one vector.

    For each marker its middle, half of its length as a vector, and its density (all in the baseline); the motion (six);
    blur in the plane and across slices of each exam; the current exam's density against the baseline's; what surrounds
    each marker in each exam.
    """

    def __init__(
        self, seen: tuple[_Seen, _Seen], pieces: Sequence[Points], start: RigidTransform, settings: MarkerSettings
    ) -> None:
        self._seen, self._start, self._settings = seen, start, settings
        count = self._count = len(pieces)
        middles = np.array([each.mean(axis=0) for each in pieces])
        self._centre = middles.mean(axis=0)
        self._motion = slice(7 * count, 7 * count + 6)
        self._blurs = 7 * count + 6
        self._gain = 7 * count + 10
        self._around = 7 * count + 11
        usual = [(settings.plane_blur_mm, settings.slice_blur * each.slice_mm) for each in seen]
        self._usual_blur = np.log(np.ravel(usual))
        self._first = np.concatenate(
            [
                (middles - self._centre).ravel(),
                np.ravel([_half_length(each) for each in pieces]),
                np.full(count, _USUAL_LOG_DENSITY),
                np.zeros(6),
                self._usual_blur,
                [0.0],
                np.full(2 * count, _BACKGROUND_HU / _HU_STEP),
            ]
        )

    def result(self) -> RegistrationResult:
        """The motion, its covariance from the curvature of the fit and what is left unexplained."""
        found = optimize.least_squares(
            self._residuals,
            self._first,
            jac=self._jacobian,  # type: ignore[arg-type]
            loss="soft_l1",
            x_scale="jac",
            max_nfev=_STEPS,
        )
        unexplained = 2.0 * found.cost / max(len(found.fun) - len(found.x), 1)
        covariance = np.linalg.pinv(found.jac.T @ found.jac) * unexplained
        transform = self._transform(found.x)
        if not found.success or not np.all(np.isfinite(found.x)):
            raise AnalysisFailed("the model of the markers does not come to rest")
        seen = self._seen[1]
        model = np.minimum(self._density(found.x, 1)[0], seen.largest_hu)
        return RegistrationResult(
            current_from_baseline=transform,
            covariance=covariance[self._motion, self._motion],
            centre_mm=self._centre,
            residual_hu=float(np.sqrt(np.mean((model - seen.hu) ** 2))),
            correlation=float(np.corrcoef(model, seen.hu)[0, 1]),
            overlap=1.0,
        )

    def _transform(self, unknowns: Points) -> RigidTransform:
        step = unknowns[self._motion]
        return RigidTransform.about(self._start.apply(self._centre), step[:3], step[3:]) @ self._start

    def _residuals(self, unknowns: Points) -> Points:
        parts = []
        for exam, seen in enumerate(self._seen):
            model, _ = self._density(unknowns, exam)
            cut = np.minimum(model, seen.largest_hu)
            parts.append((cut - seen.hu) / self._spread(cut))
        return np.concatenate([*parts, self._beforehand(unknowns)])

    def _spread(self, model: Points) -> Points:
        return np.hypot(self._settings.noise_hu, self._settings.misfit_share * np.maximum(model, 0.0))

    def _beforehand(self, unknowns: Points) -> Points:
        blurs = unknowns[self._blurs : self._gain] - self._usual_blur
        return np.append(blurs, unknowns[self._gain]) / self._settings.blur_spread

    def _jacobian(self, unknowns: Points) -> Points:
        """Derivatives of the residuals; their spread counts as fixed."""
        parts = []
        for exam, seen in enumerate(self._seen):
            model, slopes = self._density(unknowns, exam, with_slopes=True)
            assert slopes is not None
            slopes[model >= seen.largest_hu] = 0.0
            parts.append(slopes / self._spread(np.minimum(model, seen.largest_hu))[:, None])
        held = np.zeros((5, len(unknowns)))
        held[np.arange(5), np.arange(self._blurs, self._gain + 1)] = 1.0 / self._settings.blur_spread
        return np.vstack([*parts, held])

    def _density(self, unknowns: Points, exam: int, *, with_slopes: bool = False) -> tuple[Points, Points | None]:
        """Modelled density of an exam's voxels before the scale cuts it, and its derivatives by all unknowns."""
        count, seen = self._count, self._seen[exam]
        middles = unknowns[: 3 * count].reshape(count, 3) + self._centre
        halves = unknowns[3 * count : 6 * count].reshape(count, 3)
        move = self._transform(unknowns) if exam else RigidTransform.identity()
        plane, across = np.exp(unknowns[self._blurs + 2 * exam : self._blurs + 2 * exam + 2])
        sharp = np.array([1.0 / plane, 1.0 / plane, 1.0 / across])
        into = sharp[:, None] * seen.axes
        gain = float(np.exp(unknowns[self._gain])) if exam else 1.0
        around = self._around + exam * count + seen.nearest
        model = unknowns[around] * _HU_STEP
        slopes = np.zeros((len(model), len(unknowns))) if with_slopes else None
        pivot = move.apply(self._centre)
        for marker in range(count):
            here, half = move.apply(middles[marker]), move.turn(halves[marker])
            amount = gain * float(np.exp(unknowns[6 * count + marker]))
            u, v = (seen.points - here) @ into.T, into @ half
            value, by_u, by_v = _wire(u, v)
            model += amount * value
            if slopes is None:
                continue
            to_middle, to_half = -amount * by_u @ into, amount * by_v @ into
            slopes[:, 3 * marker : 3 * marker + 3] += to_middle @ move.rotation
            slopes[:, 3 * (count + marker) : 3 * (count + marker) + 3] += to_half @ move.rotation
            slopes[:, 6 * count + marker] += amount * value
            blur = -amount * (by_u * u + by_v * v)
            slopes[:, self._blurs + 2 * exam] += blur[:, 0] + blur[:, 1]
            slopes[:, self._blurs + 2 * exam + 1] += blur[:, 2]
            if exam:
                slopes[:, self._gain] += amount * value
                turning = np.cross(here - pivot, to_middle) + np.cross(half, to_half)
                slopes[:, self._motion] += np.hstack([turning, to_middle])
        if slopes is not None:
            slopes[np.arange(len(model)), around] = _HU_STEP
        return model, slopes


_USUAL_LOG_DENSITY = float(np.log(8000.0))
_HU_STEP = 1000.0
_STEPS = 60


def _half_length(piece: Points) -> Points:
    """Half of a marker's length as a vector, from the longest extent of its voxels."""
    if len(piece) < 4:
        return _SHORTEST_MM * np.eye(3)[2]
    spread, directions = np.linalg.eigh(np.cov(piece.T))
    return directions[:, -1] * max(np.sqrt(max(3.0 * (spread[-1] - _BLOOM_MM2), 0.0)), _SHORTEST_MM)


_SHORTEST_MM = 0.3
_BLOOM_MM2 = 0.5


def _wire(u: Points, v: Points) -> tuple[Points, Points, Points]:
    """Density of a thin wire from ``-v`` to ``v`` under a normal blur of unit size, and its derivatives.

    Parameters
    ----------
    u
        Shape (n, 3): places from the wire's middle.
    v
        Shape (3,): half of its length.

    Returns
    -------
    tuple
        Density of shape (n,), 1 in the middle of a point; by ``u`` and by ``v`` of shape (n, 3) each.
    """
    length = float(np.sqrt(v @ v + 1e-6))
    along = v / length
    s = u @ along
    across = u - s[:, None] * along
    profile = np.exp(-0.5 * np.einsum("ij,ij->i", across, across))
    upper, lower = (length + s) / np.sqrt(2.0), (length - s) / np.sqrt(2.0)
    scale = float(np.sqrt(np.pi / 8.0)) / length
    value = scale * profile * (special.erf(upper) + special.erf(lower))
    ends = np.exp(-(upper**2)), np.exp(-(lower**2))
    rim = scale * profile * float(np.sqrt(2.0 / np.pi))
    by_u = -value[:, None] * across + (rim * (ends[0] - ends[1]))[:, None] * along
    leaning = across / length
    by_v = (value * s)[:, None] * leaning - (value / length)[:, None] * along
    by_v += (rim * (ends[0] + ends[1]))[:, None] * along + (rim * (ends[0] - ends[1]))[:, None] * leaning
    return value, by_u, by_v
