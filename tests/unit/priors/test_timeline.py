import pytest

from plumbline.priors.timeline import is_earlier, settle_by_order


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
