"""The metal of a CT as connected pieces, each voxel with its place and density, and what has claimed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.masks import connected, parted_where_thin, voxels_of
from plumbline.imaging.other_metal import VoxelSize
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


class MetalPieces:
    """Metal voxels as points, each with the connected piece it belongs to, and what has claimed it."""

    def __init__(self, volume: Volume, metal: NDArray[np.bool_]) -> None:
        self.mask = metal
        self.index_zyx = voxels_of(metal)
        self.points = volume.zyx_to_lps(self.index_zyx)
        self.piece, count = connected(self.index_zyx)
        self.sizes = np.bincount(self.piece, minlength=count + 1)
        self.density = volume.voxels[tuple(self.index_zyx.T)].astype(float)
        self.is_spacer = np.zeros(len(self.points), dtype=bool)
        self.is_shank = np.zeros(len(self.points), dtype=bool)
        self.is_lead = np.zeros(len(self.points), dtype=bool)
        self.voxel = VoxelSize(
            float(np.max(volume.spacing_mm)), float(np.abs(np.linalg.det(volume.lps_from_index[:3, :3])))
        )
        self._spacing_zyx = volume.spacing_mm[::-1]

    def divide(
        self, number: int, inside: NDArray[np.bool_], *, necks_mm: Sequence[float], least_mm3: float, share: float
    ) -> None:
        """Part a piece where it is thin, if then a solid part of it lies inside; else leave it whole.

        A spacer and a screw that touch are one piece, but not one implant.

        Parameters
        ----------
        inside
            For every metal voxel, whether it lies where the part should.
        necks_mm
            Half-thicknesses at which to cut, tried in turn.
        least_mm3, share
            A part is solid from this volume on, and inside when this share of it is.
        """
        own = np.flatnonzero(self.piece == number)
        for part in parted_where_thin(self.index_zyx[own], self._spacing_zyx, necks_mm):
            counts = np.bincount(part)
            within = np.bincount(part[inside[own]], minlength=len(counts))
            if np.any((within >= share * counts) & (within * self.voxel.mm3 >= least_mm3)):
                self.piece[own] = np.where(part == 0, number, len(self.sizes) - 1 + part)
                self.sizes = np.bincount(self.piece, minlength=len(self.sizes) + len(counts) - 1)
                return

    def part_off(self, own: NDArray[np.intp]) -> None:
        """Make some points of one piece, given by their indices, a piece of their own."""
        self.piece[own] = len(self.sizes)
        self.sizes = np.bincount(self.piece, minlength=len(self.sizes) + 1)

    def volume_mm3(self, chosen: NDArray[np.bool_]) -> float:
        """Volume of some of the points."""
        return float(chosen.sum()) * self.voxel.mm3

    def centre(self, chosen: NDArray[np.bool_], floor_hu: float) -> Points:
        """Density-weighted mean of some of the points."""
        weights = np.maximum(self.density[chosen] - floor_hu, 1.0)
        return np.average(self.points[chosen], axis=0, weights=weights)
