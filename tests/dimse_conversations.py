"""Conversations with a Storage SCP as their PDUs, and the means to hold them with a listener in this process."""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.settings import ListenerSettings, Peer
from tests.benchmark.store_sender import command, instance, negotiate
from tests.servers import free_port

RELEASE = b"\5\0\0\0\0\4\0\0\0\0"
ABORT = b"\7\0\0\0\0\4\0\0\0\0"
UID = b"1.2.826.10000000000000000001000000000001"


@dataclass
class Observed:
    """``ListenerObserver`` that remembers the statuses."""

    statuses: list = field(default_factory=list)

    def opened(self, sender):
        pass

    def closed(self, sender):
        pass

    def rejected(self, sender, address, reason):
        pass

    def stored(self, label, length, status, seconds):
        self.statuses.append(status)


@contextmanager
def listening(folder, **settings):
    values = {"port": free_port(), "peers": (Peer(ae_title="BENCH"),), "reserve_bytes": 0, "drain_s": 2.0, **settings}
    journal, observer = Journal(folder), Observed()
    listener = Listener(ListenerSettings(**values), journal, observer)
    listener.start()
    try:
        yield listener, observer
    finally:
        listener.stop()
        journal.close()


def kept(folder):
    tail = JournalTail(folder)
    found = []
    for name in tail.segments():
        for record in tail.after(name, 0, 1000):
            with tail.dataset(record) as data:
                found.append((record.label.sop_instance_uid, record.label.refusal, bytes(data)))
    return sorted(found)


def pdu(*pdvs, context=1):
    """One P-DATA-TF PDU of (control, data) items."""
    body = b"".join(struct.pack(">LBB", len(data) + 2, context, control) + data for control, data in pdvs)
    return struct.pack(">BxL", 4, len(body)) + body


def changed(command_set, element, value):
    """The command set with another value, of the same length, for an element."""
    at = command_set.index(struct.pack("<HH", 0, element)) + 8
    return command_set[:at] + value + command_set[at + len(value) :]


def without(command_set, element):
    """The command set without an element."""
    at = command_set.index(struct.pack("<HH", 0, element))
    length = struct.unpack_from("<L", command_set, at + 4)[0]
    return command_set[:at] + command_set[at + 8 + length :]


DATASET, UID_AT = instance(16, "2.25.100", "2.25.101")
DATASET = DATASET[:UID_AT] + UID + DATASET[UID_AT + len(UID) :]
STORE = command(UID, 7)
ECHO = (
    struct.pack("<HHLL", 0, 0, 4, 56)
    + struct.pack("<HHL", 0, 2, 18)
    + b"1.2.840.10008.1.1\0"
    + struct.pack("<HHLH", 0, 0x100, 2, 0x30)
    + struct.pack("<HHLH", 0, 0x110, 2, 9)
    + struct.pack("<HHLH", 0, 0x800, 2, 0x101)
)
HALF = len(DATASET) // 2

