"""The canal's centre line among other soft tissue in bone, and volumes that show none."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.errors import AnalysisFailed
from plumbline.imaging.canal import CanalLine, CanalSettings, find_canal

from .spine_worlds import Grid, column, own_mm, spinal_column, tube

GRID = Grid((-46.0, -40.0, -72.0), (46.0, 50.0, 72.0), (2.0, 2.0, 2.0))
SETTINGS = CanalSettings()
BEHIND_MM = 22.0
"""Middle of the drawn canal behind the middle of a body."""


def misses_mm(line: CanalLine, bodies) -> np.ndarray:
    """How far the line passes from the canal's middle at the height of each body."""
    places = [own_mm(line.points_lps_mm, body) for body in bodies]
    nearest = [own[np.argmin(np.abs(own[:, 1]))] for own in places]
    return np.array([np.hypot(own[0] - BEHIND_MM, own[2]) for own in nearest])


@pytest.mark.parametrize("bend_deg", [-5.0, 7.0])
def test_the_line_runs_in_the_middle_of_the_canal_however_the_spine_bends(bend_deg):
    bodies = column(bend_deg=bend_deg)
    line = find_canal(GRID.draw(*spinal_column(bodies), noise_hu=20.0), SETTINGS)
    assert misses_mm(line, bodies).max() < 4.0
    assert np.all(np.diff(line.points_lps_mm[:, 2]) > 0.0), "caudal to cranial"


def test_its_directions_are_those_of_a_patient():
    line = find_canal(GRID.draw(*spinal_column(column(bend_deg=0.0))), SETTINGS)
    middle = len(line.points_lps_mm) // 2
    assert line.cranial[middle] == pytest.approx([0.0, 0.0, 1.0], abs=0.1)
    assert line.posterior[middle] == pytest.approx([0.0, 1.0, 0.0], abs=0.1)
    assert line.left[middle] == pytest.approx([1.0, 0.0, 0.0], abs=0.1)


def test_a_hollow_bone_beside_the_spine_is_no_canal():
    """A femur is soft inside, too, but has no vertebral body in front and lies aside."""
    bodies = column(bend_deg=0.0)
    femur = tube(np.array([[40.0, 20.0, -70.0], [40.0, 20.0, 70.0]]), 10.0, 0.0)
    line = find_canal(GRID.draw(*spinal_column(bodies), femur, noise_hu=20.0), SETTINGS)
    assert misses_mm(line, bodies).max() < 4.0


@pytest.mark.parametrize("paints", [[], spinal_column(column(1))], ids=["soft tissue", "one vertebra"])
def test_without_a_spine_it_is_refused_with_what_to_do(paints):
    with pytest.raises(AnalysisFailed, match="no spinal canal") as refused:
        find_canal(GRID.draw(*paints, noise_hu=20.0), SETTINGS)
    assert "Choose a CT series" in str(refused.value.remedy)
