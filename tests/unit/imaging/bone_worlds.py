"""Small CT exams with known truth: bones and metal as functions of space, evaluated where they lie.

Nothing is resampled: a motion is applied to the coordinates, so the truth is exact. A bone's own axes are
LPS axes with the origin at the midline of its superior-posterior edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.imaging.hardware import HardwareSettings, segment_hardware
from plumbline.imaging.motion import ExamAnatomy
from plumbline.imaging.spine import LocalisedSpine, LocalisedVertebra
from plumbline.imaging.volume import Volume

Points = NDArray[Any]

DEPTH_MM, HEIGHT_MM, WIDTH_MM = 22.0, 16.0, 26.0
DISC_MM = 8.0
PITCH_MM = HEIGHT_MM + DISC_MM
SOFT_TISSUE_HU, METAL_HU, LARGEST_HU = 40.0, 6000.0, 3071.0
BODY_CENTRE = np.array([0.0, -DEPTH_MM / 2, -HEIGHT_MM / 2])
EDGE_MM = 0.5
"""Width of the logistic blur of every edge: no scanner shows sharper ones than its voxels carry."""
REACH_MM = 30.0
"""No bone reaches farther from the middle of its body."""
LPS_FRAME = VertebraFrame(np.zeros(3), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))


def moved(posterior=0.0, cranial=0.0, left=0.0, turn_deg=(0.0, 0.0, 0.0), about=(0.0, 0.0, 0.0)) -> RigidTransform:
    """A motion in anatomical words, the turn about the LPS axes."""
    return RigidTransform.about(np.array(about), np.radians(turn_deg), np.array([left, posterior, cranial]))


def box_distance(points: Points, centre: Points, half_mm: Points, round_mm: float = 2.0) -> Points:
    """Signed distance to a rounded box, negative inside."""
    x, y, z = (np.abs(points[..., i] - centre[i]) - (half_mm[i] - round_mm) for i in range(3))
    beyond = np.sqrt(np.maximum(x, 0.0) ** 2 + np.maximum(y, 0.0) ** 2 + np.maximum(z, 0.0) ** 2)
    return beyond + np.minimum(np.maximum(np.maximum(x, y), z), 0.0) - round_mm


def near(points: Points, middle: Points, reach_mm: float) -> NDArray[np.intp]:
    """Indices of the points within reach of a middle."""
    return np.flatnonzero(sum((points[:, i] - middle[i]) ** 2 for i in range(3)) < reach_mm**2)


@dataclass(frozen=True, eq=False)
class Bone:
    """One vertebra: a body with an arch, and trabeculae that no other ``seed`` has."""

    pose: RigidTransform
    seed: int = 0

    @cached_property
    def frame(self) -> VertebraFrame:
        return LPS_FRAME.moved_by(self.pose)

    def own(self, points: Points) -> Points:
        return self.pose.inverse().apply(points)

    @staticmethod
    def distance(own: Points) -> Points:
        body = box_distance(own, BODY_CENTRE, np.array([WIDTH_MM, DEPTH_MM, HEIGHT_MM]) / 2, 4.0)
        arch = box_distance(own, np.array([4.0, 6.0, -9.0]), np.array([5.0, 7.0, 4.0]))
        return np.minimum(body, arch)

    def hu(self, own: Points) -> Points:
        distance = self.distance(own)
        rng = np.random.default_rng(self.seed)
        trabeculae = np.zeros(len(own))
        for _ in range(24):
            middle = BODY_CENTRE + rng.uniform(-0.5, 0.5, 3) * [WIDTH_MM, DEPTH_MM, HEIGHT_MM]
            wide_mm, high_hu = rng.uniform(1.5, 3.0), rng.uniform(-250, 350)
            squared = sum((own[:, i] - middle[i]) ** 2 for i in range(3))
            trabeculae += high_hu * np.exp(-squared / (2 * wide_mm**2))
        inside = 1.0 / (1.0 + np.exp(np.clip(distance / EDGE_MM, -50, 50)))
        cortex = 500.0 * np.exp(-(((distance + 1.0) / 1.2) ** 2))
        return inside * (250.0 + trabeculae) + cortex


@dataclass(frozen=True, eq=False)
class Metal:
    """A rounded box of metal around its own origin, e.g. a spacer; a long thin one is a screw or a rod."""

    pose: RigidTransform
    half_mm: tuple[float, float, float] = (8.0, 5.0, 3.5)
    """Half-sizes to the left, posterior and cranial."""

    def share(self, points: Points) -> Points:
        round_mm = min(1.5, *self.half_mm)
        distance = box_distance(self.pose.inverse().apply(points), np.zeros(3), np.array(self.half_mm), round_mm)
        return 1.0 / (1.0 + np.exp(np.clip(distance / EDGE_MM, -50, 50)))

    def moved(self, transform: RigidTransform) -> Metal:
        return replace(self, pose=transform @ self.pose)


def metal_at(left: float, posterior: float, cranial: float, half_mm: tuple[float, float, float]) -> Metal:
    return Metal(RigidTransform(np.eye(3), np.array([left, posterior, cranial])), half_mm)


@dataclass(frozen=True)
class Scanner:
    """Where and how finely a world is sampled: LPS mm of the first and last corner, voxel spacing x, y, z.

    A tilted gantry turns the slices about the patient's left-right axis; they are stacked along his length.
    """

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    first_mm: tuple[float, float, float] = (-22.0, -32.0, -24.0)
    last_mm: tuple[float, float, float] = (22.0, 22.0, 32.0)
    noise_hu: float = 10.0
    gain: float = 1.0
    offset_hu: float = 0.0
    seed: int = 0
    tilt_deg: float = 0.0

    def scan(self, bones: tuple[Bone, ...], metals: tuple[Metal, ...] = ()) -> Volume:
        x, y, z = (np.arange(a, b, s) for a, b, s in zip(self.first_mm, self.last_mm, self.spacing_mm, strict=True))
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.first_mm
        angle = np.radians(self.tilt_deg)
        affine[:3, 1] = np.array([0.0, np.cos(angle), np.sin(angle)]) * self.spacing_mm[1]
        shape = len(z), len(y), len(x)
        points = np.indices(shape).reshape(3, -1).T[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
        hu = np.full(len(points), SOFT_TISSUE_HU)
        for bone in bones:
            around = near(points, bone.pose.apply(BODY_CENTRE), REACH_MM)
            own = bone.own(points[around])
            close = bone.distance(own) < 4.0
            hu[around[close]] += bone.hu(own[close])
        hu = hu * self.gain + self.offset_hu
        for metal in metals:
            around = near(points, metal.pose.translation_mm, float(np.linalg.norm(metal.half_mm)) + 4.0)
            hu[around] += metal.share(points[around]) * (METAL_HU - hu[around])
        hu = np.minimum(hu + np.random.default_rng(self.seed).normal(scale=self.noise_hu, size=len(hu)), LARGEST_HU)
        return Volume(hu.reshape(shape).astype(np.int16), affine)


def stacked(count: int = 2, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> tuple[Bone, ...]:
    """Vertebrae one above the other, cranial to caudal; the lowest has its origin in LPS 0."""
    heights = [PITCH_MM * (count - 1 - i) for i in range(count)]
    return tuple(
        Bone(RigidTransform(np.eye(3), np.array([0.0, 0.0, z])), seed) for z, seed in zip(heights, seeds, strict=False)
    )


SPACER = metal_at(0.0, -10.0, DISC_MM / 2, (8.0, 5.0, 3.5))
"""In the middle of the disc space above the lowest vertebra; its rear end lies 5 mm in front of the wall."""


def moved_bones(bones: tuple[Bone, ...], *transforms: RigidTransform) -> tuple[Bone, ...]:
    return tuple(replace(bone, pose=each @ bone.pose) for bone, each in zip(bones, transforms, strict=True))


def located(
    volume: Volume,
    bones: tuple[Bone, ...],
    *,
    numbering: Numbering | None = None,
    sacrum: bool = False,
    frame_uncertainty_mm: float = 0.5,
) -> LocalisedSpine:
    """What localisation would find if it made no error."""
    points = volume.zyx_to_lps(np.indices(volume.shape).reshape(3, -1).T)
    labels = np.zeros(len(points), dtype=np.uint8)
    vertebrae = []
    for index, bone in enumerate(bones):
        around = near(points, bone.pose.apply(BODY_CENTRE), REACH_MM)
        labels[around[bone.distance(bone.own(points[around])) < 0]] = index + 1
        vertebrae.append(
            LocalisedVertebra(
                frame=bone.frame,
                centre_lps_mm=bone.pose.apply(BODY_CENTRE),
                depth_mm=DEPTH_MM,
                height_mm=HEIGHT_MM,
                width_mm=WIDTH_MM,
                frame_uncertainty_mm=frame_uncertainty_mm,
                is_whole=True,
                is_sacrum=sacrum and index == len(bones) - 1,
                confidence=1.0,
            )
        )
    names = ("L3", "L4", "L5", "S1")[4 - len(bones) - (0 if sacrum else 1) :][: len(bones)]
    numbering = numbering or Numbering((Labelling(names, 0.99),), "sacrum")
    return LocalisedSpine(tuple(vertebrae), labels.reshape(volume.shape), np.zeros((0, 3)), numbering, "truth")


def examined(
    bones: tuple[Bone, ...],
    metals: tuple[Metal, ...] = (),
    *,
    scanner: Scanner | None = None,
    numbering: Numbering | None = None,
    sacrum: bool = False,
    settings: HardwareSettings | None = None,
) -> ExamAnatomy:
    """One exam of a world, localised without error, its metal told apart by the code under test."""
    volume = (scanner or Scanner()).scan(bones, metals)
    spine = located(volume, bones, numbering=numbering, sacrum=sacrum)
    return ExamAnatomy(volume, spine, segment_hardware(volume, spine, settings=settings))
