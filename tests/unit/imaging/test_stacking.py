"""From planes to a volume's geometry: what is stacked, and every reason for which it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.errors import InvalidInput
from plumbline.imaging.stacking import Plane, stack_planes
from plumbline.imaging.volume import Volume

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def planes(heights, orientation=AXIAL) -> list[Plane]:
    return [Plane((-100.0, -120.0, z), orientation, (0.8, 0.7), 4, 5) for z in heights]


def test_slices_are_sorted_along_their_normal_whatever_their_order():
    stack = stack_planes(planes([30.0, 10.0, 20.0]))
    assert stack.order == (1, 2, 0)
    volume = Volume(np.zeros((3, 4, 5), np.int16), stack.lps_from_index)
    np.testing.assert_allclose(volume.to_lps(np.array([2.0, 1.0, 2.0])), [-100 + 1.4, -120 + 0.8, 30.0])
    np.testing.assert_allclose(volume.spacing_mm, [0.7, 0.8, 10.0])


def test_geometry_of_a_sagittal_stack_inverts():
    sagittal = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    stack = stack_planes([Plane((x, -80.0, 40.0), sagittal, (0.8, 0.7), 4, 5) for x in np.arange(0, 5, 1.25)])
    volume = Volume(np.zeros((4, 4, 5), np.int16), stack.lps_from_index)
    index = np.array([1.5, 2.5, 0.25])
    np.testing.assert_allclose(volume.to_index(volume.to_lps(index)), index, atol=1e-9)


def test_rounded_positions_are_not_irregular():
    stack = stack_planes(planes(np.round(np.arange(20) * 0.6251, 2)))
    between = stack.lps_from_index[:3, :3] @ np.array([0.0, 0.0, 1.0])
    assert np.linalg.norm(between) == pytest.approx(0.6251, abs=0.001)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda p: p[:1], "at least two slices"),
        (lambda p: p[:2] + p[4:], "2 slices are missing"),
        (lambda p: [*p, p[2]], "lie where another one lies"),
        (lambda p: [*p[:-1], replace(p[-1], rows=8)], "different matrix sizes"),
        (lambda p: [*p[:-1], replace(p[-1], spacing_mm=(0.9, 0.7))], "different pixel spacings"),
        (lambda p: [*p[:-1], replace(p[-1], orientation=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0))], "different orientations"),
        (lambda p: [replace(each, spacing_mm=(0.0, 0.0)) for each in p], "not positive"),
        (lambda p: [replace(each, orientation=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)) for each in p], "perpendicular"),
    ],
)
def test_what_makes_no_sound_volume_is_refused_with_the_reason(changed, reason):
    with pytest.raises(InvalidInput, match=reason):
        stack_planes(changed(planes(np.arange(6) * 1.0)))


def test_beside_a_gap_the_longer_run_is_the_volume_and_that_is_said():
    stack = stack_planes([*planes(np.arange(2) * 1.0), *planes(np.arange(3, 20) * 1.0)])
    assert stack.order == tuple(range(2, 19))
    assert stack.note is not None
    assert "1 slices are missing" in stack.note
    assert stack.lps_from_index[2, 3] == 3.0


def test_uneven_gaps_are_refused():
    with pytest.raises(InvalidInput, match="unevenly spaced"):
        stack_planes(planes([0.0, 1.0, 2.0, 3.2, 4.2]))


def tilted(lean: float, wobble_mm: float = 0.0) -> list[Plane]:
    """Nine slices, each ``lean`` mm farther to the front than the one below, every second one off by a wobble."""
    return [
        replace(plane, position_lps_mm=(-100.0, -120.0 - lean * i + wobble_mm * (i % 2), float(i)))
        for i, plane in enumerate(planes(range(9)))
    ]


@pytest.mark.parametrize("reverse", [False, True], ids=["from the feet", "from the head"])
def test_a_tilted_gantry_leans_the_slices_direction_and_nothing_else(reverse):
    stacked = tilted(0.2)
    stack = stack_planes(stacked[::-1] if reverse else stacked)
    np.testing.assert_allclose(stack.lps_from_index[:3, 2], [0.0, -0.2, 1.0])
    np.testing.assert_allclose(stack.lps_from_index[:3, :2], [[0.7, 0.0], [0.0, 0.8], [0.0, 0.0]])
    np.testing.assert_allclose(stack.lps_from_index[:3, 3], [-100.0, -120.0, 0.0])


def test_slices_beside_one_straight_line_are_refused():
    with pytest.raises(InvalidInput, match=r"up to 0\.5 mm beside one straight line"):
        stack_planes(tilted(0.2, wobble_mm=0.5))


def test_a_lean_that_no_gantry_has_is_refused():
    with pytest.raises(InvalidInput, match="lean by 45 degrees"):
        stack_planes(tilted(1.0))


def test_thick_slices_that_overlap_are_a_volume_with_their_own_distance():
    """Slice Thickness says nothing here: reconstructions may overlap."""
    assert stack_planes(planes(np.arange(20) * 0.5)).lps_from_index[2, 2] == pytest.approx(0.5)


def test_a_crop_keeps_its_place():
    volume = Volume(np.zeros((6, 7, 8), np.int16), stack_planes(planes(np.arange(6) * 2.0)).lps_from_index)
    cropped = volume.crop((1, 2, 3), (4, 5, 6))
    np.testing.assert_allclose(cropped.to_lps(np.zeros(3)), volume.to_lps(np.array([3.0, 2.0, 1.0])))
