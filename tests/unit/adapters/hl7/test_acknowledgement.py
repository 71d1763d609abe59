"""Acknowledgements in both modes, checked by hl7apy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hl7apy.parser import parse_message

from plumbline.adapters.hl7.acknowledgement import INTERNAL_FAILURE, Verdict, acknowledgements
from plumbline.adapters.hl7.message import read_header
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from tests.hl7_messages import Frame, order_message

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
WRONG = Refused(ErrorCode.REQUIRED_FIELD, "OBR-4 does not say what | is ordered.", "OBR^1^4")
NOT_OURS = Refused(ErrorCode.EVENT, "Not taken here.", "MSH^1^9", is_reject=True)


def codes(frame: Frame, verdict: Verdict) -> list[str]:
    header = read_header(order_message("ORM^O01", frame=frame))
    answers = [parse_message(each.decode()) for each in acknowledgements(header, verdict, at=NOW)]
    for each in answers:
        each.validate()
        assert each.msa.msa_2.value == header.control_id
    return [each.msa.msa_1.value for each in answers]


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
@pytest.mark.parametrize(("refusal", "code"), [(None, "AA"), (WRONG, "AE"), (NOT_OURS, "AR"), (INTERNAL_FAILURE, "AR")])
def test_original_mode_has_one_answer(version, refusal, code):
    assert codes(Frame(version=version, control_id="X 1"), Verdict(refusal)) == [code]


@pytest.mark.parametrize(
    ("accept", "application", "refusal", "expected"),
    [
        ("AL", "NE", None, ["CA"]),
        ("AL", "AL", None, ["CA", "AA"]),
        ("NE", "AL", None, ["AA"]),
        ("NE", "NE", None, []),
        ("ER", "ER", None, []),
        ("SU", "SU", None, ["CA", "AA"]),
        ("AL", "AL", WRONG, ["CA", "AE"]),
        ("ER", "ER", WRONG, ["AE"]),
        ("AL", "SU", WRONG, ["CA"]),
        ("AL", "AL", NOT_OURS, ["CR"]),
        ("ER", "", NOT_OURS, ["CR"]),
        ("AL", "AL", INTERNAL_FAILURE, ["CE"]),
        ("SU", "AL", INTERNAL_FAILURE, []),
    ],
)
def test_enhanced_mode_answers_as_the_sender_asks(accept, application, refusal, expected):
    assert codes(Frame(accept=accept, application=application), Verdict(refusal)) == expected


def test_an_error_says_where_what_and_in_words():
    header = read_header(order_message())
    (answer,) = acknowledgements(header, Verdict(WRONG), at=NOW)
    ack = parse_message(answer.decode())
    assert ack.err.err_2.value == "OBR^1^4"
    assert ack.err.err_3.value == "101^Required field missing^HL70357"
    assert ack.err.err_4.value == "E"
    assert ack.err.err_8.value == r"OBR-4 does not say what \F\ is ordered."


def test_before_version_2_5_the_words_stand_in_msa():
    header = read_header(order_message("ORM^O01", frame=Frame(version="2.3.1")))
    (answer,) = acknowledgements(header, Verdict(WRONG), at=NOW)
    assert rb"MSA|AE|" in answer and rb"does not say what \F\ is ordered.|"[:-1] in answer


def test_a_control_id_is_echoed_byte_for_byte():
    block = order_message(frame=Frame(control_id="Ä-1", codec="utf-8"))
    (answer,) = acknowledgements(read_header(block), Verdict(), at=NOW)
    assert "MSA|AA|Ä-1\r".encode() in answer


def test_sender_and_receiver_change_places():
    (answer,) = acknowledgements(read_header(order_message()), Verdict(), at=NOW)
    assert answer.startswith(b"MSH|^~\\&|PLUMBLINE|READING|HIS|HOSPITAL|20260301080000+0000||ACK^O23^ACK|")


def test_the_oldest_version_knows_no_type_of_acknowledgement():
    (answer,) = acknowledgements(read_header(order_message("ORM^O01", frame=Frame(version="2.3"))), Verdict(), at=NOW)
    assert b"||ACK|" in answer
