"""Whatever bytes come, the listener neither crashes nor keeps files, threads or sockets of those who sent them.

Conversations that were recorded from real senders, and the requests that open them, are mutated by seed;
a failure names the seed, and ``PLUMBLINE_FUZZ_SEED`` begins with it.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from plumbline.adapters.spool import JournalTail
from tests.benchmark.store_sender import association_request, negotiate
from tests.dimse_conversations import ABORT, CONVERSATIONS, DATASET, RELEASE, UID, hold, kept, listening
from tests.fuzz.mutation import mutated, mutated_conversation, seeds

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of each odd value
SETTLES_WITHIN_S = 20.0
PROBE_EVERY = 25
TRIES = 3
SUCCESS = struct.pack("<HHLH", 0, 0x900, 2, 0)
RECORDED = [CONVERSATIONS[name] for name in sorted(CONVERSATIONS)]


def talk(port, source):
    """One association, mutated somewhere, that ends in one of the ways in which associations end."""
    with suppress(OSError, SystemExit), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(source.choice([0.01, 0.05, 0.2]))
        if source.random() < 0.25:
            connection.sendall(mutated(source, association_request("BENCH", "PLUMBLINE")))
        else:
            negotiate(connection, "BENCH", "PLUMBLINE")
        _say(connection, source, b"".join(mutated_conversation(source, RECORDED)))
        connection.sendall(source.choice([b"", RELEASE, ABORT]))
        with suppress(OSError):
            while connection.recv(65536):
                pass
        if source.random() < 0.3:  # without goodbye: what was not read becomes a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _say(connection, source, data):
    if source.random() < 0.7:
        connection.sendall(data)
        return
    at = 0
    while at < len(data):
        piece = source.choice([1, 7, 300, 5000])
        connection.sendall(data[at : at + piece])
        at += piece


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(measure, limit):
    """The measure, when it is at most ``limit`` or does not become so in time."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while measure() > limit and time.monotonic() < deadline:
        time.sleep(0.05)
    return measure()


def is_good_instance_stored(port):
    """Whether a listener that was treated badly still takes what is right, by what it answers to that alone.

    A pause of this machine that is longer than the idle time ends an association by rights, hence several.
    """
    return any(SUCCESS in _answered(port) for _ in range(TRIES))


def _answered(port):
    try:
        return hold(port, CONVERSATIONS["one-fragment"])
    except (OSError, SystemExit):  # no association
        return b""


@pytest.mark.parametrize("has_store_loop", [True, False], ids=["own-loop", "pynetdicom"])
def test_no_bytes_bring_the_listener_down_or_stay_with_it(tmp_path, has_store_loop):
    settings = {"idle_timeout_s": 0.5, "instance_timeout_s": 2.0, "buffer_bytes": 65536}
    with listening(tmp_path, has_store_loop=has_store_loop, **settings) as (listener, _):
        assert is_good_instance_stored(listener.port)
        threads, files = threading.active_count(), open_files()
        for seed in seeds():
            talk(listener.port, random.Random(seed))
            if seed % PROBE_EVERY == 0:
                assert settled(threading.active_count, threads) <= threads, f"threads left behind by seed {seed}"
                assert is_good_instance_stored(listener.port), f"refused after seed {seed}"
        assert settled(threading.active_count, threads) <= threads
        assert settled(open_files, files) <= files, "files left behind"
        assert is_good_instance_stored(listener.port)
        assert JournalTail(tmp_path).sweep() == 0, "a cut association removes its own half"
    assert not list(tmp_path.glob("*.partial"))
    assert (UID.decode(), "", DATASET) in kept(tmp_path)
