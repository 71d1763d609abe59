from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.reports.content import ReportContent
from plumbline.reports.measurement_groups import measurement_group
from tests.conformance.report_cases import (
    ROOT,
    SPACER,
    full_report,
    landmark_report,
    migration,
    plain_report,
    study,
)
from tests.conformance.tid1500 import concept


def group_of(finding: Finding, content: ReportContent | None = None) -> Dataset:
    return measurement_group(replace(content or full_report(), findings=(finding,)), 0)


def items(parent: Dataset, name: str) -> list[Dataset]:
    return [item for item in parent.get("ContentSequence", ()) if concept(item) == name]


def value(parent: Dataset, name: str) -> str:
    (item,) = items(parent, name)
    return item.ConceptCodeSequence[0].CodeValue


@pytest.fixture(scope="module")
def group() -> Dataset:
    return measurement_group(full_report(), 0)


def test_the_implant_is_tracked_by_its_own_uid(group: Dataset) -> None:
    assert SPACER.tracking_uid == items(group, "DCM:112040")[0].UID
    assert items(group, "DCM:112039")[0].TextValue == "spacer L4-L5"
    assert value(group, "DCM:111405") == "257275005"


def test_finding_site_and_algorithm_are_named(group: Dataset) -> None:
    assert value(group, "DCM:121071") == "370512004"
    assert value(group, "SCT:363698007") == "84020006"
    assert items(group, "DCM:111001")[0].TextValue == "Plumbline spacer-migration"
    assert items(group, "DCM:111003")[0].TextValue == "0.1.0"


def test_the_time_point_is_the_current_studys_and_the_references_hangs_on_the_comparison(group: Dataset) -> None:
    assert items(group, "UMLS:C2348792")[0].TextValue == "current"
    assert items(group, "DCM:128740")[0].MeasuredValueSequence[0].NumericValue == 370
    (comparison,) = items(group, "99PLUMBLINE:compared-with")
    assert comparison.ConceptCodeSequence[0].CodeValue == "121079"
    assert items(comparison, "UMLS:C2348792")[0].TextValue == "baseline"
    assert value(comparison, "DCM:126072") == "121079"
    assert f"{ROOT}.2" == items(comparison, "DCM:121018")[0].UID
    assert items(comparison, "DCM:128740")[0].MeasuredValueSequence[0].NumericValue == 12
    order = [items(where, "DCM:126073")[0].MeasuredValueSequence[0].NumericValue for where in (comparison, group)]
    assert order[0] < order[1]


def test_a_value_has_its_unit_and_both_ranges_of_uncertainty(group: Dataset) -> None:
    number = items(group, "DCM:110823")[0]
    measured = number.MeasuredValueSequence[0]
    assert (measured.NumericValue, measured.MeasurementUnitsCodeSequence[0].CodeValue) == (3.1, "mm")
    (interval,) = items(number, "99PLUMBLINE:uncertainty")
    assert "95 %" in interval.TextValue
    for bound in ("SCT:371886008", "SCT:371885007"):
        (half_width,) = items(interval, bound)
        assert half_width.MeasuredValueSequence[0].NumericValue == 0.4
        assert half_width.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mm"


def test_a_rotation_is_in_degrees(group: Dataset) -> None:
    (rotation,) = items(group, "DCM:130523")
    assert rotation.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "deg"


def test_the_baselines_own_value_is_told_apart(group: Dataset) -> None:
    current, baseline = items(group, "99PLUMBLINE:posterior_margin")
    assert items(current, "DCM:126072") == []
    assert value(baseline, "DCM:126072") == "121079"


def test_a_value_that_is_not_a_number_is_said_to_be_so() -> None:
    finding = replace(migration(), measurements={"translation_mm": Measurement(float("nan"), float("inf"))})
    group = group_of(finding)
    assert items(group, "DCM:121206") == []
    assert [item.TextValue for item in items(group, "99PLUMBLINE:unmeasured")] == ["Distance"]


def test_an_unknown_uncertainty_is_not_invented() -> None:
    finding = replace(migration(), measurements={"translation_mm": Measurement(2.0, float("inf"))})
    (number,) = items(group_of(finding), "DCM:121206")
    assert items(number, "99PLUMBLINE:uncertainty") == []


