"""Values of a volume at points, and its coarse copy on axes that run left, posterior and superior."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Field = NDArray[Any]

AIR_HU = -1000.0
_SLAB = 32


def sample(volume: Volume, points_lps_mm: Points, *, outside: float | None = None) -> Field:
    """Linear interpolation at LPS points of shape (..., 3); shape (...), float32.

    Beyond the border the nearest voxel counts, or ``outside`` where that is given.
    """
    at = volume.array_coordinates(points_lps_mm)
    mode, fill = ("nearest", 0.0) if outside is None else ("constant", outside)
    values = ndimage.map_coordinates(volume.voxels, at, order=1, mode=mode, cval=fill, output=np.float32)
    return values.reshape(np.shape(points_lps_mm)[:-1])


def coordinates_in(volume: Volume, window: tuple[slice, slice, slice], frame: VertebraFrame) -> tuple[Field, ...]:
    """(posterior, cranial, left) millimetres in a frame of every voxel of a box of the array; three fields, float64."""
    scale = frame.axes @ volume.lps_from_index[:3, :3]
    start = frame.coordinates_mm(volume.to_lps(np.array([s.start for s in window[::-1]])))
    z, y, x = np.ogrid[tuple(slice(0, s.stop - s.start) for s in window)]
    return tuple(own[0] * x + (own[1] * y + (own[2] * z + first)) for own, first in zip(scale, start, strict=True))


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
    coarse = block_mean(volume, blocks, AIR_HU, largest_hu)
    size = np.array(volume.shape[::-1]) - 1.0
    corners = volume.to_lps(np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * size)
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    count = np.floor((upper - lower) / step_mm).astype(int) + 1
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = lower
    index_from_index = (coarse.index_from_lps @ affine)[:3]
    matrix = index_from_index[::-1, 2::-1]
    is_straight = np.allclose(matrix, np.diag(np.diag(matrix)), atol=1e-9)
    voxels = ndimage.affine_transform(
        coarse.voxels,
        np.diag(matrix) if is_straight else matrix,
        offset=index_from_index[::-1, 3],  # type: ignore[arg-type]
        output_shape=tuple(count[::-1]),
        order=1,
        mode="constant",
        cval=AIR_HU,
    )
    return Volume(voxels, affine)


def block_mean(volume: Volume, blocks: NDArray[np.integer[Any]], lowest_hu: float, highest_hu: float) -> Volume:
    """Means over blocks of (columns, rows, slices) voxels, float32, of values cut to a range.

    What does not fill a block at the end of an axis is left out. Worked out a few slices at a time.
    """
    columns, rows, slices = (int(b) for b in blocks)
    depth, height, width = (n // b for n, b in zip(volume.shape, (slices, rows, columns), strict=True))
    means = np.empty((depth, height, width), dtype=np.float32)
    for start in range(0, depth, _SLAB):
        stop = min(start + _SLAB, depth)
        slab = volume.voxels[start * slices : stop * slices, : height * rows, : width * columns]
        slab = np.clip(slab, *_limits(slab.dtype, lowest_hu, highest_hu))
        total = _sum_of_runs(slab, slices, axis=0)
        total = _sum_of_runs(total, rows, axis=1)
        total = _sum_of_runs(total, columns, axis=2)
        np.divide(total, columns * rows * slices, out=means[start:stop], casting="unsafe")
    affine = volume.lps_from_index.copy()
    affine[:3, :3] = affine[:3, :3] @ np.diag(blocks)
    affine[:3, 3] = volume.to_lps((np.asarray(blocks) - 1) / 2.0)
    return Volume(means, affine)


def _limits(dtype: np.dtype[Any], lowest_hu: float, highest_hu: float) -> tuple[Any, Any]:
    """The range in the voxels' own type: a wider one would be four times as much to hold."""
    if not np.issubdtype(dtype, np.integer):
        return dtype.type(lowest_hu), dtype.type(highest_hu)
    held = np.iinfo(dtype)
    return dtype.type(max(np.ceil(lowest_hu), held.min)), dtype.type(min(np.floor(highest_hu), held.max))


def _sum_of_runs(values: Field, length: int, axis: int) -> Field:
    """Sums over neighbouring entries of one axis, float32."""
    ahead = (slice(None),) * axis
    total = values[(*ahead, slice(0, None, length))].astype(np.float32)
    for first in range(1, length):
        total += values[(*ahead, slice(first, None, length))]
    return total
