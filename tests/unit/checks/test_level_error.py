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


def test_a_sure_name_says_no_doubt(compare, unmoved):
    (finding,) = check(compare(unmoved, plan="L3-L4 TLIF"))
    assert not any("sacrum alone" in reason for reason in finding.reasons)


SACRAL = (("L4 L5 S1", 0.95), ("L5 L6 S1", 0.025), ("L3 L4 S1", 0.025))
"""Counted from the sacrum: five lumbar vertebrae, six, four."""


def test_an_agreement_that_hangs_on_the_sacrum_alone_carries_that_doubt(compare, unmoved):
    (finding,) = check(compare(numbered(unmoved, *SACRAL), plan="L4-L5 TLIF"))
    assert finding.status is Status.NEGATIVE
    assert "from the sacrum alone, with confidence 0.95" in finding.reasons[1]
    assert "four or six lumbar vertebrae" in finding.reasons[1]


def test_an_alarm_that_hangs_on_the_sacrum_alone_says_which_count_would_explain_it(compare, unmoved):
    (finding,) = check(compare(numbered(unmoved, *SACRAL), plan="L3-L4 TLIF"))
    assert finding.status is Status.POSITIVE
    assert "from the sacrum alone" in finding.reasons[1]
    assert finding.reasons[2] == "Counted otherwise (2%) it would be L3-L4, as planned."


def test_an_alarm_needs_more_than_an_agreement(compare, unmoved):
    """At 0.9 an independent plan that agrees confirms the count; one that differs leaves two explanations."""
    doubtful = numbered(unmoved, ("L4 L5", 0.9), ("L3 L4", 0.04), ("L5 L6", 0.04))
    assert check(compare(doubtful, plan="L4-L5 TLIF"))[0].status is Status.NEGATIVE
    assert check(compare(doubtful, plan="L2-L3 TLIF"))[0].status is Status.POSITIVE
    assert check(compare(doubtful, plan="L3-L4 TLIF"))[0].status is Status.INDETERMINATE


def test_two_levels_from_the_plan_under_every_count_is_an_alarm_whatever_the_count(compare, unmoved):
    doubtful = numbered(unmoved, ("L4 L5", 0.55), ("L5 L6", 0.45), conflict="Five or six lumbar vertebrae.")
    (finding,) = check(compare(doubtful, plan="L2-L3 TLIF"))
    assert finding.status is Status.POSITIVE
    assert "Five or six lumbar vertebrae." in finding.reasons


def test_a_plan_that_speaks_of_a_sixth_lumbar_vertebra_is_counted_so(compare, unmoved):
    """By the usual count the level differs; by the plan's own it is the planned one."""
    (finding,) = check(compare(numbered(unmoved, *SACRAL), plan="L5-L6 TLIF"))
    assert finding.status is Status.INDETERMINATE
    assert "Counted otherwise (2%) it would be L5-L6, as planned." in finding.reasons


@pytest.mark.parametrize("plan, status", [("L5-L6 TLIF", Status.NEGATIVE), ("L4-L5 TLIF", Status.INDETERMINATE)])
def test_with_six_sure_lumbar_vertebrae_only_a_plan_that_counts_six_is_settled(compare, unmoved, plan, status):
    six = numbered(unmoved, ("L5 L6 S1", 0.99), conflict="Six lumbar vertebrae are counted.")
    (finding,) = check(compare(six, plan=plan))
    assert finding.status is status


def test_a_level_that_no_count_explains_is_an_alarm_with_six_lumbar_vertebrae_too(compare, unmoved):
    six = numbered(unmoved, ("L5 L6 S1", 0.99), conflict="Six lumbar vertebrae are counted.")
    (finding,) = check(compare(six, plan="L2-L3 TLIF"))
    assert finding.status is Status.POSITIVE