CONVERSATIONS = {
    "one-fragment": [pdu((3, STORE)), pdu((2, DATASET))],
    "command-and-dataset-in-one-pdu": [pdu((3, STORE), (2, DATASET))],
    "command-and-first-fragment-in-one-pdu": [pdu((3, STORE), (0, DATASET[:HALF])), pdu((2, DATASET[HALF:]))],
    "many-fragments-in-one-pdu": [
        pdu((3, STORE)),
        pdu(*((0, DATASET[at : at + 100]) for at in range(0, 400, 100))),
        pdu((2, DATASET[400:])),
    ],
    "tiny-fragments": [pdu((3, STORE))]
    + [pdu((0, DATASET[at : at + 7])) for at in range(0, 350, 7)]
    + [pdu((2, DATASET[350:]))],
    "empty-fragments": [pdu((3, STORE)), pdu((0, b"")), pdu((0, DATASET)), pdu((2, b""))],
    "command-in-two-fragments": [pdu((1, STORE[:30])), pdu((3, STORE[30:])), pdu((2, DATASET))],
    "store-echo-store": [
        pdu((3, STORE)),
        pdu((2, DATASET)),
        pdu((3, ECHO), context=1),
        pdu((3, STORE)),
        pdu((2, DATASET)),
    ],
    "dataset-of-nothing": [pdu((3, STORE)), pdu((2, b""))],
    "not-a-dataset": [pdu((3, STORE)), pdu((2, b"%PDF-1.7 and so on"))],
    "truncated": [pdu((3, STORE)), pdu((2, DATASET[:-10]))],
    "another-instance": [pdu((3, changed(STORE, 0x1000, b"9.9.9"))), pdu((2, DATASET))],
    "unknown-context": [pdu((3, STORE), context=99), pdu((2, DATASET), context=99)],
    "invalid-priority": [pdu((3, changed(STORE, 0x700, b"\7\0"))), pdu((2, DATASET))],
    "no-message-id": [pdu((3, without(STORE, 0x110))), pdu((2, DATASET))],
    "no-instance-uid": [pdu((3, without(STORE, 0x1000))), pdu((2, DATASET))],
    "uid-of-letters": [pdu((3, changed(STORE, 0x1000, b"abcde"))), pdu((2, DATASET))],
    "unknown-command": [pdu((3, changed(STORE, 0x100, b"\x99\x09")))],
    "garbled-command": [pdu((3, STORE[:20] + b"\xff" * 20 + STORE[40:])), pdu((2, DATASET))],
    "no-dataset-announced": [pdu((3, changed(STORE, 0x800, b"\1\1")))],
    "response-instead-of-request": [pdu((3, changed(STORE, 0x100, b"\1\x80")))],
    "release-in-the-middle": [pdu((3, STORE)), pdu((0, DATASET[:HALF])), RELEASE],
    "abort-in-the-middle": [pdu((3, STORE)), pdu((0, DATASET[:HALF])), ABORT],
    "abort-at-once": [ABORT],
    "second-association-request": [struct.pack(">BxL", 1, 4) + b"\0\1\0\0"],
    "unknown-pdu": [struct.pack(">BxL", 0x42, 4) + b"\0\0\0\0"],
    "release-answer": [b"\6" + RELEASE[1:]],
    "closed-in-the-middle": [pdu((3, STORE)), pdu((2, DATASET))[:-5]],
    "closed-in-a-header": [b"\4\0\0"],
}


UNANSWERED = frozenset({"no-message-id", "response-instead-of-request"})
"""Conversations that no path has an answer for."""
PATIENCE_S = 30.0


def answers_to(name):
    """How many messages a conversation is answered with before its end."""
    return 0 if name in UNANSWERED else 3 if name == "store-echo-store" else 1


def hold(port, sent, *, answers=1, closes=False):
    """Send every PDU, wait for so many answers, then release (or just close); return all that was answered.

    Nothing in it depends on time, so that a busy machine holds the same conversation.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(PATIENCE_S)
        negotiate(connection, "BENCH", "PLUMBLINE")
        with suppress(OSError):
            for piece in sent:
                connection.sendall(piece)
        answered = b""
        if not closes and sent[-1] not in (RELEASE, ABORT):
            answered = _heard(connection, lambda heard: _messages_in(heard) >= answers or _has_ended(heard))
            if not _has_ended(answered):
                connection.sendall(RELEASE)
        if not closes:
            answered = _heard(connection, _has_ended, answered)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return _heard(connection, lambda _: False, answered)


def _heard(connection, is_enough, heard=b""):
    """What was heard so far and what comes until it is enough, or the connection ends."""
    with suppress(OSError):
        while not is_enough(heard) and (piece := connection.recv(65536)):
            heard += piece
    return heard


def _pdus(heard):
    """Whole PDUs."""
    while len(heard) >= 6 and len(heard) >= (end := 6 + struct.unpack_from(">L", heard, 2)[0]):
        yield heard[:end]
        heard = heard[end:]


def _messages_in(heard):
    """How many messages ended: the last fragments of command sets (PS3.8 annex E)."""
    return sum(1 for one in _pdus(heard) if one[0] == 4 and one[11] & 3 == 3)


def _has_ended(heard):
    """Whether a release was confirmed or the association aborted."""
    return any(one[0] in (6, 7) for one in _pdus(heard))
