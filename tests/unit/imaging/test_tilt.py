"""A stack of a tilted gantry on a grid with right angles: every point keeps its place and its density."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.imaging.sampling import sample
from plumbline.imaging.tilt import AIR_HU, tilt_deg, without_tilt
from plumbline.imaging.volume import Volume

SIZE_ZYX = (24, 40, 36)
CENTRE_MM = np.array([14.0, 16.0, 12.0])


def blob(points) -> np.ndarray:
    """Density of a smooth world at LPS points."""
    return 1000.0 * np.exp(-((points - CENTRE_MM) ** 2).sum(axis=-1) / (2 * 4.0**2)) + 5.0 * points[..., 0]


def scanned(angle_deg: float, about: int = 0, spacing_mm=(0.8, 0.8, 1.0), dtype=np.float32) -> Volume:
    """The world on a sheared grid: slices turned about an axis of the patient, stacked along his length."""
    angle = np.radians(angle_deg)
    turn = np.eye(3)
    turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    if about == 1:
        turn = np.roll(np.roll(turn, 1, axis=0), 1, axis=1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turn[:, 0] * spacing_mm[0], turn[:, 1] * spacing_mm[1]
    affine[:3, 2] = [0.0, 0.0, spacing_mm[2]]
    empty = Volume(np.zeros(SIZE_ZYX, dtype), affine)
    return Volume(blob(empty.zyx_to_lps(np.moveaxis(np.indices(SIZE_ZYX), 0, -1))).astype(dtype), affine)


@pytest.mark.parametrize("angle_deg", [10.0, -20.0, 28.0])
@pytest.mark.parametrize("about", [0, 1], ids=["forward", "sideways"])
def test_every_point_keeps_its_density(angle_deg, about):
    tilted = scanned(angle_deg, about)
    square = without_tilt(tilted)
    inside = np.random.default_rng(0).uniform(0.3, 0.7, (200, 3)) * np.array(SIZE_ZYX)[::-1]
    points = tilted.to_lps(inside)
    # Half a pixel aside would be 60; sampling between voxels alone makes 20.
    np.testing.assert_allclose(sample(square, points), blob(points), atol=25.0)


def test_the_grid_has_right_angles_and_the_slices_their_distance():
    tilted = scanned(15.0)
    axes = without_tilt(tilted).lps_from_index[:3, :3]
    product = axes.T @ axes
    np.testing.assert_allclose(product, np.diag(np.diag(product)), atol=1e-9)
    assert np.linalg.norm(axes[:, 2]) == pytest.approx(np.cos(np.radians(15.0)))
    np.testing.assert_allclose(axes[:, :2], tilted.lps_from_index[:3, :2])
    assert tilt_deg(tilted.lps_from_index) == pytest.approx(15.0)


def test_what_was_done_is_said_and_what_was_said_before_stays():
    tilted = scanned(12.5)
    noted = without_tilt(Volume(tilted.voxels, tilted.lps_from_index, "One slice was left out."))
    assert noted.note == (
        "One slice was left out. The gantry was tilted by 12.5 degrees; each slice was shifted within its plane on to "
        "a grid with right angles."
    )


def test_a_stack_without_tilt_is_left_as_it_is():
    upright = scanned(0.0)
    assert without_tilt(upright) is upright


def test_whole_numbers_stay_whole_and_what_is_uncovered_is_air():
    square = without_tilt(scanned(20.0, dtype=np.int16))
    assert square.voxels.dtype == np.int16
    assert square.shape[1] > SIZE_ZYX[1]
    assert square.voxels[0, -1, 5] == AIR_HU or square.voxels[-1, -1, 5] == AIR_HU


def test_saturated_metal_does_not_ring():
    """A cubic without limits would undershoot beside it by a fifteenth of the step."""
    tilted = scanned(17.0)
    block = np.full(SIZE_ZYX, 40.0, np.float32)
    block[:, 15:25, 10:20] = 3071.0
    square = without_tilt(Volume(block, tilted.lps_from_index))
    seen = square.voxels[square.voxels > AIR_HU + 500]
    assert seen.max() == 3071.0
    inner = square.voxels[12, 12:-12, 5:-5]
    assert inner[inner > -500].min() >= 39.0
