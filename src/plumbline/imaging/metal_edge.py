"""Where a piece of metal ends, to a fraction of a voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.sampling import sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


def rearmost_mm(volume: Volume, metal_lps_mm: Points, frame: VertebraFrame, *, ray_mm: float, edge_hu: float) -> float:
    """Posterior coordinate at which the density behind a piece of metal falls through an edge value.

    Parameters
    ----------
    metal_lps_mm
        Shape (n, 3): voxels of the piece.
    ray_mm
        Distance of the rays; along each one density is sampled at a quarter of it.
    edge_hu
        Density of the edge, for instance half of what a 12-bit scale can show.

    Returns
    -------
    float
        Mean of the rearmost three hundredths of the rays, millimetres along ``frame.posterior`` from its origin.
    """
    own = frame.coordinates_mm(metal_lps_mm)
    first, last = own.min(axis=0), own.max(axis=0)
    cranial, left = (np.arange(first[k], last[k] + 0.01, ray_mm) for k in (1, 2))
    behind = np.arange(last[0] - 6.0, last[0] + 3.0, ray_mm / 4)
    p, c, s = np.meshgrid(behind, cranial, left, indexing="ij")
    hu = sample(volume, frame.origin_lps_mm + np.stack([p, c, s], axis=-1) @ frame.axes)
    is_metal = hu > edge_hu
    is_hit = is_metal.any(axis=0) & ~is_metal[-1]
    if not is_hit.any():
        return float(last[0])
    at = len(behind) - 1 - np.argmax(is_metal[::-1], axis=0)
    before, after = (np.take_along_axis(hu, np.clip(at + k, 0, len(behind) - 1)[None], axis=0)[0] for k in (0, 1))
    part = (before - edge_hu) / np.maximum(before - after, 1.0)
    crossings = np.sort((behind[np.clip(at, 0, len(behind) - 1)] + part * ray_mm / 4)[is_hit])
    return float(crossings[-max(3, round(0.03 * len(crossings))) :].mean())
