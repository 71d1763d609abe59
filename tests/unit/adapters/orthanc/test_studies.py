"""QIDO-RS answers as studies: exact patient IDs, own series left out, gaps and oddities survived."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from plumbline.adapters.orthanc.archive import _pattern
from plumbline.adapters.orthanc.studies import _time, archive_studies
from plumbline.errors import InvalidInput


def tagged(**values):
    """DICOM JSON of ``T00100020="P1"`` and the like."""
    return {
        tag[1:]: {"vr": "LO", "Value": value if isinstance(value, list) else [value]} for tag, value in values.items()
    }


STUDY = tagged(
    T0020000D="2.25.1",
    T00100020="P1",
    T00100030="19610402",
    T00080020="20260301",
    T00080030="0930",
    T00081030="CT lumbar spine",
    T00321030="back pain",
    T0040100A=[tagged(T00080104="Follow-up")],
    T00081032=[tagged(T00080100="24963-1", T00080102="LN", T00080104="CT Spine Lumbar")],
    T00101002=[tagged(T00100020="OLD", T00100021="ELSEWHERE"), tagged(T00100020="")],
)


def series(number, **values):
    return tagged(
        **{"T0020000D": "2.25.1", "T0020000E": f"2.25.1.{number}", "T00080060": "CT", "T00201209": 10, **values}
    )


def test_a_study_comes_with_what_matching_reads():
    (found,) = archive_studies("P1", [STUDY], [series(1, T00180050=1.25, T00181210=["Br38f", "3"], T00200011=4)])
    study = found.study
    assert study.performed_at == datetime(2026, 3, 1, 9, 30)
    assert study.has_time
    assert study.reason_for_study == ("back pain", "Follow-up")
    assert study.procedure_codes == (("24963-1", "LN", "CT Spine Lumbar"),)
    assert study.patient.birth_date == date(1961, 4, 2)
    assert study.patient.other_ids == (("OLD", "ELSEWHERE"),)
    (only,) = study.series
    assert (only.number, only.slice_thickness_mm, only.kernel) == (4, 1.25, "Br38f\\3")
    assert found.instance_count == 10


def test_only_exactly_this_patient_id_is_taken():
    others = [{**STUDY, **tagged(T00100020=other)} for other in ("p1", "P10", "P1 X")]
    assert archive_studies("P1", others, []) == ()


def test_our_own_series_are_neither_listed_nor_counted():
    own = series(2, T00080060="SR", T00080070="Plumbline", T00201209=1)
    (found,) = archive_studies("P1", [STUDY], [series(1), own])
    assert [each.series_instance_uid for each in found.study.series] == ["2.25.1.1"]
    assert found.instance_count == 10


def test_what_the_study_s_answer_lacks_is_taken_from_its_series():
    (found,) = archive_studies("P1", [STUDY], [series(1), series(2, T00100021="NORTH")])
    assert found.study.patient.issuer == "NORTH"


def test_empty_and_odd_values_are_absent():
    bare = {**tagged(T0020000D="2.25.1", T00100020="P1", T00080020="2026"), "00080050": {"vr": "SH"}}
    (found,) = archive_studies("P1", [bare], [series(1, T00180050="thick", T00201209=None)])
    assert found.study.performed_at is None
    assert found.study.accession_number is None
    assert found.study.series[0].slice_thickness_mm is None


@pytest.mark.parametrize(
    ("text", "read"),
    [("093015.25", (9, 30, 15, 250000)), ("0930", (9, 30, 0, 0)), ("09", (9, 0, 0, 0)), ("09:30:15", (9, 30, 15, 0))],
)
def test_times_may_end_early(text, read):
    found = _time(text)
    assert (found.hour, found.minute, found.second, found.microsecond) == read


@pytest.mark.parametrize("text", ["", "9", "nine", "2561"])
def test_what_is_no_time_is_none(text):
    assert _time(text) is None


@pytest.mark.parametrize(
    ("patient_id", "pattern"), [("P-1.2_x~", "P-1.2_x~"), ("A B/C", "A?B?C"), ("A*1%", "A?1*"), ("Ä1", "*1")]
)
def test_a_search_pattern_has_only_plain_characters(patient_id, pattern):
    assert _pattern(patient_id) == pattern


def test_a_search_for_everybody_is_not_made():
    with pytest.raises(InvalidInput):
        _pattern("***")
