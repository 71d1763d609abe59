"""Reports of real studies, and reports that others' systems wrote. Skips where the shared data are absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from plumbline.errors import InvalidInput
from plumbline.reports.content import ReportContent, ReportedStudy
from plumbline.reports.published import build_report_objects
from plumbline.reports.reading import read_report, survey_report
from tests.conformance.report_cases import ROOT, migration, picture, plain_report
from tests.conformance.tid1500 import violations
from tests.conformance.validators import dciodvfy, dsrdump

DATA = Path(__file__).parents[2].parent / "shared/data"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared real data are not beside this repository"),
]


def others_report(name: str) -> Dataset:
    return dcmread(DATA / "sr-third-party" / name)


def identified(header: Dataset) -> Dataset:
    """The header with the identifiers that de-identification emptied; the file meta information kept two."""
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID = f"{ROOT}.5"
    header.SeriesInstanceUID = f"{ROOT}.5.1"
    header.FrameOfReferenceUID = f"{ROOT}.5.9"
    return header


@pytest.fixture(scope="module")
def siemens_ct() -> ReportContent:
    """A report about 20 real CT instances, with a finding and a picture."""
    paths = sorted((DATA / "ct-dicom-jpeg2000").glob("CT.*"))
    evidence = tuple(identified(dcmread(path, stop_before_pixels=True)) for path in paths)
    image = replace(picture(), source_sop_instance_uids=(str(evidence[0].SOPInstanceUID),))
    return replace(
        plain_report(),
        current=ReportedStudy(evidence),
        findings=(replace(migration(), reference=None),),
        pictures=(image,),
    )


def test_the_report_of_a_real_study_is_valid(siemens_ct: ReportContent, tmp_path: Path) -> None:
    objects = build_report_objects(siemens_ct)
    for dataset in objects.all:
        path = tmp_path / f"{dataset.Modality}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        # It warns of what the de-identified study itself lacks.
        assert [line for line in dciodvfy(path) if line.startswith("Error")] == []
    assert dsrdump(tmp_path / "SR.dcm") == []
    assert violations(dcmread(tmp_path / "SR.dcm")) == []
    assert len(objects.structured_report.CurrentRequestedProcedureEvidenceSequence) == 1


def test_the_report_of_a_real_study_is_read_back(siemens_ct: ReportContent) -> None:
    (finding,) = read_report(build_report_objects(siemens_ct).structured_report)
    assert finding.measurements["translation_posterior_mm"].value == pytest.approx(3.1)


def test_a_vendors_report_is_read_by_code() -> None:
    survey = survey_report(others_report("ihe-airai/input-sr.dcm"))
    assert not survey.is_own
    assert len(survey.findings) == 9
    assert survey.findings[0].measurements["SCT:103339001"].value == pytest.approx(22.5)
    assert survey.findings[0].measurements["SCT:103339001"].unit == "mm"
    assert "9 of 9 groups" in survey.notes[1]


def test_a_report_of_dcmqi_is_read_with_retired_codes() -> None:
    (finding,) = read_report(others_report("dcmqi/sr.dcm"))
    assert finding.tracking_identifier == "primary tumor"
    assert finding.measurements["SRT:G-D705"].meaning == "Volume"


def test_an_assessment_has_no_findings_and_that_is_said() -> None:
    survey = survey_report(others_report("ihe-airai/output-assessment-sr.dcm"))
    assert survey.findings == ()
    assert survey.notes == ('"Approval Status Object" was written by another system.', "It has no measurement groups.")


@pytest.mark.parametrize("name", ["dcmqi/seg.dcm", "dcmqi/rwvm.dcm"])
def test_what_is_no_report_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        read_report(others_report(name))
