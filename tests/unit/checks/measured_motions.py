"""Motions as the registration would give them, for trying what the checks make of the numbers."""

from __future__ import annotations

import numpy as np

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.motion import Estimate, SpacerMotion
from plumbline.imaging.registration import RegistrationResult
from tests.unit.imaging.bone_worlds import LPS_FRAME


def implant(kind: ImplantKind = ImplantKind.SPACER_METAL, centre=(0.0, -10.0, 4.0), above: int = 0) -> Implant:
    points = np.array([centre]) + np.array([[-5.0, -5.0, -3.0], [5.0, 5.0, 3.0]])
    return Implant(kind, points, np.array(centre), 1000.0, above, above + 1)


def registered(transform: RigidTransform | None = None) -> RegistrationResult:
    return RegistrationResult(transform or RigidTransform.identity(), np.eye(6) * 1e-4, np.zeros(3), 20.0, 0.98, 1.0)


def motion(
    posterior: float = 0.0, cranial: float = 0.0, left: float = 0.0, *, uncertainty: float = 0.3, sunk: float = 0.0
) -> SpacerMotion:
    """A spacer that has moved against the vertebra below; the vertebra above has come down by ``sunk``."""
    own = RigidTransform(np.eye(3), np.array([left, posterior, cranial]))
    moved = [Estimate(value, uncertainty) for value in (posterior, cranial, left)]
    length = float(np.linalg.norm([posterior, cranial, left]))
    return SpacerMotion(
        spacer=implant(),
        baseline_spacer=implant(),
        translation_mm=(moved[0], moved[1], moved[2]),
        translation_above_mm=(moved[0], Estimate(cranial + sunk, uncertainty), moved[2]),
        magnitude_mm=Estimate(length, uncertainty),
        rotation_deg=Estimate(0.4, 0.5),
        subsidence_mm=Estimate(max(-cranial, cranial + sunk, 0.0), uncertainty),
        posterior_margin_mm=Estimate(5.0 - posterior, 0.6),
        baseline_posterior_margin_mm=Estimate(5.0, 0.6),
        spacer_motion=registered(own),
        below_motion=registered(),
        above_motion=registered(RigidTransform(np.eye(3), np.array([0.0, 0.0, -sunk]))),
        baseline_frame=LPS_FRAME,
    )
