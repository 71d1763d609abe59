"""Screws of a comparison: one identity for one screw, its motion, and the reason where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.checks.context import CheckContext
from plumbline.checks.screws import matched_screws
from plumbline.errors import AnalysisFailed
from plumbline.imaging.motion import ExamAnatomy
from tests.unit.checks.conftest import BASELINE_UID, LYING, exam
from tests.unit.imaging.bone_worlds import Scanner, examined, metal_at, moved_bones, stacked

SEEN = Scanner(spacing_mm=(1.0, 1.0, 1.0), first_mm=(-16.0, -28.0, -20.0), last_mm=(18.0, 18.0, 30.0))
SCREWS = tuple(metal_at(side * 8.0, -4.0, -6.0, (2.4, 14.0, 2.4)) for side in (1, -1))


@pytest.fixture(scope="module")
def baseline() -> ExamAnatomy:
    return examined(stacked(2), SCREWS, scanner=SEEN)


@pytest.fixture(scope="module")
def current() -> ExamAnatomy:
    bones = moved_bones(stacked(2), LYING, LYING)
    return examined(bones, tuple(each.moved(LYING) for each in SCREWS), scanner=replace(SEEN, seed=1))


def test_screws_are_measured_under_the_baselines_identity(baseline, current):
    compared = matched_screws(CheckContext(exam("2.25.9", current), exam(BASELINE_UID, baseline, role="baseline")))
    at_first = matched_screws(CheckContext(exam(BASELINE_UID, baseline)))
    assert [each.implant for each in compared] == [each.implant for each in at_first]
    assert [each.implant.tracking_identifier for each in compared] == [
        "Pedicle screw L5 left",
        "Pedicle screw L5 right",
    ]
    for each in compared:
        assert each.motion is not None
        assert each.motion.angle_deg.value <= 0.5


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (None, "no baseline to compare with: none was found"),
        (AnalysisFailed("no spine can be found"), "cannot be measured: no spine can be found"),
    ],
)
def test_without_a_usable_baseline_each_screw_says_why(current, reference, reason):
    before = exam(BASELINE_UID, reference, role="baseline") if reference else None
    found = matched_screws(CheckContext(exam("2.25.9", current), before))
    assert len(found) == 2
    assert all(each.motion is None and reason in each.why_not for each in found)


def test_a_baseline_that_is_not_comparable_says_why(baseline, current):
    before = exam(BASELINE_UID, baseline, role="baseline", why_not_comparable="it is of another patient")
    found = matched_screws(CheckContext(exam("2.25.9", current), before))
    assert all("another patient" in each.why_not for each in found)
