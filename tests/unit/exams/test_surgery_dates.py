from datetime import date

import pytest

from plumbline.exams.plain_text import plain
from plumbline.exams.surgery_dates import read_surgery_date

WRITTEN = date(2026, 6, 1)


@pytest.mark.parametrize(
    "text",
    [
        "TLIF 2026-03-02",
        "TLIF 20260302",
        "TLIF am 02.03.2026",
        "TLIF am 2.3.26",
        "TLIF le 02/03/2026",
        "TLIF 2 March 2026",
        "TLIF March 2, 2026",
        "TLIF 02-Mar-2026",
        "PLIF am 2. März 2026",
        "TLIF le 2 mars 2026",
        "TLIF el 2 de marzo de 2026",
    ],
)
def test_a_day_is_read_in_every_spelling(text: str):
    when = read_surgery_date(plain(text))
    assert when is not None
    assert when.exact == date(2026, 3, 2)


def test_a_numeric_date_that_can_be_read_in_two_ways_is_not_guessed():
    when = read_surgery_date("s/p tlif 03/02/2026")
    assert when is not None
    assert when.exact is None
    assert (when.earliest, when.latest) == (date(2026, 2, 3), date(2026, 3, 2))
    assert when.doubt is not None and "03/02/2026" in when.doubt


def test_a_numeric_date_with_only_one_reading_is_exact():
    assert read_surgery_date("tlif 03/25/2026").exact == date(2026, 3, 25)  # type: ignore[union-attr]
    assert read_surgery_date("tlif 25/03/2026").exact == date(2026, 3, 25)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("fusion march 2026", date(2026, 3, 1), date(2026, 3, 31)),
        ("op 11/2025", date(2025, 11, 1), date(2025, 11, 30)),
        ("fusion 2019", date(2019, 1, 1), date(2019, 12, 31)),
    ],
)
def test_a_month_or_a_year_is_an_interval_with_its_doubt(text: str, earliest: date, latest: date):
    when = read_surgery_date(text)
    assert when is not None
    assert (when.earliest, when.latest) == (earliest, latest)
    assert when.doubt


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("POD 3", 3),
        ("POD#12", 12),
        ("postop day 5", 5),
        ("à J+12", 12),
        ("2 days ago", 2),
        ("vor 5 Tagen", 5),
        ("hace 4 días", 4),
    ],
)
def test_days_before_the_exam_are_exact(text: str, days: int):
    when = read_surgery_date(plain(text), reference_date=WRITTEN)
    assert when is not None and when.exact is not None
    assert (WRITTEN - when.exact).days == days


@pytest.mark.parametrize(
    "text",
    [
        "3 months ago",
        "three months post op",
        "vor 3 Monaten",
        "il y a 3 mois",
        "hace 3 meses",
        "3/12 post op",
        "contrôle à 3 mois",
    ],
)
def test_months_before_the_exam_are_an_interval_round_their_centre(text: str):
    when = read_surgery_date(plain(text), reference_date=WRITTEN)
    assert when is not None
    assert when.earliest <= date(2026, 3, 2) <= when.latest
    assert (when.latest - when.earliest).days <= 31


def test_relative_words_need_the_day_on_which_they_were_written():
    assert read_surgery_date("3 months ago") is None


@pytest.mark.parametrize(
    "text",
    [
        "compared with mri 2026-01-15, tlif",
        "fell 2026-05-30",
        "dob 02.03.1960",
        "symptoms since 2024",
        "ct vom 12.01.2026",
        "no date",
    ],
)
def test_a_date_of_something_else_is_no_date_of_surgery(text: str):
    assert read_surgery_date(text, reference_date=WRITTEN) is None


def test_an_impossible_day_is_not_read():
    assert read_surgery_date("tlif 31.02.2026") is None


@pytest.mark.parametrize(
    "text", ["pain 3 weeks after a fall", "3 wochen nach sturz", "leg pain since yesterday, fusion l4-5"]
)
def test_time_since_something_else_is_not_time_since_surgery(text: str):
    assert read_surgery_date(text, reference_date=WRITTEN) is None


@pytest.mark.parametrize(("text", "day"), [("tlif l4-5 yesterday", 31), ("plif gestern", 31), ("op hier", 31)])
def test_an_operation_of_yesterday_is_dated(text: str, day: int):
    assert read_surgery_date(text, reference_date=WRITTEN).exact == date(2026, 5, day)  # type: ignore[union-attr]
