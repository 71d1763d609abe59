"""Implants as solids with a material: pedicle screws, rods, interbody spacers of metal and of PEEK.

Every implant has own axes (posterior, cranial, left when it lies in place) and a pose in the frame of the
vertebra that carries it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.phantom.solids import Solid, capsule, rounded_box, smooth_intersection

Points = NDArray[Any]


class Material(StrEnum):
    """What an implant is made of."""

    TITANIUM = "titanium"
    COBALT_CHROME = "cobalt-chrome"
    TANTALUM = "tantalum"
    PEEK = "peek"
    GAS = "gas"

    @property
    def hu(self) -> float:
        """Hounsfield units at 120 kV on an extended scale."""
        return {"titanium": 8600.0, "cobalt-chrome": 17000.0, "tantalum": 20000.0, "peek": 125.0, "gas": -950.0}[self]

    @property
    def is_metal(self) -> bool:
        """Dense enough to leave streaks."""
        return self in (Material.TITANIUM, Material.COBALT_CHROME, Material.TANTALUM)


@dataclass(frozen=True, eq=False)
class Rod:
    """A straight round bar between two points (millimetres, own axes)."""

    start_mm: Points
    stop_mm: Points
    radius_mm: float

    def distance_mm(self, points_mm: Points) -> Points:
        """See ``Solid``."""
        axes = np.moveaxis(np.asarray(points_mm), -1, 0)
        return capsule(tuple(axes), self.start_mm, self.stop_mm, self.radius_mm, self.radius_mm)

    def bounds_mm(self) -> tuple[Points, Points]:
        """See ``Solid``."""
        ends = np.stack([self.start_mm, self.stop_mm]).astype(float)
        return ends.min(axis=0) - self.radius_mm, ends.max(axis=0) + self.radius_mm

    @property
    def centre_mm(self) -> Points:
        """Middle of the bar."""
        return (np.asarray(self.start_mm) + np.asarray(self.stop_mm)) / 2.0


@dataclass(frozen=True, eq=False)
class Thread:
    """A screw's shank with its thread: a bar whose radius follows a helix, with a pointed tip at ``stop_mm``."""

    start_mm: Points
    stop_mm: Points
    radius_mm: float
    depth_mm: float = 0.7
    lead_mm: float = 2.8

    def distance_mm(self, points_mm: Points) -> Points:
        """See ``Solid``."""
        start = np.asarray(self.start_mm, dtype=float)
        along = np.asarray(self.stop_mm, dtype=float) - start
        length = float(np.linalg.norm(along))
        along = along / length
        side = np.cross(along, [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        up = np.cross(side, along)
        offset = np.asarray(points_mm) - start
        depth, x, y = offset @ along, offset @ side, offset @ up
        phase = np.arctan2(y, x) + 2.0 * np.pi * depth / self.lead_mm
        tip = np.clip((length - depth) / 7.0, 0.25, 1.0)
        radius = (self.radius_mm - self.depth_mm * (0.5 - 0.5 * np.cos(phase))) * tip
        return np.maximum(np.maximum(np.hypot(x, y) - radius, -depth), depth - length)

    def bounds_mm(self) -> tuple[Points, Points]:
        """See ``Solid``."""
        return Rod(self.start_mm, self.stop_mm, self.radius_mm).bounds_mm()


@dataclass(frozen=True, eq=False)
class SpacerBody:
    """The body of an interbody spacer with its graft window, about the origin.

    Parameters
    ----------
    half_mm
        Half sizes along (posterior, cranial, left).
    round_mm
        Radius of the edges.
    window_half_mm
        Half sizes (posterior, left) of the opening from endplate to endplate; zero for none.
    bend_per_mm
        Curvature of a banana: its ends lie behind its middle by ``bend_per_mm * left**2 / 2``.
    lordosis_deg
        Angle between its two faces, taller in front.
    """

    half_mm: tuple[float, float, float]
    round_mm: float
    window_half_mm: tuple[float, float] = (0.0, 0.0)
    bend_per_mm: float = 0.0
    lordosis_deg: float = 0.0

    def distance_mm(self, points_mm: Points) -> Points:
        """See ``Solid``."""
        points = np.array(points_mm, dtype=float)
        points[..., 0] -= 0.5 * self.bend_per_mm * points[..., 2] ** 2
        taller = 1.0 - np.tan(np.radians(self.lordosis_deg / 2.0)) * points[..., 0] / self.half_mm[1]
        points[..., 1] /= np.clip(taller, 0.5, 1.5)
        outer = rounded_box(points, np.array(self.half_mm), self.round_mm)
        if min(self.window_half_mm) <= 0.0:
            return outer
        points[..., 1] = 0.0
        window = rounded_box(points, np.array([self.window_half_mm[0], 50.0, self.window_half_mm[1]]), 1.0)
        return smooth_intersection(outer, -window, 0.3)

    def bounds_mm(self) -> tuple[Points, Points]:
        """See ``Solid``."""
        half = np.array(self.half_mm) * [1.0, 1.5, 1.0]
        bend = 0.5 * self.bend_per_mm * self.half_mm[2] ** 2
        return -half - np.array([max(-bend, 0.0), 0.0, 0.0]), half + np.array([max(bend, 0.0), 0.0, 0.0])


@dataclass(frozen=True, eq=False)
class Part:
    """A solid of one material."""

    solid: Solid
    material: Material
    name: str


class ImplantKind(StrEnum):
    """What an implant is."""

    PEDICLE_SCREW = "pedicle-screw"
    ROD = "rod"
    SPACER = "interbody-spacer"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Implant:
    """One implant in place.

    Parameters
    ----------
    name
        Unique within the patient, e.g. ``L4 left screw``.
    kind, parts
        What it is and what it is made of, in own axes.
    carrier
        Name of the vertebra that it moves with.
    carrier_from_own
        Pose in the frame of the carrier.
    """

    name: str
    kind: ImplantKind
    parts: tuple[Part, ...]
    carrier: str
    carrier_from_own: RigidTransform

    def moved(self, displacement: RigidTransform) -> Implant:
        """The same implant after it has moved against its carrier (``displacement`` in the carrier's frame)."""
        return replace(self, carrier_from_own=displacement @ self.carrier_from_own)


def pedicle_screw(
    name: str, carrier: str, entry_mm: Points, tip_mm: Points, *, radius_mm: float = 3.0, is_threaded: bool = True
) -> Implant:
    """A polyaxial pedicle screw from its entry point to its tip, both in the frame of the carrier."""
    entry, tip = np.asarray(entry_mm, dtype=float), np.asarray(tip_mm, dtype=float)
    outward = (entry - tip) / np.linalg.norm(entry - tip)
    head = entry + outward * 5.0
    shank: Solid = Thread(entry, tip, radius_mm) if is_threaded else Rod(entry, tip, radius_mm)
    parts = (
        Part(shank, Material.TITANIUM, "shank"),
        Part(Rod(entry + outward * 1.0, head + outward * 2.5, 5.2), Material.TITANIUM, "head"),
    )
    return Implant(name, ImplantKind.PEDICLE_SCREW, parts, carrier, RigidTransform.identity())


def rod_through(name: str, carrier: str, points_mm: Points, *, radius_mm: float = 2.75) -> Implant:
    """A rod through the heads of screws; ``points_mm`` of shape (n, 3) in the frame of the carrier."""
    points = np.asarray(points_mm, dtype=float)
    first, last = points[0], points[-1]
    over = 7.0 * (last - first) / np.linalg.norm(last - first)
    knots = np.vstack([first - over, points[1:-1], last + over])
    parts = tuple(Part(Rod(a, b, radius_mm), Material.TITANIUM, f"rod {i}") for i, (a, b) in enumerate(pairwise(knots)))
    return Implant(name, ImplantKind.ROD, parts, carrier, RigidTransform.identity())


def hip_replacement(side: float) -> Implant:
    """Head, neck and stem of a hip replacement, carried by the sacrum; ``side`` is 1 for the left, -1 for the right."""
    head = np.array([-14.0, -88.0, side * 88.0])
    neck, tip = head + np.array([0.0, -18.0, side * 28.0]), head + np.array([0.0, -120.0, side * 34.0])
    parts = (
        Part(Rod(head, head + np.array([0.0, 0.5, 0.0]), 16.0), Material.COBALT_CHROME, "head"),
        Part(Rod(head, neck, 7.0), Material.TITANIUM, "neck"),
        Part(Rod(neck, tip, 6.5), Material.TITANIUM, "stem"),
    )
    return Implant("hip", ImplantKind.OTHER, parts, "S1", RigidTransform.identity())


class SpacerDesign(StrEnum):
    """Shapes of interbody spacers by the way they are put in."""

    BULLET = "bullet"
    BANANA = "banana"
    ALIF = "alif"


_BODIES = {
    SpacerDesign.BULLET: SpacerBody((12.5, 5.0, 5.0), 2.2, (6.0, 2.4)),
    SpacerDesign.BANANA: SpacerBody((5.2, 5.0, 14.0), 2.2, (2.2, 6.5), bend_per_mm=0.045),
    SpacerDesign.ALIF: SpacerBody((12.0, 6.0, 17.0), 3.0, (5.5, 9.5), lordosis_deg=8.0),
}


def _markers(body: SpacerBody, design: SpacerDesign) -> tuple[Part, ...]:
    """Tantalum pins in the walls of a radiolucent spacer: two behind (or at the ends), one in front."""
    p, c, lateral = body.half_mm
    bend = 0.5 * body.bend_per_mm * (lateral - 2.0) ** 2
    places = {
        SpacerDesign.BULLET: ((p - 1.8, -2.6, 0), (p - 1.8, 2.6, 0), (1.8 - p, 0.0, 1)),
        SpacerDesign.BANANA: ((bend, lateral - 2.0, 0), (bend, 2.0 - lateral, 0), (2.0 - p, 0.0, 1), (p - 1.6, 0.0, 0)),
        SpacerDesign.ALIF: ((p - 2.0, 10.0, 0), (p - 2.0, -10.0, 0), (2.0 - p, 0.0, 0)),
    }[design]
    parts = []
    for number, (at_p, at_l, is_bead) in enumerate(places):
        half = 0.3 if is_bead else c - 1.8
        pin = Rod(np.array([at_p, -half, at_l]), np.array([at_p, half, at_l]), 0.5)
        parts.append(Part(pin, Material.TANTALUM, f"marker {number}"))
    return tuple(parts)


def spacer(
    name: str,
    carrier: str,
    carrier_from_own: RigidTransform,
    *,
    design: SpacerDesign = SpacerDesign.BULLET,
    material: Material = Material.TITANIUM,
    height_mm: float = 10.0,
) -> Implant:
    """An interbody spacer of a design, material and height, in the frame of the vertebra below it."""
    shape = _BODIES[design]
    body = replace(shape, half_mm=(shape.half_mm[0], height_mm / 2.0, shape.half_mm[2]))
    parts: tuple[Part, ...] = (Part(body, material, "body"),)
    if not material.is_metal:
        parts += _markers(body, design)
    return Implant(name, ImplantKind.SPACER, parts, carrier, carrier_from_own)


def surface_points_mm(implant: Implant, *, step_mm: float = 0.4) -> Points:
    """Points on the outer surface of an implant, in its own axes, shape (n, 3)."""
    found = []
    for part in implant.parts:
        lower, upper = part.solid.bounds_mm()
        axes = [np.arange(a - step_mm, b + 2 * step_mm, step_mm) for a, b in zip(lower, upper, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        found.append(_onto_surface(part.solid, points, step_mm))
    return np.concatenate(found)


def _onto_surface(solid: Solid, points_mm: Points, step_mm: float) -> Points:
    points = points_mm[np.abs(solid.distance_mm(points_mm)) < step_mm]
    for _ in range(3):
        slope = np.stack(
            [(solid.distance_mm(points + h) - solid.distance_mm(points - h)) / 2e-3 for h in np.eye(3) * 1e-3], axis=-1
        )
        norm = np.maximum((slope**2).sum(axis=-1), 1e-3)
        points = points - (solid.distance_mm(points) / norm)[:, None] * slope
    return points[np.abs(solid.distance_mm(points)) < 0.01]
