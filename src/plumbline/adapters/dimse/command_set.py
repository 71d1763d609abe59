"""The command sets of C-STORE, read and written by hand (PS3.7 section 9.3.1, encoded as in PS3.7 6.3.1).

Only what is plain is understood here; anything else is left to pynetdicom.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

C_STORE_RQ = 0x0001
NO_DATASET = 0x0101
LONGEST_UID = 64

_ELEMENT = struct.Struct("<HHL")
_SHORT = struct.Struct("<H")
_PDU_AND_PDV = struct.Struct(">BxLLBB")
_COMMAND_LAST = 0x03
_COMMAND_MORE = 0x01
_PDV_OVERHEAD = 6
_UID_CHARACTERS = frozenset(b"0123456789.")
_GROUP_LENGTH = struct.Struct("<HHLL")
_RESPONSE_MIDDLE = struct.Struct("<HHLH HHLH HHLH HHLH")


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request, without its dataset."""

    context_id: int
    message_id: int
    sop_class_uid: bytes
    sop_instance_uid: bytes


def parse_store_request(context_id: int, command_set: memoryview) -> StoreRequest | None:
    """The C-STORE request that a command set encodes; None where it is anything else, or odd in any way."""
    values: dict[int, memoryview] = {}
    at, size = 0, len(command_set)
    while at + 8 <= size:
        group, element, length = _ELEMENT.unpack_from(command_set, at)
        at += 8
        if group or at + length > size:
            return None
        values[element] = command_set[at : at + length]
        at += length
    if at != size or not values.keys() >= _REQUIRED:
        return None
    if any(len(values[element]) != 2 for element in _SHORTS):
        return None
    if _short(values[0x0100]) != C_STORE_RQ or _short(values[0x0800]) == NO_DATASET or _short(values[0x0700]) > 2:
        return None
    sop_class, sop_instance = _uid(values[0x0002]), _uid(values[0x1000])
    if not sop_class or not sop_instance:
        return None
    return StoreRequest(context_id, _short(values[0x0110]), sop_class, sop_instance)


_SHORTS = frozenset({0x0100, 0x0110, 0x0700, 0x0800})
_REQUIRED = _SHORTS | {0x0002, 0x1000}


def _short(value: memoryview) -> int:
    return _SHORT.unpack(value)[0]


def _uid(value: memoryview) -> bytes:
    """UID without padding; empty where it is not one."""
    uid = bytes(value).rstrip(b"\0 ")
    return uid if 0 < len(uid) <= LONGEST_UID and _UID_CHARACTERS.issuperset(uid) else b""


def encode_store_response(request: StoreRequest, status: int, peer_maximum_length: int) -> bytes:
    """C-STORE response as P-DATA-TF PDUs, in fragments where the peer takes only short ones (0 means any)."""
    command = _response_command_set(request, status)
    limit = len(command) if peer_maximum_length == 0 else max(peer_maximum_length - _PDV_OVERHEAD, 1)
    pieces = [command[at : at + limit] for at in range(0, len(command), limit)]
    return b"".join(
        _p_data(request.context_id, piece, is_last=number == len(pieces)) for number, piece in enumerate(pieces, 1)
    )


def _p_data(context_id: int, fragment: bytes, *, is_last: bool) -> bytes:
    length = len(fragment) + 2
    control = _COMMAND_LAST if is_last else _COMMAND_MORE
    return _PDU_AND_PDV.pack(0x04, length + 4, length, context_id, control) + fragment


def _response_command_set(request: StoreRequest, status: int) -> bytes:
    middle = _RESPONSE_MIDDLE.pack(
        *(0, 0x0100, 2, 0x8001),  # Command Field
        *(0, 0x0120, 2, request.message_id),  # Message ID Being Responded To
        *(0, 0x0800, 2, NO_DATASET),  # Command Data Set Type
        *(0, 0x0900, 2, status),  # Status
    )
    rest = _uid_element(0x0002, request.sop_class_uid) + middle + _uid_element(0x1000, request.sop_instance_uid)
    return _GROUP_LENGTH.pack(0, 0x0000, 4, len(rest)) + rest


def _uid_element(element: int, uid: bytes) -> bytes:
    padded = uid + b"\0" if len(uid) % 2 else uid
    return _ELEMENT.pack(0, element, len(padded)) + padded
