"""Where the vertebral body lies in the mask of a vertebra, whether of its body alone or of the whole of it.

The body is by far the thickest part of a vertebra, and the rest of it lies behind the canal; that is enough
to find its centre and directions from any mask, and its edges are then fitted in the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MappedBodySettings:
    """How a body is told from the rest of its vertebra.

    Parameters
    ----------
    core_share
        Voxels this deep in the mask, as a share of the deepest, belong to the core of the body.
    least_core_mm
        A mask that is nowhere deeper than this holds no body.
    behind_mm
        What lies farther than this from the centre, in the axial plane, are posterior elements.
    least_behind_share
        With a smaller share of them than this, a mask is of a body alone and says nothing of directions.
    """

    core_share: float = 0.6
    least_core_mm: float = 5.0
    behind_mm: float = 30.0
    least_behind_share: float = 0.06
    ray_step_mm: float = 0.5
    ray_reach_mm: float = 40.0
    ray_offset_mm: float = 5.0


@dataclass(frozen=True, eq=False)
class BodyCore:
    """The core of a body, and where the rest of its vertebra lies.

    Parameters
    ----------
    centre_lps_mm
        Shape (3,).
    backward
        Unit vector of shape (3,) from the body to the posterior elements, None for a mask of a body alone.
    depth_in_mask_mm
        Of the deepest voxel.
    """

    centre_lps_mm: Points
    backward: Points | None
    depth_in_mask_mm: float


def find_core(mask: Volume, settings: MappedBodySettings) -> BodyCore | None:
    """The core of the body in a mask; None where the mask is too thin to hold one."""
    filled = ndimage.binary_fill_holes(np.pad(mask.voxels, 1))
    depth = np.asarray(ndimage.distance_transform_edt(filled, sampling=mask.spacing_mm[::-1]))[1:-1, 1:-1, 1:-1]
    deepest = float(depth.max())
    if deepest < settings.least_core_mm:
        return None
    pieces, _ = ndimage.label(depth >= settings.core_share * deepest)  # type: ignore[misc]
    main = pieces == pieces[np.unravel_index(int(depth.argmax()), depth.shape)]
    centre = mask.zyx_to_lps(np.argwhere(main)).mean(axis=0)
    return BodyCore(centre, _backward(mask, centre, settings), deepest)


def _backward(mask: Volume, centre: Points, settings: MappedBodySettings) -> Points | None:
    """Direction of the posterior elements, in the axial plane."""
    offsets = mask.zyx_to_lps(np.argwhere(mask.voxels)) - centre
    flat = offsets[:, :2]
    far = np.linalg.norm(flat, axis=1) > settings.behind_mm
    if far.mean() < settings.least_behind_share:
        return None
    direction = np.array([*flat[far].mean(axis=0), 0.0])
    length = float(np.linalg.norm(direction))
    return direction / length if length > 1.0 else None


def body_in_mask(mask: Volume, core: BodyCore, axes: Points, settings: MappedBodySettings) -> Body:
    """Centre and size of the body as far as the mask shows them, for a fit to the image to start from.

    Parameters
    ----------
    axes
        Shape (3, 3): rows posterior, cranial, left.
    """
    centre = core.centre_lps_mm
    ahead, behind = _reaches(mask, centre, axes, settings)
    centre = centre + ((ahead - behind) / 2) @ axes
    ahead, behind = _reaches(mask, centre, axes, settings)
    depth, height, width = ahead + behind
    return Body(centre + ((ahead - behind) / 2) @ axes, axes, float(height), float(depth), float(width))


def _reaches(mask: Volume, centre: Points, axes: Points, settings: MappedBodySettings) -> tuple[Points, Points]:
    """How far the mask goes on along each axis and against it; shape (3,) each, mm."""
    ahead, behind = ([_reach(mask, centre, axes, row, sign, settings) for row in range(3)] for sign in (1.0, -1.0))
    return np.array(ahead), np.array(behind)


def _reach(mask: Volume, centre: Points, axes: Points, row: int, sign: float, settings: MappedBodySettings) -> float:
    """How far the mask goes on from the centre along one axis: the median of a bundle of rays, mm."""
    others = [axes[other] for other in range(3) if other != row]
    offsets = np.array([[a, b] for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)]) * settings.ray_offset_mm
    starts = centre + offsets @ np.stack(others)
    along = np.arange(0.0, settings.ray_reach_mm, settings.ray_step_mm)
    points = starts[:, None] + sign * along[None, :, None] * axes[row]
    inside = contains(mask, points)
    ends = np.where(inside.all(axis=1), len(along), np.argmin(inside, axis=1))
    return max(float(np.median(ends)) * settings.ray_step_mm, settings.ray_step_mm)


def contains(mask: Volume, points_lps_mm: Points) -> NDArray[np.bool_]:
    """Whether LPS points of shape (..., 3) lie in voxels of a mask; shape (...)."""
    index = np.round(mask.to_index(points_lps_mm)).astype(np.intp)[..., ::-1]
    is_within = np.all((index >= 0) & (index < mask.shape), axis=-1)
    clipped = np.clip(index, 0, np.array(mask.shape) - 1)
    return is_within & mask.voxels[tuple(np.moveaxis(clipped, -1, 0))]
