"""An instrumented level: pedicle screws, rods and an interbody spacer, placed by the anatomy of its two vertebrae."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.phantom.hardware import (
    Implant,
    Material,
    SpacerDesign,
    pedicle_screw,
    rod_through,
    spacer,
    surface_points_mm,
)
from plumbline.phantom.spine import VirtualSpine

Points = NDArray[Any]

_HEAD_OUT_MM = 5.0


@dataclass(frozen=True, slots=True)
class Fixation:
    """What is put in at one level.

    ``margin_mm`` is the distance of the spacer's rear end in front of the posterior wall of the vertebra
    below; ``off_centre_mm`` its offset to the left, as a transforaminal approach leaves it; ``turn_deg`` its
    rotation about the cranial axis. A pair lies at both sides of the midline. ``suffix`` tells the implants of
    several levels apart by name.
    """

    above: str
    below: str
    material: Material = Material.TITANIUM
    design: SpacerDesign = SpacerDesign.BULLET
    margin_mm: float = 5.0
    off_centre_mm: float = 2.0
    has_screws: bool = True
    is_paired: bool = False
    turn_deg: float = 0.0
    suffix: str = ""

    @property
    def level(self) -> str:
        """Name of the level."""
        return f"{self.above}-{self.below}"


def fixate(spine: VirtualSpine, fixation: Fixation) -> tuple[Implant, ...]:
    """Implants of one level; the spacer, or the pair of spacers, is the last."""
    implants: list[Implant] = []
    if fixation.has_screws:
        for side in (1.0, -1.0):
            implants += _one_side(spine, fixation, side)
    implants.append(place_spacer(spine, fixation))
    if fixation.is_paired:
        other = replace(fixation, off_centre_mm=-fixation.off_centre_mm, suffix=f"{fixation.suffix} right")
        implants.append(place_spacer(spine, other))
    return tuple(implants)


def _one_side(spine: VirtualSpine, fixation: Fixation, side: float) -> list[Implant]:
    word = "left" if side > 0 else "right"
    heads, made = [], []
    lower = spine.vertebra(fixation.below).patient_from_own
    for name in (fixation.above, fixation.below):
        shape = spine.vertebra(name).shape
        entry = np.array([17.0, -0.30 * shape.height_mm, side * 18.0])
        tip = np.array([-0.62 * shape.depth_mm, -0.36 * shape.height_mm, side * 8.5])
        made.append(pedicle_screw(f"{name} {word} screw{fixation.suffix}", name, entry, tip))
        head = entry + (entry - tip) / np.linalg.norm(entry - tip) * _HEAD_OUT_MM
        heads.append(lower.inverse().apply(spine.vertebra(name).patient_from_own.apply(head)))
    made.append(rod_through(f"{word} rod{fixation.suffix}", fixation.below, np.stack(heads)))
    return made


def disc_gap_mm(spine: VirtualSpine, fixation: Fixation) -> float:
    """Height of the disc space over the middle of the superior endplate below."""
    upper, lower = spine.vertebra(fixation.above), spine.vertebra(fixation.below)
    ceiling = upper.patient_from_own.apply(np.array([-0.5 * upper.shape.depth_mm, -upper.shape.height_mm, 0.0]))
    return float(lower.patient_from_own.inverse().apply(ceiling)[1])


def place_spacer(spine: VirtualSpine, fixation: Fixation) -> Implant:
    """The spacer between the two endplates, a little into both."""
    gap = disc_gap_mm(spine, fixation)
    height = float(np.clip(gap + 0.8, 6.5, 14.0))
    made = spacer(
        f"spacer{fixation.suffix}",
        fixation.below,
        RigidTransform.identity(),
        design=fixation.design,
        material=fixation.material,
        height_mm=height,
    )
    turn = RigidTransform.about(np.zeros(3), np.radians([0.0, fixation.turn_deg, 0.0]), np.zeros(3))
    rear = float(turn.apply(_spacer_surface_mm(fixation.design, fixation.material, height))[:, 0].max())
    place = np.array([-fixation.margin_mm - rear, gap / 2.0, fixation.off_centre_mm])
    return made.moved(RigidTransform(turn.rotation, place))


@lru_cache(maxsize=8)
def _spacer_surface_mm(design: SpacerDesign, material: Material, height_mm: float) -> Points:
    """Points on a spacer's surface in its own axes; a patient's spacers are placed several times."""
    made = spacer("", "", RigidTransform.identity(), design=design, material=material, height_mm=height_mm)
    return surface_points_mm(made)


def displaced(implant: Implant, translation_mm: Points, rotation_deg: Points) -> Implant:
    """The spacer after it has moved about its own centre, in the axes (posterior, cranial, left) of its carrier."""
    centre = implant.carrier_from_own.translation_mm
    return implant.moved(
        RigidTransform.about(centre, np.radians(rotation_deg), np.asarray(translation_mm, dtype=float))
    )