@pytest.mark.parametrize(
    ("status", "presence"),
    [
        (Status.POSITIVE, "52101004"),
        (Status.NEGATIVE, "272519000"),
        (Status.INDETERMINATE, "373068000"),
        (Status.NOT_APPLICABLE, "373068000"),
        (Status.FAILED, "373068000"),
    ],
)
def test_the_status_is_told_in_own_and_in_standard_codes(status: Status, presence: str) -> None:
    group = group_of(migration(status))
    assert value(group, "99PLUMBLINE:status") == status.value
    assert value(group, "DCM:121052") == presence


def test_reasons_and_sources_are_text(group: Dataset) -> None:
    assert [item.TextValue for item in items(group, "DCM:121106")] == list(migration().reasons)
    (source,) = items(group, "99PLUMBLINE:source")
    assert source.TextValue.startswith("B26: Budzik")


def test_an_unknown_source_keeps_its_key() -> None:
    group = group_of(replace(migration(), sources=("X99",)))
    assert items(group, "99PLUMBLINE:source")[0].TextValue == "X99"


def test_geometry_is_drawn_in_the_current_frame_of_reference(group: Dataset) -> None:
    drawn = [item for item in group.ContentSequence if item.ValueType == "SCOORD3D"]
    assert [item.GraphicType for item in drawn] == ["POLYLINE", "POINT"]
    assert [concept(item) for item in drawn] == ["DCM:121225", "DCM:121112"]
    assert {item.ReferencedFrameOfReferenceUID for item in drawn} == {f"{ROOT}.4.9"}
    assert drawn[0].GraphicData == pytest.approx([0.0, 10.0, 2.0, 0.0, 13.1, 1.7])


def test_without_a_frame_of_reference_nothing_is_drawn() -> None:
    exam = study(4)
    for header in exam.evidence:
        del header.FrameOfReferenceUID
    group = group_of(migration(), replace(plain_report(), current=exam))
    assert not any(item.ValueType == "SCOORD3D" for item in group.ContentSequence)


def test_geometry_that_cannot_be_drawn_is_left_out() -> None:
    geometry = {"nothing": (), "nowhere": ((float("nan"), 0.0, 0.0),)}
    group = group_of(replace(migration(), geometry=geometry))
    assert not any(item.ValueType == "SCOORD3D" for item in group.ContentSequence)


def test_a_finding_points_at_the_picture_that_shows_it() -> None:
    content = full_report()
    shown = items(measurement_group(content, 0), "DCM:121200")
    assert len(shown) == 1
    assert items(measurement_group(content, 1), "DCM:121200") == []


def test_a_reference_that_is_not_at_hand_is_still_named() -> None:
    group = group_of(replace(migration(), reference="prior"))
    (comparison,) = items(group, "99PLUMBLINE:compared-with")
    assert comparison.ConceptCodeSequence[0].CodeValue == "prior"
    assert "ContentSequence" not in comparison


def test_each_group_can_be_pointed_at() -> None:
    content = full_report()
    uids = {measurement_group(content, i).ObservationUID for i in range(len(content.findings))}
    assert len(uids) == len(content.findings)


def test_a_finding_without_level_lies_in_the_spine() -> None:
    finding = Finding(CheckName.FUSION_STATUS, None, Status.NOT_APPLICABLE, ("Too early",))
    group = group_of(finding)
    assert value(group, "SCT:363698007") == "421060004"
    assert items(group, "DCM:112039")[0].TextValue == "fusion-status"


def test_landmarks_are_points_on_their_image_and_name_the_person_who_set_them() -> None:
    group = measurement_group(landmark_report(), 0)
    (observer,) = items(group, "DCM:121008")
    assert (str(observer.PersonName).rstrip("^"), observer.RelationshipType) == ("Ada Reader", "HAS OBS CONTEXT")
    assert value(group, "DCM:121005") == "121006"
    (point,) = items(group, "99PLUMBLINE:S1-sup-ant")
    assert (point.GraphicType, list(point.GraphicData)) == ("POINT", [610.5, 2100.25])
    (source,) = point.ContentSequence
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == f"{ROOT}.4.1.1"
    (incidence,) = items(group, "99PLUMBLINE:pelvic_incid")
    assert incidence.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "deg"


def test_a_finding_without_landmarks_has_no_person_as_observer(group: Dataset) -> None:
    assert items(group, "DCM:121008") == []
