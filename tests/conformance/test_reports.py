"""Every published object against validators that others wrote, and against the template as a table.

Covered: SR (dciodvfy, DicomSRValidator, dsrdump, TID 1500), KO (dciodvfy, dsrdump), SC (dciodvfy), each with an
object broken on purpose that the same validator must refuse. Not covered: how viewers draw the objects, but for
the rules of OHIF's TID 1500 reader that can be told from the object.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import isfinite
from pathlib import Path

import pytest
from highdicom.sr import srread
from pydicom import dcmread
from pydicom.dataset import Dataset

from plumbline.reports.content import ReportContent
from plumbline.reports.published import build_report_objects
from plumbline.reports.rejection_note import Rejection, RejectionReason, build_rejection_note
from tests.conformance.report_cases import CREATED_AT, all_reports
from tests.conformance.tid1500 import concept, violations
from tests.conformance.validators import dciodvfy, dsrdump, pixelmed

CASES = all_reports()
REPORTS = sorted(CASES)
OF_EACH_SHAPE = ("full", "plain", "without-references", "failed-checks", "canal", "japanese")
"""Reports for the slow validator: those that differ by more than a patient's name."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every object of every report as a file ``LABEL-MODALITY.dcm``."""
    target = tmp_path_factory.mktemp("objects")
    for label, content in CASES.items():
        for dataset in build_report_objects(content).all:
            dataset.save_as(target / f"{label}-{dataset.Modality}.dcm", enforce_file_format=True)
    return target


def broken(folder: Path, name: str, damage: Callable[[Dataset], None]) -> Path:
    dataset = dcmread(folder / f"{name}.dcm")
    damage(dataset)
    path = folder / f"{name}-broken-{damage.__name__}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def child(item: Dataset, name: str) -> Dataset:
    return next(candidate for candidate in item.ContentSequence if concept(candidate) == name)


def without_completion_flag(report: Dataset) -> None:
    del report.CompletionFlag


def without_procedure(report: Dataset) -> None:
    report.ContentSequence.remove(child(report, "DCM:121058"))


def with_procedure_contained(report: Dataset) -> None:
    child(report, "DCM:121058").RelationshipType = "CONTAINS"


def with_image_as_property(report: Dataset) -> None:
    group = child(child(report, "DCM:111028"), "DCM:126200")
    child(group, "SCT:260753009").RelationshipType = "HAS PROPERTIES"


def with_unknown_value_type(document: Dataset) -> None:
    document.ContentSequence[0].ValueType = "NONSENSE"


def without_evidence(document: Dataset) -> None:
    del document.CurrentRequestedProcedureEvidenceSequence


def without_conversion_type(picture: Dataset) -> None:
    del picture.ConversionType


@pytest.mark.parametrize("label", REPORTS)
def test_dciodvfy_accepts_the_report(folder: Path, label: str) -> None:
    assert dciodvfy(folder / f"{label}-SR.dcm") == []


@pytest.mark.parametrize("label", REPORTS)
def test_dsrdump_accepts_the_report(folder: Path, label: str) -> None:
    assert dsrdump(folder / f"{label}-SR.dcm") == []


@pytest.mark.parametrize("label", REPORTS)
def test_the_report_is_what_the_template_table_says(folder: Path, label: str) -> None:
    assert violations(dcmread(folder / f"{label}-SR.dcm")) == []


@pytest.mark.slow
@pytest.mark.parametrize("label", OF_EACH_SHAPE)
def test_pixelmed_accepts_the_report(folder: Path, label: str) -> None:
    assert pixelmed(folder / f"{label}-SR.dcm") == []


@pytest.mark.slow
def test_pixelmed_refuses_a_broken_report(folder: Path) -> None:
    complaints = pixelmed(broken(folder, "plain-SR", with_procedure_contained))
    assert any("Incorrect relationship" in line for line in complaints)


@pytest.mark.parametrize("label", [label for label in REPORTS if CASES[label].key_images])
def test_dciodvfy_and_dsrdump_accept_the_key_objects(folder: Path, label: str) -> None:
    path = folder / f"{label}-KO.dcm"
    assert dciodvfy(path) == []
    assert dsrdump(path) == []


