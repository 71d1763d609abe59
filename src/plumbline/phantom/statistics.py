"""How real lumbar spines are shaped: aggregate figures, and spines drawn from them.

The figures (mean, spread and principal components of T11 to L5) come from
``phantom.learn_statistics`` and are kept in ``spine_statistics.json`` with their source. Nothing of any
one person is in them. The sacrum is not in the source; its figures are in ``phantom.spine``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import Misconfigured

Points = NDArray[Any]

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Vertebrae of the figures, cranial to caudal."""

FEATURE_GROUPS = {
    "distance_mm": len(LEVELS) - 1,
    "sagittal_deg": len(LEVELS) - 1,
    "coronal_deg": len(LEVELS) - 1,
    "pedicle_width_mm": len(LEVELS),
    "pedicle_posterior_mm": len(LEVELS),
    "pedicle_cranial_mm": len(LEVELS),
}
"""Groups of features and their lengths, in the order of the feature vector."""

_LARGEST_SCORE = 2.2
"""Scores of principal components are kept inside this many standard deviations."""


@dataclass(frozen=True, eq=False)
class SpineGeometry:
    """Centres and pedicles of T11 to L5 of one spine, as numbers without a position in space.

    Parameters
    ----------
    distance_mm
        Shape (6,): between the centres of neighbouring bodies, cranial to caudal.
    sagittal_deg
        Shape (6,): lean of the line from the lower to the upper centre in the sagittal plane against the
        superior axis, positive when the upper centre lies more posterior.
    coronal_deg
        Shape (6,): the same in the coronal plane, positive to the left.
    pedicle_width_mm
        Shape (7,): between the left and the right pedicle.
    pedicle_posterior_mm, pedicle_cranial_mm
        Shape (7,): middle of the pedicles against the centre of the body, in its own axes.
    """

    distance_mm: Points
    sagittal_deg: Points
    coronal_deg: Points
    pedicle_width_mm: Points
    pedicle_posterior_mm: Points
    pedicle_cranial_mm: Points

    @classmethod
    def from_features(cls, features: Points) -> SpineGeometry:
        """Split one feature vector of shape (sum of ``FEATURE_GROUPS``,)."""
        bounds = np.cumsum(list(FEATURE_GROUPS.values()))[:-1]
        return cls(*np.split(np.asarray(features, dtype=float), bounds))


@dataclass(frozen=True, eq=False)
class SpineStatistics:
    """Mean, principal components (as columns, in standard deviations) and what they leave over.

    Parameters
    ----------
    mean, residual_sd
        Shape (features,).
    components
        Shape (features, k): one standard deviation of each component.
    spines
        How many spines the figures stand on.
    source
        The data set and its licence.
    """

    mean: Points
    components: Points
    residual_sd: Points
    spines: int
    source: str

    def draw(self, rng: np.random.Generator) -> SpineGeometry:
        """One spine, as plausible as those it was learned from."""
        limit = _LARGEST_SCORE
        scores = np.clip(rng.standard_normal(self.components.shape[1]), -limit, limit)
        rest = np.clip(rng.standard_normal(self.mean.shape), -limit, limit) * self.residual_sd
        return SpineGeometry.from_features(self.mean + self.components @ scores + rest)


@cache
def spine_statistics() -> SpineStatistics:
    """The figures shipped with the package."""
    text = (files("plumbline.phantom") / "spine_statistics.json").read_text(encoding="utf-8")
    raw = json.loads(text)
    arrays = {key: np.array(raw[key], dtype=float) for key in ("mean", "components", "residual_sd")}
    if arrays["mean"].shape != (sum(FEATURE_GROUPS.values()),):
        raise Misconfigured("the shipped spine statistics do not match the code", remedy="Learn them again.")
    return SpineStatistics(spines=raw["spines"], source=raw["source"], **arrays)
