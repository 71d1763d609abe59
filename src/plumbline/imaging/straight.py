"""A box of the spine straightened along the canal, in which discs and bodies lie square to one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.canal import CanalLine
from plumbline.imaging.sampling import is_inside, sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Field = NDArray[Any]

AHEAD_MM = np.arange(6.0, -52.1, -2.0)
"""Distance behind the canal's middle of every row of the box; negative is anterior."""

ASIDE_MM = np.arange(-45.0, 45.1, 3.0)
"""Distance to the left of the canal's middle of every column of the box."""


@dataclass(frozen=True, eq=False)
class StraightSpine:
    """Hounsfield units around the canal on (millimetre along the canal, row, column).

    Parameters
    ----------
    line
        The canal; row i of the box belongs to its point i.
    hu
        Shape (n, len(AHEAD_MM), len(ASIDE_MM)), float32; not a number where metal or nothing is.
    """

    line: CanalLine
    hu: Field

    def points_lps_mm(self, behind_mm: float, aside_mm: float = 0.0) -> Points:
        """The parallel of the canal so far behind and to the left of it, shape (n, 3)."""
        line = self.line
        return line.points_lps_mm + behind_mm * line.posterior + aside_mm * line.left


def straighten(volume: Volume, metal: Volume | None, line: CanalLine) -> StraightSpine:
    """Sample the box; ``metal`` holds 1 where the volume's value says nothing about bone."""
    points = (
        line.points_lps_mm[:, None, None]
        + AHEAD_MM[None, :, None, None] * line.posterior[:, None, None]
        + ASIDE_MM[None, None, :, None] * line.left[:, None, None]
    )
    hu = sample(volume, points)
    is_unknown = ~is_inside(volume, points)
    if metal is not None:
        is_unknown |= sample(metal, points) > 0.2
    hu[is_unknown] = np.nan
    return StraightSpine(line, hu)
