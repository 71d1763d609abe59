from datetime import date

import pytest

from plumbline.exams.history import Phase, PhaseLimits, history_from_studies, is_after
from plumbline.exams.order import Order, SourceKind, order_from_text, plan_from_text


def order(text: str, source: SourceKind = SourceKind.ORDER, accession: str | None = None) -> Order:
    return Order(text=text, source=source, accession_number=accession)


def test_nothing_known_is_an_empty_history(exams):
    history = history_from_studies([exams.study()])
    assert history.operations == ()
    assert not history.is_denied


def test_the_operator_s_date_wins_and_the_order_s_is_kept_with_the_reason(exams):
    plan = plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2))
    history = history_from_studies([exams.study()], [order("s/p L4-L5 TLIF 2026-03-05")], plan)
    (operation,) = history.operations
    assert operation.exact_date == date(2026, 3, 2)
    assert operation.source is SourceKind.OPERATOR
    (loser,) = history.overruled
    assert loser.source is SourceKind.ORDER
    assert "2026-03-05" in loser.fact
    assert "operator" in loser.reason


def test_a_different_level_on_the_same_day_is_overruled_not_a_second_operation(exams):
    orders = [order("s/p L4-L5 TLIF 2026-03-02", SourceKind.OPERATIVE_RECORD), order("s/p L3-L4 TLIF 2026-03-02")]
    history = history_from_studies([exams.study()], orders)
    (operation,) = history.operations
    assert [level.name for level in operation.levels] == ["L4-L5"]
    assert [loser.fact for loser in history.overruled] == ["operation at L3-L4"]


def test_agreeing_sources_become_one_operation_that_is_surer(exams):
    study = exams.study(reason_for_study=("s/p L4-L5 TLIF 3 months ago",))
    alone = history_from_studies([study]).operations[0]
    both = history_from_studies([study], [order("TLIF L4-L5 2026-03-02", SourceKind.OPERATIVE_RECORD)])
    assert len(both.operations) == 1
    assert both.operations[0].exact_date == date(2026, 3, 2)
    assert both.operations[0].confidence > alone.confidence
    assert both.overruled == ()


def test_two_operations_years_apart_stay_two(exams):
    history = history_from_studies([exams.study()], [order("L4-L5 TLIF 2020-01-10"), order("L3-L4 TLIF 2025-02-11")])
    assert [op.exact_date for op in history.operations] == [date(2020, 1, 10), date(2025, 2, 11)]


def test_operations_of_different_regions_are_never_merged(exams):
    history = history_from_studies([exams.study()], [order("ACDF C5-C6 2026-03-02"), order("L4-L5 TLIF 2026-03-03")])
    assert len(history.operations) == 2


def test_hardware_absent_before_and_present_after_gives_the_interval(exams):
    studies = [exams.study(uid="1", day="2026-01-05"), exams.study(uid="2", day="2026-04-07")]
    history = history_from_studies(studies, hardware_seen={"1": False, "2": True})
    (operation,) = history.operations
    assert (operation.earliest, operation.latest) == (date(2026, 1, 5), date(2026, 4, 7))
    assert operation.source is SourceKind.IMAGES


def test_images_narrow_an_interval_that_the_words_leave_open(exams):
    studies = [
        exams.study(uid="1", day="2026-01-05"),
        exams.study(uid="2", day="2026-04-07", description="post op L4-L5 TLIF"),
    ]
    (operation,) = history_from_studies(studies, hardware_seen={"1": False, "2": True}).operations
    assert (operation.earliest, operation.latest) == (date(2026, 1, 5), date(2026, 4, 7))
    assert [level.name for level in operation.levels] == ["L4-L5"]


def test_a_planned_operation_is_announced_not_done(exams):
    history = history_from_studies([exams.study(day="2026-01-05", reason_for_study=("preop planning L4-L5 TLIF",))])
    assert history.operations == ()
    assert [level.name for level in history.planned[0].levels] == ["L4-L5"]
    assert history.planned[0].earliest == date(2026, 1, 5)


