"""The reading workitem of an exam: priority, reasons, what to open, as a UPS dataset (design section 4).

It holds the patient's name because a worklist must; nothing here logs or makes URLs of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.triage.priority import TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import (
    Dataset,
    coded,
    date_element,
    datetime_element,
    element,
    items,
    limited_text,
    person_name,
    sequence,
    text,
)
from plumbline.worklist.states import State

INTERPRETATION = ("110005", "DCM", "Interpretation")
"""Scheduled Workitem Code of a reading."""

DEFAULT_WORKLIST_LABEL = "Postoperative spine"


@dataclass(frozen=True, slots=True)
class RetrievalSource:
    """Where the referenced objects can be had: C-MOVE from an AE, DICOMweb from a base URL, or both."""

    ae_title: str | None = None
    dicomweb_url: str | None = None
    """Base URL of the DICOMweb service, e.g. ``http://127.0.0.1:8042/dicom-web``."""

    def series_url(self, study_instance_uid: str, series_instance_uid: str) -> str | None:
        """Retrieve URL of a series, None where there is no DICOMweb service."""
        if self.dicomweb_url is None:
            return None
        return f"{self.dicomweb_url.rstrip('/')}/studies/{study_instance_uid}/series/{series_instance_uid}"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One SOP Instance in the archive, e.g. the structured report."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def reading_workitem(
    study: Study,
    decision: TriageDecision,
    *,
    workitem_uid: str,
    scheduled_at: datetime,
    source: RetrievalSource,
    patient_name: str | None = None,
    references: Sequence[Study] = (),
    report: StoredObject | None = None,
    expected_by: datetime | None = None,
    worklist_label: str = DEFAULT_WORKLIST_LABEL,
) -> dict[str, Any]:
    """Build the reading workitem of an exam, in state SCHEDULED.

    Parameters
    ----------
    study
        The current exam. Its series are the first inputs.
    decision
        Priority and reasons. The first reason, after the priority, is the label; all are the comments.
    workitem_uid
        Derived from the study, so that a repeat writes the same workitem.
    scheduled_at
        Scheduled Procedure Step Start DateTime: when the exam was complete. The age on the worklist.
    source
        Where reader and viewer retrieve the objects from.
    patient_name
        In DICOM form, ``Family^Given``.
    references
        Flagged earlier exams, inputs after the current one.
    report
        The structured report: an input, because the reader opens it, and the first output.
    expected_by
        Expected Completion DateTime, where the priority promises one.

    Returns
    -------
    dict
        DICOM JSON dataset with the attributes that PS3.4 table CC.2.5-3 requires.
    """
    return {
        **_identification(workitem_uid),
        **_patient(study.patient, patient_name),
        **_admission(),
        **_scheduling(decision, scheduled_at, expected_by, worklist_label),
        **_inputs_and_outputs(study, references, report, source),
        tags.STUDY_INSTANCE_UID: element("UI", study.study_instance_uid),
        tags.REFERENCED_REQUEST_SEQUENCE: sequence(_request(study)),
        tags.STATE: element("CS", State.SCHEDULED.value),
        tags.PROGRESS_INFORMATION: sequence(),
    }


def _identification(workitem_uid: str) -> Dataset:
    return {
        tags.SPECIFIC_CHARACTER_SET: element("CS", "ISO_IR 192"),
        tags.SOP_CLASS_UID: element("UI", tags.UPS_PUSH_SOP_CLASS),
        tags.SOP_INSTANCE_UID: element("UI", workitem_uid),
    }


def _patient(patient: PatientIdentity, name: str | None) -> Dataset:
    return {
        tags.PATIENT_NAME: person_name(name),
        tags.PATIENT_ID: limited_text("LO", patient.patient_id),
        tags.ISSUER_OF_PATIENT_ID: limited_text("LO", patient.issuer),
        "00100024": sequence(),  # Issuer of Patient ID Qualifiers
        tags.PATIENT_BIRTH_DATE: date_element(patient.birth_date),
        tags.PATIENT_SEX: limited_text("CS", patient.sex),
        "00101002": sequence(*(_other_id(value, issuer) for value, issuer in patient.other_ids)),
    }


def _other_id(value: str, issuer: str | None) -> Dataset:
    return {
        tags.PATIENT_ID: limited_text("LO", value),
        tags.ISSUER_OF_PATIENT_ID: limited_text("LO", issuer),
        "00100022": element("CS", "TEXT"),
    }


def _admission() -> Dataset:
    """Type 2 attributes of the visit that the images do not tell."""
    return {
        "00380010": element("LO"),
        "00380014": sequence(),
        "00081080": element("LO"),
        "00081084": sequence(),
    }