@pytest.mark.parametrize("label", [label for label in REPORTS if CASES[label].pictures])
def test_dciodvfy_accepts_the_pictures(folder: Path, label: str) -> None:
    assert dciodvfy(folder / f"{label}-OT.dcm") == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("full-SR", without_completion_flag),
        ("full-KO", without_evidence),
        ("full-OT", without_conversion_type),
    ],
)
def test_dciodvfy_refuses_a_broken_object(folder: Path, name: str, damage: Callable[[Dataset], None]) -> None:
    assert any(line.startswith("Error") for line in dciodvfy(broken(folder, name, damage)))


@pytest.mark.parametrize("name", ["full-SR", "full-KO"])
def test_dsrdump_refuses_a_broken_document(folder: Path, name: str) -> None:
    assert dsrdump(broken(folder, name, with_unknown_value_type))


@pytest.mark.parametrize("damage", [without_procedure, with_image_as_property])
def test_the_template_table_refuses_a_broken_report(folder: Path, damage: Callable[[Dataset], None]) -> None:
    assert len(violations(dcmread(broken(folder, "full-SR", damage)))) == 1


def test_the_template_table_refuses_a_second_finding_in_one_group(folder: Path) -> None:
    report = dcmread(folder / "full-SR.dcm")
    group = child(child(report, "DCM:126010"), "DCM:125007")
    group.ContentSequence.insert(3, deepcopy(child(group, "DCM:121071")))
    assert violations(report) == ["1.11.4 has CODE DCM:121071 2 times"]


@pytest.mark.parametrize("label", REPORTS)
def test_ohif_can_read_the_report(folder: Path, label: str) -> None:
    """OHIF looks for the measurements container and one library group, and names every item of a group.

    It takes the first UIDREF of a group for the tracking UID, reads the unit of every number, and draws a
    SCOORD3D that lies directly in the group, by its Frame of Reference.
    """
    report = dcmread(folder / f"{label}-SR.dcm")
    assert concept(report) == "DCM:126000"
    assert child(child(report, "DCM:111028"), "DCM:126200").ContentSequence
    groups = [i for i in child(report, "DCM:126010").ContentSequence if concept(i) == "DCM:125007"]
    assert len(groups) == len(CASES[label].findings)
    for group in groups:
        items = list(group.ContentSequence)
        assert all(item.ConceptNameCodeSequence for item in items)
        assert concept(next(item for item in items if item.ValueType == "UIDREF")) == "DCM:112040"
        for item in items:
            if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS":
                assert item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue
                assert item.ContentSequence
            if item.ValueType == "SCOORD3D":
                assert_drawable(item, CASES[label])


def assert_drawable(item: Dataset, content: ReportContent) -> None:
    points = len(item.GraphicData) // 3
    assert len(item.GraphicData) == 3 * points
    assert (item.GraphicType, points == 1) in {("POINT", True), ("POLYLINE", False)}
    assert item.ReferencedFrameOfReferenceUID == content.current.frame_of_reference_uid
    assert item.RelationshipType == "CONTAINS"


@pytest.mark.parametrize("label", REPORTS)
def test_highdicom_reads_the_groups_of_the_report(folder: Path, label: str) -> None:
    content = CASES[label]
    report = srread(folder / f"{label}-SR.dcm")
    for finding in content.findings:
        uid = content.tracking_uid(finding)
        groups = report.content.get_image_measurement_groups(tracking_uid=uid)
        same = [other for other in content.findings if content.tracking_uid(other) == uid]
        assert len(groups) == len(same)
        values = {m.value for group in groups for m in group.get_measurements() if m.unit.value in {"mm", "deg"}}
        assert values == {m.value for other in same for m in other.measurements.values() if isfinite(m.value)}


@pytest.mark.parametrize("reason", list(RejectionReason))
def test_a_rejection_note_is_a_valid_key_object_selection(tmp_path, reason):
    content = CASES["japanese"]
    rejected = build_report_objects(content).all
    note = build_rejection_note(Rejection(rejected, reason, 2, "Annulé.", CREATED_AT, content.device))
    path = tmp_path / "note.dcm"
    note.save_as(path, enforce_file_format=True)
    assert dciodvfy(path) == [] == dsrdump(path)
    note.ContentSequence[0].ValueType = "NONSENSE"
    note.save_as(path, enforce_file_format=True)
    assert dsrdump(path) != []
