"""A constellation of pins in two exams: where it went, by a model that knows slices, blur and the end of the scale."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.markers import _wire, pieces_of, register_markers
from plumbline.imaging.volume import Volume
from tests.unit.imaging.bone_worlds import moved

PINS = np.array([[-2.6, 8.0, 0.0], [2.6, 8.0, 0.0], [0.0, -10.0, 0.0]])
"""Middles of two pins behind and one in front, as in a narrow spacer."""
HALF_MM, METAL_HU = 3.5, 2000.0
MOTION = moved(2.0, -1.0, 0.7, (3.0, -2.0, 4.0))


def scanned(place: RigidTransform, spacing_mm, *, seed: int = 0, largest_hu: float = 3071.0, offset_mm=0.0) -> Volume:
    """Pins of a blurred exam: summed from many points, so that nothing of the model under test is used."""
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = np.array([-12.0, -18.0, -12.0]) + offset_mm
    shape = tuple(int(length / step) for length, step in zip((24.0, 36.0, 24.0), spacing_mm, strict=True))
    blur = np.array([0.5, 0.5, 0.45 * spacing_mm[2]])
    axes = [affine[k, 3] + spacing_mm[k] * np.arange(shape[k]) for k in range(3)]
    hu = np.full(shape, 60.0)
    for middle in PINS:
        for along in np.linspace(-HALF_MM, HALF_MM, 71):
            point = place.apply(middle + np.array([0.0, 0.0, along]))
            x, y, z = (np.exp(-0.5 * ((axes[k] - point[k]) / blur[k]) ** 2) / blur[k] for k in range(3))
            hu += 140.0 * x[:, None, None] * y[None, :, None] * z[None, None, :]
    hu += np.random.default_rng(seed).normal(scale=30.0, size=shape)
    return Volume(np.minimum(hu, largest_hu).transpose(2, 1, 0).astype(np.int16), affine)


def metal_of(volume: Volume):
    return volume.zyx_to_lps(np.argwhere(volume.voxels > METAL_HU))


def errors(found, truth: RigidTransform = MOTION) -> tuple[float, float]:
    rest = found.current_from_baseline @ truth.inverse()
    middle = truth.apply(np.zeros(3))
    return float(np.linalg.norm(rest.apply(middle) - middle)), rest.angle_deg


def registered(one: Volume, other: Volume, **changes):
    start = moved(1.7, -0.6, 0.9, (2.0, -2.5, 4.5))
    return register_markers(one, other, metal_of(one), metal_of(other), start, **changes)


@pytest.mark.parametrize(
    ("spacing_mm", "within_mm", "within_deg"),
    [((0.6, 0.6, 1.0), 0.05, 0.4), ((0.6, 0.6, 2.5), 0.1, 0.8)],
    ids=["thin slices", "thick slices"],
)
@pytest.mark.parametrize("largest_hu", [3071.0, 30000.0], ids=["scale of 12 bits", "long scale"])
def test_a_turn_of_three_pins_is_told_whatever_the_slices_and_the_scale(spacing_mm, within_mm, within_deg, largest_hu):
    one = scanned(RigidTransform.identity(), spacing_mm)
    other = scanned(MOTION, spacing_mm, seed=1, largest_hu=largest_hu, offset_mm=0.37)
    found = registered(one, other)
    distance_mm, turned_deg = errors(found)
    assert distance_mm < within_mm
    assert turned_deg < within_deg
    assert found.correlation > 0.95


def test_the_roll_of_a_narrow_row_is_said_to_be_less_certain_than_its_other_turns():
    one, other = scanned(RigidTransform.identity(), (0.6, 0.6, 2.5)), scanned(MOTION, (0.6, 0.6, 2.5), seed=1)
    turns = registered(one, other).covariance[:3, :3]
    assert turns[1, 1] > 4.0 * turns[2, 2], "about the long axis more than about the upright one"


def test_metal_of_others_beside_a_pin_does_not_pull():
    one, clean = scanned(RigidTransform.identity(), (0.6, 0.6, 1.0)), scanned(MOTION, (0.6, 0.6, 1.0), seed=1)
    points = clean.zyx_to_lps(np.indices(clean.shape).reshape(3, -1).T)
    screw = np.hypot(points[:, 0] - 7.5, points[:, 2]) < 2.0
    other = Volume(np.where(screw.reshape(clean.shape), 3071, clean.voxels).astype(np.int16), clean.lps_from_index)
    start = moved(1.7, -0.6, 0.9, (2.0, -2.5, 4.5))
    found = register_markers(one, other, metal_of(one), metal_of(clean), start, other_metal=(None, points[screw]))
    distance_mm, turned_deg = errors(found)
    assert distance_mm < 0.1
    assert turned_deg < 0.6


def test_one_lump_of_metal_is_no_constellation():
    volume = scanned(RigidTransform.identity(), (0.6, 0.6, 1.0))
    (first, *_) = pieces_of(volume, metal_of(volume))
    with pytest.raises(AnalysisFailed, match="1 pieces of metal are no constellation"):
        register_markers(volume, volume, first, first, RigidTransform.identity())


def test_a_blurred_wire_and_its_slopes_are_those_of_its_integral():
    rng = np.random.default_rng(0)
    places, half = rng.normal(size=(6, 3)) * 2.0, np.array([0.4, -1.1, 0.8])
    value, by_place, by_half = _wire(places, half)
    along = np.linspace(-1.0, 1.0, 4001)
    summed = np.exp(-0.5 * ((places[:, None] - along[:, None] * half) ** 2).sum(axis=-1)).mean(axis=1)
    np.testing.assert_allclose(value, summed, atol=2e-3)
    for axis in range(3):
        step = np.eye(3)[axis] * 1e-5
        across = (_wire(places + step, half)[0] - _wire(places - step, half)[0]) / 2e-5
        longer = (_wire(places, half + step)[0] - _wire(places, half - step)[0]) / 2e-5
        np.testing.assert_allclose(by_place[:, axis], across, atol=1e-6)
        np.testing.assert_allclose(by_half[:, axis], longer, atol=1e-6)
    assert _wire(np.zeros((1, 3)), np.array([0.0, 0.0, 1e-3]))[0][0] == pytest.approx(1.0, abs=1e-3)
