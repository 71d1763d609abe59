"""A virtual spine drawn from the statistics of real ones, with bone, and how it bends from exam to exam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import InvalidInput
from plumbline.phantom.pelvis import SacrumShape, bake_pelvis, bake_rib, bake_sacrum
from plumbline.phantom.solids import BakedBone
from plumbline.phantom.statistics import LEVELS, SpineGeometry, spine_statistics
from plumbline.phantom.vertebra import VertebraShape, bake_vertebra

Points = NDArray[Any]

# Typical sizes by vertebra T11..L5, S1 (millimetres); the statistics of key points do not hold them.
_DISC_BELOW_MM = (5.5, 6.5, 7.5, 8.8, 9.8, 10.4, 9.6)
_DEPTH_MM = (28.5, 29.5, 30.5, 31.5, 33.0, 34.0, 34.5, 33.0)
_WIDTH_MM = (37.0, 39.5, 41.0, 43.0, 46.0, 48.5, 51.0, 50.0)
_WEDGE_DEG = (-2.5, -2.0, -1.5, 0.0, 1.5, 3.0, 9.0, 6.0)
_PEDICLE_RADIUS_MM = (3.9, 4.0, 3.7, 3.9, 4.7, 5.6, 7.6, 8.0)
_TRANSVERSE_MM = (9.0, 8.0, 20.0, 25.0, 28.0, 25.0, 22.0, 10.0)
_SPINOUS_MM = (24.0, 24.0, 28.0, 30.0, 30.0, 28.0, 22.0, 14.0)
_L5_LEAN_DEG, _S1_LEAN_DEG = -19.0, -38.0
_S1_LEAN_SD_DEG = 6.0


@dataclass(frozen=True, eq=False)
class VirtualVertebra:
    """One vertebra in its neutral place: name, shape and own frame (patient LPS)."""

    name: str
    shape: VertebraShape
    frame: VertebraFrame

    @property
    def patient_from_own(self) -> RigidTransform:
        """Maps own (posterior, cranial, left) millimetres to patient LPS millimetres."""
        return RigidTransform(self.frame.axes.T, self.frame.origin_lps_mm)


@dataclass(frozen=True, eq=False)
class VirtualSpine:
    """A spine from T11 to S1 (cranial to caudal) with sacrum, pelvis and the last ribs.

    Parameters
    ----------
    vertebrae
        Cranial to caudal; the last is the sacrum's first.
    sacrum
        Sizes of sacrum and pelvis.
    seed
        Everything about it follows from this.
    """

    vertebrae: tuple[VirtualVertebra, ...]
    sacrum: SacrumShape
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names, cranial to caudal."""
        return tuple(v.name for v in self.vertebrae)

    def vertebra(self, name: str) -> VirtualVertebra:
        """The vertebra of that name.

        Raises
        ------
        InvalidInput
            If this spine has none of that name.
        """
        for vertebra in self.vertebrae:
            if vertebra.name == name:
                return vertebra
        raise InvalidInput(f"this virtual spine has no {name}")

    def below(self, name: str) -> VirtualVertebra:
        """The next vertebra down."""
        return self.vertebrae[self.names.index(name) + 1]

    @cached_property
    def bones(self) -> Mapping[str, tuple[BakedBone, str]]:
        """Bones by name, each with the name of the vertebra that carries it. Baked at first use."""
        rng = np.random.default_rng((self.seed, 77))
        bones: dict[str, tuple[BakedBone, str]] = {}
        for vertebra in self.vertebrae[:-1]:
            bones[vertebra.name] = (bake_vertebra(vertebra.shape, rng), vertebra.name)
        sacrum = bake_sacrum(self.sacrum, rng)
        bones["S1"] = (sacrum, "S1")
        bones["pelvis"] = (bake_pelvis(self.sacrum, sacrum, rng), "S1")
        lengths = {"T11": 165.0, "T12": float(rng.uniform(60.0, 130.0))}
        for vertebra in self.vertebrae:
            if vertebra.name in lengths:
                for side, word in ((1.0, "left"), (-1.0, "right")):
                    rib = bake_rib(lengths[vertebra.name], vertebra.shape, side, self.sacrum.cortex_hu, rng)
                    bones[f"{word} rib {vertebra.name}"] = (rib, vertebra.name)
        return bones


def draw_spine(seed: int, *, lumbar: int | None = None) -> VirtualSpine:
    """A spine from a seed.

    Parameters
    ----------
    seed
        Any non-negative integer.
    lumbar
        4, 5 or 6 lumbar vertebrae; drawn (nearly always 5) when None.

    Raises
    ------
    InvalidInput
        If ``lumbar`` is another number.
    """
    rng = np.random.default_rng((seed, 1))
    drawn = int(rng.choice([4, 5, 6], p=[0.03, 0.93, 0.04]))
    count = drawn if lumbar is None else lumbar
    if count not in (4, 5, 6):
        raise InvalidInput(f"a spine with {count} lumbar vertebrae is not offered", remedy="Ask for 4, 5 or 6.")
    geometry = spine_statistics().draw(rng)
    picks = {4: (0, 1, 2, 3, 5, 6), 5: tuple(range(7)), 6: (0, 1, 2, 3, 4, 5, 5, 6)}[count]
    names = ("T11", "T12", *(f"L{i + 1}" for i in range(count)))
    return _assemble(seed, names, picks, geometry, rng)


