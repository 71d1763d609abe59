"""Metal told apart by where it lies: spacers, screws, and what is nobody's business."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.imaging.hardware import HardwareSettings, ImplantKind, disc_height_mm, metal_mask
from plumbline.imaging.motion import ExamAnatomy
from tests.unit.imaging.bone_worlds import (
    DISC_MM,
    PITCH_MM,
    SPACER,
    Metal,
    Scanner,
    examined,
    metal_at,
    moved,
    moved_bones,
    stacked,
)

BONES = stacked(2)
SPINE = Scanner(first_mm=(-18.0, -30.0, -20.0), last_mm=(18.0, 22.0, 28.0))
MARKERS = tuple(
    metal_at(left, posterior, DISC_MM / 2, (0.9, 0.9, 3.0))
    for left, posterior in ((-7.0, -15.0), (7.0, -15.0), (0.0, -4.0))
)


def screws(height_mm: float, half_length_mm: float = 16.0) -> tuple[Metal, ...]:
    """A left and a right screw through pedicle and body, tips in the front of the body."""
    return tuple(
        metal_at(side * 8.0, 14.0 - half_length_mm, height_mm - 6.0, (2.2, half_length_mm, 2.2)) for side in (1, -1)
    )


def rods() -> tuple[Metal, ...]:
    middle = PITCH_MM / 2 - 6.0
    return tuple(metal_at(side * 8.0, 16.0, middle, (2.5, 2.5, PITCH_MM / 2 + 4.0)) for side in (1, -1))


CONSTRUCT = (*screws(0.0), *screws(PITCH_MM), *rods())


def exam(*metals: Metal, scanner: Scanner = SPINE, bones=BONES, settings=None) -> ExamAnatomy:
    return examined(bones, metals, scanner=scanner, settings=settings)


def kinds(found: ExamAnatomy) -> list[tuple[ImplantKind, int, int]]:
    return sorted((each.kind, each.above, each.below) for each in found.hardware.implants)


def test_a_spine_without_metal_has_no_implants():
    found = exam()
    assert found.hardware.implants == ()
    assert not found.hardware.metal.any()
    assert found.hardware.instrumented == ()


def test_metal_in_a_disc_space_is_a_spacer_between_its_two_vertebrae():
    (spacer,) = exam(SPACER).hardware.implants
    assert (spacer.kind, spacer.above, spacer.below) == (ImplantKind.SPACER_METAL, 0, 1)
    np.testing.assert_allclose(spacer.centre_lps_mm, SPACER.pose.translation_mm, atol=0.25)
    assert spacer.volume_mm3 == pytest.approx(8 * 8.0 * 5.0 * 3.5, rel=0.25)
    assert spacer.is_spacer
    assert spacer.axis is None


def test_a_spacer_is_found_wherever_the_patient_lies_and_however_he_is_turned():
    lying = moved(2.0, -3.0, 1.0, (12.0, -8.0, 10.0))
    (spacer,) = exam(SPACER.moved(lying), bones=moved_bones(BONES, lying, lying)).hardware.spacers
    np.testing.assert_allclose(spacer.centre_lps_mm, lying.apply(SPACER.pose.translation_mm), atol=0.3)


def test_markers_of_a_spacer_that_ct_hardly_shows_are_one_spacer():
    (spacer,) = exam(*MARKERS, scanner=replace(SPINE, spacing_mm=(0.8, 0.8, 1.0))).hardware.implants
    assert spacer.kind is ImplantKind.SPACER_MARKERS
    assert spacer.volume_mm3 < HardwareSettings().least_body_mm3
    reach = spacer.points_lps_mm.max(axis=0) - spacer.points_lps_mm.min(axis=0)
    assert np.all(reach > [12.0, 9.0, 3.0]), "all three markers belong to it"


@pytest.mark.parametrize("sunk_mm", [0.0, 1.5, 3.0])
def test_a_spacer_that_has_sunk_into_the_endplate_is_no_screw(sunk_mm):
    wide = metal_at(0.0, -10.0, DISC_MM / 2 - sunk_mm, (9.0, 9.0, 4.0))
    assert kinds(exam(wide)) == [(ImplantKind.SPACER_METAL, 0, 1)]


def test_rods_and_screws_are_four_screws_and_no_spacer():
    found = exam(*CONSTRUCT)
    rods = [(ImplantKind.ROD, 0, 1)] * 2
    assert kinds(found) == [*((ImplantKind.PEDICLE_SCREW, i, i) for i in (0, 0, 1, 1)), *rods]
    assert found.hardware.instrumented == (0, 1)
    for screw in found.hardware.screws:
        assert screw.axis is not None
        assert screw.tip_lps_mm is not None
        assert screw.axis @ [0.0, -1.0, 0.0] > 0.9, "the axis points to the tip, in front"
        assert screw.tip_lps_mm[1] < -14.0
        assert abs(screw.tip_lps_mm[0]) == pytest.approx(8.0, abs=3.0)
    assert sorted(np.sign(each.centre_lps_mm[0]) for each in found.hardware.screws) == [-1, -1, 1, 1]


def test_a_spacer_within_a_construct_is_still_a_spacer():
    found = exam(*CONSTRUCT, SPACER)
    assert [each.kind for each in found.hardware.spacers] == [ImplantKind.SPACER_METAL]
    assert found.hardware.instrumented == (0, 1)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 0.7, 1.2)])
def test_a_spacer_that_touches_a_screw_is_a_spacer_all_the_same(spacing_mm):
    top, screw = DISC_MM / 2 + 3.5, PITCH_MM - 6.0
    contact = metal_at(7.0, -10.0, (top + screw) / 2, (1.0, 1.0, (screw - top) / 2))
    found = exam(*CONSTRUCT, SPACER, contact, scanner=replace(SPINE, spacing_mm=spacing_mm))
    alone = exam(*CONSTRUCT, SPACER, scanner=replace(SPINE, spacing_mm=spacing_mm))
    assert kinds(found) == kinds(alone)
    (spacer,) = found.hardware.spacers
    np.testing.assert_allclose(spacer.centre_lps_mm, SPACER.pose.translation_mm, atol=0.8)


def test_markers_within_a_construct_are_still_a_spacer():
    found = exam(*CONSTRUCT, *MARKERS, scanner=replace(SPINE, spacing_mm=(0.8, 0.8, 1.0)))
    assert [each.kind for each in found.hardware.spacers] == [ImplantKind.SPACER_MARKERS]


def test_a_screw_on_one_side_only_is_one_screw():
    assert kinds(exam(screws(0.0)[0])) == [(ImplantKind.PEDICLE_SCREW, 1, 1)]


def test_screws_that_break_the_endplate_into_the_disc_do_not_become_a_spacer():
    high = tuple(each.moved(moved(0.0, 4.0, 0.0, (-12.0, 0.0, 0.0), about=(0.0, 10.0, -6.0))) for each in screws(0.0))
    found = exam(*high, *screws(PITCH_MM), *rods())
    assert not found.hardware.spacers
    assert 0 in found.hardware.instrumented


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(metal_at(45.0, -10.0, 4.0, (6.0, 6.0, 6.0)), id="beside the spine, e.g. a hip"),
        pytest.param(metal_at(0.0, -44.0, 4.0, (3.0, 3.0, 3.0)), id="in front, e.g. a clip or a stent"),
        pytest.param(metal_at(0.0, 26.0, 4.0, (5.0, 3.0, 5.0)), id="behind, e.g. a stimulator"),
        pytest.param(metal_at(0.0, -10.0, 42.0, (8.0, 8.0, 4.0)), id="above everything, e.g. dental"),
    ],
)
def test_metal_elsewhere_is_nobodys(elsewhere):
    wide = Scanner(spacing_mm=(1.5, 1.5, 1.5), first_mm=(-22.0, -54.0, -20.0), last_mm=(60.0, 36.0, 50.0))
    found = exam(elsewhere, scanner=wide)
    assert found.hardware.metal.any()
    assert found.hardware.implants == ()


def test_a_speck_is_no_marker():
    speck = metal_at(0.0, -10.0, 4.0, (0.6, 0.6, 0.6))
    fine = replace(SPINE, spacing_mm=(0.8, 0.8, 1.0))
    assert exam(speck, scanner=fine).hardware.implants == ()


def test_spacers_at_two_levels_are_listed_from_above():
    bones = stacked(3)
    second = SPACER.moved(moved(0.0, PITCH_MM))
    tall = replace(SPINE, last_mm=(22.0, 20.0, 52.0))
    spacers = exam(SPACER, second, scanner=tall, bones=bones).hardware.spacers
    assert [(each.above, each.below) for each in spacers] == [(0, 1), (1, 2)]


def test_what_counts_as_metal_is_a_setting():
    volume = SPINE.scan(BONES, (SPACER,))
    assert metal_mask(volume).sum() > metal_mask(volume, HardwareSettings(metal_hu=2800.0)).sum() > 0
    assert not exam(SPACER, settings=HardwareSettings(metal_hu=4000.0)).hardware.implants


def test_disc_height_is_measured_between_the_endplates():
    above, below = exam().spine.vertebrae
    assert disc_height_mm(above, below) == pytest.approx(DISC_MM)


def test_two_spacers_side_by_side_are_two_from_left_to_right():
    pair = tuple(metal_at(side * 8.0, -10.0, DISC_MM / 2, (4.0, 9.0, 4.0)) for side in (-1, 1))
    spacers = exam(*pair).hardware.spacers
    assert [each.kind for each in spacers] == [ImplantKind.SPACER_METAL] * 2
    assert spacers[0].centre_lps_mm[0] > 5.0
    assert spacers[1].centre_lps_mm[0] < -5.0


def test_the_markers_at_both_ends_of_one_wide_spacer_are_one_spacers():
    (spacer,) = exam(*MARKERS).hardware.spacers
    assert spacer.kind is ImplantKind.SPACER_MARKERS


def test_the_markers_of_two_narrow_spacers_are_two():
    pins = tuple(
        metal_at(side * 8.5 + aside, behind, DISC_MM / 2, (0.9, 0.9, 3.0))
        for side in (-1, 1)
        for aside, behind in ((-2.5, -4.0), (2.5, -4.0), (0.0, -18.0))
    )
    assert len(exam(*pins).hardware.spacers) == 2


def test_two_markers_at_the_edges_of_each_narrow_spacer_are_enough():
    pins = tuple(
        metal_at(side * 8.5 + aside, -4.0, DISC_MM / 2, (0.9, 0.9, 3.0)) for side in (-1, 1) for aside in (-2.5, 2.5)
    )
    assert len(exam(*pins).hardware.spacers) == 2


def test_a_small_marker_belongs_to_a_spacer_whose_others_are_larger_and_is_none_by_itself():
    rear = tuple(metal_at(aside, -4.0, DISC_MM / 2, (0.9, 0.9, 3.0)) for aside in (-2.5, 2.5))
    front = metal_at(0.0, -24.0, DISC_MM / 2, (0.55, 1.3, 0.55))
    volume = SPINE.scan(BONES, (front,))
    assert 1.5 <= metal_mask(volume).sum() * abs(np.linalg.det(volume.lps_from_index[:3, :3])) < 4.0
    (spacer,) = exam(*rear, front).hardware.spacers
    assert np.ptp(spacer.points_lps_mm[:, 1]) > 15.0
    assert not exam(front).hardware.spacers
