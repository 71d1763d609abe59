from datetime import date

import pytest

from plumbline.errors import InvalidInput
from plumbline.exams.order import RedFlag, SourceKind, order_from_header, order_from_text, plan_from_text


def test_a_plan_is_read_from_its_words():
    plan = plan_from_text("Left L4-L5 TLIF", surgery_date=date(2026, 3, 2))
    assert [level.name for level in plan.levels] == ["L4-L5"]
    assert plan.procedures == ("TLIF",)
    assert plan.side == "left"
    assert plan.surgery_date == date(2026, 3, 2)
    assert plan.source is SourceKind.OPERATOR


def test_a_date_in_the_words_of_a_plan_counts_where_none_is_given():
    assert plan_from_text("L4-L5 TLIF 2026-03-02").surgery_date == date(2026, 3, 2)
    assert plan_from_text("L4-L5 TLIF 2026-03-02", surgery_date=date(2026, 3, 3)).surgery_date == date(2026, 3, 3)


def test_words_that_name_no_operation_are_refused():
    with pytest.raises(InvalidInput, match="neither a level nor a procedure"):
        plan_from_text("back pain")


def test_an_order_keeps_its_red_flags_and_its_plan():
    order = order_from_text("s/p TLIF L4/5, urinary retention", source=SourceKind.ORDER)
    assert order.red_flags == (RedFlag.CAUDA_EQUINA,)
    assert order.plan is not None and order.plan.procedures == ("TLIF",)


def test_an_order_without_an_operation_has_no_plan():
    assert order_from_text("low back pain", source=SourceKind.ORDER).plan is None


def test_the_header_is_the_weakest_order(exams):
    study = exams.study(
        description="CT LSPINE", reason_for_study=("s/p TLIF L4-L5 3 months ago",), accession_number="A1"
    )
    order = order_from_header(study)
    assert order is not None
    assert order.source is SourceKind.HEADER_TEXT
    assert order.accession_number == "A1"
    assert order.plan is not None and [level.name for level in order.plan.levels] == ["L4-L5"]


def test_a_header_without_text_is_no_order(exams):
    assert order_from_header(exams.study()) is None
