"""Spinopelvic angles of spines that are built to have them, whichever way the patient faces."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest

from plumbline.anatomy.alignment import spinopelvic_alignment
from plumbline.anatomy.landmarks import LEFT_HIP, RIGHT_HIP
from plumbline.errors import InvalidInput

PLACEMENT_MM = 2.0


def endplate(name, middle, tilt_deg, length_mm=40.0):
    """Both ends of an endplate whose anterior end lies lower by an angle; anterior is to the right."""
    across, down = cos(radians(tilt_deg)) * length_mm / 2, sin(radians(tilt_deg)) * length_mm / 2
    x, y = middle
    return {f"{name} anterior": (x + across, y + down), f"{name} posterior": (x - across, y - down)}


def spine(slope=40.0, tilt=15.0, lumbar=-14.0, thoracic=(22.0, -16.0), hip_mm=100.0):
    """Landmarks of a patient who faces right, the hips at the origin."""
    sacrum = (-sin(radians(tilt)) * hip_mm, -cos(radians(tilt)) * hip_mm)
    return {
        LEFT_HIP: (3.0, 0.0),
        RIGHT_HIP: (-3.0, 0.0),
        **endplate("S1 superior endplate", sacrum, slope),
        **endplate("L1 superior endplate", (-20.0, -280.0), lumbar),
        **endplate("T4 superior endplate", (-30.0, -480.0), thoracic[0], 30.0),
        **endplate("T12 inferior endplate", (-25.0, -310.0), thoracic[1], 35.0),
    }


EXPECTED = {
    "sacral_slope": 40.0,
    "pelvic_tilt": 15.0,
    "pelvic_incidence": 55.0,
    "lumbar_lordosis": 54.0,
    "thoracic_kyphosis": 38.0,
    "pelvic_incidence_minus_lordosis": 1.0,
}


@pytest.mark.parametrize("facing", [1, -1])
def test_every_angle_is_what_the_spine_was_built_with(facing):
    points = {name: (facing * x, y) for name, (x, y) in spine().items()}
    found = spinopelvic_alignment(points, PLACEMENT_MM)
    assert {name: angle.value for name, angle in found.angles.items()} == pytest.approx(EXPECTED)
    assert found.wanting == {}


def test_incidence_stays_when_the_pelvis_turns():
    """It is a shape of the pelvis: tilt gains what slope loses."""
    turned = spine(slope=25.0, tilt=30.0)
    assert spinopelvic_alignment(turned, PLACEMENT_MM).angles["pelvic_incidence"].value == pytest.approx(55.0)


def test_nineteen_of_twenty_placements_lie_within_the_uncertainty_that_is_told():
    generator = np.random.default_rng(7)
    truth = spine()
    told = spinopelvic_alignment(truth, PLACEMENT_MM).angles
    off = {name: [] for name in told}
    for _ in range(1500):
        moved = {
            name: (x + dx, y + dy)
            for (name, (x, y)), (dx, dy) in zip(
                truth.items(), generator.normal(0.0, PLACEMENT_MM / 1.96, (len(truth), 2)), strict=True
            )
        }
        for name, angle in spinopelvic_alignment(moved, PLACEMENT_MM).angles.items():
            off[name].append(abs(angle.value - told[name].value) <= told[name].uncertainty_95)
    shares = {name: float(np.mean(within)) for name, within in off.items()}
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_what_cannot_be_measured_is_said_with_what_is_wanting():
    points = {name: place for name, place in spine().items() if not name.startswith(("L1", "T4"))}
    found = spinopelvic_alignment(points, PLACEMENT_MM)
    assert set(found.angles) == {"sacral_slope", "pelvic_tilt", "pelvic_incidence"}
    assert found.wanting["lumbar lordosis"] == "L1 superior endplate"
    assert found.wanting["thoracic kyphosis"] == "T4 superior endplate, T12 inferior endplate"


def test_one_femoral_head_is_enough_and_less_certain():
    points = spine()
    both = spinopelvic_alignment(points, PLACEMENT_MM).angles["pelvic_tilt"]
    one = spinopelvic_alignment({name: at for name, at in points.items() if name != RIGHT_HIP}, PLACEMENT_MM)
    assert one.angles["pelvic_tilt"].uncertainty_95 > both.uncertainty_95


def test_exchanged_ends_of_an_endplate_are_refused():
    points = spine()
    ends = ("L1 superior endplate anterior", "L1 superior endplate posterior")
    points[ends[0]], points[ends[1]] = points[ends[1]], points[ends[0]]
    with pytest.raises(InvalidInput, match="different sides"):
        spinopelvic_alignment(points, PLACEMENT_MM)


def test_two_landmarks_on_one_spot_are_refused():
    points = spine()
    points["S1 superior endplate anterior"] = points["S1 superior endplate posterior"]
    with pytest.raises(InvalidInput, match="0 mm from each other"):
        spinopelvic_alignment(points, PLACEMENT_MM)


def test_the_ends_of_every_endplate_exchanged_make_a_pelvis_that_nobody_has():
    swapped = {"anterior": "posterior", "posterior": "anterior"}
    points = {" ".join(swapped.get(word, word) for word in name.split()): at for name, at in spine().items()}
    with pytest.raises(InvalidInput, match="incidence of -55° is that of no pelvis"):
        spinopelvic_alignment(points, PLACEMENT_MM)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("L1 superior endplate", "S1 superior endplate", "L1 superior endplate lies below S1 superior endplate"),
        ("T4 superior endplate", "T12 inferior endplate", "T4 superior endplate lies below T12 inferior endplate"),
    ],
)
def test_endplates_under_the_name_of_another_are_refused(one, other, told):
    names = {one: other, other: one}
    points = {
        (
            f"{names[name.rpartition(' ')[0]]} {name.rpartition(' ')[2]}" if name.rpartition(" ")[0] in names else name
        ): at
        for name, at in spine().items()
    }
    with pytest.raises(InvalidInput, match=told):
        spinopelvic_alignment(points, PLACEMENT_MM)


def test_hips_above_the_sacrum_are_refused():
    points = {**spine(), LEFT_HIP: (0.0, -200.0), RIGHT_HIP: (4.0, -200.0)}
    with pytest.raises(InvalidInput, match="lies below the femoral heads"):
        spinopelvic_alignment(points, PLACEMENT_MM)


@pytest.mark.parametrize("turn", [lambda x, y: (-x, -y), lambda x, y: (y, -x), lambda x, y: (-y, x)])
def test_a_picture_that_does_not_stand_upright_is_refused(turn):
    points = {name: turn(x, y) for name, (x, y) in spine().items()}
    with pytest.raises(InvalidInput, match=r"lies below|lies across|different sides|no pelvis"):
        spinopelvic_alignment(points, PLACEMENT_MM)
