from dataclasses import replace
from datetime import date

import pytest

from plumbline.priors.timeline import is_earlier, operation_that_counts, settle_by_order


@pytest.mark.parametrize(
    ("known", "settled"),
    [
        ([None, False, None, True, None], [False, False, None, True, True]),
        ([None, None], [None, None]),
        ([True, None], [True, True]),
        ([None, False], [False, False]),
        ([], []),
    ],
)
def test_the_order_of_the_exams_settles_what_it_implies(known: list, settled: list):
    assert settle_by_order(known) == settled


def test_which_exam_is_earlier_needs_dates_and_on_one_day_times(patient):
    morning, evening = patient.study("1", "2026-06-01T08:00"), patient.study("2", "2026-06-01T20:00")
    assert is_earlier(morning, evening) is True
    assert is_earlier(evening, morning) is False
    assert is_earlier(patient.study("3", "2026-06-01"), evening) is None
    assert is_earlier(patient.study("4", None), evening) is None
    assert is_earlier(patient.study("5", "2026-05-31"), evening) is True


def _counting(patient, *operations):
    from plumbline.exams.history import SurgicalHistory
    from plumbline.exams.recognition import recognise

    current = patient.study("current", "2026-06-01")
    operation, earlier = operation_that_counts(SurgicalHistory(operations), current, recognise(current))
    return operation, earlier


def test_an_operation_that_cannot_be_dated_counts_only_where_none_can(patient):
    (dated,) = patient.history(("L4-L5 TLIF", "2024-01-10")).operations
    undated = replace(dated, earliest=None, latest=date(2026, 5, 1))
    assert _counting(patient, dated, undated) == (dated, ())
    assert _counting(patient, undated) == (undated, ())


def test_a_kyphoplasty_does_not_replace_a_construct_whose_levels_are_not_known(patient):
    construct, kyphoplasty = patient.history(
        ("L4-L5 TLIF", "2024-01-10"), ("T12-L1 kyphoplasty", "2026-03-02")
    ).operations
    assert _counting(patient, replace(construct, levels=()), kyphoplasty)[0] == replace(construct, levels=())


def test_a_decompression_counts_where_it_may_touch_the_construct(patient):
    construct, near = patient.history(("L4-L5 TLIF", "2024-01-10"), ("L3-L4 decompression", "2026-03-02")).operations
    assert _counting(patient, construct, near)[0] == near
    assert _counting(patient, replace(construct, levels=()), near)[0] == near


def test_without_operations_none_counts(patient):
    assert _counting(patient) == (None, ())
