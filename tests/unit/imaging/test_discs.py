"""Discs along the canal: where they are, how they lean, and what happens where one cannot be seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from plumbline.imaging.canal import CanalSettings, find_canal
from plumbline.imaging.discs import DiscSettings, chain_discs, map_discs
from plumbline.imaging.straight import straighten
from plumbline.imaging.volume import Volume

from .spine_worlds import DISC_MM, HEIGHT_MM, Grid, column, over, spinal_column

GRID = Grid((-46.0, -40.0, -90.0), (46.0, 50.0, 90.0), (2.0, 2.0, 2.0))
SETTINGS = DiscSettings()


def truth_lps_mm(bodies) -> np.ndarray:
    """Middles of the discs, caudal to cranial."""
    return np.array([(a.centre_lps_mm + b.centre_lps_mm) / 2 for a, b in pairwise(bodies)])[::-1]


def mapped(ct: Volume, metal: Volume | None = None):
    return map_discs(straighten(ct, metal, find_canal(ct, CanalSettings())), SETTINGS)


def distances_mm(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """From each true disc to the nearest found one."""
    return np.linalg.norm(truth[:, None] - found[None], axis=-1).min(axis=1)


@pytest.mark.parametrize("bend_deg, noise_hu", [(-4.0, 35.0), (7.0, 10.0)])
def test_every_disc_is_found_once(bend_deg, noise_hu):
    bodies = column(5, bend_deg)
    discs = mapped(GRID.draw(*spinal_column(bodies), noise_hu=noise_hu))
    chain = chain_discs(discs, SETTINGS)
    truth = truth_lps_mm(bodies)
    assert distances_mm(discs.centres_lps_mm[chain], truth).max() < 6.0
    inner = [place for place in chain if distances_mm(truth, discs.centres_lps_mm[[place]])[0] < 10.0]
    assert len(inner) == len(truth)


def ossified(bodies, which: int):
    """Bone in the place of a disc."""
    middle = truth_lps_mm(bodies)[which]

    def paint(hu, points):
        offset = points - middle
        level = np.hypot(offset[..., 0] / 23.0, offset[..., 1] / 16.5) - 1.0
        over(hu, np.maximum(level * 16.0, np.abs(offset[..., 2]) - DISC_MM / 2 - 1.0), 180.0, 2.0)

    return paint


def test_a_disc_that_is_bone_shifts_none_of_the_others():
    bodies = column(5, 0.0)
    discs = mapped(GRID.draw(*spinal_column(bodies), ossified(bodies, 1), noise_hu=15.0))
    truth = truth_lps_mm(bodies)
    found = discs.centres_lps_mm[chain_discs(discs, SETTINGS)]
    assert np.delete(distances_mm(found, truth), 1).max() < 6.0


def test_neighbouring_discs_keep_the_distance_of_a_spine():
    bodies = column(5, 0.0)
    discs = mapped(GRID.draw(*spinal_column(bodies), noise_hu=15.0))
    chain = chain_discs(discs, SETTINGS)
    gaps = np.linalg.norm(np.diff(discs.centres_lps_mm[chain], axis=0), axis=1)
    assert np.all((gaps >= SETTINGS.shortest_gap_mm) & (gaps <= SETTINGS.longest_gap_mm))
    assert np.median(gaps) == pytest.approx(HEIGHT_MM + DISC_MM, abs=3.0)


def test_the_contrast_goes_by_the_exams_own_bone():
    """Osteopenic bodies are little brighter than discs, and yet the discs are told."""
    bodies = column(4, 0.0)
    ct = GRID.draw(*spinal_column(bodies), noise_hu=8.0)
    pale = Volume(np.where(ct.voxels > 85.0, 85.0 + 0.3 * (ct.voxels - 85.0), ct.voxels), ct.lps_from_index)
    line = find_canal(ct, CanalSettings())
    discs = map_discs(straighten(pale, None, line), SETTINGS)
    found = discs.centres_lps_mm[chain_discs(discs, SETTINGS)]
    assert distances_mm(found, truth_lps_mm(bodies)).max() < 6.0


def test_a_spine_hidden_by_metal_has_no_discs_to_find():
    ct = GRID.draw(*spinal_column(column(4, 0.0)))
    metal = Volume(np.ones(ct.shape, dtype=np.float32), ct.lps_from_index)
    line = find_canal(ct, CanalSettings())
    with np.errstate(all="ignore"):
        discs = map_discs(straighten(ct, metal, line), SETTINGS)
    assert len(chain_discs(discs, SETTINGS)) == 0
