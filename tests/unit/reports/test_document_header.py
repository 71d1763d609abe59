import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian

from plumbline.errors import InvalidInput
from plumbline.reports.document_header import carried_header, referenced_requests, study_date, study_time
from plumbline.reports.published import build_report_objects
from plumbline.reports.structured_report import build_structured_report
from tests.conformance.report_cases import NAMES, ct_header, full_report, ordered_report, plain_report, report_of, study

TYPE_2 = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")


def reread(dataset: Dataset) -> Dataset:
    """The dataset as it comes back from a file."""
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def bare_header() -> Dataset:
    """What a careless sender leaves: enough to refer to the instance, nothing about the patient."""
    header = ct_header(4, 1)
    for keyword in (*TYPE_2, "StudyDate", "StudyTime", "ReferringPhysicianName", "SpecificCharacterSet"):
        del header[keyword]
    return header


def test_missing_patient_attributes_become_empty_ones() -> None:
    carried = carried_header(bare_header())
    assert all(keyword in carried and carried[keyword].is_empty for keyword in TYPE_2)


def test_a_report_can_be_written_for_a_study_without_patient_attributes() -> None:
    content = replace(plain_report(), current=replace(study(4), evidence=(bare_header(),)))
    report = reread(build_structured_report(content))
    assert report.PatientName == ""
    assert report.StudyInstanceUID == content.current.study_instance_uid


@pytest.mark.parametrize("sex", ["U", "female", ["F", "M"], None])
def test_a_sex_that_the_standard_does_not_know_is_not_carried(sex: object) -> None:
    header = ct_header(4, 1)
    header["PatientSex"]._value = sex
    assert carried_header(header).PatientSex == ""


@pytest.mark.parametrize("label", sorted(NAMES))
def test_names_of_any_script_survive(label: str) -> None:
    name, charset = NAMES[label]
    header = ct_header(4, 1, charset=charset, name=name)
    header.file_meta = plain_file_meta()
    content = replace(full_report(), current=replace(study(4, slices=3), evidence=(reread(header), *slices())))
    for dataset in build_report_objects(content).all:
        stored = reread(dataset)
        assert stored.SpecificCharacterSet == "ISO_IR 192"
        assert str(stored.PatientName) == name


def slices() -> tuple[Dataset, ...]:
    return study(4).evidence[1:]


def plain_file_meta() -> Dataset:
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def test_patient_and_study_are_those_of_the_current_study() -> None:
    content = full_report()
    for dataset in build_report_objects(content).all:
        for keyword in (*TYPE_2, "IssuerOfPatientID", "StudyInstanceUID", "StudyDate", "StudyDescription"):
            assert dataset[keyword].value == content.current.header[keyword].value


def test_no_patient_name_or_identifier_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        build_report_objects(report_of("Oddname", "ISO_IR 100"))
    assert caplog.records
    assert "Oddname" not in caplog.text
    assert "P-0001" not in caplog.text


def test_an_exam_without_an_order_has_no_referenced_request() -> None:
    assert referenced_requests(ct_header(4, 1)) == []
    assert "ReferencedRequestSequence" not in build_structured_report(plain_report())


def test_the_order_of_the_current_study_is_referred_to() -> None:
    header = ct_header(4, 1)
    request = Dataset()
    request.RequestedProcedureID = "RP-7"
    request.RequestedProcedureDescription = "CT lumbar spine"
    header.RequestAttributesSequence = [request]
    header.FillerOrderNumberImagingServiceRequest = "F-9"
    (item,) = referenced_requests(header)
    assert item.RequestedProcedureID == "RP-7"
    assert item.RequestedProcedureDescription == "CT lumbar spine"
    assert item.AccessionNumber == header.AccessionNumber
    assert item.FillerOrderNumberImagingServiceRequest == "F-9"
    assert item.PlacerOrderNumberImagingServiceRequest == ""
    assert item.StudyInstanceUID == header.StudyInstanceUID


def test_a_request_only_at_the_top_level_counts_too() -> None:
    header = ct_header(4, 1)
    header.RequestedProcedureID = "RP-8"
    (item,) = referenced_requests(header)
    assert item.RequestedProcedureID == "RP-8"


def test_an_aware_moment_is_told_in_the_zone_that_the_study_names() -> None:
    exam = study(4)
    exam.header.TimezoneOffsetFromUTC = "+0530"
    content = replace(plain_report(), current=exam, created_at=datetime(2024, 3, 14, 22, 0, tzinfo=UTC))
    report = build_structured_report(content)
    assert (report.TimezoneOffsetFromUTC, report.ContentDate, report.ContentTime) == ("+0530", "20240315", "033000")


def test_an_aware_moment_keeps_its_own_zone_where_the_study_names_none() -> None:
    report = build_structured_report(replace(plain_report(), created_at=datetime(2024, 3, 14, 22, 0, tzinfo=UTC)))
    assert (report.ContentDate, report.ContentTime) == ("20240314", "220000")
    assert {item.ContributionDateTime for item in report.ContributingEquipmentSequence} == {"20240314220000+0000"}


@pytest.mark.parametrize(
    ("date", "time", "read_date", "read_time"),
    [
        ("20240301", "101500.25", "20240301", "101500"),
        ("2024.03.01", "10:15", "", ""),
        ("20240229", "1015", "20240229", "101500"),
        ("20230229", "10", "", "100000"),
        ("", None, "", ""),
        ("20241301", "996000", "", ""),
    ],
)
def test_dates_and_times_that_are_none_are_left_out(
    date: str, time: str | None, read_date: str, read_time: str
) -> None:
    header = Dataset()
    header["StudyDate"] = DataElement("StudyDate", "DA", date, validation_mode=IGNORE)
    header["StudyTime"] = DataElement("StudyTime", "TM", time, validation_mode=IGNORE)
    assert (study_date(header), study_time(header)) == (read_date, read_time)


@pytest.mark.parametrize("keyword", [element.keyword for element in ct_header(4, 1)])
def test_no_missing_attribute_breaks_writing(keyword: str) -> None:
    header = ct_header(4, 1)
    del header[keyword]
    try:
        current = replace(study(4), evidence=(header,))
    except InvalidInput:
        assert keyword in {"SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"}
        return
    report = reread(build_structured_report(replace(plain_report(), current=current)))
    assert report.StudyInstanceUID == header.StudyInstanceUID


def test_other_identifiers_of_the_patient_are_carried() -> None:
    report = reread(build_structured_report(ordered_report()))
    assert [item.PatientID for item in report.OtherPatientIDsSequence] == ["Q-9"]
    assert report.ReferencedRequestSequence[0].RequestedProcedureID == "RP-7"
