"""Sacrum, iliac wings and the last ribs, in the axes of the vertebra that carries them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import rotation_from_vector
from plumbline.phantom.solids import FAR_MM, BakedBone, Carving, Field, Grid, trabeculae
from plumbline.phantom.vertebra import VertebraShape, body_distance

Points = NDArray[Any]

_PITCH_MM = 1.1
_RIB_PITCH_MM = 1.0
_SI_GAP_MM = 2.6


@dataclass(frozen=True, slots=True)
class SacrumShape:
    """Sizes of sacrum and pelvis.

    Parameters
    ----------
    s1
        The first sacral body, as a vertebral body.
    slope_deg
        Sacral slope: lean of the S1 endplate against the horizontal.
    flare_mm
        Half distance between the iliac crests.
    marrow_hu, cortex_hu
        Hounsfield units.
    """

    s1: VertebraShape
    slope_deg: float
    flare_mm: float
    marrow_hu: float
    cortex_hu: float


def bake_sacrum(shape: SacrumShape, rng: np.random.Generator) -> BakedBone:
    """S1 to S4, alae and median crest in the S1 frame."""
    s1 = shape.s1
    grid = Grid.around(
        np.array([-s1.depth_mm - 14.0, -112.0, -66.0]),
        np.array([s1.canal_depth_mm + 42.0, 20.0, 66.0]),
        _PITCH_MM * 0.9,
    )
    carving = Carving(grid)
    carving.merge((slice(None),) * 3, body_distance(grid.mesh_mm(), s1), 1e-3)  # type: ignore[arg-type]
    _add_lower_bodies(carving, s1)
    _add_alae(carving, s1)
    _add_sacral_arch(carving, s1)
    distance = carving.finished()
    thickness = np.full(grid.shape[0], 0.9, dtype=np.float32)
    marrow = trabeculae(grid, rng, mean_hu=shape.marrow_hu, spread_hu=34.0, grain_mm=(0.6, 1.0, 0.8))
    _, _, left = grid.axes_mm()
    lateral = np.clip((np.abs(left) - 22.0) / 12.0, 0.0, 1.0) * np.clip((48.0 - np.abs(left)) / 8.0, 0.0, 1.0)
    marrow -= 75.0 * lateral[None, None, :]
    return BakedBone(grid, distance, thickness, marrow.astype(np.float32), shape.cortex_hu)


def _add_lower_bodies(carving: Carving, s1: VertebraShape) -> None:
    """S2 to S4: each smaller, turned backward along the sacral curve."""
    centre = np.array([-s1.depth_mm * 0.47, -s1.height_mm - 9.0, 0.0])
    angle, depth = 8.0, s1.depth_mm * 0.30
    for width in (15.0, 12.0, 9.0):
        lean = np.radians(angle)
        along = np.array([np.sin(lean), -np.cos(lean), 0.0])
        carving.add_capsule(
            centre + np.array([0.0, 0.0, width]),
            centre + np.array([0.0, 0.0, -width]),
            depth,
            depth,
            blend=3.0,
            flat=max(1.0, 11.5 / depth),
        )
        centre = centre + along * 23.0
        angle += 17.0
        depth *= 0.78


def _add_alae(carving: Carving, s1: VertebraShape) -> None:
    back = s1.canal_depth_mm
    for side in (-1.0, 1.0):
        for drop, reach, radius in ((9.0, 47.0, 10.0), (27.0, 45.0, 10.0), (46.0, 40.0, 8.0), (64.0, 30.0, 6.0)):
            shift = 0.10 * drop + 0.0028 * drop**2
            start = np.array([-s1.depth_mm * 0.42 + shift, -drop, side * 15.0])
            stop = np.array([5.0 + shift, -drop - 2.0, side * reach])
            carving.add_capsule(start, stop, radius * 0.85, radius, blend=5.0, flat=1.05)
        carving.add_capsule(
            np.array([12.5, -6.0, side * (s1.pedicle_width_mm / 2 + 1.0)]),
            np.array([15.0, 8.0, side * (s1.pedicle_width_mm / 2 + 2.0)]),
            4.4,
            3.4,
        )
        carving.add_capsule(
            np.array([10.0, -12.0, side * 27.0]), np.array([back + 12.0, -55.0, side * 20.0]), 6.0, 4.5, blend=4.0
        )


def _add_sacral_arch(carving: Carving, s1: VertebraShape) -> None:
    back = s1.canal_depth_mm
    for drop in (12.0, 34.0, 56.0):
        shift = 0.10 * drop + 0.0028 * drop**2
        crest = np.array([back + 5.0 + shift, -drop - 6.0, 0.0])
        for side in (-1.0, 1.0):
            pillar = np.array([back - 3.0 + shift, -drop, side * 19.0])
            carving.add_capsule(pillar, crest, 3.0, 2.6, flat=2.8)
        carving.add_capsule(crest, crest + np.array([10.0, -2.0, 0.0]), 2.6, 3.2, flat=2.4)


def bake_pelvis(shape: SacrumShape, sacrum: BakedBone, rng: np.random.Generator) -> BakedBone:
    """Both iliac wings in the S1 frame, kept off the sacrum by the width of the sacroiliac joint."""
    half = shape.flare_mm + 18.0
    grid = Grid.around(np.array([-118.0, -120.0, -half]), np.array([78.0, 78.0, half]), _PITCH_MM * 1.15)
    p, c, left = grid.mesh_mm()
    turn = rotation_from_vector(np.radians([0.0, 0.0, shape.slope_deg])).astype(np.float32)
    wing = _wing_distance(turn[0, 0] * p + turn[0, 1] * c, turn[1, 0] * p + turn[1, 1] * c, np.abs(left), shape)
    joint = _resampled(sacrum, grid) - _SI_GAP_MM
    carving = Carving(grid)
    carving.distance = np.maximum(wing, -joint).astype(np.float32)
    distance = carving.finished()
    thickness = np.full(grid.shape[0], 1.5, dtype=np.float32)
    marrow = trabeculae(grid, rng, mean_hu=shape.marrow_hu - 20.0, spread_hu=32.0, grain_mm=(0.7, 0.7, 0.7))
    return BakedBone(grid, distance, thickness, marrow, shape.cortex_hu)


def _resampled(bone: BakedBone, grid: Grid) -> Field:
    """Distance field of ``bone`` on another grid of the same axes."""
    scale = grid.pitch_mm / bone.grid.pitch_mm
    offset = (np.array(grid.origin_mm) - np.array(bone.grid.origin_mm)) / bone.grid.pitch_mm
    return ndimage.affine_transform(
        bone.distance,
        np.full(3, scale),
        offset,  # type: ignore[arg-type]
        output_shape=grid.shape,
        order=1,
        cval=2 * FAR_MM,
    )


def _wing_distance(p: Field, c: Field, lateral: Field, shape: SacrumShape) -> Field:
    """A curved plate on each side: from behind the sacrum outward and forward, up to an arched crest.

    Points stand upright: posterior, cranial and (either way) lateral millimetres, which broadcast.
    """
    height = np.clip((c + 70.0) / 110.0, 0.0, 1.0)
    start = (34.0 - 6.0 * height, 42.0 + 4.0 * height)
    stop = (-30.0 - 42.0 * height, 92.0 + (shape.flare_mm - 92.0) * height)
    along = (stop[0] - start[0], stop[1] - start[1])
    length = np.hypot(*along)
    share = ((p - start[0]) * along[0] + (lateral - start[1]) * along[1]) / length**2
    held = np.clip(share, 0.0, 1.0)
    arch = np.sin(np.float32(np.pi) * held)
    bulge = 13.0 * arch * height
    gap = ((p - start[0]) * along[1] - (lateral - start[1]) * along[0]) / length
    beyond = (share - held) * length
    thickness = 4.6 + 5.0 * (1.0 - height) + 3.5 * np.exp(-(((held - 0.06) / 0.14) ** 2)) + 2.2 * (held > 0.95)
    thickness -= 2.2 * arch * height
    plate = np.sqrt((gap - bulge) ** 2 + beyond**2) - thickness
    crest = c - (24.0 + 32.0 * np.sin(np.pi * np.clip(held * 0.9 + 0.08, 0.0, 1.0)))
    floor = -c - 100.0 + 10.0 * held
    return np.maximum(np.maximum(plate, crest * 0.9), floor).astype(np.float32)


def bake_rib(
    length_mm: float, shape: VertebraShape, side: float, cortex_hu: float, rng: np.random.Generator
) -> BakedBone:
    """One of the last ribs, from the costovertebral joint outward, down and forward."""
    turns = np.radians(np.linspace(15.0, 15.0 + min(length_mm, 190.0) * 0.75, 9))
    start = np.array([2.0, -shape.height_mm * 0.35, side * (shape.width_mm / 2.0 + 5.0)])
    steps = length_mm / 8.0
    path = [start]
    for turn in turns[:-1]:
        forward = np.array([np.cos(turn), -0.42, side * np.sin(turn)])
        path.append(path[-1] + steps * forward / np.linalg.norm(forward))
    knots = np.stack(path)
    grid = Grid.around(knots.min(axis=0) - 10.0, knots.max(axis=0) + 10.0, _RIB_PITCH_MM)
    carving = Carving(grid)
    for first, second in pairwise(knots):
        carving.add_capsule(first, second, 3.1, 3.1, blend=1.0, flat=1.6)
    marrow = trabeculae(grid, rng, mean_hu=130.0, spread_hu=25.0, grain_mm=(0.7, 0.7, 0.7))
    return BakedBone(grid, carving.finished(), np.full(grid.shape[0], 1.1, dtype=np.float32), marrow, cortex_hu)
