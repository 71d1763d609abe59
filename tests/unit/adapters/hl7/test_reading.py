"""From messages that hl7apy built to what they say: orders, merges, and what is refused with which words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from plumbline.adapters.hl7.message import read_header
from plumbline.adapters.hl7.reading import ReadingPolicy, read_notices
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from plumbline.adapters.hl7.values import SiteIdentifiers
from plumbline.exams.facts import RedFlag, SourceKind
from plumbline.exams.notices import MergeNotice, OrderNotice, OrderStatus
from tests.hl7_messages import Frame, OrderText, Person, merge_message, order_message, patient_message

FULL = OrderText(
    accession="A77",
    study_uid="1.2.3",
    relevant="s/p TLIF L4/5 2026-01-12",
    reason="new foot drop",
    diagnosis="Spondylolisthesis",
    notes=("Bitte um Rückruf",),
    observations=(("History", "fever"),),
    priority="S",
)
KINDS = [("ORM^O01", "2.3"), ("ORM^O01", "2.3.1"), ("ORM^O01", "2.5.1"), ("OMI^O23", "2.5.1"), ("OMG^O19", "2.5.1")]


def read(block: bytes, policy: ReadingPolicy | None = None) -> list:
    return read_notices(block, read_header(block), policy or ReadingPolicy())


def only_order(block: bytes, policy: ReadingPolicy | None = None) -> OrderNotice:
    (notice,) = read(block, policy)
    assert isinstance(notice, OrderNotice)
    return notice


@pytest.mark.parametrize(("kind", "version"), KINDS)
def test_every_kind_of_order_tells_the_same_story(kind, version):
    notice = only_order(order_message(kind, order=FULL, frame=Frame(version=version)))
    assert notice.status is OrderStatus.ACTIVE
    assert notice.order_key == "hl7:placer:HIS:PL1"
    assert (notice.patient.patient_id, notice.patient.issuer) == ("P1", "HOSPITAL")
    assert (notice.patient.birth_date, notice.patient.sex) == (date(1961, 4, 2), "F")
    assert notice.planned_on == date(2026, 3, 1)
    order = notice.order
    assert order.source is SourceKind.ORDER
    assert order.accession_number == "A77"
    assert order.priority == "S"
    assert set(order.red_flags) == {RedFlag.NEW_DEFICIT, RedFlag.INFECTION}
    assert order.plan is not None
    assert [level.name for level in order.plan.levels] == ["L4-L5"]
    assert order.plan.procedures == ("TLIF",)
    assert order.plan.surgery_date == date(2026, 1, 12)
    assert "Bitte um Rückruf" in order.text
    if kind != "OMG^O19":  # has no place for it
        assert notice.study_instance_uid == "1.2.3"


@pytest.mark.parametrize(
    ("charset", "codec", "site"),
    [
        ("UNICODE UTF-8", "utf-8", "ascii"),
        ("8859/1", "iso-8859-1", "utf-8"),
        ("", "iso-8859-1", "iso-8859-1"),
        ("", "utf-8", "utf-8"),
        ("", "iso-8859-1", "utf-8"),
    ],
)
def test_text_is_decoded_as_the_message_says_else_as_the_site_says(charset, codec, site):
    block = order_message(order=FULL, frame=Frame(charset=charset, codec=codec))
    assert "Rückruf" in only_order(block, ReadingPolicy(charset=site)).order.text


def test_bytes_of_another_character_set_are_refused_by_name():
    block = order_message(order=FULL, frame=Frame(charset="UNICODE UTF-8", codec="iso-8859-1"))
    with pytest.raises(Refused, match="not utf-8 as MSH-18 says") as refused:
        read(block)
    assert not refused.value.is_reject


def test_an_unknown_character_set_is_refused_with_those_that_are_known():
    with pytest.raises(Refused, match="UNICODE UTF-8") as refused:
        read(order_message(frame=Frame(charset="GB 18030-2000")))
    assert refused.value.code is ErrorCode.TABLE_VALUE


def test_escapes_are_resolved():
    block = order_message(order=OrderText(relevant="ESCAPED"))
    block = block.replace(b"ESCAPED", rb"L4\S\5 \T\ S1\.br\fever\X21\\H\ ")
    assert "L4^5 & S1\nfever!" in only_order(block).order.text


@pytest.mark.parametrize(
    ("control", "status", "meaning"),
    [
        ("NW", "", OrderStatus.ACTIVE),
        ("XO", "", OrderStatus.ACTIVE),
        ("CA", "", OrderStatus.CANCELLED),
        ("DC", "", OrderStatus.CANCELLED),
        ("RP", "", OrderStatus.CANCELLED),
        ("SC", "IP", OrderStatus.UNCHANGED),
        ("SC", "CA", OrderStatus.CANCELLED),
    ],
)
def test_order_control_says_whether_an_order_counts(control, status, meaning):
    assert only_order(order_message(order=OrderText(control=control, status=status))).status is meaning


def test_an_unknown_order_control_is_refused():
    block = order_message().replace(b"ORC|NW", b"ORC|ZZ")
    with pytest.raises(Refused, match="table 0119") as refused:
        read(block)
    assert refused.value.location == "ORC^1^1"


def test_each_group_of_a_message_is_an_order_of_its_own():
    one = order_message("OMG^O19", order=OrderText(placer="PL1", accession="A1", relevant="fever"))
    other = order_message("OMG^O19", order=OrderText(placer="PL2", accession="A2"))
    group = b"ORC" + other.split(b"ORC", 1)[1]
    first, second = read(one + group)
    assert (first.order.accession_number, second.order.accession_number) == ("A1", "A2")
    assert first.order.red_flags and not second.order.red_flags


def test_the_site_says_where_accession_numbers_are_and_what_issuers_are_called():
    site = SiteIdentifiers(issuers={"HOSPITAL": "NORTH"}, accession_from=("OBR-2",))
    notice = only_order(order_message(order=FULL), ReadingPolicy(site))
    assert notice.order.accession_number == "PL1"
    assert notice.patient.issuer == "NORTH"


def test_only_identifiers_of_patients_are_read_and_bare_ones_belong_to_the_default_issuer():
    block = order_message().replace(b"P1^^^HOSPITAL^MR", b"V9^^^HOSPITAL^VN~P1~P3^^^&1.2.9&ISO^PI")
    notice = only_order(block, ReadingPolicy(SiteIdentifiers(default_issuer="HERE")))
    assert (notice.patient.patient_id, notice.patient.issuer) == ("P1", "HERE")
    assert notice.patient.other_ids == (("P3", "1.2.9"),)


@pytest.mark.parametrize(
    ("before", "after", "words", "location"),
    [
        (b"P1^^^HOSPITAL^MR", b"", "no patient identifier", "PID^1^3"),
        (b"CTLSP^CT lumbar spine^L", b"", "does not say what is ordered", "OBR^1^4"),
        (b"|19610402|", b"|2 April 1961|", "PID-7 is not a date", "PID^1^7"),
        (b"\rPID|", b"\rXID|", "no PID segment", "PID^1"),
        (b"\rORC|", b"\rZRC|", "no number|neither ORC nor OBR|IPC", ""),
    ],
)
def test_what_an_order_cannot_do_without_is_named(before, after, words, location):
    block = order_message("OMG^O19").replace(before, after)
    if before == b"\rORC|":
        block = block.replace(b"\rOBR|", b"\rZBR|")
    with pytest.raises(Refused, match=words) as refused:
        read(block)
    assert location in refused.value.location
    assert "1961" not in str(refused.value)


def test_a_merge_names_survivor_and_retired_record_with_their_issuers():
    (notice,) = read(merge_message(Person("P1"), Person("P2", "OTHER")))
    assert isinstance(notice, MergeNotice)
    assert (notice.surviving.patient_id, notice.surviving.issuer) == ("P1", "HOSPITAL")
    assert notice.retired == (("P2", "OTHER"),)


def test_a_merge_of_bare_numbers_is_refused_unless_the_site_has_an_issuer():
    block = merge_message(Person("P1"), Person("P2")).replace(b"P2^^^HOSPITAL^MR", b"P2")
    with pytest.raises(Refused, match="MRG-1 does not say who issued"):
        read(block)
    (notice,) = read(block, ReadingPolicy(SiteIdentifiers(default_issuer="HOSPITAL")))
    assert notice.retired == (("P2", "HOSPITAL"),)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"OMI^O23^OMI_O23", b"ORU^R01^ORU_R01"), ErrorCode.MESSAGE_TYPE),
        ((b"OMI^O23^OMI_O23", b"ADT^A99^ADT_A99"), ErrorCode.EVENT),
        ((b"|P|2.5.1", b"|T|2.5.1"), ErrorCode.PROCESSING_ID),
        ((b"|P|2.5.1", b"|P|3"), ErrorCode.VERSION),
    ],
)
def test_what_is_for_others_is_rejected_not_called_an_error(change, code):
    with pytest.raises(Refused) as refused:
        read(order_message().replace(*change))
    assert refused.value.is_reject
    assert refused.value.code is code


@pytest.mark.parametrize("event", ["A01", "A04", "A08", "A11", "A28", "A31", "A41", "A62"])
def test_patient_messages_that_change_nothing_here_say_nothing(event):
    assert read(order_message().replace(b"OMI^O23^OMI_O23", f"ADT^{event}".encode())) == []


def test_a_site_names_further_messages_that_are_passed_over():
    block = order_message().replace(b"OMI^O23^OMI_O23", b"SIU^S12^SIU_S12")
    with pytest.raises(Refused):
        read(block)
    assert read(block, ReadingPolicy(passed_over=frozenset({"SIU^S12"}))) == []


@pytest.mark.parametrize("event", ["A18", "A34", "A36", "A47"])
def test_earlier_forms_of_a_merge_and_a_changed_identifier_are_merges(event):
    (notice,) = read(patient_message(event, Person("P1"), Person("P2")))
    assert (notice.surviving.patient_id, notice.retired) == ("P1", (("P2", "HOSPITAL"),))


@pytest.mark.parametrize("event", ["A01", "A04", "A08", "A11", "A28", "A31"])
def test_whole_patient_messages_as_another_library_builds_them_say_nothing(event):
    assert read(patient_message(event, Person("P1"))) == []


@pytest.mark.parametrize("event", ["A43", "A44"])
def test_whole_moves_as_another_library_builds_them_are_rejected(event):
    with pytest.raises(Refused, match="operator must look"):
        read(patient_message(event, Person("P1"), Person("P2")))


@pytest.mark.parametrize("event", ["A24", "A37", "A43", "A44", "A45"])
def test_moves_and_links_between_patients_are_rejected_and_kept_for_an_operator(event):
    with pytest.raises(Refused, match="operator must look") as refused:
        read(order_message().replace(b"OMI^O23^OMI_O23", f"ADT^{event}".encode()))
    assert refused.value.is_reject and refused.value.is_for_operator


def test_an_order_is_never_given_to_the_patient_of_another_one_in_the_same_frame():
    one, other = order_message("ORM^O01"), order_message("ORM^O01", person=Person("P2"), order=OrderText(placer="PL2"))
    with pytest.raises(Refused, match="more than one message"):
        read(one + other)
    with pytest.raises(Refused, match="names two patients"):
        read(one + b"PID" + other.split(b"\rPID", 1)[1])
    again = one + b"PID" + order_message("ORM^O01", order=OrderText(placer="PL2")).split(b"\rPID", 1)[1]
    assert [notice.patient.patient_id for notice in read(again)] == ["P1", "P1"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"MSH|^~", b"\xef\xbb\xbfMSH|^~"),
        (b"MSH|^~", b"\r\nMSH|^~"),
        (b"ORM^O01^ORM_O01", b"ORM"),
        (b"|19610402|F", b"|1961-04-02|Female"),
        (b"P1^^^HOSPITAL^MR", b"P1^^^HOSPITAL^MRN"),
        (b"P1^^^HOSPITAL^MR", b"V7^^^HOSPITAL^VN~P1^^^HOSPITAL^MR"),
        (b"ORM^O01^ORM_O01", b"orm^o01"),
        (b"Example", b"Ex\x00ample"),
        (b"\r", b"\n"),
    ],
)
def test_what_senders_write_a_little_otherwise_is_read_all_the_same(before, after):
    block = order_message("ORM^O01", order=FULL)
    assert before in block
    notice = only_order(block.replace(before, after))
    assert (notice.patient.birth_date, notice.patient.sex) == (date(1961, 4, 2), "F")
    assert notice.order.red_flags


def test_codes_without_words_are_read_by_what_they_mean():
    block = order_message("ORM^O01", order=OrderText(procedure="22630^^C4", reason="REASON")).replace(
        b"^REASON", b"84020006^^SCT~G83.4^^I10"
    )
    order = only_order(block).order
    assert order.plan is not None and order.plan.procedures == ("PLIF",)
    assert [level.name for level in order.plan.levels] == ["L4-L5"]
    assert order.red_flags == (RedFlag.CAUDA_EQUINA,)


@pytest.mark.parametrize("block", [b"", b"MSH", b"MSH|", b"MSH|^~\\&", b"\x00\x01", b"PID|1\rMSH|^~\\&|", b"MSH|||||"])
def test_what_is_no_message_is_refused_and_nothing_else_is_raised(block):
    with pytest.raises(Refused):
        read(block)


def order_of(*segments: str) -> list[Any]:
    head = "MSH|^~\\&|RIS|HOSP|PLB|X|20260301||ORM^O01|C1|P|2.3.1\rPID|1||P1^^^H^MR||Doe^J||19610402|F\r"
    return read((head + "\r".join(segments)).encode())


def test_an_ampersand_and_backslashes_that_nobody_escaped_are_text():
    (notice,) = order_of(
        "ORC|NW|PL1", "OBR|1|PL1||X^CT neck & lumbar spine, discectomy L4\\L5\\S1^L|||||||||fever & pus"
    )
    assert notice.order.text == "CT neck & lumbar spine, discectomy L4\\L5\\S1\nfever & pus"


def test_a_date_that_cannot_be_read_costs_no_order():
    (notice,) = order_of("ORC|NW|PL1", "OBR|1|PL1||X^CT lumbar spine^L||ASAP||||||saddle anaesthesia")
    assert notice.planned_on is None and notice.order.text


def test_the_day_of_an_operation_that_an_order_form_asked_for_is_read():
    (notice,) = order_of(
        "ORC|NW|PL1", "OBR|1|PL1||X^CT lumbar spine, s/p TLIF L4/5^L", "OBX|1|DT|SD^Date of surgery||20260212"
    )
    assert notice.order.plan.surgery_date == date(2026, 2, 12)


def test_several_requests_after_one_orc_are_orders_of_their_own():
    one, other = order_of(
        "ORC|NW|GROUP", "OBR|1|PL4||X^CT lumbar spine s/p TLIF L4/5^L||||||||||", "NTE|1||fever",
        "OBR|2|PL5||Y^CT cervical spine s/p ACDF C5/6^L",
    )  # fmt: skip
    assert (one.order_key, other.order_key) == ("hl7:placer:HOSP:PL4", "hl7:placer:HOSP:PL5")
    assert "fever" in one.order.text and "fever" not in other.order.text
    assert [level.name for level in other.order.plan.levels] == ["C5-C6"]
    unnumbered = order_of("ORC|NW|GROUP", "OBR|1|||X^CT lumbar spine^L", "OBR|2|||Y^CT cervical spine^L")
    assert [each.order_key for each in unnumbered] == ["hl7:placer:HOSP:GROUP", "hl7:placer:HOSP:GROUP#2"]


def test_an_earlier_result_beside_a_request_is_no_order():
    (notice,) = order_of("ORC|NW|PL1", "OBR|1|PL1||X^CT lumbar spine^L", f"OBR|2|OLD||X^CT lumbar spine^L{'|' * 21}F")
    assert notice.order_key == "hl7:placer:HOSP:PL1"


def test_a_batch_is_refused_by_name():
    with pytest.raises(Refused, match="Batches are not taken"):
        read(b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + order_message())
