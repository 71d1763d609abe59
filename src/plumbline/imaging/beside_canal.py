"""Where something lies beside the spinal canal, while nothing but the canal is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import spatial

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class BesideCanal:
    """Where points lie beside the canal.

    Parameters
    ----------
    behind, aside
        Shape (n,): how far behind the middle of the canal and to either side of it, mm.
    forward
        Shape (n, 3): unit vector to the front there, LPS.
    """

    behind: Points
    aside: Points
    forward: Points

    @classmethod
    def of(cls, canal_lps_mm: Points, points: Points) -> BesideCanal:
        """Each by the nearest point of the canal's centre line, shape (n, 3), in either order."""
        along = np.gradient(canal_lps_mm, axis=0)
        along = along / np.linalg.norm(along, axis=1, keepdims=True)
        along = np.where(along[:, 2:] < 0.0, -along, along)
        left = np.array([1.0, 0.0, 0.0]) - along[:, :1] * along
        left = left / np.linalg.norm(left, axis=1, keepdims=True)
        _, nearest = spatial.KDTree(canal_lps_mm).query(points)
        off, forward = points - canal_lps_mm[nearest], -np.cross(along, left)[nearest]
        return cls(-np.sum(off * forward, axis=1), np.abs(np.sum(off * left[nearest], axis=1)), forward)
