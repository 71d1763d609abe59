"""The loop that receives C-STORE requests straight from the socket into the spool.

It serves an established association for as long as what comes is C-STORE; the first PDU that is anything
else, or odd, is given back unread to pynetdicom, which answers as it always does. Nothing is decoded and
no more than one buffer is held, however large an instance is.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import NoReturn, Protocol

from plumbline.adapters.dimse.command_set import StoreRequest, StoreRequestParser, encode_store_response
from plumbline.adapters.dimse.storage import LargeStore, ListenerObserver, Storage
from plumbline.pipeline.receive import Label

P_DATA_TF = 0x04
_KINDS = frozenset(range(1, 8))
"""PDU types (PS3.8 9.3.1)."""
HEADER_LENGTH = 6
PDV_HEADER_LENGTH = 6
FIRST_BUFFER_BYTES = 1 << 20
RECEIVE_SLICE_S = 0.1
"""How long one call to the kernel waits: the time in which a shutdown or a time limit is noticed."""
_QUICK_ACKNOWLEDGEMENT: int | None = getattr(socket, "TCP_QUICKACK", None)
_IS_COMMAND = 0x01
_IS_LAST = 0x02
_PDU = struct.Struct(">BxL")
_PDV = struct.Struct(">LBB")
_PDU_AND_PDV = struct.Struct(">BxLLBB")
_TIMEVAL = struct.Struct("@ll")
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError)


class Ended(Enum):
    """Why the loop gave control back."""

    IDLE = "idle"
    """Nothing came for a while, or somebody else has something to do."""
    HANDED_OVER = "handed-over"
    """A PDU that is not C-STORE's was read and given to pynetdicom."""
    CLOSED = "closed"
    """The peer closed the connection."""
    INVALID = "invalid"
    """A PDU was invalid, or did not come to its end in time: the association must be aborted."""


class _ConnectionClosed(Exception):
    pass


class _InvalidPdu(Exception):
    pass


class _HandedOver(Exception):
    pass


def prepare_socket(connection: socket.socket) -> None:
    """Answers go out at once, and a read returns to us often enough to notice time limits."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    seconds = int(RECEIVE_SLICE_S)
    timeval = _TIMEVAL.pack(seconds, int((RECEIVE_SLICE_S - seconds) * 1_000_000))
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


class Reactor(Protocol):
    """pynetdicom's side of the association."""

    def hand_over(self, pdu: bytes) -> None:
        """Take a whole PDU that is not C-STORE's."""
        ...

    def is_wanted(self) -> bool:
        """Whether there is something else to do than to wait for the next PDU."""
        ...

    def heard(self) -> None:
        """The peer is alive."""
        ...


def acknowledge_at_once(connection: socket.socket) -> None:
    """Do not delay the acknowledgement of what comes next (Linux; the kernel forgets it again).

    Many senders, DCMTK's among them, leave Nagle's algorithm on and send a PDU in pieces: each waits for
    the acknowledgement of the one before, which would be delayed by 40 ms.
    """
    if _QUICK_ACKNOWLEDGEMENT is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACKNOWLEDGEMENT, 1)


