"""What was found of a spine, as numbering takes it: bodies in their order, and what each says about its own name.

Whoever finds vertebrae (a localiser, a label map, a detector of key points) fills these; nothing here
knows images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import InvalidInput

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class BodyEvidence:
    """One vertebral body, or what was taken for one.

    Parameters
    ----------
    centre_lps_mm
        Shape (3,): centre of the body.
    pedicle_width_mm
        Between the left and the right pedicle, None where not known.
    region
        What a detector says: scores of cervical, thoracic and lumbar, each 0 to 1, of the kind that the
        statistics were learned on. None where nothing was said.
    bears_rib
        Probability that a rib joins it, None where not looked for.
    is_sacral
        Probability that it is the first sacral vertebra, None where not looked for.
    label
        The name that a label map gives it, None where it gives none.
    """

    centre_lps_mm: Points
    pedicle_width_mm: float | None = None
    region: tuple[float, float, float] | None = None
    bears_rib: float | None = None
    is_sacral: float | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if np.shape(self.centre_lps_mm) != (3,) or not np.all(np.isfinite(self.centre_lps_mm)):
            raise InvalidInput("the centre of a vertebral body is not a point of three finite numbers")


@dataclass(frozen=True, slots=True)
class SacrumEvidence:
    """For one body, counted from cranial: how probable it is that it is the first sacral vertebra."""

    index: int
    probability: float


@dataclass(frozen=True, eq=False)
class SpineEvidence:
    """Everything that the numbering of one exam goes by.

    Parameters
    ----------
    bodies
        Cranial to caudal.
    sacrum_below
        Probability that the sacrum begins just below the last body.
    last_rib
        For indices of bodies, the probability that the last rib joins this one; need not sum to 1.
    second_cervical
        The same for the axis, whose dens cannot be mistaken.
    label_reliability
        How often a single name of the label map is right when the map as a whole is not shifted; 0.5 and
        less says nothing.
    written_names
        Names that order text speaks of as being in view: a weak prior.
    """

    bodies: tuple[BodyEvidence, ...]
    sacrum_below: float = 0.0
    last_rib: Mapping[int, float] = field(default_factory=dict)
    second_cervical: Mapping[int, float] = field(default_factory=dict)
    label_reliability: float = 0.97
    written_names: tuple[str, ...] = ()


def cranial_to_caudal(bodies: Sequence[BodyEvidence]) -> tuple[BodyEvidence, ...]:
    """Bodies in the order of the LPS superior axis: what a detector returns has none."""
    return tuple(sorted(bodies, key=lambda body: -float(body.centre_lps_mm[2])))
