import json
from datetime import UTC, datetime

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR

from plumbline.testing import CT_IMAGE_STORAGE, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import element, first, items, sequence, text
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem, refreshed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = RetrievalSource("ORTHANC", "http://127.0.0.1:8042/dicom-web/")
REPORT = StoredObject("2.25.771", "2.25.771.90", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.771.90.1")
REASONS = (
    "The spacer at L4-L5 lies 3.1 mm (± 0.4) behind where it lay on the baseline CT of 12 January 2026.",
    "47 days since surgery.",
)


def workitem(**changes):
    arguments = {
        "workitem_uid": "2.25.99",
        "scheduled_at": NOON,
        "source": SOURCE,
        "patient_name": "Example^Ada",
        "references": (invented_ct_study(2),),
        "report": REPORT,
    }
    decision = changes.pop("decision", TriageDecision(Priority.URGENT, REASONS))
    return reading_workitem(invented_ct_study(1), decision, **{**arguments, **changes})


def as_pydicom(dataset) -> Dataset:
    return Dataset.from_json(json.dumps(dataset))


def every_element(dataset: Dataset):
    for each in dataset:
        yield each
        if each.VR == "SQ":
            for item in each.value:
                yield from every_element(item)


def test_every_element_has_the_vr_of_the_dicom_dictionary_and_survives_the_round_trip():
    parsed = as_pydicom(workitem())
    for each in every_element(parsed):
        assert dictionary_VR(each.tag) == each.VR, each.tag
    assert json.loads(parsed.to_json()) == as_pydicom(json.loads(parsed.to_json())).to_json_dict()


def test_the_workitem_says_what_to_do_how_urgently_and_why():
    parsed = as_pydicom(workitem())
    code = parsed.ScheduledWorkitemCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("110005", "DCM", "Interpretation")
    assert parsed.ScheduledProcedureStepPriority == "MEDIUM"
    assert parsed.ProcedureStepState == "SCHEDULED"
    assert parsed.InputReadinessState == "READY"
    assert parsed.CommentsOnTheScheduledProcedureStep == "\r\n".join(REASONS)
    assert parsed.ProcedureStepLabel.startswith("URGENT: The spacer at L4-L5 lies 3.1 mm")


def test_a_long_reason_is_cut_to_the_64_characters_of_the_label():
    label = as_pydicom(workitem()).ProcedureStepLabel
    assert len(label) == 64
    assert label.endswith("…")


def test_a_backslash_in_a_reason_does_not_split_the_label():
    decision = TriageDecision(Priority.STAT, ("level L4\\L5\r\nto be checked",))
    assert as_pydicom(workitem(decision=decision)).ProcedureStepLabel == "STAT: level L4/L5 to be checked"


@pytest.mark.parametrize(("priority", "ups"), [("STAT", "HIGH"), ("URGENT", "MEDIUM"), ("ROUTINE", "LOW")])
def test_priorities_are_the_three_of_ups(priority, ups):
    decision = TriageDecision(Priority(priority), ("x",))
    assert first(workitem(decision=decision), tags.PRIORITY) == ups


def test_the_current_study_comes_first_then_the_flagged_prior_then_the_report():
    inputs = as_pydicom(workitem()).InputInformationSequence
    assert [item.StudyInstanceUID for item in inputs] == ["2.25.771", "2.25.772", "2.25.771"]
    assert len(inputs[0].ReferencedSOPSequence) == 3
    assert inputs[0].ReferencedSOPSequence[0].ReferencedSOPClassUID == CT_IMAGE_STORAGE
    assert inputs[0].DICOMRetrievalSequence[0].RetrieveAETitle == "ORTHANC"
    url = inputs[0].WADORSRetrievalSequence[0].RetrieveURL
    assert url == "http://127.0.0.1:8042/dicom-web/studies/2.25.771/series/2.25.771.1"
    assert inputs[2].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == REPORT.sop_instance_uid


def test_the_report_is_the_output():
    performed = as_pydicom(workitem()).UnifiedProcedureStepPerformedProcedureSequence
    output = performed[0].OutputInformationSequence[0]
    assert output.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == REPORT.sop_instance_uid


def test_a_provisional_workitem_has_no_output_yet():
    assert items(workitem(report=None), tags.PERFORMED) == []


def test_the_request_carries_accession_and_requested_procedure():
    request = as_pydicom(workitem()).ReferencedRequestSequence[0]
    assert request.AccessionNumber == "A00001"
    assert request.RequestedProcedureID == "RP1"
    assert request.RequestedProcedureDescription == "CT lumbar spine without contrast"
    assert request.RequestedProcedureCodeSequence[0].CodeValue == "24963-1"


def test_the_patient_is_named_and_no_url_holds_the_name():
    built = workitem()
    assert as_pydicom(built).PatientName == "Example^Ada"
    assert "Example" not in json.dumps(built[tags.INPUTS])


def test_an_unclaimed_workitem_is_replaced_but_keeps_its_place_in_time():
    stored = workitem(report=None)
    later = workitem(scheduled_at=NOON.replace(hour=15), decision=TriageDecision(Priority.ROUTINE, ("better",)))
    merged = refreshed(stored, later)
    assert text(merged, tags.START) == text(stored, tags.START)
    assert text(merged, tags.PRIORITY) == "LOW"
    assert items(merged, tags.PERFORMED)


def test_a_claimed_workitem_keeps_state_and_progress_and_gets_the_new_priority():
    progress = sequence({"00741004": element("DS", "40")})
    stored = {**workitem(), tags.STATE: element("CS", "IN PROGRESS"), tags.PROGRESS_INFORMATION: progress}
    merged = refreshed(stored, workitem(decision=TriageDecision(Priority.STAT, ("worse",))))
    assert text(merged, tags.STATE) == "IN PROGRESS"
    assert merged[tags.PROGRESS_INFORMATION] == progress
    assert text(merged, tags.PRIORITY) == "HIGH"
    assert text(merged, tags.LABEL) == "STAT: worse"


def test_the_reports_of_a_reader_stay_beside_ours():
    theirs = {
        tags.PERFORMER_NAME: element("PN", {"Alphabetic": "Reader"}),
        tags.OUTPUTS: sequence({tags.SERIES_INSTANCE_UID: element("UI", "2.25.5")}),
    }
    stored = {**workitem(), tags.STATE: element("CS", "IN PROGRESS"), tags.PERFORMED: sequence(theirs)}
    performed = items(refreshed(stored, workitem()), tags.PERFORMED)
    series = [text(item, tags.SERIES_INSTANCE_UID) for item in items(performed[0], tags.OUTPUTS)]
    assert series == ["2.25.5", REPORT.series_instance_uid]
    assert text(performed[0], tags.PERFORMER_NAME) == "Reader"
