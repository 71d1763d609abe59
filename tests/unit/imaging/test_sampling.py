"""Values of a volume at points, its coarse copies, and coordinates of its voxels."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform, VertebraFrame
from plumbline.imaging.sampling import axis_aligned, block_mean, coordinates_in, sample
from plumbline.imaging.volume import Volume


def oblique(shape=(9, 14, 17), dtype=np.int16) -> Volume:
    turn = RigidTransform.about(np.zeros(3), np.array([0.2, -0.1, 0.3]), np.zeros(3)).rotation
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.6, 0.7, 1.1])
    affine[:3, 3] = (-20.0, 5.0, 40.0)
    voxels = np.random.default_rng(3).integers(-1500, 3000, shape).astype(dtype)
    return Volume(voxels, affine)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 3, 1), (4, 1, 2)])
def test_block_means_are_those_of_the_cut_values(dtype, blocks):
    volume = oblique(dtype=dtype)
    columns, rows, slices = blocks
    depth, height, width = (n // b for n, b in zip(volume.shape, blocks[::-1], strict=True))
    whole = np.clip(volume.voxels.astype(float), -1000.0, 1500.0)[: depth * slices, : height * rows, : width * columns]
    expected = whole.reshape(depth, slices, height, rows, width, columns).mean(axis=(1, 3, 5))
    means = block_mean(volume, np.array(blocks), -1000.0, 1500.0)
    np.testing.assert_allclose(means.voxels, expected, rtol=1e-5, atol=1e-2)


def test_a_block_lies_in_the_middle_of_its_voxels():
    volume = oblique()
    means = block_mean(volume, np.array([2, 3, 4]), -1000.0, 1500.0)
    np.testing.assert_allclose(means.to_lps(np.zeros(3)), volume.to_lps(np.array([0.5, 1.0, 1.5])))
    np.testing.assert_allclose(means.spacing_mm, volume.spacing_mm * [2, 3, 4])


@pytest.mark.parametrize("flips", [(1, 1, 1), (1, -1, 1), (-1, 1, -1)])
def test_a_ramp_keeps_its_slope_on_the_aligned_grid_however_the_stack_runs(flips):
    affine = np.diag([0.7 * flips[0], 0.7 * flips[1], 0.8 * flips[2], 1.0])
    affine[:3, 3] = (10.0, -30.0, 5.0)
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in (20, 40, 40)), indexing="ij"), axis=-1)
    blank = Volume(np.zeros((20, 40, 40), dtype=np.float32), affine)
    x, y, z = np.moveaxis(blank.zyx_to_lps(index), -1, 0)
    ramp = Volume((3.0 * x - 2.0 * y + 5.0 * z).astype(np.float32), affine)
    coarse = axis_aligned(ramp, 2.0, largest_hu=5000.0)
    inner = np.stack(np.meshgrid(*(np.arange(2, n - 2) for n in coarse.shape), indexing="ij"), axis=-1)
    points = coarse.zyx_to_lps(inner)
    expected = points @ np.array([3.0, -2.0, 5.0])
    np.testing.assert_allclose(coarse.voxels[2:-2, 2:-2, 2:-2], expected, atol=0.01)


def test_samples_at_voxel_centres_are_the_voxels():
    volume = oblique()
    index = np.argwhere(np.ones(volume.shape, dtype=bool))
    np.testing.assert_allclose(sample(volume, volume.zyx_to_lps(index)), volume.voxels.ravel(), atol=0.1)


def test_points_go_to_indices_and_back():
    volume = oblique()
    points = np.random.default_rng(1).normal(size=(4, 5, 3))
    np.testing.assert_allclose(volume.to_lps(volume.to_index(points)), points)
    np.testing.assert_allclose(volume.array_coordinates(points), volume.to_index(points).reshape(-1, 3)[:, ::-1].T)
    assert volume.to_index(points[0, 0]).shape == (3,)


def test_voxels_of_a_window_have_the_coordinates_of_their_points():
    volume = oblique()
    turn = RigidTransform.about(np.zeros(3), np.array([0.1, 0.4, 0.0]), np.zeros(3)).rotation
    frame = VertebraFrame(np.array([-18.0, 8.0, 44.0]), *turn)
    window = (slice(2, 6), slice(0, 5), slice(3, 10))
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij"), axis=-1)
    expected = frame.coordinates_mm(volume.zyx_to_lps(index))
    np.testing.assert_allclose(np.stack(coordinates_in(volume, window, frame), axis=-1), expected)
