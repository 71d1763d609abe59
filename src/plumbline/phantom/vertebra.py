"""The shape of one presacral vertebra in its own axes, and its baking into bone.

Own axes are those of ``anatomy.transforms.VertebraFrame``: (posterior, cranial, left) from the midpoint of
the superior-posterior edge of the body. The body lies at negative posterior and negative cranial values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.phantom.solids import BakedBone, Carving, Field, Grid, smooth_intersection, trabeculae

Points = NDArray[Any]

_PITCH_MM = 0.8
_RIM_MM = 2.0
_BODY_CORTEX_MM = 0.65
_ARCH_CORTEX_MM = 1.7
_GRAIN_MM = (0.55, 1.3, 0.55)


@dataclass(frozen=True, slots=True)
class VertebraShape:
    """Sizes of a vertebra, millimetres unless the name says otherwise.

    Parameters
    ----------
    height_mm, depth_mm, width_mm
        Of the body: along the posterior wall, in the midline, at the superior endplate.
    wedge_deg
        Angle between the endplates, positive when the front is taller.
    waist_mm, concavity_mm
        How far the walls and the endplates are hollow.
    pedicle_width_mm
        Between the middles of the pedicles.
    pedicle_below_mm
        Middle of the pedicles below the superior edge.
    pedicle_radius_mm
        Half the width of a pedicle.
    canal_depth_mm
        Antero-posterior.
    transverse_mm, spinous_mm
        Lengths of the processes.
    facet_below_width_mm
        Between the middles of the pedicles of the vertebra below, on which the facets lie.
    pitch_below_mm
        From this vertebra to the next.
    marrow_hu, cortex_hu
        Hounsfield units.
    is_thoracic
        Short transverse processes, ribs instead.
    """

    height_mm: float
    depth_mm: float
    width_mm: float
    wedge_deg: float
    waist_mm: float
    concavity_mm: float
    pedicle_width_mm: float
    pedicle_below_mm: float
    pedicle_radius_mm: float
    canal_depth_mm: float
    transverse_mm: float
    spinous_mm: float
    facet_below_width_mm: float
    pitch_below_mm: float
    marrow_hu: float
    cortex_hu: float
    is_thoracic: bool

    @property
    def centre_mm(self) -> Points:
        """Centre of the body in own axes, shape (3,)."""
        return np.array([-self.depth_mm / 2.0, -self.height_mm / 2.0, 0.0])


def body_distance(mesh_mm: tuple[Field, Field, Field], shape: VertebraShape) -> Field:
    """Distance to a vertebral body: flat posterior wall, hollow waist, concave endplates, rounded rim."""
    p, c, left = mesh_mm
    depth, half_width = shape.depth_mm, shape.width_mm / 2.0
    share = np.clip(-c / shape.height_mm, 0.0, 1.0)
    hollow = shape.waist_mm * 4.0 * share * (1.0 - share)
    reach, overshoot = depth / 2.0 + 1.5 - hollow, 1.5
    across = np.abs(left) / (half_width - hollow)
    along = np.abs(p + depth / 2.0 - overshoot) / reach
    level = (across**2.3 + along**2.3 + 1e-6) ** (1.0 / 2.3)
    side = (level - 1.0) * 0.5 * (half_width + reach) * 0.92
    wall = p + 0.55 * hollow
    round_mm = np.clip(1.0 - ((p + depth * 0.52) / (depth * 0.42)) ** 2 - (left / (half_width * 0.82)) ** 2, 0.0, 1.0)
    slope = np.tan(np.radians(shape.wedge_deg))
    top = c + shape.concavity_mm * round_mm
    bottom = -(c + shape.height_mm) + slope * p + 1.25 * shape.concavity_mm * round_mm
    ends = smooth_intersection(top, bottom, 0.5)
    walls = smooth_intersection(side, wall, _RIM_MM)
    return smooth_intersection(walls, ends, _RIM_MM).astype(np.float32)


def _add_arch(carving: Carving, shape: VertebraShape) -> None:
    half, below, radius = shape.pedicle_width_mm / 2.0, -shape.pedicle_below_mm, shape.pedicle_radius_mm
    back = shape.canal_depth_mm
    facet = shape.facet_below_width_mm / 2.0
    for side in (-1.0, 1.0):

        def at(p: float, c: float, lateral: float, side: float = side) -> Points:
            return np.array([p, c, side * lateral])

        carving.add_capsule(at(-5.0, below, half - 1.5), at(12.0, below - 1.0, half + 1.0), radius, radius, flat=1.45)
        carving.add_capsule(at(12.5, below - 1.0, half + 2.0), at(15.0, below + 13.0, half + 3.0), 4.6, 3.4)
        pillar = at(back - 3.5, below - 10.0, min(half, facet) - 2.0)
        carving.add_capsule(at(13.0, below - 2.0, half + 1.0), pillar, 4.2, 3.8)
        carving.add_capsule(
            pillar, at(min(19.5, back + 3.0), below - shape.pitch_below_mm + 14.0, facet - 4.5), 3.8, 3.5
        )
        carving.add_capsule(pillar, at(back + 4.5, below - 13.0, 1.0), 2.9, 2.7, flat=2.6)
        tip = at(13.0 + 0.12 * shape.transverse_mm, below + 1.0, half + shape.transverse_mm)
        carving.add_capsule(at(8.0, below - 2.0, half), tip, 4.4, 3.0, flat=1.35)
    start = np.array([back + 4.0, below - 13.0, 0.0])
    stop = np.array([back + shape.spinous_mm, below - 17.0, 0.0])
    carving.add_capsule(start, stop, 2.6, 3.4, flat=2.9)


def bake_vertebra(shape: VertebraShape, rng: np.random.Generator) -> BakedBone:
    """Bone of one vertebra on its own grid."""
    half = max(shape.width_mm / 2.0, shape.pedicle_width_mm / 2.0 + shape.transverse_mm + 4.0) + 6.0
    lower = np.array([-shape.depth_mm - 7.0, -shape.pedicle_below_mm - shape.pitch_below_mm - 4.0, -half])
    lower[1] = min(lower[1], -shape.height_mm - 10.0)
    upper = np.array([shape.canal_depth_mm + shape.spinous_mm + 10.0, 16.0, half])
    grid = Grid.around(lower, upper, _PITCH_MM)
    carving = Carving(grid)
    reach = np.array([shape.depth_mm + 6.0, shape.height_mm + 8.0, shape.width_mm / 2.0 + 6.0])
    window = grid.window(-reach, np.array([6.0, 6.0, reach[2]]))
    carving.merge(window, body_distance(grid.mesh_mm(window), shape), 1e-3)
    _add_arch(carving, shape)
    distance = carving.finished()
    return BakedBone(grid, distance, _cortex(grid), _marrow(grid, distance, shape, rng), shape.cortex_hu)


def _cortex(grid: Grid) -> Field:
    """Thin round the body, thick in the arch; by position along the posterior axis."""
    posterior = grid.axes_mm()[0]
    return _BODY_CORTEX_MM + (_ARCH_CORTEX_MM - _BODY_CORTEX_MM) / (1.0 + np.exp(-(posterior - 6.0) / 2.0))


def _marrow(grid: Grid, distance: Field, shape: VertebraShape, rng: np.random.Generator) -> Field:
    """Cancellous bone: grain, denser toward the endplates, with the cleft of the basivertebral vein."""
    marrow = trabeculae(grid, rng, mean_hu=shape.marrow_hu, spread_hu=38.0, grain_mm=_GRAIN_MM)
    p, c, left = grid.axes_mm()
    share = np.clip(-c / shape.height_mm, 0.0, 1.0)
    marrow += (55.0 * np.abs(2.0 * share - 1.0) ** 3)[None, :, None]
    middle = np.exp(-(((c + shape.height_mm / 2.0) / 1.8) ** 2))
    inward = np.exp(-np.clip(-p - 1.0, 0.0, None) / 5.0) * (p < 4.0)
    cleft = inward[:, None, None] * middle[None, :, None] * np.exp(-((left / 5.0) ** 2))[None, None, :]
    return (marrow - 150.0 * cleft + 40.0 * (distance > -2.5)).astype(np.float32)
