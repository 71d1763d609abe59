"""Soft tissue round the spine: skin, fat, muscles, vessels, organs, bowel with gas, dural sac, discs.

Computed on a coarse grid as signed distances and a background of Hounsfield units, and sharpened when it
is drawn at the resolution of the exam.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Points = NDArray[Any]
Field = NDArray[Any]

FAT_HU, MUSCLE_HU, SKIN_HU, AIR_HU = -98.0, 56.0, 10.0, -1000.0
_ORGAN_HU = {"kidney": 38.0, "liver": 58.0, "vessel": 42.0, "bowel": 30.0, "sac": 22.0}
_SKIN_MM = 2.0
_BLUR_MM = 2.0
"""Over which one tissue passes into the next."""


@dataclass(frozen=True, slots=True)
class Habitus:
    """Build of a patient, millimetres.

    Parameters
    ----------
    half_width_mm, half_depth_mm
        Of the trunk at the waist.
    fat_mm
        Under the skin.
    muscle_scale
        1 for a usual build.
    seed
        Of bowel and texture.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    muscle_scale: float
    seed: int

    @classmethod
    def draw(cls, seed: int) -> Habitus:
        """A build from a seed."""
        rng = np.random.default_rng((seed, 5))
        return cls(
            half_width_mm=float(rng.uniform(150.0, 182.0)),
            half_depth_mm=float(rng.uniform(102.0, 126.0)),
            fat_mm=float(rng.uniform(12.0, 30.0)),
            muscle_scale=float(rng.uniform(0.9, 1.12)),
            seed=seed,
        )


@dataclass(frozen=True, eq=False)
class SoftTissue:
    """Fields on the coarse grid, each of the shape of the points asked for.

    Parameters
    ----------
    skin_mm, muscle_mm
        Signed distances to the skin and to all muscle.
    background_hu
        What is seen where there is neither bone nor muscle.
    """

    skin_mm: Field
    muscle_mm: Field
    background_hu: Field


def _ellipse(u: Field, v: Field, centre: tuple[Any, Any], radii: tuple[Any, Any]) -> Field:
    a, b = radii
    level = np.sqrt(((u - centre[0]) / a) ** 2 + ((v - centre[1]) / b) ** 2)
    return ((level - 1.0) * np.minimum(a, b)).astype(np.float32)


def _coverage(distance: Field, blur_mm: float = _BLUR_MM) -> Field:
    return np.clip(0.5 - distance / blur_mm, 0.0, 1.0)


def _texture(shape: tuple[int, ...], rng: np.random.Generator, sigma: tuple[float, float, float]) -> Field:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return noise / noise.std()


class Trunk:
    """Soft tissue of one patient round one line of vertebrae (patient LPS, posture included)."""

    def __init__(self, habitus: Habitus, wall_line_mm: Points) -> None:
        self.habitus = habitus
        line = wall_line_mm[np.argsort(wall_line_mm[:, 2])]
        self._line = line
        self.back_mm = float(line[:, 1].max()) + 46.0 + 0.55 * habitus.fat_mm
        self._rng = np.random.default_rng((habitus.seed, 6))
        self._bowel = self._draw_bowel()
        grain = np.random.default_rng((habitus.seed, 7))
        self._grain = _texture((64, 96, 96), grain, (4.0, 1.2, 1.2))

    def _draw_bowel(self) -> list[tuple[Points, Points, float, bool]]:
        """Loops of bowel: centre relative to the spine, radii, HU, and whether gas lies on top."""
        loops = []
        for _ in range(34):
            centre = np.array([self._rng.uniform(-115, 115), self._rng.uniform(-150, -62), self._rng.uniform(-60, 190)])
            radii = self._rng.uniform([13, 12, 14], [24, 20, 34])
            loops.append((centre, radii, float(self._rng.uniform(15, 48)), bool(self._rng.uniform() < 0.32)))
        return loops

    def soft_tissue(self, points_mm: Field) -> SoftTissue:
        """Fields at patient LPS points (..., 3)."""
        x, y, z = np.ascontiguousarray(np.moveaxis(points_mm, -1, 0))
        line = self._line
        u = x - np.interp(z, line[:, 2], line[:, 0]).astype(np.float32)
        v = y - np.interp(z, line[:, 2], line[:, 1]).astype(np.float32)
        skin = self._skin(x, y, z)
        grain = self._grain_at(points_mm)
        muscle = self._muscle(u, v, z, skin) + 1.3 * np.clip(grain, -2.5, 2.5)
        return SoftTissue(skin, muscle.astype(np.float32), self._background(u, v, z, skin, grain))

    def _grain_at(self, points_mm: Field) -> Field:
        index = [
            (points_mm[..., axis] / pitch).astype(np.int32) % n
            for axis, pitch, n in zip((2, 1, 0), (2.5, 2.5, 2.5), self._grain.shape, strict=True)
        ]
        return self._grain[tuple(index)]

    def _skin(self, x: Field, y: Field, z: Field) -> Field:
        habitus = self.habitus
        hips = np.clip((40.0 - z) / 90.0, 0.0, 1.0)
        width, depth = habitus.half_width_mm * (1.0 + 0.12 * hips), habitus.half_depth_mm
        middle = self.back_mm - depth
        level = ((np.abs(x) / width) ** 2.5 + (np.abs(y - middle) / depth) ** 2.5 + 1e-6) ** 0.4
        return ((level - 1.0) * depth).astype(np.float32)

    def _muscle(self, u: Field, v: Field, z: Field, skin: Field) -> Field:
        scale = self.habitus.muscle_scale
        side = np.abs(u)
        up = np.clip((z - 10.0) / 150.0, 0.0, 1.0)
        low = np.clip((30.0 - z) / 60.0, 0.0, 1.0)
        erector = _ellipse(side, v, (34.0 - 4 * low, 33.0), (26.0 * scale, (21.0 - 6.0 * low) * scale))
        multifidus = _ellipse(side, v, (14.0, 32.0), (12.0 * scale, 17.0 * scale))
        psoas = _ellipse(
            side,
            v,
            (34.0 + 16.0 * (1 - up), -12.0 - 14.0 * low),
            ((9.0 + 14.0 * (1 - up)) * scale, (11.0 + 15.0 * (1 - up)) * scale),
        )
        quadratus = _ellipse(side, v, (70.0, 6.0), (20.0 * scale, 8.5)) + 40.0 * low
        wall = np.abs(skin + self.habitus.fat_mm + 8.0 + 10.0 * np.clip(-v / 120.0, 0, 1)) - 7.0 * scale
        wall = np.maximum(wall, v - 18.0) + 25.0 * low * (v > -60.0)
        iliacus = np.maximum(_ellipse(side, v, (82.0, -26.0), (32.0, 24.0)), z - 32.0)
        gluteal = np.maximum(_ellipse(side, v, (84.0, 26.0), (52.0, 34.0)), z - 5.0)
        found = np.minimum.reduce([erector, multifidus, psoas, quadratus, wall, iliacus, gluteal])
        return np.maximum(found, skin + self.habitus.fat_mm * 0.6).astype(np.float32)

    def _background(self, u: Field, v: Field, z: Field, skin: Field, grain: Field) -> Field:
        hu = np.full(u.shape, FAT_HU, dtype=np.float32) + 5.0 * grain
        for loop in self._bowel:
            _paint_loop(hu, (u, v, z), *loop)
        low = np.clip((30.0 - z) / 60.0, 0.0, 1.0)
        organs = [
            (_ellipse(u, v, (10.0 + 22.0 * low, -47.0 + 4 * low), (9.0 - 3.0 * low, 9.0 - 3.0 * low)), "vessel"),
            (_ellipse(u, v, (-16.0 - 16.0 * low, -46.0 + 5 * low), (11.0 - 3.0 * low, 8.0 - 1.5 * low)), "vessel"),
        ]
        for distance, organ in organs:
            _paint(hu, distance, _ORGAN_HU[organ] + 3.0 * grain)
        for side, organ, centre, radii in (
            (np.abs(u), "kidney", (64.0, -8.0, 150.0), (25.0, 28.0, 52.0)),
            (u, "liver", (-90.0, -70.0, 235.0), (80.0, 85.0, 95.0)),
        ):
            near, distance = _ball((side, v, z), centre, radii)
            _paint_at(hu, near, distance, _ORGAN_HU[organ] + 3.0 * grain.ravel()[near])
        _paint(hu, _ellipse(u, v, (0.0, 8.5), (8.6, 6.6)), np.float32(_ORGAN_HU["sac"]))
        _paint(hu, -skin - 1e-3, np.float32(AIR_HU), blur_mm=1e-2)
        return hu


