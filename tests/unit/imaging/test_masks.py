"""Boolean volumes: the quick ways give exactly what scipy's general ones do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plumbline.imaging.masks import parted_where_thin, voxels_of, within_box, within_mm


def scattered(share: float, shape=(14, 22, 25), seed: int = 0):
    return np.random.default_rng(seed).random(shape) < share


@pytest.mark.parametrize("spacing_zyx", [(0.8, 0.6, 0.6), (2.5, 0.7, 0.7), (1.0, 0.5, 0.5), (0.6, 1.1, 0.3)])
@pytest.mark.parametrize("distance_mm", [0.2, 2.0, 3.0])
def test_voxels_within_a_distance_are_those_of_the_distance_transform(spacing_zyx, distance_mm):
    mask = scattered(0.003)
    away_mm = ndimage.distance_transform_edt(~mask, sampling=spacing_zyx)
    np.testing.assert_array_equal(within_mm(mask, distance_mm, np.array(spacing_zyx)), away_mm <= distance_mm)


def test_nothing_is_near_where_nothing_is_held():
    empty = np.zeros((4, 5, 6), dtype=bool)
    assert not within_mm(empty, 3.0, np.ones(3)).any()
    assert not within_box(empty, (1, 1, 1)).any()
    assert voxels_of(empty).shape == (0, 3)


@pytest.mark.parametrize("reach", [(0, 0, 0), (1, 2, 3), (30, 1, 0)])
def test_voxels_within_a_box_are_those_of_the_maximum_filter(reach):
    mask = scattered(0.001)
    expected = ndimage.maximum_filter(mask.astype(np.uint8), [2 * n + 1 for n in reach], mode="constant") > 0
    np.testing.assert_array_equal(within_box(mask, reach), expected)


def test_the_voxels_of_a_mask_come_in_the_order_of_the_array():
    mask = scattered(0.05)
    np.testing.assert_array_equal(voxels_of(mask), np.argwhere(mask))


def test_a_piece_is_parted_where_it_is_thin_and_nowhere_else():
    mask = np.zeros((12, 12, 40), dtype=bool)
    mask[2:10, 2:10, 2:12] = mask[2:10, 2:10, 28:38] = True
    mask[5:7, 5:7, 12:28] = True
    held = voxels_of(mask)
    (parts,) = parted_where_thin(held, np.ones(3), (0.5, 1.5))
    for part, (first, last) in enumerate(((2, 19), (20, 37))):
        columns = held[parts == part, 2]
        assert (columns.min(), columns.max()) == pytest.approx((first, last), abs=1)


def test_a_bar_has_no_parts():
    bar = np.ones((8, 8, 30), dtype=bool)
    assert list(parted_where_thin(voxels_of(bar), np.ones(3), (0.5, 1.5, 2.5))) == []
