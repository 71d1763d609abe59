"""Two exams of the same spacers that were grouped otherwise: the one that shows more says how many there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plumbline.imaging.exam import ExamAnatomy
from plumbline.imaging.hardware import Hardware, Implant
from plumbline.imaging.spacer_pairs import _merged, pair_spacers
from tests.unit.imaging.bone_worlds import DISC_MM, SPACER, Scanner, examined, metal_at, stacked

BONES = stacked(2)
SEEN = Scanner(first_mm=(-18.0, -30.0, -20.0), last_mm=(18.0, 22.0, 28.0))
PAIR = tuple(
    metal_at(side * 8.5 + aside, behind, DISC_MM / 2, (0.9, 0.9, 3.0))
    for side in (-1, 1)
    for aside, behind in ((-2.5, -4.0), (2.5, -4.0), (0.0, -18.0))
)
WITHOUT_FRONT = tuple(each for each in PAIR if each.pose.translation_mm[1] > -10.0)


def exam(*metals) -> ExamAnatomy:
    return examined(BONES, metals, scanner=SEEN)


def with_spacers(anatomy: ExamAnatomy, *spacers: Implant) -> ExamAnatomy:
    return replace(anatomy, hardware=Hardware(anatomy.hardware.metal, spacers))


def as_one(anatomy: ExamAnatomy) -> ExamAnatomy:
    """The exam as if its two spacers had been taken for one."""
    return with_spacers(anatomy, _merged(anatomy.hardware.spacers))


def asides(pairs) -> list[tuple[float, float]]:
    return [(float(each.current.centre_lps_mm[0]), float(each.baseline.centre_lps_mm[0])) for each in pairs]


def test_spacers_of_equal_number_are_paired_from_left_to_right():
    baseline, current = exam(*PAIR), exam(*PAIR)
    pairs = pair_spacers(baseline, current, 0)
    assert [each.beside for each in pairs] == [0, 1]
    np.testing.assert_allclose(asides(pairs), [(8.5, 8.5), (-8.5, -8.5)], atol=0.5)


def test_two_that_were_taken_for_one_in_this_exam_are_two_again():
    pairs = pair_spacers(exam(*PAIR), as_one(exam(*WITHOUT_FRONT)), 0)
    assert all(each.is_sure for each in pairs)
    np.testing.assert_allclose(asides(pairs), [(8.5, 8.5), (-8.5, -8.5)], atol=0.5)


def test_two_that_were_taken_for_one_in_the_baseline_are_two_again():
    pairs = pair_spacers(as_one(exam(*PAIR)), exam(*PAIR), 0)
    np.testing.assert_allclose(asides(pairs), [(8.5, 8.5), (-8.5, -8.5)], atol=0.5)


def test_one_that_was_taken_for_two_where_less_of_it_shows_is_one():
    whole = as_one(exam(*PAIR))
    (pair,) = pair_spacers(exam(*WITHOUT_FRONT), whole, 0)
    assert pair.baseline is not None
    assert abs(pair.baseline.centre_lps_mm[0]) < 0.5
    assert len(pair.baseline.points_lps_mm) == sum(
        len(each.points_lps_mm) for each in exam(*WITHOUT_FRONT).hardware.spacers
    )


def test_a_solid_piece_that_cannot_be_parted_is_left_and_said_to_be_unsure():
    pair = tuple(metal_at(side * 8.0, -10.0, DISC_MM / 2, (4.0, 9.0, 4.0)) for side in (-1, 1))
    (found,) = pair_spacers(exam(*pair), exam(SPACER), 0)
    assert not found.is_sure
    assert found.baseline is None


def test_a_level_at_which_the_baseline_shows_none_has_no_partner():
    (found,) = pair_spacers(exam(), exam(SPACER), 0)
    assert found.is_sure
    assert found.baseline is None
