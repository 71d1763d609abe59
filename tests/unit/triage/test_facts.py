from datetime import date, datetime

import pytest

from plumbline.exams.history import history_from_studies
from plumbline.exams.order import Order, SourceKind, order_from_text, plan_from_text
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.triage.facts import EXAM_FACTS, provisional_facts, with_findings

SLICES = tuple(Instance(f"1.{i}", "1.2.840.10008.5.1.4.1.1.2") for i in range(30))
STUDY = Study("1", PatientIdentity("P"), (Series("1.1", "CT", SLICES),), datetime(2026, 6, 1), description="CT LSPINE")


def test_facts_before_any_pixel_come_from_order_history_and_header():
    history = history_from_studies([STUDY], plan=plan_from_text("L4-L5 TLIF", surgery_date=date(2026, 5, 22)))
    order = order_from_text("s/p TLIF, urinary retention", source=SourceKind.ORDER)
    facts = provisional_facts(order, history, recognise(STUDY, history=history), performed_on=date(2026, 6, 1))
    assert set(facts.values) == set(EXAM_FACTS)
    assert facts["exam.kind"] == "postoperative-spine"
    assert facts["exam.days_since_surgery"] == 10.0
    assert facts["exam.phase"] == "postoperative"
    assert facts["order.red_flags"] == {"cauda-equina"}
    assert facts["order.procedures"] == {"TLIF"}
    assert facts["exam.is_measured"] is False
    assert facts["exam.has_baseline"] is None
    assert facts.findings == ()


def test_nothing_known_is_none_and_not_invented():
    facts = provisional_facts(None, None, recognise(STUDY))
    assert facts["exam.days_since_surgery"] is None
    assert facts["exam.phase"] is None
    assert facts["exam.has_operation"] is False
    assert facts["order.red_flags"] == frozenset()


@pytest.mark.parametrize(
    ("written", "fact"),
    [("S", "stat"), ("STAT", "stat"), ("A", "urgent"), ("ROUTINE", "routine"), ("?", None), (None, None)],
)
def test_the_ordered_priority_is_read_in_every_outside_language(written: str | None, fact: str | None):
    facts = provisional_facts([Order("", SourceKind.ORDER, priority=written)], None, recognise(STUDY))
    assert facts["order.priority"] == fact


def test_of_several_orders_the_most_urgent_counts():
    orders = [Order("", SourceKind.ORDER, priority="R"), Order("", SourceKind.ORDER, priority="S")]
    assert provisional_facts(orders, None, recognise(STUDY))["order.priority"] == "stat"


def test_findings_add_to_the_facts_and_take_nothing_away(known):
    before = known.facts(order_red_flags=frozenset({"cancer"}))
    after = with_findings(before, [known.finding("level-error")], has_baseline=True)
    assert after["order.red_flags"] == {"cancer"}
    assert after["exam.has_baseline"] is True
    assert after["exam.is_measured"] is True
    assert len(after.findings) == 1
