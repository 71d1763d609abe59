"""Rods, plates, electrodes and metal elsewhere, told apart on synthetic spines; what is none of these is not named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.imaging.hardware import Hardware, ImplantKind, Side
from tests.unit.imaging.bone_worlds import (
    DEPTH_MM,
    HEIGHT_MM,
    PITCH_MM,
    Metal,
    Scanner,
    examined,
    metal_at,
    stacked,
)

SPINE = Scanner(first_mm=(-22.0, -42.0, -24.0), last_mm=(22.0, 26.0, 36.0))
MIDDLE_MM = PITCH_MM / 2 - 6.0


def screw(side: int, height_mm: float) -> Metal:
    return metal_at(side * 9.0, -2.0, height_mm - 6.0, (2.4, 16.0, 2.4))


def rod(side: int) -> Metal:
    return metal_at(side * 9.0, 16.0, MIDDLE_MM, (2.6, 2.6, PITCH_MM / 2 + 6.0))


def contacts(left_mm: float, count: int = 6) -> tuple[Metal, ...]:
    return tuple(metal_at(left_mm, 9.0, -14.0 + 6.0 * i, (1.0, 1.0, 1.6)) for i in range(count))


SCREWS = tuple(screw(side, height) for side in (1, -1) for height in (0.0, PITCH_MM))
CONSTRUCT = (*SCREWS, rod(1), rod(-1))
FRONT_PLATE = metal_at(0.0, -DEPTH_MM - 2.5, (PITCH_MM - HEIGHT_MM) / 2, (9.0, 1.6, PITCH_MM / 2 + 8.0))
FLANK_PLATE = metal_at(17.0, -DEPTH_MM / 2, (PITCH_MM - HEIGHT_MM) / 2, (1.6, 7.0, PITCH_MM / 2 + 8.0))


def hardware(*metals: Metal, scanner: Scanner = SPINE) -> Hardware:
    return examined(stacked(2), metals, scanner=scanner).hardware


def of_kind(found: Hardware, kind: ImplantKind) -> list:
    return [each for each in (*found.implants, *found.others) if each.kind is kind]


@pytest.fixture(scope="module")
def construct() -> Hardware:
    return hardware(*CONSTRUCT)


def test_screws_and_rods_of_one_piece_are_four_screws_and_two_rods(construct):
    found = construct
    assert [(each.above, each.side) for each in found.screws] == [
        (0, Side.LEFT),
        (0, Side.RIGHT),
        (1, Side.LEFT),
        (1, Side.RIGHT),
    ]
    assert [each.side for each in found.rods] == [Side.LEFT, Side.RIGHT]
    assert found.others == ()


def test_the_centre_line_of_a_rod_runs_down_its_middle(construct):
    for each in construct.rods:
        assert each.line_lps_mm is not None
        assert each.side is not None
        assert np.all(np.diff(each.line_lps_mm[:, 2]) < 0), "from cranial to caudal"
        inner = np.abs(each.line_lps_mm[:, 2] - MIDDLE_MM) < PITCH_MM / 2
        np.testing.assert_allclose(each.line_lps_mm[inner, 0], each.side.sign * 9.0, atol=0.5)
        np.testing.assert_allclose(each.line_lps_mm[inner, 1], 16.0, atol=1.2)
        assert (each.above, each.below) == (0, 1)
        assert each.diameter_mm == pytest.approx(5.6, abs=1.2)


def test_a_rod_without_screws_is_a_rod():
    assert [each.side for each in hardware(rod(-1)).rods] == [Side.RIGHT]


def test_every_screw_of_a_construct_has_its_pose_in_spite_of_the_rod(construct):
    for each in construct.screws:
        assert each.pose is not None
        assert each.axis @ [0.0, -1.0, 0.0] > np.cos(np.radians(1.5))
        assert each.tip_lps_mm[1] == pytest.approx(-18.0, abs=1.0)


@pytest.mark.parametrize("plate", [FRONT_PLATE, FLANK_PLATE], ids=["in front", "beside"])
def test_a_flat_piece_over_two_bodies_is_a_plate_and_makes_them_instrumented(plate):
    found = hardware(plate)
    assert [each.kind for each in found.implants] == [ImplantKind.PLATE]
    assert found.instrumented == (0, 1)


def test_the_screws_of_a_plate_are_no_pedicle_screws():
    into_bodies = tuple(
        metal_at(side * 6.0, -18.0, h - 8.0, (2.2, 8.0, 2.2)) for side in (1, -1) for h in (0.0, PITCH_MM)
    )
    found = hardware(FRONT_PLATE, *into_bodies)
    assert found.screws == ()


@pytest.mark.parametrize("lefts_mm", [(3.0,), (4.0, -4.0)], ids=["one lead", "two leads"])
def test_rows_of_contacts_in_the_canal_are_electrodes_and_no_construct(lefts_mm):
    fine = replace(SPINE, spacing_mm=(0.8, 0.8, 0.8), first_mm=(-12.0, -10.0, -24.0), last_mm=(12.0, 20.0, 30.0))
    found = hardware(*(each for left in lefts_mm for each in contacts(left)), scanner=fine)
    electrodes = of_kind(found, ImplantKind.STIMULATOR_ELECTRODE)
    assert found.implants == ()
    assert len(electrodes) == len(found.others) == len(lefts_mm)
    for each in electrodes:
        assert each.line_lps_mm[0, 2] - each.line_lps_mm[-1, 2] == pytest.approx(30.0, abs=6.0)
        assert "contacts" in each.reason


def test_a_lead_is_not_taken_for_the_markers_of_a_spacer_that_came_out():
    fine = replace(SPINE, spacing_mm=(0.8, 0.8, 0.8), first_mm=(-12.0, -10.0, -24.0), last_mm=(12.0, 20.0, 30.0))
    pins = tuple(metal_at(left, 6.0, 4.0, (0.9, 0.9, 3.0)) for left in (-5.0, 5.0))
    found = hardware(*pins, scanner=fine)
    assert [each.kind for each in found.spacers] == [ImplantKind.SPACER_MARKERS]
    assert found.others == ()


def test_two_contacts_are_no_lead():
    fine = replace(SPINE, spacing_mm=(0.8, 0.8, 0.8), first_mm=(-12.0, -10.0, -24.0), last_mm=(12.0, 20.0, 30.0))
    assert not of_kind(hardware(*contacts(3.0, count=2), scanner=fine), ImplantKind.STIMULATOR_ELECTRODE)


@pytest.mark.parametrize(
    ("metal", "reason"),
    [
        pytest.param(metal_at(45.0, -10.0, 4.0, (6.0, 6.0, 6.0)), "left of the midline", id="a hip"),
        pytest.param(metal_at(-45.0, -10.0, 4.0, (6.0, 6.0, 6.0)), "right of the midline", id="a nail"),
        pytest.param(metal_at(0.0, -44.0, 4.0, (3.0, 3.0, 3.0)), "in front of the bodies", id="a clip"),
        pytest.param(metal_at(0.0, 30.0, 4.0, (5.0, 3.0, 5.0)), "behind the posterior wall", id="a generator"),
        pytest.param(metal_at(0.0, -10.0, 52.0, (8.0, 8.0, 4.0)), "above the vertebrae", id="dental"),
        pytest.param(metal_at(0.0, -10.0, -44.0, (8.0, 8.0, 4.0)), "below the vertebrae", id="a stem"),
    ],
)
def test_metal_elsewhere_is_kept_with_where_it_lies_and_is_no_implant_of_the_spine(metal, reason):
    wide = Scanner(spacing_mm=(1.5, 1.5, 1.5), first_mm=(-60.0, -54.0, -52.0), last_mm=(60.0, 40.0, 60.0))
    found = hardware(metal, scanner=wide)
    assert found.implants == ()
    assert [each.kind for each in found.others] == [ImplantKind.ELSEWHERE]
    assert reason in found.others[0].reason
