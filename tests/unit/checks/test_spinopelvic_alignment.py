"""Alignment from readers' landmarks: a case that must fire, one that must not, and those in which it abstains."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plumbline.anatomy.landmarks import Landmark
from plumbline.checks.context import CheckContext, MarkedRadiograph, MeasuredExam
from plumbline.checks.finding import CheckName
from plumbline.checks.registry import run_checks
from plumbline.errors import InvalidInput
from tests.unit.anatomy.test_alignment import spine

AT = datetime(2026, 6, 8, 9, 30, tzinfo=UTC)
PIXEL_MM = 0.15


def no_anatomy():
    raise InvalidInput("nothing else is measured here")


def marked(
    points=None, *, author="Ada Reader", spacing=(PIXEL_MM, PIXEL_MM), position="standing", projection="lateral"
):
    landmarks = tuple(
        Landmark("2.25.1.1", "2.25.1.1.1", name, 2000 + x / PIXEL_MM, 4000 + y / PIXEL_MM, author, AT)
        for name, (x, y) in (points or spine()).items()
    )
    return MarkedRadiograph(landmarks, spacing, projection, position)


def finding_of(*radiographs):
    context = CheckContext(MeasuredExam("2.25.1", "DX", no_anatomy), marked=radiographs)
    (finding,) = run_checks(context, [CheckName.SPINOPELVIC_ALIGNMENT])
    return finding


def test_a_flat_back_on_a_pelvis_of_high_incidence_is_positive():
    finding = finding_of(marked(spine(slope=30.0, tilt=30.0, lumbar=-5.0)))
    assert finding.status == "positive"
    assert finding.measurements["pelvic_incidence_minus_lordosis_deg"].value == pytest.approx(25.0)
    assert finding.reasons[0].startswith("Pelvic incidence minus lumbar lordosis is 25 ± ")
    assert "set by Ada Reader, last on 8 Jun 2026" in finding.reasons[1]
    assert len(finding.landmarks) == 10


def test_a_lordosis_that_fits_the_pelvis_is_negative():
    assert finding_of(marked()).status == "negative"


def test_over_correction_is_told_as_under_correction_is():
    finding = finding_of(marked(spine(slope=45.0, tilt=0.0, lumbar=-30.0)))
    assert finding.status == "positive"
    assert "−30 ±" in finding.reasons[0]


@pytest.mark.parametrize(
    ("radiograph", "reason"),
    [
        (marked(spine(tilt=24.0, lumbar=-14.0)), "too near 10°"),
        (marked(position=None), "not known to be standing"),
        (marked(position="supine"), "said to be supine"),
        (marked(projection="ap"), "is ap, not lateral"),
        (marked(position="flexion"), "said to be flexion"),
        (marked(spacing=None), "no pixel spacing"),
        (marked({k: v for k, v in spine().items() if not k.startswith("L1")}), "cannot be told from the landmarks"),
    ],
)
def test_it_abstains_with_the_reason(radiograph, reason):
    finding = finding_of(radiograph)
    assert finding.status == "indeterminate"
    assert reason in " ".join(finding.reasons)


def test_a_standing_lateral_radiograph_without_landmarks_is_indeterminate_and_says_what_is_wanted():
    context = CheckContext(MeasuredExam("2.25.1", "DX", no_anatomy), wants_landmarks=True)
    (finding,) = run_checks(context, [CheckName.SPINOPELVIC_ALIGNMENT])
    assert (finding.status, finding.measurements) == ("indeterminate", {})
    assert "Femoral heads, S1 and L1 are wanted" in finding.reasons[0]


def test_it_says_nothing_of_an_exam_that_does_not_show_alignment():
    context = CheckContext(MeasuredExam("2.25.1", "CT", no_anatomy))
    assert run_checks(context, [CheckName.SPINOPELVIC_ALIGNMENT]) == ()


def test_contradicting_landmarks_are_told_with_the_remedy_and_their_author():
    points = {**spine(), "left femoral head centre": (0.0, -200.0), "right femoral head centre": (0.0, -200.0)}
    finding = finding_of(marked(points))
    assert (finding.status, finding.measurements) == ("indeterminate", {})
    assert "lies below the femoral heads. One of them may have the wrong name" in finding.reasons[0]
    assert "set by Ada Reader" in finding.reasons[1]
    assert len(finding.landmarks) == 10


def test_a_second_radiograph_with_landmarks_is_not_passed_over_in_silence():
    finding = finding_of(marked(), marked({"left femoral head centre": (0.0, 0.0)}))
    assert "Landmarks on 1 further radiograph" in finding.reasons[-1]


def test_both_authors_are_named():
    some, others = marked(), marked(author="Bob Other")
    both = MarkedRadiograph((*some.landmarks[:5], *others.landmarks[5:]), some.spacing_mm, "lateral", "standing")
    assert "set by Ada Reader and Bob Other" in finding_of(both).reasons[1]
