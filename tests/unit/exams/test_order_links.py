from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from plumbline.exams.facts import SourceKind
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import Order
from plumbline.exams.order_links import LinkPolicy, OrderLink, link_of, link_orders
from plumbline.exams.study import PatientIdentity, Study

ADA = PatientIdentity("P1", "NORTH", date(1961, 4, 2), "F")
EXAM = Study("2.25.1", ADA, (), datetime(2026, 3, 1, 23, 30, tzinfo=UTC), has_time=True, accession_number="A1")
ORDER = OrderNotice("k", OrderStatus.ACTIVE, ADA, Order("CT lumbar spine", SourceKind.ORDER))
POLICY = LinkPolicy()


def numbered(accession: str | None, **changes) -> OrderNotice:
    return replace(ORDER, order=replace(ORDER.order, accession_number=accession), **changes)


@pytest.mark.parametrize(
    ("notice", "link"),
    [
        (numbered("A1"), OrderLink.EXAM),
        (numbered(" A1 "), OrderLink.EXAM),
        (numbered("A2"), OrderLink.PATIENT),
        (replace(ORDER, study_instance_uid="2.25.1"), OrderLink.EXAM),
        (replace(ORDER, study_instance_uid="2.25.2"), OrderLink.PATIENT),
        (numbered("A1", study_instance_uid="2.25.2"), OrderLink.EXAM),
        (replace(ORDER, planned_on=date(2026, 3, 1)), OrderLink.EXAM),
        (replace(ORDER, planned_on=date(2026, 3, 2)), OrderLink.EXAM),
        (replace(ORDER, planned_on=date(2026, 3, 3)), OrderLink.PATIENT),
        (numbered("A2", planned_on=date(2026, 3, 1)), OrderLink.PATIENT),
        (replace(ORDER, planned_on=date(2026, 3, 1), is_operation=True), OrderLink.PATIENT),
        (ORDER, OrderLink.PATIENT),
    ],
)
def test_an_order_of_the_patient_belongs_by_number_else_by_day(notice, link):
    assert link_of(notice, EXAM, POLICY)[0] is link


def test_a_day_is_only_asked_where_the_exam_has_one():
    undated = replace(EXAM, performed_at=None)
    assert link_of(replace(ORDER, planned_on=date(2026, 3, 1)), undated, POLICY)[0] is OrderLink.PATIENT


@pytest.mark.parametrize(
    ("patient", "link"),
    [
        ({"patient_id": "P2"}, OrderLink.REFUSED),
        ({"issuer": "SOUTH"}, OrderLink.REFUSED),
        ({"patient_id": ""}, OrderLink.REFUSED),
        ({"birth_date": date(1970, 1, 1)}, OrderLink.REFUSED),
        ({"sex": "M"}, OrderLink.REFUSED),
        ({"sex": None, "birth_date": None}, OrderLink.EXAM),
        ({"patient_id": "P2", "other_ids": (("P1", "NORTH"),)}, OrderLink.EXAM),
    ],
)
def test_numbers_never_tie_an_order_of_somebody_else(patient, link):
    notice = numbered("A1", patient=replace(ADA, **patient))
    found, sentence = link_of(notice, EXAM, POLICY)
    assert found is link
    assert "P1" not in sentence and "1961" not in sentence


def test_an_order_of_somebody_else_that_names_nothing_is_not_even_mentioned():
    stranger = replace(ORDER, patient=replace(ADA, patient_id="P2"))
    linked = link_orders([stranger], EXAM)
    assert (linked.of_exam, linked.of_patient, linked.refused) == ((), (), ())


def test_orders_are_sorted_and_each_reason_is_said_once():
    strangers = [numbered("A1", patient=replace(ADA, patient_id=name)) for name in ("P2", "P3")]
    cancelled = numbered("A1", status=OrderStatus.CANCELLED)
    linked = link_orders([numbered("A1"), numbered("A2"), cancelled, *strangers], EXAM)
    assert [each.accession_number for each in linked.of_exam] == ["A1"]
    assert [each.accession_number for each in linked.of_patient] == ["A2"]
    assert linked.refused == ("An order with this exam's number is of another patient; it was not used.",)
