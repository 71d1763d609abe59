"""The rear end of a spacer's metal against the wall: free of what blur adds, in any direction of the slices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.estimates import Estimate
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.imaging.posterior_margin import MarginSettings, agreed_margins, rear_end_mm
from plumbline.imaging.volume import Volume
from tests.unit.imaging.bone_worlds import LPS_FRAME, moved

TITANIUM_HU, LEAN = 8600.0, moved(turn_deg=(35.0, 0.0, 0.0))
"""A sacrum leans by 35 degrees, so that thick slices blur along its posterior axis."""


def blurred(inside, spacing_mm, hu: float, largest_hu: float) -> Volume:
    """What a function of points covers, under the blur of a slice and a pixel, on a fine grid that is then thinned."""
    fine = 0.25
    first = np.array([-8.0, -24.0, -14.0])
    z, y, x = (np.arange(first[k], -first[k] if k != 1 else 12.0, fine) for k in (2, 1, 0))
    zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
    share = inside(np.stack([xx, yy, zz], axis=-1)).astype(float)
    blur = np.array([0.42 * spacing_mm[2], 0.48, 0.48]) / fine
    every = [max(1, round(step / fine)) for step in spacing_mm[::-1]]
    voxels = ndimage.gaussian_filter(share, blur)[:: every[0], :: every[1], :: every[2]] * (hu - 60.0) + 60.0
    affine = np.diag([*(fine * n for n in every[::-1]), 1.0])
    affine[:3, 3] = first
    return Volume(np.minimum(voxels, largest_hu).astype(np.int16), affine)


def found(volume: Volume, kind: ImplantKind, place: RigidTransform) -> float:
    points = volume.zyx_to_lps(np.argwhere(volume.voxels > 2000))
    spacer = Implant(kind, points, points.mean(axis=0), 500.0, 0, 1)
    return rear_end_mm(volume, spacer, LPS_FRAME.moved_by(place))[0]


@pytest.mark.parametrize("largest_hu", [3071.0, 20000.0], ids=["scale of 12 bits", "long scale"])
@pytest.mark.parametrize(("slice_mm", "within_mm"), [(1.0, 0.25), (2.5, 0.5)])
@pytest.mark.parametrize("place", [RigidTransform.identity(), LEAN], ids=["upright", "leaning"])
def test_the_flat_rear_of_a_solid_spacer_is_where_it_is(largest_hu, slice_mm, within_mm, place):
    def inside(points):
        own = place.inverse().apply(points)
        return np.all(np.abs(own - [0.0, -9.0, 0.0]) < [4.0, 5.0, 4.0], axis=-1)

    volume = blurred(inside, (0.5, 0.5, slice_mm), TITANIUM_HU, largest_hu)
    assert found(volume, ImplantKind.SPACER_METAL, place) == pytest.approx(-4.0, abs=within_mm)


@pytest.mark.parametrize("slice_mm", [1.0, 2.5])
def test_the_rear_of_a_pin_is_its_middle_and_its_radius(slice_mm):
    def inside(points):
        return (np.hypot(points[..., 0], points[..., 1] + 9.0) < 0.5) & (np.abs(points[..., 2]) < 4.0)

    volume = blurred(inside, (0.5, 0.5, slice_mm), 20000.0, 3071.0)
    assert found(volume, ImplantKind.SPACER_MARKERS, RigidTransform.identity()) == pytest.approx(-8.5, abs=0.2)


def test_a_blur_that_is_wider_makes_the_edge_less_certain():
    def inside(points):
        own = LEAN.inverse().apply(points)
        return np.all(np.abs(own - [0.0, -9.0, 0.0]) < [4.0, 5.0, 4.0], axis=-1)

    spreads = []
    for slice_mm in (1.0, 2.5):
        volume = blurred(inside, (0.5, 0.5, slice_mm), TITANIUM_HU, 3071.0)
        points = volume.zyx_to_lps(np.argwhere(volume.voxels > 2000))
        spacer = Implant(ImplantKind.SPACER_METAL, points, points.mean(axis=0), 500.0, 0, 1)
        spreads.append(rear_end_mm(volume, spacer, LPS_FRAME.moved_by(LEAN), MarginSettings())[1])
    assert spreads[1] > 1.2 * spreads[0]


STILL = Estimate(0.0, 0.1)


def test_two_exams_that_agree_know_the_margin_better_than_one():
    for margin in agreed_margins(Estimate(4.0, 0.6), Estimate(4.1, 0.6), STILL):
        assert margin.value == pytest.approx(4.05)
        assert margin.uncertainty_95 < 0.6


def test_agreed_margins_differ_by_what_the_rear_end_has_moved():
    before, after = agreed_margins(Estimate(4.3, 0.6), Estimate(0.9, 0.6), Estimate(-3.0, 0.1))
    assert after.value - before.value == pytest.approx(-3.0)
    assert after.value == pytest.approx((1.3 + 0.9) / 2)


def test_where_two_exams_do_not_agree_the_interval_holds_both():
    for margin in agreed_margins(Estimate(4.0, 0.6), Estimate(1.0, 0.6), STILL):
        assert margin.value + margin.uncertainty_95 > 4.0
        assert margin.value - margin.uncertainty_95 < 1.0


def test_the_exam_that_shows_the_wall_better_counts_more():
    _, after = agreed_margins(Estimate(4.0, 2.0), Estimate(3.0, 0.5), STILL)
    assert after.value == pytest.approx(3.0, abs=0.1)
