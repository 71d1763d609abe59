"""The same conversation, held with our loop and with pynetdicom's own path, gets the same answers to the byte.

Not compared: how the bytes are cut into TCP segments, and when they come.
"""

from __future__ import annotations

import gc
import queue
import socket
import struct
import time
from types import SimpleNamespace

import pytest

from plumbline.adapters.dimse.association import PatientSocket, StoreAssociation
from tests.benchmark.store_sender import CT_IMAGE_STORAGE, command, instance, negotiate, read_pdu
from tests.dimse_conversations import (
    ABORT,
    CONVERSATIONS,
    DATASET,
    RELEASE,
    STORE,
    UID,
    answers_to,
    hold,
    kept,
    listening,
    pdu,
)
from tests.servers import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of each odd value


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_both_paths_give_the_same_answers_and_keep_the_same(name, tmp_path):
    outcomes = []
    for has_store_loop in (True, False):
        folder = tmp_path / str(has_store_loop)
        with listening(folder, has_store_loop=has_store_loop) as (listener, observer):
            sent, closes = CONVERSATIONS[name], name.startswith("closed")
            answered = hold(listener.port, sent, answers=answers_to(name), closes=closes)
        outcomes.append((answered, observer.statuses, kept(folder)))
    assert outcomes[0] == outcomes[1]
    if name in ("one-fragment", "tiny-fragments", "command-and-dataset-in-one-pdu"):
        assert outcomes[0][1] == [0]
        assert outcomes[0][2] == [(UID.decode(), "", DATASET)]


