from collections.abc import Iterator
from copy import deepcopy
from math import isfinite

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from plumbline.checks.finding import Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Role
from plumbline.reports.reading import read_report, survey_report
from plumbline.reports.structured_report import build_structured_report
from tests.conformance.report_cases import NAMES, ROOT, all_reports, canal_report, ct_header, full_report
from tests.conformance.tid1500 import concept


def reread(dataset: Dataset) -> Dataset:
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


@pytest.mark.parametrize("label", sorted(set(all_reports()) - set(NAMES)))
def test_what_was_written_is_read(label: str) -> None:
    content = all_reports()[label]
    read = read_report(reread(build_structured_report(content)))
    assert len(read) == len(content.findings)
    for got, wrote in zip(read, content.findings, strict=True):
        assert (got.check, got.level, got.status) == (wrote.check, wrote.level, wrote.status)
        assert got.reasons == wrote.reasons
        assert got.tracking_uid == content.tracking_uid(wrote)
        assert got.algorithm_version == content.algorithm_version
        assert {key: (m.value, m.uncertainty_95) for key, m in got.measurements.items()} == {
            key: (m.value, m.uncertainty_95) for key, m in wrote.measurements.items() if isfinite(m.value)
        }
        drawn = [tuple(map(pytest.approx, points)) for points in wrote.geometry.values()]
        assert list(got.coordinates_lps_mm) == drawn


def test_the_reference_is_read_with_its_study() -> None:
    finding = read_report(build_structured_report(full_report()))[0]
    assert (finding.reference, finding.reference_study_uid) == (Role.BASELINE, f"{ROOT}.2")
    assert finding.frame_of_reference_uid == f"{ROOT}.4.9"


def test_an_own_report_is_recognised_with_its_priority() -> None:
    survey = survey_report(build_structured_report(canal_report()))
    assert survey.is_own
    assert (survey.title, survey.priority, survey.notes) == ("Imaging Measurement Report", "STAT", ())


def test_an_image_is_not_a_report() -> None:
    with pytest.raises(InvalidInput, match="not a structured report"):
        read_report(ct_header(1, 1))


def foreign(report: Dataset) -> Dataset:
    """The report as another system could have written it: no private codes, standard measurements kept."""
    group = measurement_group(report)
    group.ContentSequence = [
        item
        for item in group.ContentSequence
        if "99PLUMBLINE" not in {concept(item).partition(":")[0]} and item.ValueType != "SCOORD3D"
    ]
    evaluations = report.ContentSequence[-1]
    evaluations.ContentSequence = [i for i in evaluations.ContentSequence if not concept(i).startswith("99")]
    return report


def measurement_group(report: Dataset) -> Dataset:
    container = next(item for item in report.ContentSequence if concept(item) == "DCM:126010")
    return next(item for item in container.ContentSequence if concept(item) == "DCM:125007")


def test_another_systems_measurements_are_kept_by_code_and_not_taken_for_ours() -> None:
    survey = survey_report(foreign(reread(build_structured_report(full_report()))))
    finding = survey.findings[0]
    assert not survey.is_own
    assert survey.priority is None
    assert (finding.check, finding.status) == (None, None)
    assert finding.measurements["DCM:121206"].value == pytest.approx(3.12)
    assert finding.measurements["DCM:110823"].value == pytest.approx(3.1)
    assert finding.measurements["DCM:110823#2"].value == pytest.approx(3.0)
    assert "written by another system" in survey.notes[0]


def every_element(dataset: Dataset) -> Iterator[tuple[int, ...]]:
    """Path of each element below a dataset, as alternating tags and item numbers."""
    for element in dataset:
        yield (element.tag,)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                for path in every_element(item):
                    yield (element.tag, number, *path)


def holder(dataset: Dataset, path: tuple[int, ...]) -> Dataset:
    for tag, number in zip(path[:-1:2], path[1::2], strict=True):
        dataset = dataset[tag].value[number]
    return dataset


def findings_only() -> Dataset:
    """A report's tree without image library and observer, which are not read."""
    report = build_structured_report(canal_report())
    small = Dataset()
    for keyword in ("ValueType", "ConceptNameCodeSequence", "ContentSequence", "SOPInstanceUID"):
        small[keyword] = deepcopy(report[keyword])
    small.ContentSequence = [item for item in small.ContentSequence if item.ValueType == "CONTAINER"][1:]
    return small


def test_no_missing_element_breaks_reading() -> None:
    whole = findings_only()
    paths = list(every_element(whole))
    assert len(paths) > 200
    for path in paths:
        place = holder(whole, path)
        element = place[path[-1]]
        del place[path[-1]]
        try:
            survey_report(whole)
        except InvalidInput:
            assert len(path) == 1
        place.add(element)


def test_a_status_that_is_not_known_is_not_guessed() -> None:
    report = build_structured_report(canal_report())
    status = next(i for i in measurement_group(report).ContentSequence if concept(i) == "99PLUMBLINE:status")
    status.ConceptCodeSequence[0].CodeValue = "perhaps"
    assert read_report(report)[0].status is None
    assert Status.POSITIVE is canal_report().findings[0].status


def test_a_number_that_is_none_is_left_out() -> None:
    report = build_structured_report(canal_report())
    number = next(i for i in measurement_group(report).ContentSequence if concept(i) == "99PLUMBLINE:canal_intrusion")
    number.MeasuredValueSequence = []
    assert set(read_report(report)[0].measurements) == {"posterior_margin_mm"}
