"""Virtual hardware in a real CT: screws and a spacer at one level, and the follow-up in which the spacer has moved.

The anatomy is real, the metal and its artefacts are not; every claim made on such cases says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.errors import InvalidInput
from plumbline.imaging.volume import Volume
from plumbline.phantom.hardware import Implant, Material, Part, SpacerDesign, pedicle_screw, spacer
from plumbline.phantom.metal import Beam, metal_artefact_hu

Points = NDArray[Any]

LARGEST_HU = 3071
BLEND_MM = 6.0
"""Half of the height over which one vertebra's motion passes into its neighbour's, in the disc."""


@dataclass(frozen=True, eq=False)
class RealAnatomy:
    """A real CT with a label map.

    Parameters
    ----------
    labels
        Shape of the volume: a number a vertebra, 0 elsewhere.
    bodies
        Same shape, bool: vertebral bodies without their arches.
    names
        Vertebra name by label number.
    """

    volume: Volume
    labels: NDArray[Any]
    bodies: NDArray[np.bool_]
    names: Mapping[int, str]

    def frame(self, name: str) -> VertebraFrame:
        """Frame of a vertebra from its labels: axes from its body, arch and neighbours, origin at its rear upper edge.

        Raises
        ------
        InvalidInput
            When the label map does not have it.
        """
        body, whole = self._points(name, bodies_only=True), self._points(name, bodies_only=False)
        centre = body.mean(axis=0)
        cranial = self._axis(name)
        posterior = whole.mean(axis=0) - centre
        posterior -= (posterior @ cranial) * cranial
        posterior -= np.array([posterior[0], 0.0, 0.0])
        posterior /= np.linalg.norm(posterior)
        cranial = cranial - (cranial @ posterior) * posterior
        cranial /= np.linalg.norm(cranial)
        left = np.cross(posterior, cranial)
        own = (body - centre) @ np.stack([posterior, cranial, left]).T
        middle = np.abs(own[:, 2]) < 10.0
        wall = float(np.percentile(own[middle & (np.abs(own[:, 1]) < 8.0), 0], 97.0))
        roof = float(np.percentile(own[middle & (own[:, 0] > 0.0), 1], 97.0))
        return VertebraFrame(centre + wall * posterior + roof * cranial, posterior, cranial, left)

    def size_mm(self, name: str) -> tuple[float, float, float]:
        """(depth, height, width) of a body."""
        own = self.frame(name).coordinates_mm(self._points(name, bodies_only=True))
        depth, height, width = np.percentile(own, 98, axis=0) - np.percentile(own, 2, axis=0)
        return float(depth), float(height), float(width)

    def _axis(self, name: str) -> Points:
        present = [each for number, each in self.names.items() if (self.bodies & (self.labels == number)).any()]
        order = sorted(present, key=lambda each: self._points(each, bodies_only=True)[:, 2].mean())
        at = order.index(name)
        lower, upper = order[max(at - 1, 0)], order[min(at + 1, len(order) - 1)]
        axis = self._points(upper, bodies_only=True).mean(axis=0) - self._points(lower, bodies_only=True).mean(axis=0)
        return axis / np.linalg.norm(axis)

    def _points(self, name: str, *, bodies_only: bool) -> Points:
        number = next((key for key, value in self.names.items() if value == name), None)
        chosen = self.labels == number if number is not None else np.zeros_like(self.bodies)
        if bodies_only:
            chosen = chosen & self.bodies
        if not chosen.any():
            raise InvalidInput(f"the label map has no {name}")
        return self.volume.zyx_to_lps(np.argwhere(chosen))


@dataclass(frozen=True, eq=False)
class RealPair:
    """Baseline and follow-up of one real anatomy with virtual hardware, and the truth.

    ``translation_mm`` is (posterior, cranial, left) of the spacer against the vertebra below, in the axes
    that ``RealAnatomy.frame`` gives it in the baseline.
    """

    baseline: Volume
    current: Volume
    level: str
    translation_mm: tuple[float, float, float]
    rotation_deg: float


def operate(
    anatomy: RealAnatomy,
    above: str,
    below: str,
    *,
    translation_mm: tuple[float, float, float],
    seed: int,
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    shift_mm: float = 15.0,
    turn_deg: float = 8.0,
    bend_deg: float = 3.0,
    material: Material = Material.TITANIUM,
    design: SpacerDesign = SpacerDesign.BULLET,
    margin_mm: float = 6.0,
) -> RealPair:
    """Put screws and a spacer into a real CT, and make the follow-up with the patient lying differently.

    Parameters
    ----------
    translation_mm, rotation_deg
        The spacer's motion against the vertebra below, about the axes (posterior, cranial, left).
    shift_mm, turn_deg, bend_deg
        Limits of the whole patient's shift and turn, and of the bend between the two vertebrae.
    margin_mm
        Distance of the spacer's rear end from the posterior wall in the baseline.
    """
    rng = np.random.default_rng(seed)
    frames = {name: anatomy.frame(name) for name in (above, below)}
    implants = [*_screws(anatomy, frames), _spacer(anatomy, frames, above, below, material, design, margin_mm)]
    held = {name: _pose(frame) for name, frame in frames.items()}
    baseline = _drawn(anatomy.volume, implants, held, rng)
    whole = RigidTransform.about(
        frames[below].origin_lps_mm, np.radians(_within(rng, turn_deg)), _within(rng, shift_mm)
    )
    hinge = frames[below].origin_lps_mm
    bend = RigidTransform.about(hinge, np.radians(_within(rng, bend_deg)), np.zeros(3))
    moved = implants[-1].moved(
        RigidTransform.about(
            implants[-1].carrier_from_own.translation_mm, np.radians(rotation_deg), np.array(translation_mm)
        )
    )
    current = _drawn(
        _posed(anatomy.volume, whole, bend, frames[below]),
        [*implants[:-1], moved],
        {above: whole @ bend @ held[above], below: whole @ held[below]},
        rng,
    )
    return RealPair(baseline, current, f"{above}-{below}", translation_mm, float(np.linalg.norm(rotation_deg)))


def _within(rng: np.random.Generator, limit: float) -> Points:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction) * limit * rng.uniform() ** (1.0 / 3.0)


def _pose(frame: VertebraFrame) -> RigidTransform:
    """Maps frame coordinates (posterior, cranial, left) to LPS."""
    return RigidTransform(frame.axes.T, frame.origin_lps_mm)


def _screws(anatomy: RealAnatomy, frames: Mapping[str, VertebraFrame]) -> list[Implant]:
    found = []
    for name in frames:
        depth, height, _ = anatomy.size_mm(name)
        for side, word in ((1.0, "left"), (-1.0, "right")):
            entry = np.array([20.0, -0.28 * height, side * 19.0])
            tip = np.array([-0.65 * depth, -0.36 * height, side * 8.0])
            found.append(pedicle_screw(f"{name} {word} screw", name, entry, tip))
    return found


def _spacer(
    anatomy: RealAnatomy,
    frames: Mapping[str, VertebraFrame],
    above: str,
    below: str,
    material: Material,
    design: SpacerDesign,
    margin_mm: float,
) -> Implant:
    """Between the two endplates, its rear end ``margin_mm`` in front of the posterior wall."""
    _, height_above, _ = anatomy.size_mm(above)
    depth, _, _ = anatomy.size_mm(below)
    ceiling = frames[above].origin_lps_mm - height_above * frames[above].cranial - 0.5 * depth * frames[above].posterior
    gap = float((ceiling - frames[below].origin_lps_mm) @ frames[below].cranial)
    height = float(np.clip(gap + 1.0, 7.0, 12.0))
    made = spacer("spacer", below, RigidTransform.identity(), design=design, material=material, height_mm=height)
    _, upper = made.parts[0].solid.bounds_mm()
    place = np.array([-margin_mm - float(upper[0]), gap / 2.0, 0.0])
    return made.moved(RigidTransform(np.eye(3), place))


def _posed(volume: Volume, whole: RigidTransform, bend: RigidTransform, below: VertebraFrame) -> Volume:
    """The patient lying differently: everything by ``whole``, and what is above the disc by ``bend`` before."""
    shape = volume.shape
    posed = np.empty(shape, dtype=np.float32)
    spline = ndimage.spline_filter(volume.voxels.astype(np.float32), order=3)
    rows, columns = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    for slice_index in range(shape[0]):
        index = np.stack([np.full(rows.shape, slice_index), rows, columns], axis=-1).reshape(-1, 3)
        lying = whole.inverse().apply(volume.zyx_to_lps(index))
        unbent = bend.inverse().apply(lying)
        height = below.coordinates_mm(lying)[:, 1] - BLEND_MM
        share = np.clip(0.5 + height / (2.0 * BLEND_MM), 0.0, 1.0)[:, None]
        source = volume.to_index((1.0 - share) * lying + share * unbent)[:, ::-1].T
        values = ndimage.map_coordinates(spline, source, order=3, mode="constant", cval=-1000.0, prefilter=False)
        posed[slice_index] = values.reshape(rows.shape)
    return Volume(np.clip(posed, -1024, LARGEST_HU), volume.lps_from_index)


def _drawn(
    volume: Volume, implants: list[Implant], poses: Mapping[str, RigidTransform], rng: np.random.Generator
) -> Volume:
    """Implants drawn with partial volume, and their artefacts."""
    hu = volume.voxels.astype(np.float32)
    metal = np.zeros(hu.shape, dtype=np.float32)
    for implant in implants:
        for part in implant.parts:
            _draw_part(volume, hu, metal, part, poses[implant.carrier] @ implant.carrier_from_own)
    pixel_mm = float(volume.spacing_mm[0])
    for index in np.nonzero(metal.reshape(len(metal), -1).max(axis=1) > 0.02)[0]:
        hu[index] += metal_artefact_hu(metal[index], hu[index], pixel_mm, Beam(), rng)
    return Volume(np.rint(np.clip(hu, -1024, LARGEST_HU)).astype(np.int16), volume.lps_from_index)


def _draw_part(volume: Volume, hu: Points, metal: Points, part: Part, lps_from_own: RigidTransform) -> None:
    lower, upper = part.solid.bounds_mm()
    picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    corners = volume.to_index(lps_from_own.apply(np.where(picks == 0, lower, upper)))
    limits = np.array(volume.shape[::-1])
    first = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, limits)
    last = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, limits)
    if np.any(first >= last):
        return
    samples = np.maximum(np.ceil(volume.spacing_mm / 0.4).astype(int), 2)
    axes = [
        (np.arange(a, b)[:, None] + (np.arange(n) + 0.5) / n - 0.5).ravel()
        for a, b, n in zip(first, last, samples, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    points = lps_from_own.inverse().apply(volume.to_lps(np.stack([x, y, z], axis=-1)))
    width = float((volume.spacing_mm / samples).max())
    share = np.clip(0.5 - part.solid.distance_mm(points) / width, 0.0, 1.0)
    (nx, ny, nz), counts = samples, last - first
    share = share.reshape(counts[0], nx, counts[1], ny, counts[2], nz).mean(axis=(1, 3, 5)).transpose(2, 1, 0)
    window = tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], last[::-1], strict=True))
    hu[window] += share * (part.material.hu - hu[window])
    if part.material.is_metal:
        dense = (part.material.hu + 1000.0) / (Material.TITANIUM.hu + 1000.0)
        metal[window] += share * np.maximum(dense - metal[window], 0.0)
