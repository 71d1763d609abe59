"""The orders that the demonstration sends are read like a hospital's, and say what the demonstration needs."""

from __future__ import annotations

import pytest

from plumbline.adapters.hl7.message import read_header
from plumbline.adapters.hl7.reading import ReadingPolicy, read_notices
from plumbline.demo.ordering import COMPLAINTS, order_message
from plumbline.exams.facts import RedFlag
from plumbline.exams.notices import OrderNotice
from plumbline.phantom.cohort import cohort

HEADERS = {patient.name: patient.exams[-1].header for patient in cohort()}


def notice_of(name: str) -> OrderNotice:
    block = order_message(HEADERS[name], COMPLAINTS[name]).encode()
    (notice,) = read_notices(block, read_header(block), ReadingPolicy())
    assert isinstance(notice, OrderNotice)
    return notice


@pytest.mark.parametrize("name", COMPLAINTS)
def test_an_order_is_read_with_its_patient_its_exam_and_the_planned_level(name):
    notice, header = notice_of(name), HEADERS[name]
    assert (notice.patient.patient_id, notice.patient.issuer) == (header.patient_id, header.issuer)
    assert (notice.patient.birth_date, notice.patient.sex) == (header.birth_date, header.sex)
    assert notice.order.accession_number == header.accession_number
    assert notice.order.plan is not None
    assert [level.name for level in notice.order.plan.levels] == ["L4-L5"]


def test_only_the_one_with_a_deficit_has_a_red_flag():
    assert notice_of("InCanal").order.red_flags == (RedFlag.NEW_DEFICIT,)
    assert notice_of("WrongLevel").order.red_flags == ()