def test_an_answer_is_cut_for_a_peer_that_takes_only_short_pdus(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.benchmark.store_sender.MAXIMUM_LENGTH", 64)
    answers = []
    for has_store_loop in (True, False):
        with listening(tmp_path / str(has_store_loop), has_store_loop=has_store_loop) as (listener, _):
            answers.append(hold(listener.port, CONVERSATIONS["one-fragment"]))
    assert answers[0] == answers[1]
    assert answers[0].count(b"\4\0\0\0\0") >= 2


def test_an_instance_larger_than_the_buffer_goes_to_the_spool_as_it_comes(tmp_path):
    large, uid_at = instance(512, "2.25.100", "2.25.101")
    large = large[:uid_at] + UID + large[uid_at + len(UID) :]
    pieces = [large[at : at + 100_000] for at in range(0, len(large), 100_000)]
    sent = [pdu((3, STORE))] + [pdu((2 if n == len(pieces) - 1 else 0, piece)) for n, piece in enumerate(pieces)]
    with listening(tmp_path, buffer_bytes=65536) as (listener, observer):
        hold(listener.port, sent)
    assert observer.statuses == [0]
    assert kept(tmp_path) == [(UID.decode(), "", large)]


@pytest.mark.parametrize(
    ("change", "status", "refusal"),
    [
        (lambda data: data[:-10], 0xC000, "truncated"),
        (lambda data: b"no dataset" + data, 0xC000, "not-dicom"),
        (lambda data: data.replace(UID, UID[::-1]), 0xA900, "contradicts-its-identity"),
    ],
)
def test_a_bad_instance_larger_than_the_buffer_is_refused_before_it_is_acknowledged(tmp_path, change, status, refusal):
    large, uid_at = instance(512, "2.25.100", "2.25.101")
    large = change(large[:uid_at] + UID + large[uid_at + len(UID) :])
    pieces = [large[at : at + 100_000] for at in range(0, len(large), 100_000)]
    sent = [pdu((3, STORE))] + [pdu((2 if n == len(pieces) - 1 else 0, piece)) for n, piece in enumerate(pieces)]
    with listening(tmp_path, buffer_bytes=65536) as (listener, observer):
        hold(listener.port, sent)
    assert observer.statuses == [status]
    assert kept(tmp_path) == [(UID.decode(), refusal, large)]


def test_a_large_instance_that_breaks_off_leaves_nothing_behind(tmp_path):
    sent = [pdu((3, STORE)), *(pdu((0, bytes(100_000))) for _ in range(5)), ABORT]
    with listening(tmp_path, buffer_bytes=65536) as (listener, observer):
        hold(listener.port, sent)
    assert observer.statuses == []
    assert [path.suffix for path in tmp_path.iterdir()] == []


def test_an_instance_that_takes_too_long_is_given_up(tmp_path):
    with (
        listening(tmp_path, instance_timeout_s=0.5) as (listener, observer),
        socket.create_connection(("127.0.0.1", listener.port)) as connection,
    ):
        connection.settimeout(10)
        negotiate(connection, "BENCH", "PLUMBLINE")
        connection.sendall(pdu((3, STORE)) + pdu((0, DATASET[:100])))
        assert read_pdu(connection)[0] == 7  # A-ABORT
    assert observer.statuses == []


def test_a_silent_association_is_aborted_after_the_idle_time(tmp_path):
    with (
        listening(tmp_path, idle_timeout_s=1.5) as (listener, _),
        socket.create_connection(("127.0.0.1", listener.port)) as connection,
    ):
        connection.settimeout(10)
        negotiate(connection, "BENCH", "PLUMBLINE")
        connection.sendall(pdu((3, STORE)) + pdu((2, DATASET)))
        assert read_pdu(connection)[0] == 4
        assert read_pdu(connection)[0] == 7


def test_no_room_on_the_disk_is_answered_and_new_associations_are_put_off(tmp_path, monkeypatch):
    with listening(tmp_path) as (listener, observer):
        with socket.create_connection(("127.0.0.1", listener.port)) as connection:
            connection.settimeout(10)
            negotiate(connection, "BENCH", "PLUMBLINE")
            monkeypatch.setattr(listener._storage, "_reserve_bytes", 1 << 62)
            connection.sendall(pdu((3, STORE)) + pdu((2, DATASET)))
            read_pdu(connection)
        with socket.create_connection(("127.0.0.1", listener.port)) as connection, pytest.raises(SystemExit):
            connection.settimeout(10)
            negotiate(connection, "BENCH", "PLUMBLINE")
    assert observer.statuses == [0xA700]
    assert kept(tmp_path) == []


@pytest.mark.parametrize("accept_unknown_storage", [True, False])
def test_an_unknown_private_class_is_kept_where_the_site_says_so(tmp_path, accept_unknown_storage, monkeypatch):
    monkeypatch.setattr("tests.benchmark.store_sender.CT_IMAGE_STORAGE", "1.2.3.4.5.6.7.8.9.10.11.1")
    private = DATASET.replace(CT_IMAGE_STORAGE.encode() + b"\0", b"1.2.3.4.5.6.7.8.9.10.11.1\0")
    with listening(tmp_path, accept_unknown_storage=accept_unknown_storage) as (listener, observer):
        hold(listener.port, [pdu((3, command(UID, 1))), pdu((2, private))])
    assert observer.statuses == ([0] if accept_unknown_storage else [0x0122])
    assert len(kept(tmp_path)) == accept_unknown_storage


def associate(port):
    """A connection with an association."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        negotiate(connection, "BENCH", "PLUMBLINE")
    except BaseException:
        connection.close()
        raise
    return connection


def test_an_association_in_use_outlives_the_idle_time_and_not_the_total_time(tmp_path):
    with listening(tmp_path, idle_timeout_s=1.0, association_timeout_s=3.0) as (listener, observer):
        began = time.monotonic()
        with associate(listener.port) as connection:
            while True:
                connection.sendall(pdu((3, STORE)) + pdu((2, DATASET)))
                kind = read_pdu(connection)[0]
                if kind != 4:
                    break
                time.sleep(0.02)
    assert kind == 7
    assert time.monotonic() - began > 2.0, "longer than the idle time"
    assert len(observer.statuses) > 2


def test_an_association_request_with_too_many_user_items_is_aborted(tmp_path):
    with (
        listening(tmp_path, maximum_user_items=8) as (listener, _),
        socket.create_connection(("127.0.0.1", listener.port), timeout=10) as connection,
    ):
        items = b"".join(b"\x54\0" + struct.pack(">HH", 9, 5) + b"1.2.%d" % (n % 10) + b"\1\1" for n in range(20))
        body = struct.pack(">HH16s16s32x", 1, 0, b"PLUMBLINE".ljust(16), b"BENCH".ljust(16))
        body += b"\x50\0" + struct.pack(">H", len(items)) + items
        connection.sendall(struct.pack(">BxL", 1, len(body)) + body)
        assert read_pdu(connection)[0] == 7


def test_connections_that_ask_for_nothing_are_limited_and_forgotten_when_they_hang_up(tmp_path):
    with listening(tmp_path, maximum_waiting=3) as (listener, _):
        idle = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(3)]
        wait_until(lambda: not is_free(listener._waiting), "all three wait")
        with pytest.raises((OSError, SystemExit)):
            associate(listener.port).close()
        for connection in idle:
            connection.close()
        wait_until(lambda: is_free(listener._waiting), "the places of those that hung up are free")
        associate(listener.port).close()


def is_free(places):
    """Whether a place can be had at this moment."""
    place = places.take()
    if place is not None:
        place.leave()
    return place is not None


def test_no_search_for_garbage_holds_up_the_associations_and_none_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda *_: pytest.fail("the whole process was searched"))
    with listening(tmp_path) as (listener, _):
        for _ in range(100):
            listener._servers[0].service_actions()
        for _ in range(60):
            with associate(listener.port) as connection:
                connection.sendall(RELEASE)
                assert read_pdu(connection)[0] == 6
        alive = sum(isinstance(one, StoreAssociation) for one in gc.get_objects())
    assert alive < 60, "the ordinary collection of garbage has not taken any"


def test_a_place_is_free_again_however_an_association_ended(tmp_path):
    with listening(tmp_path, maximum_associations=1) as (listener, _):
        for ending in (RELEASE, ABORT, b""):
            with associate(listener.port) as connection:
                with pytest.raises(SystemExit):
                    associate(listener.port)
                if ending:
                    connection.sendall(ending)
            wait_until(lambda: is_free(listener._places), "the place is free again")


def test_a_connection_is_closed_even_where_its_peer_hung_up_first():
    """It cannot be shut down any more; what is only forgotten keeps a file open until garbage is looked for."""
    ours = socket.socket()  # as after a reset: not connected
    association = SimpleNamespace(dul=SimpleNamespace(event_queue=queue.Queue()))
    PatientSocket(association, client_socket=ours).close()
    assert ours.fileno() == -1
