"""Answers to study, series and instance queries, DIMSE or DICOMweb, as the pipeline knows them.

The attributes that are asked for stand here too: what is not asked for is not answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

from pydicom import Dataset

from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.receive import is_own_object

STUDY_KEYS = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "StudyID", "AccessionNumber",
    "ModalitiesInStudy", "NumberOfStudyRelatedInstances", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "ProcedureCodeSequence",
)  # fmt: skip
SERIES_KEYS = (
    "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "ProtocolName",
    "BodyPartExamined", "Laterality", "ViewPosition", "PatientPosition", "ContrastBolusAgent", "SliceThickness",
    "ConvolutionKernel", "Manufacturer", "ManufacturerModelName", "FrameOfReferenceUID", "ScanningSequence",
    "EchoTime", "RepetitionTime", "InversionTime", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
INSTANCE_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_WILDCARDS = str.maketrans("*?\\", "???")


def patient_ids(patient: PatientIdentity, issuer: str | None) -> tuple[str, ...]:
    """Identifiers under which an archive of this issuer may know a patient; all where it names no issuer."""
    pairs = ((patient.patient_id, patient.issuer), *patient.other_ids)
    if issuer is not None and any(known == issuer for _, known in pairs):
        pairs = tuple(pair for pair in pairs if pair[1] == issuer)
    else:
        pairs = pairs[:1]
    return tuple(dict.fromkeys(identifier for identifier, _ in pairs if identifier.strip()))


def matching_pattern(patient_id: str) -> str:
    """The matching key for one patient ID; DICOM matching cannot quote a wildcard (PS3.4 C.2.2.2.4)."""
    return patient_id.translate(_WILDCARDS)


def study_answer(answer: Dataset, issuer: str | None = None) -> ArchiveStudy:
    """One answer at study level. ``issuer`` is whose the archive's patient IDs are where it does not say."""
    day, hour = _date(answer, "StudyDate"), _time(answer, "StudyTime")
    study = Study(
        study_instance_uid=_text(answer, "StudyInstanceUID") or "",
        patient=_patient(answer, issuer),
        series=(),
        performed_at=datetime.combine(day, hour or time()) if day else None,
        has_time=hour is not None,
        description=_text(answer, "StudyDescription"),
        accession_number=_text(answer, "AccessionNumber"),
        study_id=_text(answer, "StudyID"),
        procedure_codes=tuple(_code(item) for item in answer.get("ProcedureCodeSequence") or ()),
    )
    count = _whole(answer, "NumberOfStudyRelatedInstances") or None
    return ArchiveStudy(study, count, _texts(answer, "ModalitiesInStudy"))


def with_series_answers(listed: ArchiveStudy, answers: Sequence[Dataset]) -> ArchiveStudy:
    """A study with its series; our own series are left out, and not counted where the archive counts by series."""
    foreign = [answer for answer in answers if not _is_own(answer)]
    counts = [_whole(answer, "NumberOfSeriesRelatedInstances") for answer in foreign]
    count = sum(one for one in counts if one) if counts and all(counts) else listed.instance_count
    series = tuple(_series(answer) for answer in foreign)
    return replace(listed, study=replace(listed.study, series=series), instance_count=count)


def _is_own(answer: Dataset) -> bool:
    return is_own_object(manufacturer=_text(answer, "Manufacturer") or "", modality=_text(answer, "Modality") or "")


def _patient(answer: Dataset, issuer: str | None) -> PatientIdentity:
    return PatientIdentity(
        patient_id=_text(answer, "PatientID") or "",
        issuer=_text(answer, "IssuerOfPatientID") or issuer,
        birth_date=_date(answer, "PatientBirthDate"),
        sex=_text(answer, "PatientSex"),
    )


def _series(answer: Dataset) -> Series:
    return Series(
        series_instance_uid=_text(answer, "SeriesInstanceUID") or "",
        modality=_text(answer, "Modality") or "OT",
        instances=(),
        number=_whole(answer, "SeriesNumber"),
        description=_text(answer, "SeriesDescription"),
        protocol_name=_text(answer, "ProtocolName"),
        body_part_examined=_text(answer, "BodyPartExamined"),
        laterality=_text(answer, "Laterality"),
        view_position=_text(answer, "ViewPosition"),
        patient_position=_text(answer, "PatientPosition"),
        contrast_agent=_text(answer, "ContrastBolusAgent"),
        slice_thickness_mm=_number(answer, "SliceThickness"),
        kernel="\\".join(_texts(answer, "ConvolutionKernel")) or None,
        manufacturer=_text(answer, "Manufacturer"),
        model_name=_text(answer, "ManufacturerModelName"),
        frame_of_reference_uid=_text(answer, "FrameOfReferenceUID"),
        scanning_sequence=_texts(answer, "ScanningSequence"),
        echo_time_ms=_number(answer, "EchoTime"),
        repetition_time_ms=_number(answer, "RepetitionTime"),
        inversion_time_ms=_number(answer, "InversionTime"),
    )


def _code(item: Dataset) -> tuple[str, str, str]:
    value, scheme, meaning = (_text(item, key) or "" for key in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
    return value, scheme, meaning


def _texts(answer: Dataset, keyword: str) -> tuple[str, ...]:
    value: Any = answer.get(keyword)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return tuple(text for each in values if (text := str(each).strip().strip("\0")))


def _text(answer: Dataset, keyword: str) -> str | None:
    return next(iter(_texts(answer, keyword)), None)


def _number(answer: Dataset, keyword: str) -> float | None:
    try:
        return float(_text(answer, keyword) or "")
    except ValueError:
        return None


def _whole(answer: Dataset, keyword: str) -> int | None:
    number = _number(answer, keyword)
    return None if number is None else int(number)


def _date(answer: Dataset, keyword: str) -> date | None:
    digits = (_text(answer, keyword) or "").replace(".", "").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _time(answer: Dataset, keyword: str) -> time | None:
    """A TM value, which may end after the hour or the minute (PS3.5 6.2)."""
    digits = (_text(answer, keyword) or "").replace(":", "").partition(".")[0]
    try:
        hours, minutes, seconds = (int(digits[start : start + 2] or 0) for start in (0, 2, 4))
        return time(hours, minutes, min(seconds, 59)) if digits else None
    except ValueError:
        return None
