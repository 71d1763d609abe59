"""One virtual patient on one scanner table: bones in posture, implants in place, and where everything lies.

Frames: *own* (posterior, cranial, left of one vertebra), *patient* (LPS, neutral posture), *exam* (LPS of the
scanner on that day, posture and table position included).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.phantom.hardware import Implant
from plumbline.phantom.spine import VirtualSpine

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Posture:
    """How the patient lies at one exam.

    Parameters
    ----------
    bends_deg
        By vertebra name, shape (3,): rotation against the vertebra below, about its axes (posterior,
        cranial, left), through the middle of the disc between them. Missing ones do not bend.
    exam_from_patient
        The whole patient on the table.
    closed_mm
        By vertebra name: how far it has come down on the vertebra below, along the cranial axis of that one, as where
        a spacer has sunk. Missing ones have not.
    """

    bends_deg: Mapping[str, Points] = field(default_factory=dict)
    exam_from_patient: RigidTransform = field(default_factory=RigidTransform.identity)
    closed_mm: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def draw(
        cls, names: tuple[str, ...], rng: np.random.Generator, *, bend_deg: float, shift_mm: float, turn_deg: float
    ) -> Posture:
        """A posture with every angle and shift inside its limit."""
        bends = {name: _inside_ball(rng, bend_deg) for name in names[:-1]}
        turn = np.radians(_inside_ball(rng, turn_deg))
        return cls(bends, RigidTransform.about(np.zeros(3), turn, _inside_ball(rng, shift_mm)))


def _inside_ball(rng: np.random.Generator, radius: float) -> Points:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction) * radius * rng.uniform() ** (1.0 / 3.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """What lies in the scanner.

    Parameters
    ----------
    spine, implants, posture
        Who, with what, and how.
    habitus_seed
        Soft tissue follows from it; the same in all exams of a patient.
    """

    spine: VirtualSpine
    implants: tuple[Implant, ...] = ()
    posture: Posture = field(default_factory=Posture)
    habitus_seed: int = 0

    @cached_property
    def posed_from_neutral(self) -> Mapping[str, RigidTransform]:
        """By vertebra: where posture moves it, in patient LPS. The sacrum stays."""
        vertebrae = self.spine.vertebrae
        moved = {vertebrae[-1].name: RigidTransform.identity()}
        for upper, lower in zip(reversed(vertebrae[:-1]), reversed(vertebrae[1:]), strict=True):
            bend = np.radians(np.asarray(self.posture.bends_deg.get(upper.name, np.zeros(3)), dtype=float))
            hinge = lower.patient_from_own.apply(np.array([-0.45 * lower.shape.depth_mm, 4.0, 0.0]))
            lowered = -self.posture.closed_mm.get(upper.name, 0.0) * lower.frame.cranial
            turn = RigidTransform.about(hinge, lower.patient_from_own.turn(bend), lowered)
            moved[upper.name] = moved[lower.name] @ turn
        return moved

    def exam_from_own(self, vertebra: str) -> RigidTransform:
        """Maps own millimetres of a vertebra to exam LPS millimetres."""
        posed = self.posed_from_neutral[vertebra]
        return self.posture.exam_from_patient @ posed @ self.spine.vertebra(vertebra).patient_from_own

    def exam_from_implant(self, implant: Implant) -> RigidTransform:
        """Maps own millimetres of an implant to exam LPS millimetres."""
        return self.exam_from_own(implant.carrier) @ implant.carrier_from_own

    def frame(self, vertebra: str) -> VertebraFrame:
        """Anatomical frame of a vertebra in this exam."""
        return self.spine.vertebra(vertebra).frame.moved_by(
            self.posture.exam_from_patient @ self.posed_from_neutral[vertebra]
        )

    def centre_lps_mm(self, vertebra: str) -> Points:
        """Centre of a vertebral body in this exam, shape (3,)."""
        return self.exam_from_own(vertebra).apply(self.spine.vertebra(vertebra).shape.centre_mm)

    @cached_property
    def wall_line_mm(self) -> Points:
        """Middle of the posterior wall of every vertebra in patient LPS with posture, cranial to caudal, (n, 3)."""
        rows = []
        for vertebra in self.spine.vertebrae:
            middle = np.array([0.0, -0.5 * vertebra.shape.height_mm, 0.0])
            rows.append((self.posed_from_neutral[vertebra.name] @ vertebra.patient_from_own).apply(middle))
        return np.stack(rows)
