"""An archive's listing of a patient as JSON: what matching was told stays with the exam's step results.

Study and series level only; an archive lists studies without their instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime
from typing import Any

from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy

_MOMENTS = ("performed_at", "acquired_at")


def archive_study_document(listed: ArchiveStudy) -> dict[str, Any]:
    """JSON form of one listed study; attributes that say nothing are left out."""
    study = listed.study
    return {
        **_said(study, "patient", "series"),
        "patient": _said(study.patient),
        "series": [_said(series, "instances") for series in study.series],
        "instance_count": listed.instance_count,
        "modalities": list(listed.modalities),
    }


def archive_study_from_document(document: Mapping[str, Any]) -> ArchiveStudy:
    """Inverse of ``archive_study_document``."""
    said = {name: _value(name, value) for name, value in document.items() if name not in _PARTS}
    patient = {name: _value(name, value) for name, value in document["patient"].items()}
    series = tuple(_series(each) for each in document["series"])
    study = Study(**{**said, "patient": PatientIdentity(**patient), "series": series})
    return ArchiveStudy(study, document["instance_count"], tuple(document["modalities"]))


_PARTS = ("patient", "series", "instance_count", "modalities")


def _series(document: Mapping[str, Any]) -> Series:
    said = {name: _value(name, value) for name, value in document.items()}
    return Series(**{**said, "instances": ()})


def _said(record: Any, *without: str) -> dict[str, Any]:
    """The fields of a record that differ from their defaults."""
    return {
        each.name: _plain(value)
        for each in fields(record)
        if each.name not in without
        and ((value := getattr(record, each.name)) != each.default or each.default is MISSING)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _value(name: str, written: Any) -> Any:
    if name in _MOMENTS:
        return datetime.fromisoformat(written)
    if name == "birth_date":
        return date.fromisoformat(written)
    return _tupled(written)


def _tupled(written: Any) -> Any:
    return tuple(_tupled(each) for each in written) if isinstance(written, list) else written
