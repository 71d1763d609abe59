"""What a check is given: measured once, with the reason where something is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.checks.context import CheckContext, MeasuredExam
from plumbline.errors import AnalysisFailed, InvalidInput
from plumbline.imaging.hardware import Hardware
from tests.unit.checks.conftest import BASELINE_UID, CURRENT_UID, exam, without_metal


def test_the_motion_of_the_spacer_is_measured_against_the_baseline(compare, migrated):
    (matched,) = compare(migrated).spacers
    assert matched.level == "L4-L5"
    assert matched.why_not is None
    assert matched.motion.translation_mm[0].value == pytest.approx(3.5, abs=0.2)


def test_the_same_implant_has_the_same_tracking_uid_in_baseline_and_follow_up(
    compare, baseline_anatomy, migrated, unmoved
):
    at_first = CheckContext(exam(BASELINE_UID, baseline_anatomy)).spacers[0].implant
    later = compare(migrated).spacers[0].implant
    latest = CheckContext(exam("2.25.999", unmoved), exam(BASELINE_UID, baseline_anatomy)).spacers[0].implant
    assert at_first.tracking_uid == later.tracking_uid == latest.tracking_uid


def test_an_implant_that_could_not_be_followed_does_not_claim_the_baselines_identity(compare, migrated):
    followed = compare(migrated).spacers[0].implant.tracking_uid
    alone = compare(migrated, baseline=None).spacers[0].implant.tracking_uid
    assert followed != alone


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"baseline": None}, "There is no baseline to compare with: none was found."),
        (
            {"baseline": None, "missing_baseline": "The archive has none."},
            "There is no baseline to compare with: The archive has none.",
        ),
        (
            {"baseline": AnalysisFailed("no spine can be found")},
            "The baseline cannot be measured: no spine can be found.",
        ),
        (
            {"baseline": ZeroDivisionError("a patient's name")},
            "The baseline cannot be measured: its analysis broke off (ZeroDivisionError).",
        ),
    ],
)
def test_why_there_is_no_motion_is_said(compare, migrated, changes, reason):
    (matched,) = compare(migrated, **changes).spacers
    assert matched.motion is None
    assert matched.why_not == reason


def test_a_baseline_that_is_not_comparable_is_not_even_opened(compare, migrated):
    opened = []
    baseline = MeasuredExam(
        BASELINE_UID, "CT", lambda: opened.append(1), "baseline", "An operation lies between the two"
    )
    (matched,) = compare(migrated, baseline=baseline).spacers
    assert matched.why_not == "The baseline is not comparable: An operation lies between the two."
    assert not opened


def test_only_ct_is_measured(compare, migrated, baseline_anatomy):
    mr = exam(BASELINE_UID, baseline_anatomy, modality="MR")
    assert compare(migrated, baseline=mr).spacers[0].why_not == (
        "The baseline cannot be measured: its modality is MR; only CT is measured."
    )
    unknown = CheckContext(exam(CURRENT_UID, migrated, modality=None))
    with pytest.raises(InvalidInput, match="not known"):
        _ = unknown.spacers


def test_a_baseline_without_a_spacer_is_said(compare, migrated, baseline_anatomy):
    (matched,) = compare(migrated, baseline=without_metal(baseline_anatomy)).spacers
    assert matched.why_not == "The baseline shows no spacer at this level."


def test_a_registration_that_failed_is_said(compare, migrated, baseline_anatomy):
    shattered = replace(
        baseline_anatomy, spine=replace(baseline_anatomy.spine, labels=baseline_anatomy.spine.labels * 0)
    )
    (matched,) = compare(migrated, baseline=shattered).spacers
    assert matched.motion is None
    assert matched.why_not == "No vertebra of the two exams looks alike."


def test_each_exam_is_opened_once(migrated, baseline_anatomy):
    opened = []

    def opening(name, anatomy):
        return lambda: (opened.append(name), anatomy)[1]

    context = CheckContext(
        MeasuredExam(CURRENT_UID, "CT", opening("current", migrated)),
        MeasuredExam(BASELINE_UID, "CT", opening("baseline", without_metal(baseline_anatomy))),
    )
    for _ in range(2):
        assert len(context.spacers) == 1
    assert sorted(opened) == ["baseline", "current"]


def test_which_vertebra_is_which_is_asked_once_although_the_answer_is_a_failure(compare, migrated, monkeypatch):
    asked = []

    def refuse(*_):
        asked.append(1)
        raise AnalysisFailed("no vertebra of the two exams looks alike")

    monkeypatch.setattr("plumbline.checks.context.assign_vertebrae", refuse)
    implants = migrated.hardware.implants
    twice = replace(migrated, hardware=Hardware(migrated.hardware.metal, (*implants, *implants)))
    comparison = compare(twice, fresh=True)
    assert [each.why_not for each in comparison.spacers] == ["No vertebra of the two exams looks alike."] * 2
    with pytest.raises(AnalysisFailed):
        _ = comparison.shift
    assert len(asked) == 1


def test_a_level_below_the_last_vertebra_has_no_name(compare, migrated):
    comparison = compare(migrated)
    assert comparison.level_name(0) == "L4-L5"
    assert comparison.level_name(1) is None
