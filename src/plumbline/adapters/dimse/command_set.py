"""The command sets of C-STORE, read and written by hand (PS3.7 section 9.3.1, encoded as in PS3.7 6.3.1).

Only what is plain is understood here; anything else is left to pynetdicom.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
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


class StoreRequestParser:
    """``parse_store_request`` for the requests of one association, of which most are alike.

    A command set that differs from the one before only in its Message ID and its SOP Instance UID, of the
    same length, is told from its bytes.
    """

    def __init__(self) -> None:
        self._before_message_id = self._before_uid = b""
        self._length = 0
        self._sop_class_uid = b""

    def parse(self, context_id: int, command_set: memoryview) -> StoreRequest | None:
        """See ``parse_store_request``."""
        known = len(self._before_message_id)
        uid_at = known + 2 + len(self._before_uid)
        if (
            len(command_set) == self._length
            and command_set[:known] == self._before_message_id
            and command_set[known + 2 : uid_at] == self._before_uid
        ):
            uid = _uid(command_set[uid_at:])
            return (
                StoreRequest(context_id, _short(command_set[known : known + 2]), self._sop_class_uid, uid)
                if uid
                else None
            )
        request = parse_store_request(context_id, command_set)
        if request is not None:
            self._remember(request, bytes(command_set))
        return request

    def _remember(self, request: StoreRequest, command_set: bytes) -> None:
        message_id_at, uid_at = _values_at(command_set, 0x0110, 0x1000)
        is_last = uid_at + len(request.sop_instance_uid) + len(request.sop_instance_uid) % 2 == len(command_set)
        if not 0 < message_id_at < uid_at or not is_last:
            self._length = 0
            return
        self._before_message_id = command_set[:message_id_at]
        self._before_uid = command_set[message_id_at + 2 : uid_at]
        self._sop_class_uid, self._length = request.sop_class_uid, len(command_set)


def _values_at(command_set: bytes, *wanted: int) -> list[int]:
    """Offsets of the values of elements of a sound command set; 0 where there is no such element."""
    found, at = dict.fromkeys(wanted, 0), 0
    while at < len(command_set):
        _, element, length = _ELEMENT.unpack_from(command_set, at)
        at += 8
        if element in found:
            found[element] = at
        at += length
    return list(found.values())


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
    if peer_maximum_length == 0 or len(command) + _PDV_OVERHEAD <= peer_maximum_length:
        return _p_data(request.context_id, command, is_last=True)
    limit = max(peer_maximum_length - _PDV_OVERHEAD, 1)
    pieces = [command[at : at + limit] for at in range(0, len(command), limit)]
    return b"".join(
        _p_data(request.context_id, piece, is_last=number == len(pieces)) for number, piece in enumerate(pieces, 1)
    )


def _p_data(context_id: int, fragment: bytes, *, is_last: bool) -> bytes:
    length = len(fragment) + 2
    control = _COMMAND_LAST if is_last else _COMMAND_MORE
    return _PDU_AND_PDV.pack(0x04, length + 4, length, context_id, control) + fragment


def _response_command_set(request: StoreRequest, status: int) -> bytes:
    uid = request.sop_instance_uid
    uid += b"\0" * (len(uid) % 2)
    before, middle = _response_frame(request.sop_class_uid, len(uid))
    return b"".join((before, _SHORT.pack(request.message_id), middle[0], _SHORT.pack(status), middle[1], uid))


@lru_cache(maxsize=256)
def _response_frame(sop_class_uid: bytes, uid_length: int) -> tuple[bytes, tuple[bytes, bytes]]:
    """What stands before, between and behind Message ID and Status in the responses about one SOP Class."""
    sop_class = sop_class_uid + b"\0" * (len(sop_class_uid) % 2)
    before = _ELEMENT.pack(0, 0x0002, len(sop_class)) + sop_class
    before += _ELEMENT.pack(0, 0x0100, 2) + _SHORT.pack(C_STORE_RSP) + _ELEMENT.pack(0, 0x0120, 2)
    between = _ELEMENT.pack(0, 0x0800, 2) + _SHORT.pack(NO_DATASET) + _ELEMENT.pack(0, 0x0900, 2)
    behind = _ELEMENT.pack(0, 0x1000, uid_length)
    length = len(before) + 2 + len(between) + 2 + len(behind) + uid_length
    return _GROUP_LENGTH.pack(0, 0x0000, 4, length) + before, (between, behind)
