"""Names of vertebrae: unusual ones, names that two exams give differently, and none that can be trusted."""

from __future__ import annotations

import pytest

from plumbline.checks.finding import Status
from plumbline.checks.level_labelling import check
from plumbline.errors import AnalysisFailed
from tests.unit.checks.conftest import numbered


def test_the_same_usual_names_in_both_exams_are_no_finding(compare, unmoved):
    (finding,) = check(compare(unmoved))
    assert finding.status is Status.NEGATIVE
    assert "no doubt remains" in finding.reasons[0]


def test_a_bone_with_two_names_is_found(compare, baseline_anatomy, unmoved):
    renamed = numbered(baseline_anatomy, ("L3 L4", 0.95))
    (finding,) = check(compare(unmoved, baseline=renamed))
    assert finding.status is Status.POSITIVE
    assert finding.reasons == ("The same vertebra is named L3 in the baseline and L4 in this exam.",)
    assert finding.reference == "baseline"


def test_names_that_hang_on_nothing_in_the_baseline_contradict_nobody(compare, baseline_anatomy, unmoved):
    guessed = numbered(baseline_anatomy, ("L3 L4", 0.5), anchor=None)
    (finding,) = check(compare(unmoved, baseline=guessed))
    assert finding.status is Status.NEGATIVE


@pytest.mark.parametrize("names", ["L5 L6", "T13 L1", "L4 S1"])
def test_an_unusual_count_is_declared(compare, unmoved, names):
    (finding,) = check(
        compare(numbered(unmoved, (names, 0.9), conflict="The junction is transitional."), baseline=None)
    )
    assert finding.status is Status.POSITIVE
    assert "transitional junction is possible" in finding.reasons[0]
    assert finding.reasons[1] == "The junction is transitional."


@pytest.mark.parametrize("names", ["L4 L5", "L5 S1", "T12 L1"])
def test_a_usual_junction_is_not_declared(compare, unmoved, names):
    (finding,) = check(compare(numbered(unmoved, (names, 0.99)), baseline=None))
    assert finding.status is Status.NEGATIVE


def test_a_conflict_makes_it_abstain(compare, unmoved):
    doubtful = numbered(unmoved, ("L4 L5", 0.6), ("L3 L4", 0.4), conflict="Ribs and sacrum disagree.")
    (finding,) = check(compare(doubtful, baseline=None))
    assert finding.status is Status.INDETERMINATE
    assert finding.reasons == ("Ribs and sacrum disagree.",)


@pytest.mark.parametrize(
    "labellings, anchor", [((), "sacrum"), ((("L4 L5", 0.9),), None)], ids=["no names", "no anchor"]
)
def test_without_anchored_names_it_abstains(compare, unmoved, labellings, anchor):
    (finding,) = check(compare(numbered(unmoved, *labellings, anchor=anchor)))
    assert finding.status is Status.INDETERMINATE
    assert finding.reasons == ("Nothing in view anchors the numbering.",)


@pytest.mark.parametrize("baseline", [None, AnalysisFailed("no spine can be found"), ValueError("x")])
def test_without_a_baseline_it_speaks_of_this_exam_alone(compare, unmoved, baseline):
    (finding,) = check(compare(unmoved, baseline=baseline))
    assert finding.status is Status.NEGATIVE
    assert finding.reference is None


def test_names_that_hang_on_the_sacrum_alone_are_given_with_a_doubt(compare, unmoved):
    (finding,) = check(compare(numbered(unmoved, ("L4 L5", 0.95)), baseline=None))
    assert finding.status is Status.INDETERMINATE
    assert "from the sacrum alone, with confidence 0.95" in finding.reasons[0]


@pytest.mark.parametrize("other, count", [("L5 L6 S1", "six"), ("L3 L4 S1", "four")])
def test_only_the_counts_that_remain_are_named(compare, unmoved, other, count):
    named = numbered(unmoved, ("L4 L5 S1", 0.97), (other, 0.03))
    (finding,) = check(compare(named, baseline=None))
    assert f"a spine with {count} lumbar vertebrae would look the same" in finding.reasons[0]
