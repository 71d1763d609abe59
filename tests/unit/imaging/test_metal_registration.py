"""An implant of solid metal registered across other slices, beside other metal, and said to be as certain as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from plumbline.errors import AnalysisFailed
from plumbline.imaging.metal_registration import MetalSettings, octants, register_metal, shell_grid
from plumbline.imaging.volume import Volume
from tests.unit.imaging.bone_worlds import SPACER, Metal, Scanner, metal_at, moved

SEEN = Scanner((0.7, 0.7, 1.0), first_mm=(-16.0, -24.0, -10.0), last_mm=(16.0, 8.0, 20.0))
SLIDE = moved(2.0, 0.5, -1.0, (3.0, -2.0, 5.0), about=SPACER.pose.translation_mm)
START = moved(1.4, 0.8, -0.7)
SETTINGS = MetalSettings()


def scans(*beside: Metal) -> tuple[Volume, Volume]:
    return SEEN.scan((), (SPACER,)), replace(SEEN, seed=1).scan((), (SPACER.moved(SLIDE), *beside))


def thick(metal: Metal, first_slice: int) -> Volume:
    """Slices of 2.5 mm, each the mean of what it covers, beginning at another height."""
    fine = replace(SEEN, spacing_mm=(0.7, 0.7, 0.5)).scan((), (metal,))
    covered = ndimage.gaussian_filter1d(fine.voxels.astype(float), 0.42 * 5.0, axis=0)[first_slice::5]
    affine = fine.lps_from_index.copy()
    affine[:3, 3] = fine.to_lps(np.array([0.0, 0.0, first_slice]))
    affine[2, 2] = 2.5
    return Volume(covered.astype(np.int16), affine)


def metal_of(volume: Volume):
    return volume.zyx_to_lps(np.argwhere(volume.voxels > 2000))


def errors(found) -> tuple[float, float]:
    rest = found.current_from_baseline @ SLIDE.inverse()
    there = SLIDE.apply(SPACER.pose.translation_mm)
    return float(np.linalg.norm(rest.apply(there) - there)), rest.angle_deg


@pytest.mark.parametrize(
    ("pair", "within_mm", "within_deg"),
    [
        pytest.param(scans, 0.06, 0.4, id="thin slices"),
        pytest.param(lambda: (thick(SPACER, 0), thick(SPACER.moved(SLIDE), 2)), 0.12, 2.0, id="thick slices"),
    ],
)
def test_a_solid_spacer_is_registered_whatever_its_slices(pair, within_mm, within_deg):
    baseline, current = pair()
    found = register_metal(baseline, current, shell_grid(metal_of(baseline), SETTINGS), START)
    distance_mm, turned_deg = errors(found)
    assert distance_mm < within_mm
    assert turned_deg < within_deg
    assert turned_deg < 3.0 * np.degrees(np.sqrt(np.trace(found.covariance[:3, :3])))
    assert found.correlation > 0.95


def test_other_metal_beside_it_does_not_pull():
    beside = metal_at(13.5, -10.0, 4.0, (2.0, 8.0, 2.0))
    baseline, current = scans(beside)
    points = metal_of(current)
    others = points[np.abs(points - beside.pose.translation_mm)[:, 0] < 3.5]
    grid = shell_grid(metal_of(baseline), SETTINGS)
    distance_mm, turned_deg = errors(register_metal(baseline, current, grid, START, other_metal=(None, others)))
    assert distance_mm < 0.12
    assert turned_deg < 0.8


def test_a_turn_about_the_long_axis_is_less_certain_than_one_about_a_short_one():
    baseline, current = scans()
    turns = register_metal(baseline, current, shell_grid(metal_of(baseline), SETTINGS), START).covariance[:3, :3]
    assert turns[0, 0] > 1.3 * turns[2, 2], "16 mm wide, 10 mm deep, 7 mm high"


def test_an_implant_wholly_beside_other_metal_is_refused():
    baseline, current = scans()
    grid = shell_grid(metal_of(baseline), SETTINGS)
    with pytest.raises(AnalysisFailed, match="too little of it is free of other metal"):
        register_metal(baseline, current, grid, START, other_metal=(grid, None))


def test_an_implant_outside_the_other_exam_is_refused():
    baseline, current = scans()
    grid = shell_grid(metal_of(baseline), SETTINGS)
    with pytest.raises(AnalysisFailed, match="lie inside the other exam"):
        register_metal(baseline, current, grid, moved(60.0))


def test_eighths_of_a_piece_are_about_equally_large():
    points = np.random.default_rng(0).normal(size=(4000, 3)) * [8.0, 5.0, 3.0]
    counts = np.bincount(octants(points), minlength=8)
    assert counts.min() > 400
