from dataclasses import replace
from datetime import datetime

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import Comprehensive3DSRStorage

from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Role
from plumbline.reports.content import ReportContent
from plumbline.reports.published import build_report_objects
from plumbline.reports.structured_report import build_structured_report
from tests.conformance.report_cases import (
    CREATED_AT,
    ROOT,
    all_reports,
    canal_report,
    full_report,
    plain_report,
    report_with_failed_checks,
    report_without_references,
)
from tests.conformance.tid1500 import concept


def as_bytes(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def items(parent: Dataset, name: str) -> list[Dataset]:
    return [item for item in parent.ContentSequence if concept(item) == name]


def evaluations(report: Dataset) -> Dataset:
    return items(report, "UMLS:C0034375")[0]


def texts(report: Dataset, name: str) -> list[str]:
    return [item.TextValue for item in items(evaluations(report), f"99PLUMBLINE:{name}")]


def code_of(report: Dataset, name: str) -> str:
    (item,) = items(evaluations(report), name)
    return item.ConceptCodeSequence[0].CodeValue


@pytest.fixture(scope="module")
def full() -> Dataset:
    return build_structured_report(full_report())


def test_the_report_is_an_unverified_preliminary_document_of_the_current_study(full: Dataset) -> None:
    assert full.SOPClassUID == Comprehensive3DSRStorage
    assert full.StudyInstanceUID == f"{ROOT}.4"
    assert full.AccessionNumber == "A0004"
    assert (full.VerificationFlag, full.PreliminaryFlag, full.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )


def instances(sequence: list[Dataset]) -> set[str]:
    return {
        sop.ReferencedSOPInstanceUID
        for study in sequence
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }


def test_evidence_is_sorted_into_current_and_other(full: Dataset) -> None:
    content = full_report()
    current = {i.SOPInstanceUID for i in content.current.evidence}
    (own,) = full.CurrentRequestedProcedureEvidenceSequence
    assert own.StudyInstanceUID == f"{ROOT}.4"
    pictures = {picture.SOPInstanceUID for picture in build_report_objects(content).pictures}
    assert instances([own]) == current | pictures
    others = {study.StudyInstanceUID for study in full.PertinentOtherEvidenceSequence}
    assert others == {f"{ROOT}.1", f"{ROOT}.2"}
    references = {i.SOPInstanceUID for r in content.references for i in r.study.evidence}
    assert instances(full.PertinentOtherEvidenceSequence) == references


def test_without_references_there_is_no_other_evidence() -> None:
    report = build_structured_report(report_without_references())
    assert "PertinentOtherEvidenceSequence" not in report
    assert texts(report, "reference-none") == ["No valid baseline exam. No comparable exam."]


def test_each_study_stands_in_the_image_library_with_its_role(full: Dataset) -> None:
    (library,) = items(full, "DCM:111028")
    roles = {}
    for group in library.ContentSequence:
        study = items(group, "DCM:121018")[0].UID
        roles[study] = items(group, "99PLUMBLINE:study-role")[0].ConceptCodeSequence[0].CodeValue
        assert len(items(group, "SCT:260753009")) == 3
    assert roles == {f"{ROOT}.4": "current", f"{ROOT}.2": "121079", f"{ROOT}.1": "262068006"}


def test_the_words_say_that_it_assists_and_what_was_used(full: Dataset) -> None:
    assert "not a diagnosis" in texts(full, "assistive")[0]
    assert texts(full, "triage-reason") == ["Spacer at L4-L5 moved 3.1 mm backward"]
    assert code_of(full, "SCT:260870009") == "URGENT"
    used = texts(full, "reference-used")
    assert used[0] == (
        "Baseline exam of 2022-03-01, 12 days after surgery, comparable, score 0.91. Same modality and kernel."
    )
    assert used[1].startswith("Preoperative exam of 2021-03-01, 20 days before surgery")
    assert texts(full, "numbering") == [
        "Vertebrae numbered from sacrum, probability 0.93.",
        "In view: L3, L4, L5, S1.",
    ]


def test_a_predecessor_is_named(full: Dataset) -> None:
    (study,) = full.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == f"{ROOT}.4"
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == f"{ROOT}.4.98"
    assert instances([study]) == {f"{ROOT}.4.98.1"}
    assert "PredecessorDocumentsSequence" not in build_structured_report(plain_report())


def only(status: Status) -> tuple[Finding, ...]:
    return (Finding(CheckName.NEW_FRACTURE, "L3", status, ("Seen or not",)),)


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        (full_report(), "111242"),
        (plain_report(), "111241"),
        (report_with_failed_checks(), "111243"),
        (replace(canal_report(), warnings=("One check is missing",)), "111244"),
        (replace(plain_report(), findings=only(Status.FAILED)), "111245"),
    ],
    ids=["with", "without", "not-all-without", "not-all-with", "none"],
)
def test_the_summary_says_whether_all_algorithms_succeeded(content: ReportContent, summary: str) -> None:
    report = build_structured_report(content)
    assert code_of(report, "DCM:111017") == summary
    assert (report.CompletionFlag == "PARTIAL") == (summary in {"111243", "111244", "111245"})


