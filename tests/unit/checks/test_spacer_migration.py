"""When a measured motion is called migration, when not, and when nothing is called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.checks.finding import Status
from plumbline.checks.spacer_migration import check, direction_words, disc_words, judge, measurements_of
from plumbline.checks.thresholds import CheckThresholds
from plumbline.imaging.disc_space import DiscChange
from plumbline.imaging.motion import Estimate
from tests.unit.checks.measured_motions import motion

THRESHOLDS = CheckThresholds()
THIN_MM, THICK_MM = 1.0, 4.0


def judged(*args, slice_mm=THIN_MM, thresholds=THRESHOLDS, **kwargs) -> tuple[Status, str]:
    status, reasons = judge(motion(*args, **kwargs), thresholds, slice_mm)
    assert all(reason.endswith(".") for reason in reasons)
    return status, " ".join(reasons)


def test_three_millimetres_backwards_is_migration():
    status, said = judged(3.1, uncertainty=0.4)
    assert status is Status.POSITIVE
    assert "3.1 ± 0.4 mm posterior of the baseline" in said
    assert "interval" not in said


def test_a_tenth_of_a_millimetre_is_no_migration():
    status, said = judged(0.1, 0.1)
    assert status is Status.NEGATIVE
    assert "within the measurement's own uncertainty" in said


def test_more_than_its_uncertainty_and_less_than_the_threshold_is_told_but_not_called():
    status, said = judged(1.2, uncertainty=0.3)
    assert status is Status.NEGATIVE
    assert "1.2 ± 0.3 mm posterior" in said
    assert "a later exam would show" in said


@pytest.mark.parametrize(("moved", "status"), [(2.2, Status.POSITIVE), (1.8, Status.NEGATIVE)])
def test_an_interval_across_the_threshold_is_said_on_either_side(moved, status):
    found, said = judged(moved, uncertainty=0.4)
    assert found is status
    assert "95 % interval" in said
    assert "2.0 mm" in said


def test_what_cannot_be_told_from_nothing_is_not_called_migration():
    status, said = judged(2.3, uncertainty=2.6)
    assert status is Status.INDETERMINATE
    assert "too uncertain" in said


def test_neither_is_it_called_negative_where_a_site_accepts_more_uncertainty():
    lenient = replace(THRESHOLDS, largest_uncertainty_mm=5.0)
    assert judged(2.3, uncertainty=2.6, thresholds=lenient)[0] is Status.INDETERMINATE


def test_what_is_too_uncertain_is_not_called_unchanged():
    status, said = judged(0.2, uncertainty=1.7)
    assert status is Status.INDETERMINATE
    assert "too uncertain" in said


def test_a_value_that_is_no_number_is_not_called_unchanged():
    broken = replace(motion(0.2), magnitude_mm=Estimate(0.2, float("nan")))
    assert judge(broken, THRESHOLDS, THIN_MM)[0] is Status.INDETERMINATE


def test_sinking_towards_the_endplate_below_is_called():
    status, said = judged(0.0, -2.4)
    assert status is Status.POSITIVE
    assert "2.4 ± 0.3 mm towards an endplate" in said


def test_the_endplate_above_coming_down_is_called_although_the_spacer_rests():
    status, said = judged(0.0, 0.0, sunk=2.4)
    assert status is Status.POSITIVE
    assert "towards an endplate" in said


def test_thick_slices_tell_only_gross_change():
    status, said = judged(3.1, slice_mm=THICK_MM)
    assert status is Status.INDETERMINATE
    assert "4.0 mm are too thick" in said
    status, said = judged(7.0, uncertainty=1.0, slice_mm=THICK_MM)
    assert status is Status.POSITIVE
    assert "gross" in said


def test_thick_slices_never_call_a_spacer_unchanged():
    assert judged(0.0, slice_mm=THICK_MM)[0] is Status.INDETERMINATE


@pytest.mark.parametrize("posterior", [0.0, 3.0])
def test_a_spacer_that_may_be_another_one_is_said_to_be(posterior):
    unlike = replace(motion(posterior), may_be_another=True)
    assert "exchanged" in " ".join(judge(unlike, CheckThresholds(), 1.0)[1])
    assert "exchanged" not in " ".join(judge(motion(posterior), CheckThresholds(), 1.0)[1])


def test_thresholds_are_the_sites():
    assert judged(1.5, thresholds=replace(THRESHOLDS, migration_mm=1.0))[0] is Status.POSITIVE
    assert judged(3.1, thresholds=replace(THRESHOLDS, migration_mm=4.0))[0] is Status.NEGATIVE
    assert judged(3.1, slice_mm=1.0, thresholds=replace(THRESHOLDS, largest_slice_mm=0.8))[0] is Status.INDETERMINATE


@pytest.mark.parametrize(
    ("translation", "words"),
    [
        ((3.0, 0.0, 0.0), "3.0 ± 0.3 mm posterior of"),
        ((-3.0, 0.0, 0.0), "3.0 ± 0.3 mm anterior of"),
        ((0.0, 3.0, 0.0), "3.0 ± 0.3 mm cranial of"),
        ((0.0, -3.0, 0.0), "3.0 ± 0.3 mm caudal of"),
        ((0.0, 0.0, 3.0), "3.0 ± 0.3 mm left of"),
        ((0.0, 0.0, -3.0), "3.0 ± 0.3 mm right of"),
        ((1.0, -2.0, 0.2), "2.0 ± 0.3 mm caudal of and 1.0 ± 0.3 mm posterior of"),
        ((0.0, 0.0, 0.0), "0.0 ± 0.3 mm"),
    ],
)
def test_directions_are_told_in_the_patients_words_the_largest_first(translation, words):
    assert direction_words(motion(*translation)).startswith(words)


def test_measurements_have_the_keys_of_the_contract():
    measured = measurements_of(motion(1.0, 2.0, 3.0))
    assert set(measured) == {
        "translation_posterior_mm",
        "translation_cranial_mm",
        "translation_left_mm",
        "translation_posterior_above_mm",
        "translation_cranial_above_mm",
        "translation_left_above_mm",
        "translation_mm",
        "rotation_deg",
        "subsidence_mm",
        "posterior_margin_mm",
        "baseline_posterior_margin_mm",
    }
    assert measured["translation_left_mm"].value == 3.0


def disc(lost: float, anterior: float, posterior: float, height: float | None = 7.0) -> DiscChange:
    """A disc space that is ``height`` high now."""
    now = None if height is None else Estimate(height, 0.5)
    before = None if height is None else Estimate(height + lost, 0.5)
    return DiscChange(now, before, Estimate(lost, 0.3), Estimate(anterior, 0.5), Estimate(posterior, 0.5))


def test_heights_stand_beside_the_motion_under_keys_of_their_own():
    measured = measurements_of(motion(), disc(2.0, 2.4, 1.6))
    assert {key: each.value for key, each in measured.items() if "height" in key} == {
        "disc_height_mm": 7.0,
        "baseline_disc_height_mm": 9.0,
        "disc_height_lost_mm": 2.0,
        "disc_height_lost_anterior_mm": 2.4,
        "disc_height_lost_posterior_mm": 1.6,
    }
    assert measured["disc_height_lost_mm"].uncertainty_95 == 0.3


def test_a_height_that_was_not_seen_is_left_out():
    measured = measurements_of(motion(), disc(2.0, 2.4, 1.6, height=None))
    assert "disc_height_mm" not in measured
    assert "baseline_disc_height_mm" not in measured
    assert "disc_height_lost_mm" in measured


def test_lost_height_is_told_with_both_edges_and_what_is_left():
    (said,) = disc_words(disc(2.0, 2.4, 1.6))
    assert "2.0 ± 0.3 mm lower than at the baseline" in said
    assert "2.4 mm at its anterior edge, 1.6 mm at its posterior edge" in said
    assert "7.0 ± 0.5 mm high now" in said
    assert "high now" not in "".join(disc_words(disc(2.0, 2.4, 1.6, height=None)))


@pytest.mark.parametrize(
    ("anterior", "posterior", "words"),
    [(1.4, -0.6, "posterior edge 0.6 mm higher"), (-0.6, 1.4, "anterior edge 0.6 mm higher")],
)
def test_an_edge_that_has_risen_is_told_as_a_bend(anterior, posterior, words):
    (said,) = disc_words(disc(0.4, anterior, posterior))
    assert words in said
    assert "has bent" in said


@pytest.mark.parametrize("nothing", [disc(0.25, 0.3, 0.2), disc(-2.0, -2.0, -2.0), None])
def test_what_is_within_its_uncertainty_or_has_risen_is_not_told_as_lost(nothing):
    assert list(disc_words(nothing)) == []


directions = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 0.05)


def along(direction, length_mm: float) -> tuple[float, float, float]:
    posterior, cranial, left = (np.array(direction) / np.linalg.norm(direction) * length_mm).tolist()
    return posterior, cranial, left


@given(directions, st.floats(0.0, 0.999), st.floats(0.01, 0.4))
def test_less_than_a_millimetre_is_never_called_migration(direction, length_mm, uncertainty):
    assert judged(*along(direction, length_mm), uncertainty=uncertainty)[0] is Status.NEGATIVE


@given(directions, st.floats(2.5, 30.0), st.floats(0.01, 0.4))
def test_two_and_a_half_millimetres_and_more_are_always_called_migration(direction, length_mm, uncertainty):
    assert judged(*along(direction, length_mm), uncertainty=uncertainty)[0] is Status.POSITIVE


@given(directions, st.floats(0.0, 30.0), st.floats(0.01, 10.0), st.floats(3.01, 10.0))
def test_thick_slices_are_positive_or_abstain_whatever_was_measured(direction, length_mm, uncertainty, slice_mm):
    status, _ = judged(*along(direction, length_mm), uncertainty=uncertainty, slice_mm=slice_mm)
    assert status is (Status.POSITIVE if length_mm - uncertainty >= 5.0 else Status.INDETERMINATE) or (
        abs(length_mm - uncertainty - 5.0) < 1e-6
    )


def test_a_spacer_that_makes_one_piece_with_other_metal_is_found_by_its_looks(compare, migrated):
    hidden = replace(migrated, hardware=replace(migrated.hardware, implants=()))
    (finding,) = check(compare(hidden))
    (seen,) = check(compare(migrated))
    assert finding.status is seen.status is Status.POSITIVE
    key = "translation_posterior_mm"
    assert finding.measurements[key].value == pytest.approx(seen.measurements[key].value, abs=0.1)
    assert finding.implant == seen.implant
