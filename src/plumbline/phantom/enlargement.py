"""Linear enlargement of coarse fields, an axis at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Enlargement:
    """Which two coarse samples each fine sample of one axis lies between; the nearest one beyond the ends.

    Parameters
    ----------
    low
        Index of the first of the two.
    share
        Weight of the second.
    """

    low: NDArray[np.intp]
    share: NDArray[np.float32]

    @classmethod
    def at(cls, position: Field, coarse: int) -> Enlargement:
        """Fine samples at these positions, counted in samples of a coarse axis of that length."""
        held = np.clip(position, 0.0, coarse - 1.0)
        low = np.clip(held.astype(np.intp), 0, max(coarse - 2, 0))
        return cls(low, (held - low).astype(np.float32))

    def along(self, field: Field, axis: int) -> Field:
        """The field, enlarged along one axis."""
        coarse = field.shape[axis]
        if coarse == 1:
            return np.repeat(field, len(self.low), axis=axis)
        rise = np.diff(field, axis=axis, append=field.take([-1], axis=axis))
        enlarged = np.take(rise, self.low, axis=axis, mode="clip")
        shape = [1] * field.ndim
        shape[axis] = -1
        enlarged *= self.share.reshape(shape)
        enlarged += np.take(field, self.low, axis=axis, mode="clip")
        return enlarged
