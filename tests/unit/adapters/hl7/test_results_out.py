"""ORU^R01 as others read it (hl7apy), and what acknowledgements mean."""

from datetime import UTC, datetime

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from plumbline.adapters.hl7.results_out import control_id, result_message
from plumbline.adapters.hl7.sending import judge_acknowledgement
from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.outgoing import Routing, result_notice
from plumbline.triage.priority import Priority
from tests.unit.pipeline.outbox_cases import delivery, finished

SENT_AT = datetime(2026, 3, 1, 10, 5, tzinfo=UTC)


def message(*reasons, **changes):
    notice = result_notice(finished(1, 1, *reasons, **changes), Routing({}, "http://127.0.0.1:8080"))
    return result_message(notice, message_id="A1", sent_at=SENT_AT, application="RIS", facility="HOSPITAL")


def test_it_is_valid_in_the_eyes_of_another_library():
    parsed = parse_message(str(message()), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert parsed.validate()
    assert parsed.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"


@pytest.mark.parametrize(
    ("status", "priority", "has_report"),
    [
        ("preliminary", Priority.STAT, False),
        ("final", Priority.URGENT, True),
        ("corrected", Priority.ROUTINE, True),
        ("withdrawn", Priority.ROUTINE, False),
        ("cancelled", Priority.ROUTINE, False),
    ],
)
def test_whatever_it_says_is_valid_in_the_eyes_of_another_library(status, priority, has_report):
    notice = result_notice(finished(1, 2, "Grüße | aus ^ L4-L5 & \\", priority=priority.value), Routing({}))
    notice |= {"status": status} if has_report else {"status": status, "report": None}
    sent = result_message(notice, message_id="A1", sent_at=SENT_AT, application="RIS", facility="HOSPITAL")
    parsed = parse_message(str(sent), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert parsed.validate()
    observations = parsed.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation
    assert {each.obx.obx_11.to_er7() for each in observations} <= {"P", "F", "C", "W", "X"}


def test_it_says_priority_status_text_and_link():
    sent = message("L4-L5: the spacer moved.", "The exam was ordered as urgent.")
    assert str(sent["MSH"][0][10]) == "A1"
    assert str(sent.segment("PID")[3]) == "PLB-0001^^^HOSPITAL^MR"
    assert str(sent.segment("PID")[5]) == "Example^Ada"
    request = sent.segment("OBR")
    assert (str(request[2]), str(request[25]), str(request[27])) == ("A00001", "F", "^^^^^A")
    assert str(sent.segment("TQ1")[9]) == "A"
    observed = {str(each[3]).partition("^")[0]: str(each[5]) for each in sent.segments("OBX")}
    assert observed["PRIORITY"].startswith("URGENT^")
    assert observed["TEXT"] == "L4-L5: the spacer moved.~The exam was ordered as urgent."
    assert observed["SR"] == "2.25.1"
    assert observed["LINK"].startswith("http://127.0.0.1:8080/exams/2.25.771^")
    assert {str(each[11]) for each in sent.segments("OBX")} == {"F"}


def test_a_later_revision_is_a_correction():
    notice = result_notice(finished(1, 2), Routing({}))
    sent = result_message(notice, message_id="A2", sent_at=SENT_AT)
    assert str(sent.segment("OBR")[25]) == "C"
    assert "LINK" not in str(sent)


def test_delimiters_in_words_are_escaped():
    sent = message("a|b^c&d~e\\f\rg")
    parsed = parse_message(str(sent), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert parsed.validate()
    observed = next(each for each in sent.segments("OBX") if str(each[3]).startswith("TEXT"))
    assert str(observed[5]) == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f g"


def test_the_control_id_is_the_same_whenever_it_is_sent():
    assert control_id(delivery(1)) == control_id(delivery(1, attempts=9)) != control_id(delivery(2))
    assert len(control_id(delivery(1))) <= 20


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_an_acceptance_of_this_message_is_the_end_of_it(code):
    answer = hl7.parse(f"MSH|^~\\&|R|||||ACK|1|P|2.5.1\rMSA|{code}|A1\r")
    assert judge_acknowledgement(answer, "A1") is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("MSA|AR|A1", InvalidInput),
        ("MSA|CR|A1", InvalidInput),
        ("MSA|AE|A1", Unavailable),
        ("MSA|AA|OTHER", Unavailable),
        ("MSA|??|A1", Unavailable),
        ("MSA", Unavailable),
        ("ERR|1", Unavailable),
    ],
)
def test_anything_else_is_not(answer, error):
    with pytest.raises(error):
        judge_acknowledgement(hl7.parse(f"MSH|^~\\&|R|||||ACK|1|P|2.5.1\r{answer}\r"), "A1")