class StoreLoop:
    """C-STORE on one association.

    Parameters
    ----------
    contexts
        Transfer Syntax UID by ID of each accepted Presentation Context.
    upper_layer
        What takes over where this loop ends.
    idle_s, instance_s
        Longest silence in the middle of an instance, and longest time for one instance.
    """

    def __init__(
        self,
        connection: socket.socket,
        storage: Storage,
        observer: ListenerObserver,
        *,
        sender: str,
        contexts: Mapping[int, str],
        peer_maximum_length: int,
        maximum_pdu_bytes: int,
        buffer_bytes: int,
        upper_layer: Reactor,
        idle_s: float,
        instance_s: float,
    ) -> None:
        self._connection = connection
        self._wait_all = 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_WAITALL
        self._observer = observer
        self._sender = sender
        self._contexts = contexts
        self._peer_maximum_length = peer_maximum_length
        self._maximum_pdu_bytes = maximum_pdu_bytes
        self._reactor = upper_layer
        self._idle_s = idle_s
        self._instance_s = instance_s
        self._head = memoryview(bytearray(HEADER_LENGTH + PDV_HEADER_LENGTH))
        self._pdu = memoryview(bytearray(maximum_pdu_bytes + HEADER_LENGTH))
        self._requests = StoreRequestParser()
        self._incoming = _Incoming(storage, buffer_bytes)
        self._deadline = 0.0

    def run(self) -> Ended:
        """Receive until something else than C-STORE is to be done."""
        try:
            while True:
                ended = self._serve_one()
                if ended is not None:
                    return ended
                self._reactor.heard()
                if self._reactor.is_wanted():
                    return Ended.IDLE
        except _ConnectionClosed:
            return Ended.CLOSED
        except _HandedOver:
            return Ended.HANDED_OVER
        except _InvalidPdu:
            return Ended.INVALID
        except OSError:
            return Ended.CLOSED
        finally:
            self._incoming.abandon()

    def _serve_one(self) -> Ended | None:
        """One message; None when it was a C-STORE request and was answered."""
        if not self._await_header():
            return Ended.IDLE
        self._deadline = time.monotonic() + self._instance_s
        kind, length = _PDU.unpack_from(self._pdu)
        if kind not in _KINDS or length > self._maximum_pdu_bytes:
            raise _InvalidPdu
        end = HEADER_LENGTH + length
        self._read(self._pdu[HEADER_LENGTH:end])
        request, at = self._request(end) if kind == P_DATA_TF else (None, 0)
        if request is None:
            self._reactor.hand_over(bytes(self._pdu[:end]))
            return Ended.HANDED_OVER
        self._receive(request, self._pdu[at:end])
        self._reactor.heard()
        return None

    def _request(self, end: int) -> tuple[StoreRequest | None, int]:
        """The C-STORE request that the PDU in the buffer begins with, and the offset behind its command set."""
        if end < HEADER_LENGTH + PDV_HEADER_LENGTH:
            return None, 0
        length, context_id, control = _PDV.unpack_from(self._pdu, HEADER_LENGTH)
        at = HEADER_LENGTH + 4 + length
        if control & 0x03 != _IS_COMMAND | _IS_LAST or length < 2 or at > end or context_id not in self._contexts:
            return None, 0
        return self._requests.parse(context_id, self._pdu[HEADER_LENGTH + PDV_HEADER_LENGTH : at]), at

    def _receive(self, request: StoreRequest, first: memoryview) -> None:
        """Take the dataset in, keep it, answer."""
        label = Label(
            sop_class_uid=request.sop_class_uid.decode("ascii"),
            sop_instance_uid=request.sop_instance_uid.decode("ascii"),
            transfer_syntax_uid=self._contexts[request.context_id],
            sender=self._sender,
            received_at=datetime.now(UTC),
        )
        incoming = self._incoming
        incoming.begin(label)
        if not self._take_rest(first):
            acknowledge_at_once(self._connection)
            self._take_pdus()
        began = time.perf_counter()
        length = incoming.length
        status = incoming.finish()
        self._connection.sendall(encode_store_response(request, status, self._peer_maximum_length))
        self._observer.stored(label, length, status, time.perf_counter() - began)

    def _take_rest(self, rest: memoryview) -> bool:
        """Fragments of the dataset that came in the PDU of the command set; whether the last is among them."""
        is_last = False
        while len(rest):
            if is_last or len(rest) < PDV_HEADER_LENGTH:
                raise _InvalidPdu
            length, _, control = _PDV.unpack_from(rest)
            if control & _IS_COMMAND or not 2 <= length <= len(rest) - 4:
                raise _InvalidPdu
            self._incoming.add(rest[PDV_HEADER_LENGTH : 4 + length])
            is_last = bool(control & _IS_LAST)
            rest = rest[4 + length :]
        return is_last

    def _take_pdus(self) -> None:
        """PDUs with fragments of the dataset, to the last of them.

        What is plain is read straight into the buffer, with one call that brings the next PDU's header too.
        """
        filled = self._read_head(0)
        while True:
            kind, left, length, _, control = _PDU_AND_PDV.unpack(self._head)
            if filled < len(self._head) or kind != P_DATA_TF or left > self._maximum_pdu_bytes:
                self._hand_over_rest(filled)
            if time.monotonic() > self._deadline:
                raise _InvalidPdu
            acknowledge_at_once(self._connection)
            is_plain = self._wait_all and length == left - 4 and length >= 2 and not control & _IS_COMMAND
            space = self._incoming.space(length - 2) if is_plain else self._head[:0]
            is_last = bool(control & _IS_LAST)
            if not is_plain or len(space) < length - 2:
                is_last, filled = self._take_odd(left), 0
            elif is_last:
                self._read(space)
                self._incoming.advance(len(space))
            else:
                filled = self._read_with_next_head(space)
                self._incoming.advance(len(space))
            if is_last:
                return
            filled = self._read_head(filled)

    def _take_odd(self, left: int) -> bool:
        """The PDU whose headers were read, by way of memory of its own; whether the last fragment was in it."""
        pdu = self._pdu[:left]
        pdu[:PDV_HEADER_LENGTH] = self._head[HEADER_LENGTH:]
        self._read(pdu[PDV_HEADER_LENGTH:])
        return self._take_rest(pdu)

    def _hand_over_rest(self, filled: int) -> NoReturn:
        """Hand over a PDU of another kind, whose beginning was read, in the middle of an instance; ends the loop."""
        kind, length = _PDU.unpack_from(self._head)
        if kind not in _KINDS or kind == P_DATA_TF or length > self._maximum_pdu_bytes:
            raise _InvalidPdu
        pdu = self._pdu[: HEADER_LENGTH + length]
        known = min(filled, len(pdu))
        pdu[:known] = self._head[:known]
        self._read(pdu[known:])
        self._reactor.hand_over(bytes(pdu))
        raise _HandedOver

    def _read_head(self, filled: int) -> int:
        """Read on until a PDU's header and its first item's are there, or it has none; returns how much is there."""
        head = self._head
        while filled < len(head):
            if filled >= HEADER_LENGTH:
                kind, length = _PDU.unpack_from(head)
                if kind != P_DATA_TF or length < PDV_HEADER_LENGTH:
                    break
            filled += self._read_some(head[filled:])
        return filled

    def _read_with_next_head(self, view: memoryview) -> int:
        """Fill a view; returns how much of the next header came with it."""
        try:
            count = self._connection.recvmsg_into([view, self._head], 0, self._wait_all)[0]
        except _NOTHING_YET:
            count = 0
        else:
            if not count:
                raise _ConnectionClosed
        if count < len(view):
            self._read(view[count:])
            return 0
        return count - len(view)

    def _await_header(self) -> bool:
        """Read the header of the next PDU; false when none began to come before something else was wanted."""
        head, filled = self._pdu[:HEADER_LENGTH], 0
        acknowledge_at_once(self._connection)
        self._deadline = time.monotonic() + self._instance_s
        while filled < HEADER_LENGTH:
            try:
                count = self._connection.recv_into(head[filled:])
            except _NOTHING_YET:
                if not filled and self._reactor.is_wanted():
                    return False
                if filled and time.monotonic() > self._deadline:
                    raise _InvalidPdu from None
                continue
            if not count:
                raise _ConnectionClosed
            filled += count
        return True

    def _read(self, view: memoryview) -> None:
        """Fill a view from the connection."""
        while len(view):
            view = view[self._read_some(view, self._wait_all) :]

    def _read_some(self, view: memoryview, flags: int = 0) -> int:
        """Read at least one byte. Raises ``_InvalidPdu`` when it does not come in time."""
        silent_until = time.monotonic() + self._idle_s
        while True:
            try:
                count = self._connection.recv_into(view, len(view), flags)
            except _NOTHING_YET:
                if time.monotonic() > min(silent_until, self._deadline):
                    raise _InvalidPdu from None
                continue
            if not count:
                raise _ConnectionClosed
            if time.monotonic() > self._deadline:
                raise _InvalidPdu
            return count


