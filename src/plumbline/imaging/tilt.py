"""A stack scanned with a tilted gantry on a grid with right angles.

The slices of such a stack are parallel, but each lies beside the last: index axes are not square to each other. They
are shifted within their own planes, so that nothing is mixed between slices and no edge is blurred across them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.volume import Volume

Points = NDArray[Any]

AIR_HU = -1024
LEAST_TILT_DEG = 0.1
"""Below this a stack is taken as square: over a lumbar spine that is less than half a millimetre, and affine maps hold
it exactly all the same."""


def tilt_deg(lps_from_index: Points) -> float:
    """Angle between the direction from slice to slice and the normal of the slices, degrees."""
    normal, step = _normal(lps_from_index), lps_from_index[:3, 2]
    along = abs(float(step @ normal))
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(normal, step)), along)))


def without_tilt(volume: Volume) -> Volume:
    """The same voxels on a grid with right angles; the volume itself where it was not tilted.

    Slices keep their planes and their distance, and each is shifted within its plane by cubic interpolation; what
    the shift uncovers is air. The note says so.
    """
    angle = tilt_deg(volume.lps_from_index)
    if angle < LEAST_TILT_DEG:
        return volume
    affine = volume.lps_from_index
    normal, step = _normal(affine), affine[:3, 2]
    square = normal * float(step @ normal)
    drift = np.linalg.lstsq(affine[:3, :2], step - square, rcond=None)[0]
    count = volume.shape[0]
    first = np.floor(np.minimum(drift * (count - 1), 0.0))
    room = np.ceil(np.abs(drift) * (count - 1)).astype(int)
    moved = affine.copy()
    moved[:3, 2] = square
    moved[:3, 3] = affine[:3, 3] + affine[:3, :2] @ first
    voxels = _shifted_slices(volume.voxels, drift, first, room)
    told = (
        f"The gantry was tilted by {angle:.1f} degrees; each slice was shifted within its plane on to a grid with "
        "right angles."
    )
    return Volume(voxels, moved, " ".join(filter(None, (volume.note, told))))


def _normal(affine: Points) -> Points:
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    return normal / np.linalg.norm(normal)


def _shifted_slices(voxels: NDArray[Any], drift: Points, first: Points, room: NDArray[np.intp]) -> NDArray[Any]:
    """Every slice at its place on the wider grid; ``drift`` and ``first`` are (columns, rows) in pixels."""
    count, rows, columns = voxels.shape
    wide = np.full((count, rows + int(room[1]), columns + int(room[0])), AIR_HU, dtype=voxels.dtype)
    for index in range(count):
        to_column, to_row = (drift * index - first).tolist()
        plane = _shifted(_shifted(voxels[index].astype(np.float32), to_row).T, to_column).T
        top, left = int(np.floor(to_row)), int(np.floor(to_column))
        target = wide[index, top : top + plane.shape[0], left : left + plane.shape[1]]
        target[:] = _as(plane[: target.shape[0], : target.shape[1]], wide.dtype)
    return wide


def _as(plane: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.rint(plane).astype(dtype) if np.issubdtype(dtype, np.integer) else plane.astype(dtype)


def _shifted(plane: NDArray[Any], by: float) -> NDArray[Any]:
    """The plane's rows moved down by the fraction of ``by``, one row more than before where there is a fraction.

    Cubic (Catmull-Rom) through four rows and never beyond their values: metal at the end of the scale would ring.
    """
    part = by - float(np.floor(by))
    if part < 1e-6:
        return plane
    padded = np.pad(plane, ((2, 2), (0, 0)), constant_values=AIR_HU)
    before2, before, after, after2 = (padded[k : k + len(plane) + 1] for k in range(4))
    t = 1.0 - part
    weights = (
        -0.5 * t + t**2 - 0.5 * t**3,
        1.0 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2.0 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )
    mixed = sum(w * each for w, each in zip(weights, (before2, before, after, after2), strict=True))
    lowest = np.minimum(np.minimum(before2, after2), np.minimum(before, after))
    highest = np.maximum(np.maximum(before2, after2), np.maximum(before, after))
    return np.clip(mixed, lowest, highest)
