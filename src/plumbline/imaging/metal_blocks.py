"""Blocks of metal in front of the canal: what a spacer is before any vertebra is known.

A disc space holds a spacer, a vertebra does not: a body that would swallow a block is none, and the gap between two
bodies is as high as the block in it. Screws are no blocks: they go on behind the canal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.beside_canal import BesideCanal
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.vertebral_body import Body

Points = NDArray[Any]

LEAST_MM3 = 300.0
"""Less is a marker, a clip or the tip of a screw."""
_MOST_POINTS = 400


@dataclass(frozen=True, eq=False)
class MetalBlocks:
    """Connected pieces of metal of a solid spacer's size or more, each as some of its points, shape (n, 3), in mm."""

    pieces: tuple[Points, ...] = ()

    @classmethod
    def of(cls, pieces: MetalPieces, canal_lps_mm: Points) -> MetalBlocks:
        """Those among the pieces of an exam's metal that lie in front of the canal, given by its centre line."""
        large = np.flatnonzero(pieces.sizes * pieces.voxel.mm3 >= LEAST_MM3)
        points = [pieces.points[pieces.piece == number] for number in large]
        some = [each[:: 1 + len(each) // _MOST_POINTS] for each in points]
        behind = (BesideCanal.of(canal_lps_mm, each).behind for each in some)
        return cls(tuple(each for each, at in zip(some, behind, strict=True) if np.percentile(at, 95.0) < _BEHIND_MM))

    def places_along(self, centres_lps_mm: Points) -> list[int]:
        """Which places in a row of bodies (their middles, shape (n, 3), one per mm) hold a block as high as a disc."""
        along = np.gradient(centres_lps_mm, axis=0)
        places = []
        for piece in self.pieces:
            apart = np.linalg.norm(centres_lps_mm - piece.mean(axis=0), axis=1)
            place = int(np.argmin(apart))
            low, high = np.percentile(piece @ along[place] / np.linalg.norm(along[place]), [5.0, 95.0])
            if apart[place] < _IN_ROW_MM and high - low < _HIGHEST_MM:
                places.append(place)
        return places

    def swallowed_by(self, body: Body) -> float:
        """The largest share of a block that lies between the walls and endplates of a body, 0 to 1."""
        half = np.array([body.depth_mm, body.height_mm, body.width_mm]) / 2
        shares = (
            np.mean(np.all(np.abs((piece - body.centre_lps_mm) @ body.axes.T) < half, axis=1)) for piece in self.pieces
        )
        return float(max(shares, default=0.0))

    def faces_mm(self, body: Body) -> tuple[float | None, float | None]:
        """How far above and below a body's centre the blocks on its endplates begin; None where there is none."""
        half = np.array([body.depth_mm, body.height_mm, body.width_mm]) / 2
        faces: list[float | None] = [None, None]
        for piece in self.pieces:
            own = (piece - body.centre_lps_mm) @ body.axes.T
            middle = own.mean(axis=0)
            away = abs(middle[1]) - half[1]
            if -_OVERLAP_MM < away < _NEXT_MM and abs(middle[0]) < half[0] and abs(middle[2]) < half[2]:
                end = int(middle[1] < 0.0)
                near = float(np.percentile(own[:, 1] if end == 0 else -own[:, 1], 10.0))
                known = faces[end]
                faces[end] = near if known is None else min(near, known)
        return faces[0], faces[1]

    def far_side_mm(self, body: Body, *, up: bool) -> float | None:
        """How far beyond the endplate of a body the block next to it ends; None where there is none."""
        sign, half = (1.0 if up else -1.0), np.array([body.depth_mm, body.height_mm, body.width_mm]) / 2
        for piece in self.pieces:
            own = (piece - body.centre_lps_mm) @ body.axes.T
            ahead, middle = sign * own[:, 1] - half[1], own.mean(axis=0)
            is_next = -_INTO_MM < ahead.mean() < _NEXT_MM
            if is_next and abs(middle[0]) < half[0] and abs(middle[2]) < half[2]:
                return float(np.percentile(ahead, 95.0))
        return None

    def height_between_mm(self, upper: Body, lower: Body) -> float | None:
        """Height of the highest block whose middle lies in the disc space of two bodies; None where there is none."""
        along = upper.axes[1] + lower.axes[1]
        along = along / np.linalg.norm(along)
        floor_mm = float((upper.centre_lps_mm - lower.centre_lps_mm) @ along) - upper.height_mm / 2
        heights = []
        for piece in self.pieces:
            own = (piece - lower.centre_lps_mm) @ lower.axes.T
            middle = own.mean(axis=0)
            is_between = lower.height_mm / 2 - _INTO_MM < middle[1] < floor_mm + _INTO_MM
            if is_between and abs(middle[0]) < lower.depth_mm / 2 and abs(middle[2]) < lower.width_mm / 2:
                low, high = np.percentile((piece - lower.centre_lps_mm) @ along, [5.0, 95.0])
                heights.append(float(high - low))
        return max(heights, default=None)


_BEHIND_MM = 4.0
"""A spacer may lie in the canal, but hardly behind its middle, where screws and rods are."""
_NEXT_MM = 16.0
_IN_ROW_MM = 15.0
"""How far from the middle of a disc space the middle of a spacer may lie."""
_HIGHEST_MM = 24.0
"""A lordotic spacer that leans against the canal reaches over so much; a screw or a whole body is higher or thinner."""
_OVERLAP_MM = 8.0
"""How far inside a body's ends the middle of a block on one of them may seem to lie: the body may be so wrong."""
_INTO_MM = 3.0
"""How far into a body the middle of a block may seem to lie that is between two."""
