"""Values of a volume at points, and its coarse copy on axes that run left, posterior and superior."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Field = NDArray[Any]

AIR_HU = -1000.0
_SLAB = 32


def sample(volume: Volume, points_lps_mm: Points, *, outside: float | None = None) -> Field:
    """Linear interpolation at LPS points of shape (..., 3); shape (...), float32.

    Beyond the border the nearest voxel counts, or ``outside`` where that is given.
    """
    index = volume.to_index(points_lps_mm)
    mode, fill = ("nearest", 0.0) if outside is None else ("constant", outside)
    flat = index.reshape(-1, 3)[:, ::-1].T
    values = ndimage.map_coordinates(volume.voxels, flat, order=1, mode=mode, cval=fill, output=np.float32)
    return values.reshape(index.shape[:-1])


def is_inside(volume: Volume, points_lps_mm: Points) -> NDArray[np.bool_]:
    """Whether LPS points of shape (..., 3) lie between the centres of the volume's outermost voxels."""
    index = volume.to_index(points_lps_mm)
    largest = np.array(volume.shape[::-1]) - 1.0
    return np.all((index >= -0.5) & (index <= largest + 0.5), axis=-1)


def axis_aligned(volume: Volume, step_mm: float, *, largest_hu: float) -> Volume:
    """The volume on an isotropic LPS grid: columns to the left, rows to posterior, slices upward.

    Voxels are averaged in blocks up to ``step_mm`` first, with values above ``largest_hu`` cut, so that
    metal and noise spread little. Beyond the volume lies air.
    """
    blocks = np.maximum(1, np.floor(step_mm / volume.spacing_mm + 1e-6)).astype(int)
    coarse = _block_mean(volume, blocks, largest_hu)
    size = np.array(volume.shape[::-1]) - 1.0
    corners = volume.to_lps(np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * size)
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    count = np.floor((upper - lower) / step_mm).astype(int) + 1
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = lower
    index_from_index = (coarse.index_from_lps @ affine)[:3]
    voxels = ndimage.affine_transform(
        coarse.voxels,
        index_from_index[::-1, 2::-1],
        offset=index_from_index[::-1, 3],  # type: ignore[arg-type]
        output_shape=tuple(count[::-1]),
        order=1,
        mode="constant",
        cval=AIR_HU,
    )
    return Volume(voxels, affine)


def _block_mean(volume: Volume, blocks: NDArray[np.integer[Any]], largest_hu: float) -> Volume:
    """Means over blocks of (columns, rows, slices) voxels, float32, a few slices at a time."""
    columns, rows, slices = (int(b) for b in blocks)
    depth, height, width = (n // b for n, b in zip(volume.shape, (slices, rows, columns), strict=True))
    means = np.empty((depth, height, width), dtype=np.float32)
    for start in range(0, depth, _SLAB):
        stop = min(start + _SLAB, depth)
        slab = volume.voxels[start * slices : stop * slices, : height * rows, : width * columns]
        slab = np.clip(slab, AIR_HU, largest_hu).astype(np.float32, copy=False)
        total = np.add.reduceat(slab, np.arange(0, slab.shape[2], columns), axis=2) if columns > 1 else slab
        total = np.add.reduceat(total, np.arange(0, total.shape[1], rows), axis=1) if rows > 1 else total
        total = np.add.reduceat(total, np.arange(0, total.shape[0], slices), axis=0) if slices > 1 else total
        means[start:stop] = total / (columns * rows * slices)
    affine = volume.lps_from_index.copy()
    affine[:3, :3] = affine[:3, :3] @ np.diag(blocks)
    affine[:3, 3] = volume.to_lps((blocks - 1) / 2.0)
    return Volume(means, affine)
