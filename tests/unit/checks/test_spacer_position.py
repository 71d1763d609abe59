"""Where a spacer lies in one exam: in front of the posterior wall, at it, or behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.checks.finding import Status
from plumbline.checks.spacer_position import check, judge
from plumbline.checks.thresholds import CheckThresholds
from plumbline.errors import AnalysisFailed
from plumbline.imaging.hardware import ImplantKind
from plumbline.imaging.motion import Estimate
from tests.unit.checks.conftest import follow_up, without_metal


@pytest.mark.parametrize(
    ("margin_mm", "uncertainty", "status", "words"),
    [
        pytest.param(5.0, 0.6, Status.NEGATIVE, "5.0 ± 0.6 mm in front of", id="well in front"),
        pytest.param(2.4, 0.6, Status.NEGATIVE, "interval includes less than the wanted 2.0 mm", id="just enough"),
        pytest.param(1.0, 0.6, Status.INDETERMINATE, "nearer than the wanted 2.0 mm", id="near"),
        pytest.param(-0.3, 0.6, Status.INDETERMINATE, "about at the posterior wall", id="at the wall"),
        pytest.param(-2.0, 0.6, Status.POSITIVE, "2.0 ± 0.6 mm behind the posterior wall", id="in the canal"),
        pytest.param(-2.0, 2.5, Status.INDETERMINATE, "about at the posterior wall", id="behind, but who knows"),
    ],
)
def test_a_margin_is_judged_with_its_uncertainty(margin_mm, uncertainty, status, words):
    found, said = judge(Estimate(margin_mm, uncertainty), CheckThresholds())
    assert found is status
    assert words in said


def test_the_wanted_margin_is_the_sites():
    assert judge(Estimate(2.5, 0.2), CheckThresholds(margin_mm=3.0))[0] is Status.INDETERMINATE


def test_a_spacer_in_the_canal_is_found_without_any_baseline(compare):
    (finding,) = check(compare(follow_up(8.0), baseline=None))
    assert finding.status is Status.POSITIVE
    assert finding.level == "L4-L5"
    assert finding.measurements["posterior_margin_mm"].value == pytest.approx(-3.0, abs=1.2)
    assert finding.reference is None


def test_a_spacer_in_its_place_is_no_finding(compare, unmoved):
    (finding,) = check(compare(unmoved, baseline=None))
    assert finding.status is Status.NEGATIVE


def test_off_centre_to_one_side_is_no_finding(compare):
    (finding,) = check(compare(follow_up(0.0, 0.0, 4.0), baseline=None))
    assert finding.status is Status.NEGATIVE


def test_a_wall_that_is_hardly_seen_makes_it_abstain(compare, unmoved):
    vertebrae = tuple(replace(each, frame_uncertainty_mm=9.0) for each in unmoved.spine.vertebrae)
    hazy = replace(unmoved, spine=replace(unmoved.spine, vertebrae=vertebrae))
    near = replace(CheckThresholds(), margin_mm=7.0)
    (finding,) = check(compare(hazy, baseline=None, thresholds=near))
    assert finding.status is Status.INDETERMINATE


def test_no_spacer_is_not_applicable(compare, unmoved):
    (finding,) = check(compare(without_metal(unmoved)))
    assert finding.status is Status.NOT_APPLICABLE


def test_for_a_radiolucent_spacer_it_is_said_that_only_its_marker_is_seen(compare, unmoved):
    markers = tuple(replace(each, kind=ImplantKind.SPACER_MARKERS) for each in unmoved.hardware.implants)
    lucent = replace(unmoved, hardware=replace(unmoved.hardware, implants=markers))
    (finding,) = check(compare(lucent, baseline=None))
    assert "rearmost marker" in finding.reasons[-1]


def test_an_exam_that_cannot_be_analysed_is_for_the_registry_to_say(compare):
    with pytest.raises(AnalysisFailed):
        check(compare(AnalysisFailed("no spine can be found")))