def _assemble(
    seed: int, names: tuple[str, ...], picks: tuple[int, ...], geometry: SpineGeometry, rng: np.random.Generator
) -> VirtualSpine:
    size = float(np.mean(geometry.distance_mm) / np.mean(spine_statistics().mean[:6]))
    marrow, cortex = float(rng.uniform(95.0, 190.0)), float(rng.uniform(950.0, 1250.0))
    leans = _leans_deg(picks, geometry, rng)
    shapes = _shapes(picks, geometry, size, marrow, cortex, rng)
    frames = _frames(shapes, leans, rng)
    vertebrae = tuple(VirtualVertebra(*parts) for parts in zip((*names, "S1"), shapes, frames, strict=True))
    sacrum = SacrumShape(
        s1=shapes[-1],
        slope_deg=-float(leans[-1, 0]),
        flare_mm=float(rng.uniform(122.0, 138.0)) * size,
        marrow_hu=marrow - 15.0,
        cortex_hu=cortex,
    )
    return VirtualSpine(vertebrae, sacrum, seed)


def _leans_deg(picks: tuple[int, ...], geometry: SpineGeometry, rng: np.random.Generator) -> Points:
    """(sagittal, coronal) lean of every vertebra and the sacrum, shape (n + 1, 2)."""
    between = np.stack([geometry.sagittal_deg, geometry.coronal_deg], axis=1)
    first = between[0] + 0.5 * (between[0] - between[1])
    lordosis = between[-1, 0]
    last = np.array([_L5_LEAN_DEG + 0.8 * (lordosis + 6.5) + rng.normal(0.0, 2.5), 0.6 * between[-1, 1]])
    own = np.vstack([first, (between[:-1] + between[1:]) / 2.0, last])
    sacral = np.array([_S1_LEAN_DEG + 0.6 * (lordosis + 6.5) + rng.normal(0.0, _S1_LEAN_SD_DEG), 0.0])
    sacral[0] = np.clip(sacral[0], -58.0, -22.0)
    return np.vstack([own[list(picks)], sacral])


def _shapes(
    picks: tuple[int, ...], geometry: SpineGeometry, size: float, marrow: float, cortex: float, rng: np.random.Generator
) -> list[VertebraShape]:
    indices = [*picks, len(LEVELS)]
    discs = [max(4.0, _DISC_BELOW_MM[i] * size + float(rng.normal(0.0, 1.1))) for i in picks]
    distances = [*geometry.distance_mm, geometry.distance_mm[-1] * 0.97]
    widths = [float(geometry.pedicle_width_mm[i]) for i in picks]
    widths.append(widths[-1] + 4.0)
    shapes = []
    for position, i in enumerate(indices):
        is_sacral = i == len(LEVELS)
        pitch = float(distances[min(i, len(distances) - 1)])
        height = (
            29.0 * size if is_sacral else pitch - (discs[position] + (discs[position - 1] if position else 5.0)) / 2
        )
        below = 0.5 * height - (5.0 if is_sacral else float(geometry.pedicle_cranial_mm[i]))
        depth = _DEPTH_MM[i] * size + float(rng.normal(0.0, 1.2))
        shapes.append(
            VertebraShape(
                height_mm=height,
                depth_mm=depth,
                width_mm=_WIDTH_MM[i] * size + float(rng.normal(0.0, 1.6)),
                wedge_deg=_WEDGE_DEG[i] + float(rng.normal(0.0, 1.5)),
                waist_mm=float(rng.uniform(1.6, 2.8)),
                concavity_mm=float(rng.uniform(1.2, 2.6)),
                pedicle_width_mm=widths[position],
                pedicle_below_mm=float(np.clip(below, 5.5, 12.0)),
                pedicle_radius_mm=_PEDICLE_RADIUS_MM[i] * size,
                canal_depth_mm=float(rng.uniform(15.0, 18.5)),
                transverse_mm=_TRANSVERSE_MM[i] + float(rng.normal(0.0, 2.0)),
                spinous_mm=_SPINOUS_MM[i] + float(rng.normal(0.0, 2.0)),
                facet_below_width_mm=widths[min(position + 1, len(widths) - 1)],
                pitch_below_mm=pitch,
                marrow_hu=marrow + float(rng.normal(0.0, 8.0)),
                cortex_hu=cortex,
                is_thoracic=i < 2,
            )
        )
    return shapes


def _frames(shapes: list[VertebraShape], leans_deg: Points, rng: np.random.Generator) -> list[VertebraFrame]:
    """Stack the vertebrae upward from the sacrum; neighbours' centres keep their distance along the mean lean."""
    axes = [_axes(*lean, turn_deg=float(rng.normal(0.0, 1.2))) for lean in leans_deg]
    centres = [np.zeros(3)]
    for i in range(len(shapes) - 2, -1, -1):
        upper, lower = axes[i], axes[i + 1]
        step = shapes[i].pitch_below_mm
        along = upper[1] + lower[1]
        centres.append(centres[-1] + step * along / np.linalg.norm(along))
    centres.reverse()
    return [
        VertebraFrame(centre - shape.centre_mm @ own, own[0], own[1], own[2])
        for centre, shape, own in zip(centres, shapes, axes, strict=True)
    ]


def _axes(sagittal_deg: float, coronal_deg: float, *, turn_deg: float) -> Points:
    """Rows posterior, cranial, left of a vertebra that leans back, leans left and is turned about its long axis."""
    cranial = np.array([np.tan(np.radians(coronal_deg)), np.tan(np.radians(sagittal_deg)), 1.0])
    cranial /= np.linalg.norm(cranial)
    turn = np.radians(turn_deg)
    left = np.array([np.cos(turn), np.sin(turn), 0.0])
    left -= (left @ cranial) * cranial
    left /= np.linalg.norm(left)
    return np.stack([np.cross(cranial, left), cranial, left])
