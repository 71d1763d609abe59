"""The operated level against the planned one, and every reason for not telling."""

from __future__ import annotations

import pytest

from plumbline.checks.finding import Status
from plumbline.checks.level_error import check, operated_places
from plumbline.imaging.hardware import Hardware, ImplantKind
from tests.unit.checks.conftest import numbered, without_metal
from tests.unit.checks.measured_motions import implant


def with_implants(anatomy, *implants):
    return anatomy.__class__(anatomy.volume, anatomy.spine, Hardware(anatomy.hardware.metal, implants))


def screw(vertebra: int):
    made = implant(ImplantKind.PEDICLE_SCREW, above=vertebra)
    return made.__class__(made.kind, made.points_lps_mm, made.centre_lps_mm, 900.0, vertebra, vertebra)


def test_the_planned_level_is_no_finding(compare, unmoved):
    (finding,) = check(compare(unmoved, plan="L4-L5 TLIF"))
    assert finding.status is Status.NEGATIVE
    assert finding.level == "L4-L5"
    assert "operated: L4-L5; planned: L4-L5" in finding.reasons[0]
    assert "Numbered from the sacrum with confidence 0.99" in finding.reasons[1]


def test_another_level_than_the_planned_one_is_found(compare, unmoved):
    (finding,) = check(compare(unmoved, plan="L3-L4 TLIF"))
    assert finding.status is Status.POSITIVE
    assert "operated: L4-L5; planned: L3-L4" in finding.reasons[0]
    assert "would settle it" in finding.reasons[-1]


def test_fewer_levels_than_planned_are_no_error_but_are_not_called_the_plan(compare, unmoved):
    (finding,) = check(compare(unmoved, plan="L4-S1 fusion"))
    assert finding.status is Status.NEGATIVE
    assert "among the planned ones" in finding.reasons[0]


@pytest.mark.parametrize("plan", [None, "TLIF"])
def test_without_a_planned_level_it_does_not_apply(compare, unmoved, plan):
    (finding,) = check(compare(unmoved, plan=plan))
    assert finding.status is Status.NOT_APPLICABLE


def test_without_an_implant_nobody_can_tell(compare, unmoved):
    (finding,) = check(compare(without_metal(unmoved), plan="L4-L5 TLIF"))
    assert finding.status is Status.INDETERMINATE


def test_without_names_nobody_can_tell(compare, unmoved):
    (finding,) = check(compare(numbered(unmoved), plan="L4-L5 TLIF"))
    assert finding.status is Status.INDETERMINATE
    assert "could not be numbered" in finding.reasons[0]


@pytest.mark.parametrize("plan", ["L4-L5 TLIF", "L3-L4 TLIF"])
def test_a_numbering_without_an_anchor_is_no_ground(compare, unmoved, plan):
    (finding,) = check(compare(numbered(unmoved, ("L4 L5", 0.99), anchor=None), plan=plan))
    assert finding.status is Status.INDETERMINATE
    assert "no anchor" in finding.reasons[0]


@pytest.mark.parametrize("plan", ["L4-L5 TLIF", "L3-L4 TLIF"])
def test_two_labellings_that_disagree_about_the_answer_make_it_abstain(compare, unmoved, plan):
    doubtful = numbered(unmoved, ("L4 L5", 0.9), ("L3 L4", 0.1), conflict="A sixth lumbar vertebra is possible.")
    (finding,) = check(compare(doubtful, plan=plan))
    assert finding.status is Status.INDETERMINATE
    assert finding.reasons[0].startswith("A sixth lumbar vertebra is possible.")
    assert "operated: L4-L5" in finding.reasons[0]


def test_two_labellings_that_agree_about_the_level_are_one_answer(compare, unmoved):
    """They differ elsewhere; together they are sure enough."""
    agreed = numbered(unmoved, ("L4 L5", 0.6), ("L4 L5", 0.35))
    (finding,) = check(compare(agreed, plan="L4-L5 TLIF"))
    assert finding.status is Status.NEGATIVE


def test_a_labelling_that_hardly_anyone_would_believe_is_no_doubt(compare, unmoved):
    sure = numbered(unmoved, ("L4 L5", 0.97), ("L3 L4", 0.03))
    (finding,) = check(compare(sure, plan="L3-L4 TLIF"))
    assert finding.status is Status.POSITIVE


def test_names_less_probable_than_wanted_carry_no_conclusion(compare, unmoved):
    (finding,) = check(compare(numbered(unmoved, ("L4 L5", 0.7)), plan="L3-L4 TLIF"))
    assert finding.status is Status.INDETERMINATE


def test_screws_alone_tell_the_level_between_them(compare, unmoved):
    screwed = with_implants(unmoved, screw(0), screw(0), screw(1), screw(1))
    assert operated_places(compare(screwed)) == (0,)
    (finding,) = check(compare(screwed, plan="L4-L5 TLIF"))
    assert finding.status is Status.NEGATIVE


def test_screws_in_one_vertebra_only_tell_no_level(compare, unmoved):
    assert operated_places(compare(with_implants(unmoved, screw(1)))) == ()


def test_the_source_of_the_plan_is_said(compare, unmoved):
    context = compare(unmoved, plan="L3-L4 TLIF")
    (finding,) = check(context)
    assert f"source: {context.plan.source.label}" in finding.reasons[0]
