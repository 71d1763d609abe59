"""From QIDO-RS answers to studies as the pipeline knows them: study and series level, without instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any

from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.receive import is_own_object

Json = dict[str, Any]

STUDY_FIELDS = (
    "00100021",  # Issuer of Patient ID
    "00101002",  # Other Patient IDs Sequence
    "00081030",  # Study Description
    "00080080",  # Institution Name
    "00081032",  # Procedure Code Sequence
    "00081080",  # Admitting Diagnoses Description
    "00321060",  # Requested Procedure Description
    "00321064",  # Requested Procedure Code Sequence
    "00321030",  # Reason for Study
    "00401002",  # Reason for the Requested Procedure
    "0040100A",  # Reason for Requested Procedure Code Sequence
    "00201208",  # Number of Study Related Instances
)
SERIES_FIELDS = (
    "0008103E",  # Series Description
    "00080021",  # Series Date
    "00080031",  # Series Time
    "00080070",  # Manufacturer
    "00081090",  # Manufacturer's Model Name
    "00180010",  # Contrast/Bolus Agent
    "00180015",  # Body Part Examined
    "00180020",  # Scanning Sequence
    "00180022",  # Scan Options
    "00180024",  # Sequence Name
    "00180050",  # Slice Thickness
    "00180060",  # KVP
    "00180080",  # Repetition Time
    "00180081",  # Echo Time
    "00180082",  # Inversion Time
    "00181030",  # Protocol Name
    "00181210",  # Convolution Kernel
    "00185100",  # Patient Position
    "00185101",  # View Position
    "00200011",  # Series Number
    "00200020",  # Patient Orientation
    "00200052",  # Frame of Reference UID
    "00200060",  # Laterality
    "00201209",  # Number of Series Related Instances
)


def archive_studies(patient_id: str, studies: Iterable[Json], series: Iterable[Json]) -> tuple[ArchiveStudy, ...]:
    """Studies of exactly this patient ID, each with its series; our own series are left out, and not counted."""
    by_study: dict[str, list[Json]] = defaultdict(list)
    for one in series:
        by_study[_text(one, "0020000D")].append(one)
    return tuple(
        _archive_study(one, by_study[_text(one, "0020000D")]) for one in studies if _text(one, "00100020") == patient_id
    )


def _archive_study(study: Json, series: Sequence[Json]) -> ArchiveStudy:
    foreign = [one for one in series if not _is_own(one)]
    return ArchiveStudy(
        study=_study(_completed(study, foreign), tuple(_series(one) for one in foreign)),
        instance_count=sum(_whole(one, "00201209") or 0 for one in foreign),
    )


def _completed(study: Json, series: Sequence[Json]) -> Json:
    """The study with what it lacks taken from its series: an archive answers from one instance, maybe of a report."""
    found = {tag: one[tag] for tag in STUDY_FIELDS for one in reversed(series) if _values(one, tag)}
    return {**study, **{tag: value for tag, value in found.items() if not _values(study, tag)}}


def _is_own(series: Json) -> bool:
    return is_own_object(manufacturer=_text(series, "00080070"), modality=_text(series, "00080060"))


def _study(study: Json, series: tuple[Series, ...]) -> Study:
    day, hour = _date(_text(study, "00080020")), _time(_text(study, "00080030"))
    reasons = (
        _text(study, "00321030"),
        _text(study, "00401002"),
        *(_text(item, "00080104") for item in _values(study, "0040100A")),
    )
    return Study(
        study_instance_uid=_text(study, "0020000D"),
        patient=_patient(study),
        series=series,
        performed_at=datetime.combine(day, hour or time()) if day else None,
        has_time=hour is not None,
        description=_text(study, "00081030") or None,
        accession_number=_text(study, "00080050") or None,
        study_id=_text(study, "00200010") or None,
        requested_procedure_description=_text(study, "00321060") or None,
        reason_for_study=tuple(reason for reason in reasons if reason),
        admitting_diagnoses=_texts(study, "00081080"),
        institution=_text(study, "00080080") or None,
        procedure_codes=_codes(study, "00081032") + _codes(study, "00321064"),
    )


def _patient(study: Json) -> PatientIdentity:
    others = ((_text(item, "00100020"), _text(item, "00100021") or None) for item in _values(study, "00101002"))
    return PatientIdentity(
        patient_id=_text(study, "00100020"),
        issuer=_text(study, "00100021") or None,
        birth_date=_date(_text(study, "00100030")),
        sex=_text(study, "00100040") or None,
        other_ids=tuple(pair for pair in others if pair[0]),
    )


def _series(series: Json) -> Series:
    day, hour = _date(_text(series, "00080021")), _time(_text(series, "00080031"))
    return Series(
        series_instance_uid=_text(series, "0020000E"),
        modality=_text(series, "00080060"),
        instances=(),
        number=_whole(series, "00200011"),
        description=_text(series, "0008103E") or None,
        protocol_name=_text(series, "00181030") or None,
        body_part_examined=_text(series, "00180015") or None,
        laterality=_text(series, "00200060") or None,
        view_position=_text(series, "00185101") or None,
        patient_position=_text(series, "00185100") or None,
        patient_orientation=_texts(series, "00200020"),
        contrast_agent=_text(series, "00180010") or None,
        slice_thickness_mm=_number(series, "00180050"),
        kernel="\\".join(_texts(series, "00181210")) or None,
        kvp=_number(series, "00180060"),
        manufacturer=_text(series, "00080070") or None,
        model_name=_text(series, "00081090") or None,
        frame_of_reference_uid=_text(series, "00200052") or None,
        acquired_at=datetime.combine(day, hour) if day and hour else None,
        scanning_sequence=_texts(series, "00180020"),
        echo_time_ms=_number(series, "00180081"),
        repetition_time_ms=_number(series, "00180080"),
        inversion_time_ms=_number(series, "00180082"),
        sequence_name=_text(series, "00180024") or None,
        scan_options=_texts(series, "00180022"),
    )


def _codes(dataset: Json, tag: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (_text(item, "00080100"), _text(item, "00080102"), _text(item, "00080104")) for item in _values(dataset, tag)
    )


def _values(dataset: Json, tag: str) -> list[Any]:
    return [value for value in dataset.get(tag, {}).get("Value", []) if value is not None]


def _texts(dataset: Json, tag: str) -> tuple[str, ...]:
    return tuple(text for value in _values(dataset, tag) if (text := str(value).strip()))


def _text(dataset: Json, tag: str) -> str:
    """The first value that says something; read some forty times of each study, so none of the others is made."""
    element = dataset.get(tag)
    for value in element.get("Value", ()) if element else ():
        if value is not None and (text := str(value).strip()):
            return text
    return ""


def _number(dataset: Json, tag: str) -> float | None:
    text = _text(dataset, tag)
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _whole(dataset: Json, tag: str) -> int | None:
    number = _number(dataset, tag)
    return None if number is None else int(number)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:8]}")
    except ValueError:
        return None


def _time(text: str) -> time | None:
    """A TM value, which may end after the hour or the minute (PS3.5 6.2)."""
    whole, _, fraction = text.replace(":", "").partition(".")
    if len(whole) < 2:
        return None
    whole, fraction = whole.ljust(6, "0"), fraction[:6].ljust(6, "0")
    try:
        return time(int(whole[:2]), int(whole[2:4]), int(whole[4:6]), int(fraction))
    except ValueError:
        return None