def _scheduling(
    decision: TriageDecision, scheduled_at: datetime, expected_by: datetime | None, worklist_label: str
) -> Dataset:
    return {
        tags.PRIORITY: element("CS", decision.priority.ups),
        tags.LABEL: limited_text("LO", _label(decision)),
        tags.COMMENTS: limited_text("LT", "\r\n".join(decision.reasons)),
        tags.WORKLIST_LABEL: limited_text("LO", worklist_label),
        tags.WORKITEM_CODE: sequence(coded(*INTERPRETATION)),
        tags.START: datetime_element(scheduled_at),
        tags.EXPECTED_COMPLETION: datetime_element(expected_by),
        tags.MODIFIED: datetime_element(scheduled_at),
        tags.READINESS: element("CS", "READY"),
        "00741210": sequence(),  # Scheduled Processing Parameters
        "00404025": sequence(),  # Scheduled Station Name Code
        "00404026": sequence(),  # Scheduled Station Class Code
        "00404027": sequence(),  # Scheduled Station Geographic Location Code
    }


def _label(decision: TriageDecision) -> str:
    reason = decision.reasons[0] if decision.reasons else "read in turn"
    return f"{decision.priority.value}: {reason}"


def _request(study: Study) -> Dataset:
    """Item of Referenced Request Sequence (0040,A370)."""
    return {
        tags.STUDY_INSTANCE_UID: element("UI", study.study_instance_uid),
        tags.ACCESSION_NUMBER: limited_text("SH", study.accession_number),
        "00080051": sequence(),  # Issuer of Accession Number
        "00400026": sequence(),  # Order Placer Identifier
        "00400027": sequence(),  # Order Filler Identifier
        "00401001": limited_text("SH", study.study_id),  # Requested Procedure ID
        "00321060": limited_text("LO", study.requested_procedure_description or study.description),
        "00321064": sequence(*(coded(*code) for code in study.procedure_codes)),
    }


def _inputs_and_outputs(
    study: Study, references: Sequence[Study], report: StoredObject | None, source: RetrievalSource
) -> Dataset:
    inputs = [_series_item(exam, series, source) for exam in (study, *references) for series in exam.series]
    reports = [] if report is None else [reference_to(report, source)]
    performed = [{tags.OUTPUTS: sequence(*reports)}] if reports else []
    return {tags.INPUTS: sequence(*inputs, *reports), tags.PERFORMED: sequence(*performed)}


def _series_item(study: Study, series: Series, source: RetrievalSource) -> Dataset:
    objects = [(instance.sop_class_uid, instance.sop_instance_uid) for instance in series.instances]
    return _reference(study.study_instance_uid, series.series_instance_uid, objects, source)


def reference_to(stored: StoredObject, source: RetrievalSource) -> Dataset:
    """Item that names one object and where it can be had."""
    objects = [(stored.sop_class_uid, stored.sop_instance_uid)]
    return _reference(stored.study_instance_uid, stored.series_instance_uid, objects, source)


def _reference(
    study_instance_uid: str, series_instance_uid: str, objects: Sequence[tuple[str, str]], source: RetrievalSource
) -> Dataset:
    """Item of the Referenced Instances and Access Macro (PS3.3 table 10-3b), one per series."""
    item: dict[str, Any] = {
        "0040E020": element("CS", "DICOM"),
        tags.STUDY_INSTANCE_UID: element("UI", study_instance_uid),
        tags.SERIES_INSTANCE_UID: element("UI", series_instance_uid),
        tags.REFERENCED_SOP_SEQUENCE: sequence(
            *({"00081150": element("UI", sop_class), "00081155": element("UI", uid)} for sop_class, uid in objects)
        ),
    }
    if source.ae_title is not None:
        item["0040E021"] = sequence({"00080054": element("AE", source.ae_title)})
    url = source.series_url(study_instance_uid, series_instance_uid)
    if url is not None:
        item["0040E025"] = sequence({"00081190": element("UR", url)})
    return item


_REFRESHED_WHEN_CLAIMED = (
    tags.PRIORITY,
    tags.LABEL,
    tags.COMMENTS,
    tags.INPUTS,
    tags.READINESS,
    tags.EXPECTED_COMPLETION,
)


def refreshed(stored: Dataset, new: Dataset) -> dict[str, Any]:
    """Reading workitem after a later revision or a refined triage.

    While nobody has claimed it, everything is replaced but its place in time. Once somebody has, their
    state and progress stay, and only priority, label, comments, inputs and our output are brought up to date.
    """
    if text(stored, tags.STATE) == State.SCHEDULED.value:
        return {**new, tags.START: stored.get(tags.START, new[tags.START]), tags.MODIFIED: stored[tags.MODIFIED]}
    merged = {**stored, **{tag: new[tag] for tag in _REFRESHED_WHEN_CLAIMED if tag in new}}
    ours = [output for performed in items(new, tags.PERFORMED) for output in items(performed, tags.OUTPUTS)]
    merged[tags.PERFORMED] = sequence(*_with_outputs(items(stored, tags.PERFORMED), ours))
    return merged


def _with_outputs(performed: Sequence[Dataset], ours: Sequence[Dataset]) -> list[Dataset]:
    """Performed procedure items of the reader with our outputs in the first; one output a series, ours the newest."""
    if not ours:
        return list(performed)
    reader = performed[0] if performed else {}
    by_series = {text(item, tags.SERIES_INSTANCE_UID): item for item in (*items(reader, tags.OUTPUTS), *ours)}
    return [{**reader, tags.OUTPUTS: sequence(*by_series.values())}, *performed[1:]]