def test_a_denial_counts_only_where_nothing_tells_of_an_operation(exams):
    denied = exams.study(reason_for_study=("no prior surgery",))
    assert history_from_studies([denied]).is_denied
    contradicted = history_from_studies([denied], plan=plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2)))
    assert not contradicted.is_denied
    assert contradicted.overruled[-1].fact == "no operation"


def test_a_date_in_a_field_of_the_order_is_used(exams):
    read = order_from_text("s/p L4-L5 TLIF", source=SourceKind.ORDER)
    plan = plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 3, 2), source=SourceKind.ORDER)
    history = history_from_studies([exams.study()], [Order(read.text, read.source, plan)])
    assert history.operations[0].exact_date == date(2026, 3, 2)


def test_relative_dates_of_an_order_hang_on_the_study_of_its_accession_number(exams):
    study = exams.study(day="2026-06-01", accession_number="A1")
    (operation,) = history_from_studies([study], [order("2 days post TLIF L4-L5", accession="A1")]).operations
    assert operation.exact_date == date(2026, 5, 30)


@pytest.mark.parametrize(
    ("days", "phase"),
    [
        (0, Phase.POSTOPERATIVE),
        (42, Phase.POSTOPERATIVE),
        (43, Phase.INTERMEDIATE),
        (183, Phase.INTERMEDIATE),
        (184, Phase.LATE),
    ],
)
def test_the_phase_follows_from_the_days_since_surgery(days: int, phase: Phase):
    assert PhaseLimits().phase(days) is phase


def test_phase_and_days_are_of_the_last_operation_before_the_day(exams):
    history = history_from_studies([exams.study()], [order("L4-L5 TLIF 2020-01-10"), order("L3-L4 TLIF 2026-05-22")])
    assert history.days_since_surgery(date(2026, 6, 1)) == 10
    assert history.phase_at(date(2026, 6, 1)) is Phase.POSTOPERATIVE
    assert history.phase_at(date(2026, 5, 1)) is Phase.LATE
    assert history.phase_at(date(2019, 1, 1)) is None


def test_the_day_of_the_operation_itself_cannot_be_told(exams):
    (operation,) = history_from_studies([exams.study()], [order("L4-L5 TLIF 2026-03-02")]).operations
    assert is_after(operation, date(2026, 3, 1)) is False
    assert is_after(operation, date(2026, 3, 2)) is None
    assert is_after(operation, date(2026, 3, 3)) is True


def test_a_header_that_misnames_the_level_of_a_known_operation_is_overruled(exams):
    header = exams.study(reason_for_study=("s/p L3-L4 TLIF",))
    history = history_from_studies([header], [order("s/p L4-L5 TLIF 2026-03-02")])
    (operation,) = history.operations
    assert [level.name for level in operation.levels] == ["L4-L5"]
    assert history.overruled[0].fact == "operation at L3-L4"


def test_a_header_that_tells_of_another_kind_of_operation_is_a_second_one(exams):
    header = exams.study(reason_for_study=("s/p L3-L4 discectomy",))
    history = history_from_studies([header], [order("s/p L4-L5 TLIF 2026-03-02")])
    assert len(history.operations) == 2


def test_words_without_a_date_do_not_narrow_a_later_operation(exams):
    header = exams.study(day="2026-05-01", reason_for_study=("s/p L4-L5 TLIF",))
    later = exams.study(uid="2", day="2026-06-15", accession_number="A2")
    orders = [order("L4-L5 TLIF 2024-01-10"), order("L4-L5 TLIF 6 weeks ago", accession="A2")]
    first, second = history_from_studies([header, later], orders).operations
    assert first.exact_date == date(2024, 1, 10)
    assert second.earliest == date(2026, 5, 1) and second.latest == date(2026, 5, 7)


def test_an_operation_that_cannot_be_dated_does_not_hide_the_days_since_a_dated_one(exams):
    header = exams.study(day="2026-06-01", reason_for_study=("s/p L2-L3 discectomy",))
    history = history_from_studies([header], [order("s/p L4-L5 TLIF 2026-05-22")])
    assert len(history.operations) == 2
    assert history.days_since_surgery(date(2026, 6, 1)) == 10
