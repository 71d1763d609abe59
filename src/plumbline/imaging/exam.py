"""One exam as everything that compares exams needs it: voxels, vertebrae, metal."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from scipy import ndimage

from plumbline.imaging.hardware import Hardware
from plumbline.imaging.spine import LocalisedSpine
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ExamAnatomy:
    """One exam as motion needs it."""

    volume: Volume
    spine: LocalisedSpine
    hardware: Hardware
    _bone_points: dict[tuple[int, float, float], Points] = field(default_factory=dict, init=False, repr=False)
    """What ``bone_points`` has found already: the same vertebra is compared with many."""

    @cached_property
    def bone_boxes(self) -> tuple[tuple[slice, slice, slice] | None, ...]:
        """For each vertebra the smallest box (slices, rows, columns) that holds its label; None where it has none."""
        found = ndimage.find_objects(self.spine.labels, max_label=len(self.spine.vertebrae))
        return tuple(found)  # type: ignore[arg-type]