def _paint_loop(
    hu: Field, uvz: tuple[Field, Field, Field], centre: Points, radii: Points, loop_hu: float, has_gas: bool
) -> None:
    near, distance = _ball(uvz, tuple(centre), tuple(radii))
    _paint_at(hu, near, distance, np.float32(loop_hu))
    if has_gas:
        above = np.maximum(distance + 2.5, uvz[1].ravel()[near] - np.float32(centre[1] - 2.0))
        _paint_at(hu, near, above, np.float32(-940.0))


def _ball(
    uvz: tuple[Field, Field, Field], centre: tuple[float, ...], radii: tuple[float, ...]
) -> tuple[NDArray[np.intp], Field]:
    """Flat index of the points in the box that an ellipsoid is painted in, and their distance to it."""
    reach = 1.0 + 0.5 * _BLUR_MM / min(radii)
    offsets = [axis - np.float32(middle) for axis, middle in zip(uvz, centre, strict=True)]
    inside = np.ones(offsets[0].shape, dtype=bool)
    for offset, radius in zip(offsets, radii, strict=True):
        inside &= np.abs(offset) < radius * reach
    near = np.flatnonzero(inside)
    parts = [offset.ravel()[near] / np.float32(radius) for offset, radius in zip(offsets, radii, strict=True)]
    level = np.sqrt(sum(part**2 for part in parts))
    return near, ((level - 1.0) * min(radii)).astype(np.float32)


def _paint(hu: Field, distance: Field, value: Any, blur_mm: float = _BLUR_MM) -> None:
    share = _coverage(distance, blur_mm)
    hu += share * (value - hu)


def _paint_at(hu: Field, near: NDArray[np.intp], distance: Field, value: Any) -> None:
    """Paint some points only, given by their flat index."""
    under = hu.ravel()[near]
    hu.ravel()[near] = under + _coverage(distance) * (value - under)


def draw_slice(skin: Field, muscle: Field, background: Field, width_mm: float) -> Field:
    """Hounsfield units of one slice at full resolution from its (already enlarged) fields."""
    hu = _over(MUSCLE_HU, _coverage(-muscle, 2.0 * width_mm), background)
    if skin.max() <= -_SKIN_MM - 0.5 * width_mm:
        return hu
    hu = _over(SKIN_HU, _coverage(skin + _SKIN_MM, width_mm), hu)
    return _over(AIR_HU, _coverage(skin, width_mm), hu)


def _over(value_hu: float, left: Field, under: Field) -> Field:
    """What is seen where a tissue leaves this share of what lies under it."""
    seen = under - np.float32(value_hu)
    seen *= left
    seen += np.float32(value_hu)
    return seen