def test_an_exam_without_findings_says_so() -> None:
    report = build_structured_report(plain_report())
    assert texts(report, "warning") == ["No check applied to this exam."]
    assert items(items(report, "DCM:126010")[0], "DCM:125007") == []


def test_a_rerun_writes_the_same_bytes() -> None:
    first = [as_bytes(dataset) for dataset in build_report_objects(full_report()).all]
    assert first == [as_bytes(dataset) for dataset in build_report_objects(full_report()).all]


def moments(dataset: Dataset) -> set[tuple[str, str]]:
    return {(e.keyword, str(e.value)) for e in dataset.iterall() if e.VR in {"DA", "TM", "DT"} and not e.is_empty}


@pytest.mark.parametrize("label", ["full", "plain"])
def test_every_date_is_the_exams_or_the_moment_that_was_passed_in(label: str) -> None:
    content = all_reports()[label]
    exams = {value for header in content.evidence for _, value in moments(header)}
    allowed = exams | {CREATED_AT.strftime(form) for form in ("%Y%m%d", "%H%M%S", "%Y%m%d%H%M%S")}
    for dataset in build_report_objects(content).all:
        assert {value for _, value in moments(dataset)} <= allowed


def test_another_moment_changes_the_document_but_no_identifier() -> None:
    first = build_structured_report(full_report())
    later = build_structured_report(replace(full_report(), created_at=datetime(2024, 3, 15)))
    assert later.SOPInstanceUID == first.SOPInstanceUID
    assert later.ContentDate != first.ContentDate


def test_a_new_revision_is_a_new_document_in_a_new_series() -> None:
    first, second = (build_structured_report(replace(full_report(), revision=n)) for n in (1, 2))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID


def test_the_device_signs(full: Dataset) -> None:
    observer = {concept(item): item for item in full.ContentSequence if item.ValueType in {"TEXT", "UIDREF"}}
    assert f"{ROOT}.100" == observer["DCM:121012"].UID
    assert observer["DCM:121013"].TextValue == "Plumbline"
    assert observer["DCM:121016"].TextValue == "SN-1"
    assert (full.StationName, full.SoftwareVersions, full.DeviceSerialNumber) == ("READ1", "0.1.0", "SN-1")


def test_a_role_of_the_missing_kind_is_named_only_when_missing(full: Dataset) -> None:
    assert texts(full, "reference-none") == ["No valid prior exam. There is none between baseline and current."]
    assert Role.PRIOR not in {reference.role for reference in full_report().references}


def test_an_unusable_instance_is_refused() -> None:
    content = full_report()
    with pytest.raises(InvalidInput):
        replace(content, current=replace(content.current, evidence=(Dataset(),)))


@pytest.mark.parametrize(
    ("names", "unusual"),
    [
        (("T12", "L1", "L2", "L3", "L4", "L5", "S1"), False),
        (("L4", "L5"), False),
        ((), False),
        (("L4", "L5", "L6", "S1"), True),
        (("L3", "L4", "S1"), True),
        (("T12", "T13", "L1"), True),
    ],
)
def test_an_unusual_count_of_vertebrae_is_coded(names: tuple[str, ...], unusual: bool) -> None:
    content = replace(plain_report(), numbering=Numbering((Labelling(names, 0.9),), "sacrum"))
    found = items(evaluations(build_structured_report(content)), "DCM:121071")
    assert [item.ConceptCodeSequence[0].CodeValue for item in found] == (["transitional"] if unusual else [])


def test_an_exam_that_could_not_be_numbered_claims_no_count() -> None:
    content = replace(plain_report(), numbering=Numbering((), None))
    assert items(evaluations(build_structured_report(content)), "DCM:121071") == []
