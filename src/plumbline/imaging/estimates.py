"""Values with their uncertainty: lengths of displacements, and angles of which only a noisy vector is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

Points = NDArray[Any]

COVERAGE_FACTOR = 1.96
"""From a standard error to the half-width of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the half-width of its 95 % interval."""

    value: float
    uncertainty_95: float


def length_of(components: Sequence[Estimate]) -> Estimate:
    """Length of a vector from its components along three axes."""
    values = np.array([each.value for each in components])
    spreads = np.array([each.uncertainty_95 for each in components])
    length = float(np.linalg.norm(values))
    direction = values / length if length > 1e-6 else np.full(3, 3**-0.5)
    return Estimate(length, float(np.linalg.norm(direction * spreads)))


def angle_deg(vector_rad: Points, covariance: Points) -> Estimate:
    """Angle, in degrees, of a rotation of which a vector and its covariance were measured.

    The length of a noisy vector is too large, the more so where a short lever leaves one axis uncertain. So the
    angle's own distribution is formed: nothing is taken for granted of how far an implant turns about each axis but
    that any order of magnitude, from a twentieth of a degree to twenty, is as likely as another (a prior that is even
    in the logarithm). Each axis has its own, for an implant may turn about the uncertain one alone.

    Parameters
    ----------
    vector_rad, covariance
        Shape (n,) and (n, n), radians and radians squared: a rotation vector, or the turn of an axis (n = 2).

    Returns
    -------
    Estimate
        Median of the distribution, and the half-width about it that holds 95 % of it.
    """
    variances, axes = np.linalg.eigh(covariance)
    lengths = np.linalg.norm(
        [
            _turns(float(seen), max(float(variance), _LEAST_VARIANCE), draw)
            for seen, variance, draw in zip(axes.T @ vector_rad, variances, _draws(len(variances)), strict=True)
        ],
        axis=0,
    )
    value = float(np.median(lengths))
    half = float(np.quantile(np.abs(lengths - value), 0.95))
    return Estimate(float(np.degrees(value)), float(np.degrees(half)))


def _turns(seen: float, variance: float, draw: Points) -> Points:
    """What a turn about one axis may be that was measured with noise, shape (draws,), radians.

    ``draw``, of shape (2, draws), picks the scale of the turn by how well it explains what was seen, and the turn.
    """
    scales = np.radians(np.geomspace(*_SCALES_DEG, _SCALES)) ** 2
    total = scales + variance
    weights = np.exp(-0.5 * (np.log(total) + seen**2 / total))
    picked = np.minimum(np.searchsorted(np.cumsum(weights / weights.sum()), draw[0]), _SCALES - 1)
    share = (scales / total)[picked]
    return share * seen + np.sqrt(share * variance) * norm.ppf(draw[1])


_LEAST_VARIANCE = 1e-12
_SCALES_DEG, _SCALES = (0.05, 20.0), 24
_DRAWS = 11


@cache
def _draws(dimensions: int) -> Points:
    """Evenly spread numbers between 0 and 1, the same on each call, shape (dimensions, 2, 2048)."""
    even = qmc.Sobol(2 * dimensions, scramble=True, rng=np.random.default_rng(0)).random_base2(_DRAWS)
    return np.asarray(even).T.reshape(dimensions, 2, -1)
