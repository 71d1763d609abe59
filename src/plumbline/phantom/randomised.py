"""Randomised pairs with known truth, for measuring accuracy: other anatomy, hardware, posture and protocol each time.

One virtual patient is scanned once as baseline and several times as follow-up, each time with a spacer that
has moved by another, known amount. Everything follows from a seed and a number; nothing of the truth is in
the volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.phantom.fixation import Fixation, displaced, fixate
from plumbline.phantom.hardware import Implant, ImplantKind, Material, SpacerDesign, hip_replacement
from plumbline.phantom.metal import Beam
from plumbline.phantom.scanner import BONE, SOFT, Kernel, Protocol
from plumbline.phantom.scene import Posture, Scene
from plumbline.phantom.spine import VirtualSpine, draw_spine

Points = NDArray[Any]

FIELD_MM = 195.0
WIDE_FIELD_MM = 380.0
COVERAGE_MM = {False: (128.0, 150.0), True: (225.0, 250.0)}
"""Height of the stack by whether the lowest ribs are in view: L2 or L3 to the sacrum, or T11 or T12 to the sacrum."""


class SliceClass(StrEnum):
    """How thick the slices are: up to 1.25 mm, or 2.5 mm."""

    THIN = "thin"
    THICK = "thick"


SPACINGS_MM = {SliceClass.THIN: (0.7, 0.8, 1.0, 1.25), SliceClass.THICK: (2.5,)}


@dataclass(frozen=True, slots=True)
class Displacement:
    """True motion of one spacer against the vertebra below, in its axes (posterior, cranial, left).

    ``rotation_deg`` is a rotation vector about the spacer's centre.
    """

    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def magnitude_mm(self) -> float:
        """Length of the translation."""
        return float(np.linalg.norm(self.translation_mm))


STILL = Displacement()


@dataclass(frozen=True, eq=False)
class RandomExam:
    """One scan: scene, protocol and the seed of its noise."""

    scene: Scene
    protocol: Protocol
    seed: int


@dataclass(frozen=True, eq=False)
class FollowUp:
    """A follow-up exam and the truth: by spacer name, how it has moved since the baseline."""

    exam: RandomExam
    motions: Mapping[str, Displacement]


@dataclass(frozen=True, eq=False)
class RandomPatient:
    """One patient.

    ``levels`` maps the name of each spacer to its level; ``lumbar`` is the number of lumbar vertebrae.
    """

    number: int
    slice_class: SliceClass
    lumbar: int
    fixations: tuple[Fixation, ...]
    levels: Mapping[str, str]
    baseline: RandomExam
    follow_ups: tuple[FollowUp, ...]


def draw_patient(seed: int, number: int, slice_class: SliceClass, *, follow_ups: int = 2) -> RandomPatient:
    """The patient of that number in the campaign of that seed."""
    return _Draw(seed, number, slice_class).patient(follow_ups)


def draw_displacement(rng: np.random.Generator) -> Displacement:
    """Nothing at all, something below 1 mm, something in between, or 2.5 mm and more, in any direction."""
    kind = rng.choice(["still", "small", "between", "large"], p=[0.3, 0.15, 0.15, 0.4])
    low, high = {"still": (0.0, 0.0), "small": (0.2, 1.0), "between": (1.0, 2.5), "large": (2.5, 9.0)}[str(kind)]
    if high == 0.0:
        return STILL
    direction = rng.standard_normal(3) + np.array([1.2, -0.8, 0.0])
    translation = direction / np.linalg.norm(direction) * rng.uniform(low, high)
    turn = rng.standard_normal(3)
    turn *= rng.uniform(0.0, 8.0 if kind == "large" else 2.0) / np.linalg.norm(turn)
    return Displacement(_triple(translation), _triple(turn))


def _triple(values: Points) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third


class _Draw:
    """Draws one patient from one random stream."""

    def __init__(self, seed: int, number: int, slice_class: SliceClass) -> None:
        self._number = number
        self._class = slice_class
        self._seed = int(np.random.default_rng((seed, number, 5)).integers(2**31))
        self._rng = np.random.default_rng((seed, number, 6))
        self._lumbar = int(self._rng.choice([4, 5, 6], p=[0.05, 0.87, 0.08]))
        self._spine: VirtualSpine = draw_spine(self._seed, lumbar=self._lumbar)
        self._has_hip = bool(self._rng.uniform() < 0.04)
        self._shows_ribs = bool(self._rng.uniform() < 0.5)

    def patient(self, count: int) -> RandomPatient:
        fixations = self._fixations()
        implants = [implant for fixation in fixations for implant in fixate(self._spine, fixation)]
        if self._has_hip:
            implants.append(hip_replacement(float(self._rng.choice([-1.0, 1.0]))))
        levels = {
            implant.name: fixation.level
            for fixation in fixations
            for implant in fixate(self._spine, fixation)
            if implant.kind is ImplantKind.SPACER
        }
        return RandomPatient(
            number=self._number,
            slice_class=self._class,
            lumbar=self._lumbar,
            fixations=fixations,
            levels=levels,
            baseline=self._exam(tuple(implants), fixations, 0),
            follow_ups=tuple(self._follow_up(implants, fixations, levels, index + 1) for index in range(count)),
        )

    def _fixations(self) -> tuple[Fixation, ...]:
        lumbar = self._spine.names[2:]
        lowest = int(self._rng.choice([1, 2, 3], p=[0.4, 0.42, 0.18]))
        first = self._fixation(lumbar[-1 - lowest], lumbar[-lowest], suffix="")
        if lowest == 3 or self._rng.uniform() > 0.15:
            return (first,)
        above = lumbar[-2 - lowest]
        second = replace(first, above=above, below=first.above, suffix=" upper")
        return (first, second)

    def _fixation(self, above: str, below: str, *, suffix: str) -> Fixation:
        rng = self._rng
        design = SpacerDesign(str(rng.choice([d.value for d in SpacerDesign], p=[0.5, 0.3, 0.2])))
        is_paired = design is SpacerDesign.BULLET and bool(rng.uniform() < 0.3)
        turned = {SpacerDesign.BULLET: 0.0 if is_paired else 25.0, SpacerDesign.BANANA: 12.0, SpacerDesign.ALIF: 6.0}
        return Fixation(
            above,
            below,
            material=Material.TITANIUM if rng.uniform() < 0.5 else Material.PEEK,
            design=design,
            margin_mm=float(rng.uniform(3.0, 7.0)),
            off_centre_mm=8.5 if is_paired else float(rng.uniform(-5.0, 5.0)),
            has_screws=bool(rng.uniform() > 0.2),
            is_paired=is_paired,
            turn_deg=float(rng.uniform(-1.0, 1.0)) * turned[design],
            suffix=suffix,
        )

    def _follow_up(
        self, implants: list[Implant], fixations: tuple[Fixation, ...], levels: Mapping[str, str], index: int
    ) -> FollowUp:
        motions = {
            name: draw_displacement(self._rng) if level == fixations[0].level else STILL
            for name, level in levels.items()
        }
        if fixations[0].is_paired:
            names = [name for name, level in levels.items() if level == fixations[0].level]
            motions |= dict.fromkeys(names[1:], STILL)
        moved = tuple(
            displaced(
                implant, np.array(motions[implant.name].translation_mm), np.array(motions[implant.name].rotation_deg)
            )
            if implant.name in motions
            else implant
            for implant in implants
        )
        return FollowUp(self._exam(moved, fixations, index), motions)

    def _exam(self, implants: tuple[Implant, ...], fixations: tuple[Fixation, ...], index: int) -> RandomExam:
        posture = Posture.draw(self._spine.names, self._rng, bend_deg=6.0, shift_mm=30.0, turn_deg=15.0)
        held = {each.above: posture.bends_deg[each.above] * (0.1 if each.has_screws else 0.4) for each in fixations}
        posture = replace(posture, bends_deg={**posture.bends_deg, **held})
        scene = Scene(self._spine, implants, posture, self._seed)
        return RandomExam(scene, self._protocol(scene), self._seed + index)

    def _protocol(self, scene: Scene) -> Protocol:
        rng = self._rng
        spacing = float(rng.choice(SPACINGS_MM[self._class]))
        field_mm = WIDE_FIELD_MM if self._has_hip else FIELD_MM
        pixel = float(rng.uniform(0.5, 0.8)) if not self._has_hip else float(rng.uniform(0.7, 0.9))
        size = round(field_mm / pixel)
        names = self._spine.names
        top = names[1] if self._shows_ribs else names[-4]
        centre = 0.5 * (scene.centre_lps_mm(top) + scene.centre_lps_mm("S1")) + np.array([0.0, -8.0, 0.0])
        x, y, z = (centre + rng.uniform(-5.0, 5.0, 3)).tolist()
        coverage = float(rng.uniform(*COVERAGE_MM[self._shows_ribs])) + (40.0 if self._has_hip else 0.0)
        kernel: Kernel = SOFT if rng.uniform() < 0.5 else BONE
        return Protocol(
            rows=size,
            columns=size,
            pixel_mm=pixel,
            slices=round(coverage / spacing),
            spacing_mm=spacing,
            thickness_mm=spacing * float(rng.choice([1.0, 1.25])) if self._class is SliceClass.THIN else spacing,
            centre_lps_mm=(x, y, z - (20.0 if self._has_hip else 0.0)),
            kernel=replace(kernel, noise_hu=kernel.noise_hu * float(rng.uniform(0.7, 1.4))),
            beam=Beam(photons=float(rng.choice([3e5, 6e5, 1.2e6]))),
            largest_hu=float(rng.choice([3071.0, 3071.0, 12000.0, 30000.0])),
        )
