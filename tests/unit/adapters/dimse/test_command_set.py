"""Our reading and writing of C-STORE's command sets, held against pynetdicom's."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from plumbline.adapters.dimse.command_set import (
    StoreRequest,
    StoreRequestParser,
    encode_store_response,
    parse_store_request,
)

UIDS = st.from_regex(r"(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){1,5}", fullmatch=True).filter(
    lambda uid: len(uid) <= 64
)
SHORTS = st.integers(0, 0xFFFF)


def request_of_pynetdicom(sop_class, sop_instance, message_id, priority=0):
    """(command set) as pynetdicom writes it for a C-STORE request with a dataset."""
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = sop_class, sop_instance
    primitive.Priority = priority
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    first = next(message.encode_msg(1, 0))
    return first.presentation_data_value_list[0][1][1:]


def response_of_pynetdicom(request, status, maximum):
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = request.message_id
    primitive.AffectedSOPClassUID = request.sop_class_uid.decode()
    primitive.AffectedSOPInstanceUID = request.sop_instance_uid.decode()
    primitive.Status = status
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    return b"".join(P_DATA_TF(pdata).encode() for pdata in message.encode_msg(request.context_id, maximum))


@given(UIDS, UIDS, SHORTS, st.sampled_from([0, 1, 2]))
def test_what_pynetdicom_writes_is_read(sop_class, sop_instance, message_id, priority):
    encoded = request_of_pynetdicom(sop_class, sop_instance, message_id, priority)
    assert parse_store_request(5, memoryview(encoded)) == StoreRequest(
        5, message_id, sop_class.encode(), sop_instance.encode()
    )


@given(
    st.lists(st.tuples(st.sampled_from(["1.2", "1.2.3"]), UIDS, SHORTS, st.sampled_from([0, 2])), max_size=6),
    st.data(),
)
def test_a_parser_that_remembers_says_the_same_as_one_that_does_not(requests, data):
    parser = StoreRequestParser()
    for request in requests:
        encoded = bytearray(request_of_pynetdicom(*request))
        if data.draw(st.booleans()):
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
        command_set = memoryview(bytes(encoded))
        assert parser.parse(5, command_set) == parse_store_request(5, command_set)


@given(UIDS, UIDS, SHORTS, st.sampled_from([0, 0xA700, 0xA900, 0xC000, 0x0122]), st.sampled_from([0, 16, 64, 16384]))
def test_what_we_write_is_what_pynetdicom_would(sop_class, sop_instance, message_id, status, maximum):
    request = StoreRequest(3, message_id, sop_class.encode(), sop_instance.encode())
    assert encode_store_response(request, status, maximum) == response_of_pynetdicom(request, status, maximum)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_left_to_pynetdicom(data):
    assert parse_store_request(1, memoryview(data)) is None


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_cut_command_set_is_left_to_pynetdicom(cut):
    encoded = request_of_pynetdicom("1.2.3", "1.2.4", 1)
    assert parse_store_request(1, memoryview(encoded[:-cut])) is None
