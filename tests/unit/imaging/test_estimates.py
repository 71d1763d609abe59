"""Angles from noisy vectors: hardly biased, and as certain as is said."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.imaging.estimates import Estimate, angle_deg, length_of


def measured(true_deg: float, spread_deg, count: int = 60) -> list[Estimate]:
    rng = np.random.default_rng(3)
    spread = np.radians(spread_deg)
    directions = rng.standard_normal((count, len(spread)))
    turns = np.radians(true_deg) * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return [angle_deg(turn + spread * rng.standard_normal(len(spread)), np.diag(spread**2)) for turn in turns]


@pytest.mark.parametrize("true_deg", [0.5, 1.5, 5.0])
@pytest.mark.parametrize(
    "spread_deg", [(0.3, 0.2, 0.3), (1.0, 0.1, 0.1), (0.3, 0.3)], ids=["even", "short arm", "axis"]
)
def test_about_95_of_100_angles_lie_in_their_interval(true_deg, spread_deg):
    found = measured(true_deg, np.array(spread_deg))
    inside = np.mean([abs(each.value - true_deg) <= each.uncertainty_95 for each in found])
    assert inside >= 0.88


def test_what_has_not_turned_is_told_smaller_than_its_noise():
    spread = np.array([0.5, 0.5, 0.5])
    found = measured(0.0, spread)
    assert np.median([each.value for each in found]) < 0.6 * np.linalg.norm(spread)
    assert np.mean([each.value <= each.uncertainty_95 for each in found]) >= 0.95


def test_a_turn_about_the_uncertain_axis_alone_is_not_ruled_out():
    """Two axes say that nothing turned; the third, of a short row of markers, says little."""
    noisy = angle_deg(np.radians([0.0, 0.05, 1.5]), np.diag(np.radians([0.1, 0.1, 1.5]) ** 2))
    assert noisy.value < 1.5
    assert noisy.value + noisy.uncertainty_95 > 1.5


def test_a_surely_measured_angle_is_itself():
    found = angle_deg(np.radians([3.0, 0.0, 4.0]), np.eye(3) * np.radians(0.01) ** 2)
    assert found.value == pytest.approx(5.0, abs=0.02)
    assert found.uncertainty_95 < 0.04


def test_a_length_is_as_uncertain_as_its_direction():
    found = length_of([Estimate(3.0, 0.1), Estimate(0.0, 5.0), Estimate(0.0, 5.0)])
    assert (found.value, found.uncertainty_95) == (3.0, pytest.approx(0.1))
