"""A CT or MR volume with its geometry in LPS millimetres. Reading DICOM is not done here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and where they lie.

    Parameters
    ----------
    voxels
        Shape (slices, rows, columns); int16 or float32. Hounsfield units for CT.
    lps_from_index
        Shape (4, 4): maps homogeneous (column, row, slice) index to LPS millimetres. Right- or
        left-handed; columns may be oblique but are mutually orthogonal unless said otherwise.
    note
        A sentence for the reader about what of the series is not in it, or None.
    """

    voxels: NDArray[Any]
    lps_from_index: Points
    note: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return self.voxels.shape  # type: ignore[return-value]

    @cached_property
    def spacing_mm(self) -> Points:
        """Voxel size along (column index, row index, slice index), millimetres."""
        return np.linalg.norm(self.lps_from_index[:3, :3], axis=0)

    @cached_property
    def index_from_lps(self) -> Points:
        """Inverse of ``lps_from_index``, shape (4, 4)."""
        return np.linalg.inv(self.lps_from_index)

    def to_lps(self, index: Points) -> Points:
        """LPS millimetres of (column, row, slice) indices of shape (..., 3)."""
        return _mapped(self.lps_from_index, index).T.reshape(np.shape(index))

    def to_index(self, points_lps_mm: Points) -> Points:
        """(column, row, slice) indices, fractional, of LPS points of shape (..., 3)."""
        return _mapped(self.index_from_lps, points_lps_mm).T.reshape(np.shape(points_lps_mm))

    def array_coordinates(self, points_lps_mm: Points) -> Points:
        """Fractional (slice, row, column) of LPS points of shape (..., 3), as ``scipy.ndimage`` takes them: (3, n)."""
        return _mapped(self.index_from_lps[2::-1], points_lps_mm)

    def zyx_to_lps(self, index_zyx: Points) -> Points:
        """LPS millimetres of array indices (slice, row, column) of shape (..., 3), as np.argwhere gives."""
        return self.to_lps(np.asarray(index_zyx, dtype=float)[..., ::-1])

    def crop(self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]) -> Volume:
        """View of a box of the array (start inclusive, stop exclusive), with its own geometry."""
        (z0, y0, x0), (z1, y1, x1) = start_zyx, stop_zyx
        affine = self.lps_from_index.copy()
        affine[:3, 3] = self.to_lps(np.array([x0, y0, z0], dtype=float))
        return Volume(self.voxels[z0:z1, y0:y1, x0:x1], affine)


def _mapped(affine: Points, points: Points) -> Points:
    """Points of shape (..., 3) mapped by the first three rows of an affine, shape (3, n).

    Written out by columns: a matrix product of three by three and very many starts threads for nothing.
    """
    x, y, z = np.asarray(points, dtype=float).reshape(-1, 3).T
    return np.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in affine[:3]])
