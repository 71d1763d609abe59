"""A baked bone as a scanner meets it: sampled on the lattice of an exam, and only where there is bone.

Less than a tenth of the box round a vertebra is bone. Tiles of samples that cannot touch the bone are left out
first, then single samples; neither changes a value, since nothing is drawn farther than half a voxel from a surface.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.phantom.solids import FAR_MM, BakedBone

Points = NDArray[Any]
Field = NDArray[Any]
Indices = NDArray[np.intp]

_TILE = 8
_TILES_AT_A_TIME = 512


class BoneSampler:
    """One bone in one exam.

    Parameters
    ----------
    bone
        In its own axes.
    own_from_lattice
        Shape (3, 3): one step of (sub-slice, row, column) in the bone's axes, millimetres.
    width_mm
        Over which a surface passes from none to all.
    """

    def __init__(self, bone: BakedBone, own_from_lattice: Points, width_mm: float) -> None:
        self._bone = bone
        self._steps = own_from_lattice / bone.grid.pitch_mm
        self._width_mm = width_mm
        distance = np.pad(bone.distance, 1, constant_values=FAR_MM)
        self._shape = distance.shape
        self._distance = distance.ravel()
        self._marrow = np.pad(bone.marrow_hu, 1, mode="edge").ravel()
        self._cortex = np.pad(bone.cortex_mm, 1, mode="edge")
        touched = _cells_of(distance < 0.5 * width_mm)
        reach = np.ceil(np.abs(self._steps[:, 1:]).sum(axis=1) * (_TILE - 1) / 2.0).astype(int)
        self._touched, self._near = touched.ravel(), _grown(touched, reach).ravel()
        self._box = _box_of(touched)

    def corners_mm(self) -> Points:
        """Corners of the box that the bone fills in its own axes, shape (8, 3)."""
        lower, upper = (self._bone.grid.origin_mm + self._bone.grid.pitch_mm * (end - 1) for end in self._box)
        picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
        return np.where(picks == 0, lower, upper)

    def samples(self, first_mm: Points, shape: tuple[int, int, int]) -> tuple[Field, Field]:
        """Share of bone and its Hounsfield units times that share, over that shape (sub-slices, rows, columns) or more.

        ``first_mm`` is where the first sample lies in the bone's axes.
        """
        first = (first_mm - self._bone.grid.origin_mm) / self._bone.grid.pitch_mm + 1.0
        sub_slices, rows, columns = shape
        tiles = (sub_slices, -(-rows // _TILE), -(-columns // _TILE))
        whole = np.zeros((sub_slices, tiles[1] * _TILE, tiles[2] * _TILE), dtype=np.float32)
        colour = np.zeros_like(whole)
        for place, position in self._met(first, tiles):
            self._draw(whole, colour, place, position)
        return whole, colour

    def _met(self, first: Points, tiles: tuple[int, int, int]) -> Iterator[tuple[Indices, list[Field]]]:
        """Samples of tiles that may touch the bone: index into the padded window, and position along each axis."""
        counts = [np.arange(n) for n in tiles]
        middle = (_TILE - 1) / 2.0
        lattice = [counts[0], counts[1] * _TILE + middle, counts[2] * _TILE + middle]
        centres = [
            (start + np.add.outer(np.add.outer(step[0] * lattice[0], step[1] * lattice[1]), step[2] * lattice[2]))
            .astype(np.float32)
            .ravel()
            for start, step in zip(first, self._steps, strict=True)
        ]
        hit = np.flatnonzero(self._near.take(self._cell([centre.copy() for centre in centres])[0]))
        within = np.arange(_TILE) - middle
        local = [np.add.outer(step[1] * within, step[2] * within).astype(np.float32).ravel() for step in self._steps]
        row_length = tiles[2] * _TILE
        inside = np.add.outer(np.arange(_TILE) * row_length, np.arange(_TILE)).ravel()
        for start in range(0, len(hit), _TILES_AT_A_TIME):
            chosen = hit[start : start + _TILES_AT_A_TIME]
            line, column = np.divmod(chosen, tiles[2])
            corner = line * (_TILE * row_length) + column * _TILE
            position = [np.add.outer(centre[chosen], off).ravel() for centre, off in zip(centres, local, strict=True)]
            yield np.add.outer(corner, inside).ravel(), position

    def _cell(self, position: list[Field]) -> tuple[Indices, list[NDArray[np.int32]]]:
        """Cell of the padded grid that each position lies in: flat index, and index along each axis.

        Positions beyond the grid are moved to its border in place.
        """
        for along, count in zip(position, self._shape, strict=True):
            np.clip(along, 0.0, count - 1.001, out=along)
        index = [along.astype(np.int32) for along in position]
        flat = (index[0] * self._shape[1] + index[1]) * self._shape[2] + index[2]
        return flat.astype(np.intp), index

    def _draw(self, whole: Field, colour: Field, place: Indices, position: list[Field]) -> None:
        cell, index = self._cell(position)
        kept = np.flatnonzero(self._touched.take(cell))
        cell = cell[kept]
        shares = [along[kept] - low[kept] for along, low in zip(position, index, strict=True)]
        distance = self._between(self._distance, cell, shares)
        depth = index[0][kept]
        cortex = self._cortex[depth] + shares[0] * (self._cortex[depth + 1] - self._cortex[depth])
        bone = np.clip(0.5 - distance / self._width_mm, 0.0, 1.0)
        core = np.clip(0.5 - (distance + cortex) / self._width_mm, 0.0, 1.0)
        marrow = self._between(self._marrow, cell, shares)
        whole.ravel()[place[kept]] = bone
        colour.ravel()[place[kept]] = core * marrow + (bone - core) * self._bone.cortex_hu

    def _between(self, field: Field, cell: Indices, shares: list[Field]) -> Field:
        """A field (flat, padded) between the corners of cells, linear."""
        ahead = (self._shape[1] * self._shape[2], self._shape[2], 1)

        def along(axis: int, corner: Indices) -> Field:
            if axis == len(ahead):
                return field.take(corner, mode="clip")
            low, high = along(axis + 1, corner), along(axis + 1, corner + ahead[axis])
            high -= low
            high *= shares[axis]
            high += low
            return high

        return along(0, cell)


def _cells_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells of a grid (named by their lowest corner) with any corner in the mask."""
    cells = mask.copy()
    for axis in range(3):
        _or_shifted(cells, cells.copy(), axis, -1)
    return cells


def _grown(mask: NDArray[np.bool_], reach: Indices) -> NDArray[np.bool_]:
    """The mask, grown by that many voxels along each axis."""
    grown = mask.copy()
    for axis, steps in enumerate(reach):
        before = grown.copy()
        for step in range(1, int(steps) + 1):
            _or_shifted(grown, before, axis, step)
            _or_shifted(grown, before, axis, -step)
    return grown


def _or_shifted(target: NDArray[np.bool_], mask: NDArray[np.bool_], axis: int, step: int) -> None:
    """Add the mask, shifted by ``step`` voxels along an axis, to a target."""
    to, of = np.moveaxis(target, axis, 0), np.moveaxis(mask, axis, 0)
    if step > 0:
        to[step:] |= of[:-step]
    else:
        to[:step] |= of[-step:]


def _box_of(mask: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Lowest and highest corner (inclusive) of the cells in a mask, each shape (3,)."""
    spans = [np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return np.array([span[0] for span in spans]), np.array([span[-1] + 1 for span in spans])
