"""A screw's pose from its metal: axis, tip, neck and head, with a rod on it, a spacer at it, and nothing to fit."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.errors import AnalysisFailed
from plumbline.imaging.screws import ScrewPose, ScrewSettings, fit_screw
from plumbline.imaging.volume import Volume

FORWARD = np.array([0.0, -1.0, 0.0])
ENTRY, TIP = np.array([9.0, 14.0, -2.0]), np.array([4.0, -20.0, -5.0])
AXIS = (TIP - ENTRY) / np.linalg.norm(TIP - ENTRY)
RADIUS_MM = 3.0


def capsule(points, start, stop, radius_mm):
    along = np.clip((points - start) @ (stop - start) / ((stop - start) @ (stop - start)), 0.0, 1.0)
    return np.linalg.norm(points - start - along[..., None] * (stop - start), axis=-1) - radius_mm


SHANK = (ENTRY, TIP, RADIUS_MM)
HEAD = (ENTRY - 2.0 * AXIS, ENTRY - 8.0 * AXIS, 5.2)
ROD = (ENTRY - 5.0 * AXIS - [0, 0, 22.0], ENTRY - 5.0 * AXIS + [0, 0, 22.0], 2.75)
TOUCHING_SPACER = (np.array([-3.0, -10.0, 3.5]), np.array([11.0, -10.0, 3.5]), 4.0)


def scan(*solids, spacing_mm=(0.7, 0.7, 1.0), largest_hu=3071.0) -> Volume:
    x, y, z = (np.arange(a, b, s) for a, b, s in zip((-14, -32, -30), (24, 36, 24), spacing_mm, strict=True))
    points = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    hu = np.full(points.shape[:-1], 200.0)
    for start, stop, radius_mm in solids:
        share = 1.0 / (1.0 + np.exp(np.clip(capsule(points, start, stop, radius_mm) / 0.35, -50, 50)))
        hu += share * (8600.0 - hu)
    hu += np.random.default_rng(1).normal(scale=30.0, size=hu.shape)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = x[0], y[0], z[0]
    return Volume(np.minimum(hu, largest_hu).astype(np.int16), affine)


def fitted(volume: Volume) -> ScrewPose:
    metal = volume.zyx_to_lps(np.argwhere(volume.voxels > 2000))
    return fit_screw(volume, metal[(metal[:, 1] < 8.0) & (metal[:, 2] < 1.0)], FORWARD)


def angle_deg(pose: ScrewPose) -> float:
    return float(np.degrees(np.arccos(np.clip(pose.axis @ AXIS, -1.0, 1.0))))


@pytest.mark.parametrize("largest_hu", [3071.0, 30000.0], ids=["12-bit scale", "extended scale"])
def test_axis_ends_and_thickness_of_a_screw_on_a_rod_are_found(largest_hu):
    pose = fitted(scan(SHANK, HEAD, ROD, largest_hu=largest_hu))
    assert angle_deg(pose) < 0.2
    np.testing.assert_allclose(pose.tip_lps_mm, TIP + RADIUS_MM * AXIS, atol=1.0)
    assert (pose.neck_lps_mm - ENTRY) @ AXIS == pytest.approx(5.2 - 2.0, abs=1.5)
    assert np.linalg.norm(np.cross(pose.head_lps_mm - ENTRY, AXIS)) < 0.3, "the head lies on the axis"
    assert (pose.head_lps_mm - ENTRY) @ AXIS == pytest.approx(-5.0, abs=1.5)
    assert pose.length_mm == pytest.approx((pose.tip_lps_mm - pose.neck_lps_mm) @ AXIS)
    assert pose.diameter_mm == pytest.approx(2 * RADIUS_MM, abs=0.4)


def test_slices_of_2_5_mm_cost_little():
    assert angle_deg(fitted(scan(SHANK, HEAD, ROD, spacing_mm=(0.7, 0.7, 2.5)))) < 0.7


def test_a_spacer_that_touches_the_shank_does_not_pull_it():
    pose = fitted(scan(SHANK, HEAD, ROD, TOUCHING_SPACER))
    assert angle_deg(pose) < 0.8


def test_noise_is_said_to_be_less_certain_than_none():
    clean = scan(SHANK, HEAD)
    rough = np.random.default_rng(3).normal(scale=900.0, size=clean.shape)
    noisy = Volume(np.clip(clean.voxels + rough, -1000, 3071).astype(np.int16), clean.lps_from_index)
    metal = clean.zyx_to_lps(np.argwhere(clean.voxels > 2000))
    chosen = metal[metal[:, 1] < 8.0]
    assert fit_screw(noisy, chosen, FORWARD).axis_sd_deg > fit_screw(clean, chosen, FORWARD).axis_sd_deg


def test_metal_without_one_straight_middle_is_refused():
    """Two bars at an angle, as a screw and the wall of a spacer make."""
    bend, aside = (ENTRY + TIP) / 2, np.array([14.0, -10.0, 0.0])
    crooked = scan((ENTRY, bend, 2.5), (bend, bend + aside, 2.5))
    points = np.linspace(ENTRY, bend + aside, 40)
    with pytest.raises(AnalysisFailed):
        fit_screw(crooked, points, FORWARD, ScrewSettings(largest_axis_sd_deg=0.5))


def test_the_shank_holds_its_own_points_and_not_the_head_or_the_rod():
    pose = fitted(scan(SHANK, HEAD, ROD))
    points = np.stack([(ENTRY + TIP) / 2, ENTRY - 5.0 * AXIS, ROD[0], (ENTRY + TIP) / 2 + [6.0, 0.0, 0.0]])
    assert pose.shank_holds(points, 5.0).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    "solid",
    [
        pytest.param((np.array([5.0, -3.0, -3.0]), np.array([5.0, -6.0, -3.0]), 2.0), id="a stub"),
        pytest.param((np.array([5.0, -20.0, -3.0]), np.array([5.0, -26.0, -3.0]), 2.0), id="nothing in the middle"),
    ],
)
def test_what_has_no_direction_is_refused(solid):
    points = np.array([[5.0, y, -3.0 + 0.1 * (y % 2)] for y in np.arange(-10.0, 10.0)])
    with pytest.raises(AnalysisFailed, match=r"along no line|too little of the shank"):
        fit_screw(scan(solid), points, FORWARD)
