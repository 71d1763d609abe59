"""Boolean volumes: which voxels they hold, and which lie near those. Exact, and quick where little is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def voxels_of(mask: Mask) -> NDArray[np.intp]:
    """Index (slice, row, column) of every voxel held, shape (n, 3), in the array's order.

    As ``np.argwhere``, which takes ten times as long on the few voxels of metal in a CT.
    """
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)


def connected(held_zyx: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Number, from 1 on, of the connected piece of each voxel held, shape (n,); how many pieces there are.

    Parameters
    ----------
    held_zyx
        Shape (n, 3): index of the voxels.
    """
    if not len(held_zyx):
        return np.zeros(0, dtype=int), 0
    at = tuple((held_zyx - held_zyx.min(axis=0)).T)
    box = np.zeros([int(axis.max()) + 1 for axis in at], dtype=bool)
    box[at] = True
    labelled: NDArray[Any] = np.empty(box.shape, dtype=np.int32)
    count = int(ndimage.label(box, structure=np.ones((3, 3, 3)), output=labelled))  # type: ignore[arg-type]
    return labelled[at], count


def parted_where_thin(
    held_zyx: NDArray[Any], spacing_zyx: NDArray[Any], necks_mm: Sequence[float]
) -> Iterator[NDArray[np.intp]]:
    """Parts of a connected piece when it is cut where it is thin, for each half-thickness that cuts it at all.

    What is deeper than the half-thickness is a part's core, and every voxel belongs to the nearest core.

    Parameters
    ----------
    held_zyx
        Shape (n, 3): index of the piece's voxels.
    spacing_zyx
        Shape (3,): voxel size along slices, rows and columns, mm.

    Yields
    ------
    ndarray
        Shape (n,): number of each voxel's part, from 0 on.
    """
    corner = held_zyx.min(axis=0) - 1
    at = tuple((held_zyx - corner).T)
    box = np.zeros(held_zyx.max(axis=0) - corner + 2, dtype=bool)
    box[at] = True
    depth_mm = ndimage.distance_transform_edt(box, sampling=spacing_zyx)
    for neck_mm in necks_mm:
        cores, count = ndimage.label(depth_mm > neck_mm, structure=np.ones((3, 3, 3)))  # type: ignore[misc]
        if count > 1:
            nearest = ndimage.distance_transform_edt(
                cores == 0, sampling=spacing_zyx, return_distances=False, return_indices=True
            )
            yield cores[tuple(nearest)][at] - 1  # type: ignore[arg-type]


def within_mm(mask: Mask, distance_mm: float, spacing_zyx: NDArray[Any]) -> Mask:
    """Voxels whose centre lies within a distance of the centre of one that is held.

    The rows of the mask are widened once for every half-width that the ball has, then laid over each other.

    Parameters
    ----------
    mask
        Shape (slices, rows, columns).
    spacing_zyx
        Shape (3,): voxel size along slices, rows and columns, mm.
    """
    depth, height, width = mask.shape
    reach = [int(n) for n in np.floor(distance_mm / spacing_zyx + 1e-9)]
    widened = _widened(np.pad(mask, [(n, n) for n in reach]), reach[2])
    found = np.zeros(mask.shape, dtype=bool)
    for z, y, half_width in _rows_of_ball(distance_mm, spacing_zyx, reach):
        rows = widened[half_width][reach[0] + z :, reach[1] + y :, reach[2] :]
        found |= rows[:depth, :height, :width]
    return found


def _rows_of_ball(distance_mm: float, spacing_zyx: NDArray[Any], reach: Sequence[int]) -> list[tuple[int, int, int]]:
    """(slice, row, half-width in columns) of every row of voxels in a ball about one."""
    z, y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1, 0 : reach[2] + 1]
    away_mm = np.sqrt((z * spacing_zyx[0]) ** 2 + (y * spacing_zyx[1]) ** 2 + (x * spacing_zyx[2]) ** 2)
    count = np.count_nonzero(away_mm <= distance_mm, axis=2)
    return [(int(i) - reach[0], int(j) - reach[1], int(count[i, j]) - 1) for i, j in np.argwhere(count > 0)]


def _widened(mask: Mask, most: int) -> list[Mask]:
    """The mask with its rows' runs longer by 0 to ``most`` voxels at each end."""
    return [_smeared(mask, reach, axis=2) for reach in range(most + 1)]


def within_box(mask: Mask, reach_zyx: Sequence[int]) -> Mask:
    """Voxels that have one held within so many slices, rows and columns."""
    grown = np.zeros(mask.shape, dtype=bool)
    held = voxels_of(mask)
    if len(held):
        first, last = held.min(axis=0) - reach_zyx, held.max(axis=0) + reach_zyx
        box = tuple(slice(max(int(a), 0), int(b) + 1) for a, b in zip(first, last, strict=True))
        part = mask[box]
        for axis, reach in enumerate(reach_zyx):
            part = _smeared(part, reach, axis)
        grown[box] = part
    return grown


def _smeared(mask: Mask, reach: int, axis: int) -> Mask:
    """Every voxel held spread over so many neighbours on both sides along an axis."""
    smeared = mask.copy()
    ahead = (slice(None),) * axis
    for step in range(1, min(reach, mask.shape[axis] - 1) + 1):
        later, earlier = (*ahead, slice(step, None)), (*ahead, slice(None, -step))
        smeared[later] |= mask[earlier]
        smeared[earlier] |= mask[later]
    return smeared
