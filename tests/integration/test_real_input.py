"""The real CT operated virtually, and the real JPEG 2000 slices, compared without an archive and through the stack.

Skipped, with a sentence, where the real data are not beside the checkout.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.demo.real_input import SHARED_DATA, real_patients
from plumbline.demo.scoring import REAL_TOLERANCE_MM
from plumbline.errors import InvalidInput
from plumbline.folder_comparison import ComparisonRequest, compare_folders
from plumbline.phantom.cohort import VirtualPatient

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    if not (SHARED_DATA / "ct-t11-pelvis" / "ct.nii.gz").exists():
        pytest.skip("the real CT is not beside this checkout (../shared/data/ct-t11-pelvis)")
    cache = tmp_path_factory.mktemp("real")
    return {each.patient.name: each for each in real_patients(cache)}


def test_the_displacement_in_real_anatomy_is_measured_or_refused_for_slice_thickness(written, tmp_path):
    case = written["RealCT3mm"]
    truth: VirtualPatient = case.patient
    baseline, current = (exam.files[0].parent for exam in case.exams)
    outcome = compare_folders(
        ComparisonRequest(current=current, baseline=baseline, planned="L4-L5 TLIF", out=tmp_path / "out")
    )
    finding = next(each for each in outcome.document["findings"] if each["check"] == "spacer-migration")
    assert finding["status"] in ("positive", "indeterminate"), finding["reasons"]
    if "translation_posterior_mm" not in finding["measurements"]:
        assert any("Slices of" in reason for reason in finding["reasons"]), finding["reasons"]
        return
    for axis, true in zip(("posterior", "cranial", "left"), truth.expectation.translation_mm, strict=True):
        measured = finding["measurements"][f"translation_{axis}_mm"]["value"]
        assert measured == pytest.approx(true, abs=REAL_TOLERANCE_MM), axis
    assert Path(outcome.document["report"]["sr"]).is_file()


def test_the_vertebrae_of_the_real_ct_are_named_right_or_doubted(written):
    case = written["RealCT3mm"]
    outcome = compare_folders(ComparisonRequest(current=case.exams[0].files[0].parent))
    current = outcome.document["current"]
    is_right = current["levels_in_view"][-2:] == ["L5", "S1"]
    assert is_right or current["numbering"]["conflict"] or current["numbering"]["anchor"] is None


def test_the_real_slices_are_no_spine_that_could_be_measured(written):
    case = written["RealJPEG2000"]
    outcome = compare_folders(ComparisonRequest(current=case.exams[0].files[0].parent))
    assert all(each["status"] in ("indeterminate", "not-applicable") for each in outcome.document["findings"])


def test_slices_without_identity_are_refused_with_the_reason(written):
    with pytest.raises(InvalidInput, match="no value for"):
        compare_folders(ComparisonRequest(current=SHARED_DATA / "ct-dicom-jpeg2000"))
