"""Every check answers, and one that breaks takes no other with it."""

from __future__ import annotations

import pytest

from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.checks.registry import CHECKS, run_checks
from plumbline.checks.thresholds import CheckThresholds
from plumbline.errors import AnalysisFailed, InvalidInput
from tests.unit.checks.conftest import numbered, without_metal


def statuses(findings) -> dict[str, Status]:
    assert all(finding.reasons for finding in findings), "every finding says why"
    return {finding.check.value: finding.status for finding in findings}


def test_a_migrated_spacer_is_found_and_nothing_else(compare, migrated):
    findings = run_checks(compare(migrated, plan="L4-L5 TLIF"))
    assert statuses(findings) == {
        "spacer-migration": Status.POSITIVE,
        "spacer-position": Status.INDETERMINATE,
        "level-error": Status.NEGATIVE,
        "level-labelling": Status.NEGATIVE,
    }
    migration = findings[0]
    assert migration.level == "L4-L5"
    assert migration.reference == "baseline"
    assert migration.implant == findings[1].implant
    start, stop = migration.geometry["displacement"]
    assert sum((b - a) ** 2 for a, b in zip(start, stop, strict=True)) ** 0.5 == pytest.approx(3.5, abs=0.2)


def test_a_spacer_in_its_place_gives_no_finding(compare, unmoved):
    findings = run_checks(compare(unmoved, plan="L4-L5 TLIF"))
    assert set(statuses(findings).values()) == {Status.NEGATIVE}


def test_without_a_baseline_only_the_comparison_abstains(compare, migrated):
    found = statuses(run_checks(compare(migrated, baseline=None, plan="L4-L5 TLIF")))
    assert found["spacer-migration"] is Status.INDETERMINATE
    assert found["level-error"] is Status.NEGATIVE


def test_slices_that_are_too_thick_are_said(compare, migrated):
    thin = CheckThresholds(largest_slice_mm=0.5)
    finding = run_checks(compare(migrated, thresholds=thin), [CheckName.SPACER_MIGRATION])[0]
    assert finding.status is Status.INDETERMINATE
    assert "too thick" in finding.reasons[1]
    assert finding.measurements, "what was measured is still shown"


def test_a_spacer_that_is_gone_since_the_baseline_is_said_to_be(compare, unmoved):
    found = statuses(run_checks(compare(without_metal(unmoved))))
    assert found["spacer-migration"] is Status.INDETERMINATE
    assert found["spacer-position"] is Status.NOT_APPLICABLE


def test_an_exam_that_cannot_be_analysed_makes_every_check_abstain_with_the_reason(compare):
    findings = run_checks(compare(AnalysisFailed("no spine can be found"), plan="L4-L5 TLIF"))
    assert [finding.status for finding in findings] == [Status.INDETERMINATE] * 4
    assert {finding.reasons for finding in findings} == {("No spine can be found.",)}


def test_an_analysis_that_broke_makes_every_check_failed_and_tells_no_detail(compare):
    findings = run_checks(compare(KeyError("a patient's name"), plan="L4-L5 TLIF"))
    assert [finding.status for finding in findings] == [Status.FAILED] * 4
    for finding in findings:
        assert "KeyError" in finding.reasons[0]
        assert "patient" not in finding.reasons[0]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (AnalysisFailed("it is too dark"), Status.INDETERMINATE, "It is too dark."),
        (InvalidInput("It is no CT."), Status.INDETERMINATE, "It is no CT."),
        (RuntimeError("x"), Status.FAILED, "The check broke off (RuntimeError); nothing is said about"),
    ],
)
def test_a_check_that_breaks_is_shown_and_the_others_go_on(compare, unmoved, error, status, reason):
    def breaks(_context):
        raise error

    checks = {CheckName.SPACER_POSITION: breaks, **{n: c for n, c in CHECKS.items() if n != CheckName.SPACER_POSITION}}
    findings = run_checks(compare(unmoved, plan="L4-L5 TLIF"), checks=checks)
    assert len(findings) == 4
    assert findings[0].status is status
    assert findings[0].reasons[0].startswith(reason)
    assert {finding.status for finding in findings[1:]} == {Status.NEGATIVE}


def test_a_motion_that_breaks_fails_its_own_check_only(compare, migrated, monkeypatch):
    monkeypatch.setattr("plumbline.checks.context.measure_spacer", lambda *_: 1 / 0)
    findings = run_checks(compare(migrated, plan="L4-L5 TLIF", fresh=True))
    assert statuses(findings) == {
        "spacer-migration": Status.FAILED,
        "spacer-position": Status.INDETERMINATE,
        "level-error": Status.NEGATIVE,
        "level-labelling": Status.NEGATIVE,
    }
    assert findings[0].level == "L4-L5"
    assert "broke off (ZeroDivisionError)" in findings[0].reasons[0]


def test_only_the_checks_that_are_named_run_and_each_is_timed(compare, unmoved):
    times: list[tuple[CheckName, float]] = []
    names = [CheckName.LEVEL_LABELLING, CheckName.SPACER_POSITION]
    findings = run_checks(
        compare(unmoved, plan="L4-L5 TLIF"), names, timed=lambda name, seconds: times.append((name, seconds))
    )
    assert [finding.check for finding in findings] == names
    assert [name for name, _ in times] == names
    assert all(seconds >= 0 for _, seconds in times)


def test_a_check_that_breaks_is_timed_too(compare, unmoved):
    times = []
    checks = {CheckName.SPACER_POSITION: lambda _: 1 / 0}
    run_checks(compare(unmoved), checks=checks, timed=lambda name, _: times.append(name))
    assert times == [CheckName.SPACER_POSITION]


def test_doubtful_names_leave_the_measurement_alone(compare, migrated):
    """The same place does not depend on names."""
    nameless = numbered(migrated, anchor=None)
    findings = {finding.check: finding for finding in run_checks(compare(nameless, plan="L4-L5 TLIF"))}
    migration: Finding = findings[CheckName.SPACER_MIGRATION]
    assert migration.status is Status.POSITIVE
    assert migration.level is None
    assert findings[CheckName.LEVEL_ERROR].status is Status.INDETERMINATE