class _Incoming:
    """The dataset that is coming in: in the spool's memory while it fits, else in the spool as a large instance."""

    def __init__(self, storage: Storage, largest: int) -> None:
        self._storage = storage
        self._largest = largest
        self._memory = storage.memory(min(FIRST_BUFFER_BYTES, largest))
        self._buffer = self._memory.room
        self._filled = 0
        self._written = 0
        self._large: LargeStore | None = None
        self._label: Label | None = None

    @property
    def length(self) -> int:
        """Bytes taken in so far."""
        return self._written + self._filled

    def begin(self, label: Label) -> None:
        """Start with nothing."""
        self._filled = self._written = 0
        self._label = label

    def add(self, fragment: memoryview) -> None:
        """Append a copy of a fragment."""
        while len(fragment):
            space = self.space(len(fragment))
            space[:] = fragment[: len(space)]
            self.advance(len(space))
            fragment = fragment[len(space) :]

    def space(self, wanted: int) -> memoryview:
        """Room in the buffer to read into, as much as wanted or as there can be."""
        if self._filled + wanted > len(self._buffer):
            self._make_room(self._filled + wanted)
        return self._buffer[self._filled : min(self._filled + wanted, len(self._buffer))]

    def advance(self, count: int) -> None:
        """``count`` bytes were read into the space."""
        self._filled += count

    def _make_room(self, wanted: int) -> None:
        size = len(self._buffer)
        if size < self._largest:
            larger = self._storage.memory(min(max(wanted, 2 * size), self._largest))
            larger.room[: self._filled] = self._buffer[: self._filled]
            self._memory, self._buffer = larger, larger.room
        elif self._filled == size:
            self._spill()

    def _spill(self) -> None:
        assert self._label is not None
        if self._large is None:
            self._large = self._storage.start_large(self._label)
        self._large.write(self._buffer[: self._filled])
        self._written += self._filled
        self._filled = 0

    def finish(self) -> int:
        """Keep it durable; returns the status to answer."""
        assert self._label is not None
        if self._large is None:
            return self._storage.keep(self._label, self._buffer[: self._filled], self._memory)
        self._spill()
        large, self._large = self._large, None
        return large.finish()

    def abandon(self) -> None:
        """Leave nothing of an instance that did not come to its end."""
        if self._large is not None:
            self._large.abandon()
            self._large = None
