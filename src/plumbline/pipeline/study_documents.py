"""An archive's listing of a patient as JSON: what matching was told stays with the exam's step results.

Study and series level only; an archive lists studies without their instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Any

from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy


def archive_study_document(listed: ArchiveStudy) -> dict[str, Any]:
    """JSON form of one listed study; attributes that say nothing are left out."""
    study = listed.study
    return {
        **_said(study, _NOT_OF_STUDY),
        "patient": _said(study.patient),
        "series": [_said(series, _NOT_OF_SERIES) for series in study.series],
        "instance_count": listed.instance_count,
        "modalities": list(listed.modalities),
    }


def archive_study_from_document(document: Mapping[str, Any]) -> ArchiveStudy:
    """Inverse of ``archive_study_document``."""
    patient = PatientIdentity(**_values(document["patient"]))
    series = tuple(Series(**_values(each), instances=()) for each in document["series"])
    said = {name: value for name, value in document.items() if name not in _PARTS}
    study = Study(**_values(said), patient=patient, series=series)
    return ArchiveStudy(study, document["instance_count"], tuple(document["modalities"]))


_PARTS = frozenset({"patient", "series", "instance_count", "modalities"})
_NOT_OF_STUDY = frozenset({"patient", "series"})
_NOT_OF_SERIES = frozenset({"instances"})


@cache
def _fields(kind: type, without: frozenset[str]) -> tuple[tuple[str, ...], tuple[Any, ...], attrgetter[Any]]:
    """Names and defaults of the fields of a record, and what gets them all at once."""
    kept = [each for each in fields(kind) if each.name not in without]
    names = tuple(each.name for each in kept)
    return names, tuple(each.default for each in kept), attrgetter(*names)


def _said(record: Any, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of a record that differ from their defaults."""
    names, defaults, values_of = _fields(type(record), without)
    return {
        name: value if value.__class__ is str else _plain(value)
        for name, default, value in zip(names, defaults, values_of(record), strict=True)
        if value is not default and (value != default or default is MISSING)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _values(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _READ.get(name, _tupled)(written) for name, written in said.items()}


def _tupled(written: Any) -> Any:
    return tuple(_tupled(each) for each in written) if isinstance(written, list) else written


_READ = {
    "performed_at": datetime.fromisoformat,
    "acquired_at": datetime.fromisoformat,
    "birth_date": date.fromisoformat,
}
