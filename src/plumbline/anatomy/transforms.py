"""Rigid transforms and vertebra frames in LPS millimetres.

``a_from_b`` names a transform that maps points of *b* to points of *a*. The LPS axes point to the
patient's Left, Posterior and Superior side (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation followed by a translation: ``p -> rotation @ p + translation_mm``.

    Parameters
    ----------
    rotation
        Shape (3, 3), proper orthogonal.
    translation_mm
        Shape (3,), millimetres.
    """

    rotation: Points
    translation_mm: Points

    @classmethod
    def identity(cls) -> RigidTransform:
        """The transform that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def about(cls, centre_mm: Points, rotation_vector_rad: Points, translation_mm: Points) -> RigidTransform:
        """Rotate about ``centre_mm`` by a rotation vector (axis times angle), then translate."""
        rotation = rotation_from_vector(rotation_vector_rad)
        centre = np.asarray(centre_mm, dtype=float)
        return cls(rotation, centre + np.asarray(translation_mm, dtype=float) - rotation @ centre)

    def __matmul__(self, first: RigidTransform) -> RigidTransform:
        """``(a_from_b @ b_from_c)`` is ``a_from_c``."""
        return RigidTransform(
            self.rotation @ first.rotation, self.rotation @ first.translation_mm + self.translation_mm
        )

    def inverse(self) -> RigidTransform:
        """``b_from_a`` of ``a_from_b``."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation_mm)

    def apply(self, points_mm: Points) -> Points:
        """Map points of shape (..., 3), millimetres."""
        return np.asarray(points_mm, dtype=float) @ self.rotation.T + self.translation_mm

    def turn(self, vectors: Points) -> Points:
        """Map directions of shape (..., 3): rotation only."""
        return np.asarray(vectors, dtype=float) @ self.rotation.T

    @property
    def rotation_vector_rad(self) -> Points:
        """Rotation as axis times angle, shape (3,), radians."""
        return vector_from_rotation(self.rotation)

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation, degrees, 0 to 180."""
        return float(np.degrees(np.linalg.norm(self.rotation_vector_rad)))


def rotation_from_vector(vector_rad: Points) -> Points:
    """Rotation matrix (3, 3) of an axis-times-angle vector (3,), by Rodrigues' formula."""
    vector = np.asarray(vector_rad, dtype=float)
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def vector_from_rotation(rotation: Points) -> Points:
    """Axis-times-angle vector (3,) in radians of a rotation matrix (3, 3)."""
    cosine = float(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))
    angle = float(np.arccos(cosine))
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    if angle < 1e-9:
        return axis / 2.0
    if np.pi - angle < 1e-6:
        column = int(np.argmax(np.diag(rotation)))
        half = (rotation[:, column] + np.eye(3)[:, column]) / 2.0
        return angle * half / np.linalg.norm(half)
    return angle * axis / (2.0 * np.sin(angle))


@dataclass(frozen=True, eq=False)
class VertebraFrame:
    """Anatomical frame of one vertebral body.

    Parameters
    ----------
    origin_lps_mm
        Shape (3,): midpoint of the superior-posterior edge of the body, where the posterior wall meets
        the superior endplate in the midline.
    posterior, cranial, left
        Unit vectors of shape (3,) in LPS. ``posterior`` is normal to the posterior wall, ``cranial``
        runs up along the wall, ``left`` completes them; left x posterior = cranial.
    """

    origin_lps_mm: Points
    posterior: Points
    cranial: Points
    left: Points

    @property
    def axes(self) -> Points:
        """Rows are posterior, cranial, left; shape (3, 3). Maps an LPS direction to the frame."""
        return np.stack([self.posterior, self.cranial, self.left])

    def coordinates_mm(self, points_lps_mm: Points) -> Points:
        """(posterior, cranial, left) millimetres from the origin, for points of shape (..., 3)."""
        return (np.asarray(points_lps_mm, dtype=float) - self.origin_lps_mm) @ self.axes.T

    def components_mm(self, vectors_lps_mm: Points) -> Points:
        """(posterior, cranial, left) components of displacement vectors of shape (..., 3)."""
        return np.asarray(vectors_lps_mm, dtype=float) @ self.axes.T

    def moved_by(self, transform: RigidTransform) -> VertebraFrame:
        """The same frame after the bone has moved by ``transform``."""
        return VertebraFrame(
            transform.apply(self.origin_lps_mm),
            transform.turn(self.posterior),
            transform.turn(self.cranial),
            transform.turn(self.left),
        )
