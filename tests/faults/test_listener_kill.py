"""Killed with SIGKILL at any moment, the listener has every instance that it acknowledged, whole, and exactly once.

Seeds differ in when the blow falls, whom it hits (the receiver or the indexer) and how large instances are.
``PLUMBLINE_KILL_SEEDS`` sets how many are tried, ``PLUMBLINE_STOP_REPEATS`` how many ordinary stops under load.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plumbline.adapters.spool import Journal, JournalTail
from plumbline.pipeline.receive import Label
from tests.benchmark.store_sender import UID_LENGTH, command, instance, negotiate, p_data, read_pdu
from tests.servers import listener_settings, run_listener, wait_until

SEEDS = int(os.environ.get("PLUMBLINE_KILL_SEEDS", "6"))
STUDY, SERIES = "2.25.100", "2.25.101"
FRAGMENT = 32_000


def send_until_cut(port, seed, acknowledged):
    """Send instances with contents of their own until the connection breaks; note what was acknowledged."""
    source = random.Random(seed)
    template, uid_at = instance(source.choice([16, 64, 256]), STUDY, SERIES)
    number = len(acknowledged)
    with suppress(OSError, SystemExit), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        negotiate(connection, "BENCH", "PLUMBLINE")
        while True:
            number += 1
            uid = f"1.2.826.{seed + 1}{number:0{UID_LENGTH - 8 - len(str(seed + 1))}d}".encode()
            dataset = template[:uid_at] + uid + template[uid_at + UID_LENGTH : -64] + source.randbytes(64)
            cuts = range(0, len(dataset), FRAGMENT)
            pieces = [(3, command(uid, number % 60000 + 1))]
            pieces += [(2 if at == cuts[-1] else 0, dataset[at : at + FRAGMENT]) for at in cuts]
            connection.sendall(b"".join(p_data(pieces)))
            if b"\0\0\0\x09\2\0\0\0\0\0" in read_pdu(connection):
                acknowledged[uid.decode()] = hashlib.sha256(dataset).hexdigest()


def indexers_of(process):
    """Process ids of the listener's indexer; none while it is still being started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_was_acknowledged_before_a_kill_is_there_afterwards(tmp_path, seed):
    source = random.Random(1000 + seed)
    settings = listener_settings(tmp_path, buffer_bytes=source.choice([65536, 8 << 20]), segment_bytes=2_000_000)
    acknowledged: dict[str, str] = {}
    for blow in range(2):
        with run_listener(tmp_path, settings) as listener:
            sender = threading.Thread(
                target=send_until_cut, args=(settings.listener.port, 2 * seed + blow, acknowledged)
            )
            sender.start()
            if blow == 1:  # the first falls where it may, perhaps before anything was sent
                wait_until(lambda: bool(acknowledged), "an instance is acknowledged", 60)
            time.sleep(source.uniform(0.05, 1.0))
            if blow == 0 and seed % 2:
                wait_until(lambda: indexers_of(listener.process), "its indexer runs", 60)
                os.kill(indexers_of(listener.process)[0], signal.SIGKILL)
                time.sleep(source.uniform(0.05, 1.0))
            os.kill(listener.process.pid, signal.SIGKILL)
            sender.join(30)
    assert acknowledged
    with run_listener(tmp_path, settings) as listener:
        wait_until(lambda: len(listener.index.find(acknowledged)) == len(acknowledged), "all are in the ledger", 60)
        found = listener.index.find(acknowledged)
        kept = {label.sop_instance_uid: hashlib.sha256(data).hexdigest() for label, data in listener.kept()}
        assert {uid: instance.sha256 for uid, instance in found.items()} == acknowledged
        assert {uid: kept[uid] for uid in acknowledged} == acknowledged
        read = {uid: hashlib.sha256(listener.bytes_of(instance)).hexdigest() for uid, instance in found.items()}
        assert read == acknowledged
        assert listener.index.quarantined() == []
        held = listener.index.held(STUDY)
        assert len({instance.sop_instance_uid for instance in held}) == len(held)
        wait_until(lambda: not list(settings.spool_dir.glob("*.partial")), "what was cut off is swept", 60)


STOP_REPEATS = int(os.environ.get("PLUMBLINE_STOP_REPEATS", "3"))
DRAIN_S = 2.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STOP_REPEATS))
def test_a_stop_under_load_ends_in_time_and_keeps_what_was_acknowledged(tmp_path, seed):
    source = random.Random(2000 + seed)
    settings = listener_settings(tmp_path, segment_bytes=4_000_000, drain_s=DRAIN_S, processes=1 + seed % 2)
    acknowledged: list[dict[str, str]] = [{} for _ in range(4)]
    with run_listener(tmp_path, settings) as listener:
        senders = [
            threading.Thread(target=send_until_cut, args=(settings.listener.port, 4 * seed + number, mine))
            for number, mine in enumerate(acknowledged)
        ]
        for sender in senders:
            sender.start()
        time.sleep(source.uniform(0.3, 1.5))
        listener.process.terminate()
        began = time.monotonic()
        assert listener.process.wait(60) == 0
        assert time.monotonic() - began < DRAIN_S + STOP_SLACK_S
        for sender in senders:
            sender.join(30)
    together = {uid: digest for mine in acknowledged for uid, digest in mine.items()}
    assert together
    with run_listener(tmp_path, settings) as listener:
        wait_until(lambda: len(listener.index.find(together)) == len(together), "all are in the ledger", 60)
        assert {uid: one.sha256 for uid, one in listener.index.find(together).items()} == together
        assert listener.index.quarantined() == []


STOP_SLACK_S = 10.0
"""For the end of the processes on a busy machine."""
CALLS = ("pwritev", "pwrite", "fsync", "rename", "ftruncate")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("when", ["before", "half-way", "after"])
def test_a_writer_that_dies_in_any_call_to_the_disk_leaves_only_whole_instances(tmp_path, call, when):
    for nth in range(1, 9):
        folder = tmp_path / f"{call}-{when}-{nth}"
        folder.mkdir()
        answered = _written_by_a_child_that_dies(folder, call, when, nth)
        tail = JournalTail(folder)
        tail.sweep()
        found = {}
        for name in tail.segments():
            end = 0
            while records := tail.after(name, end, 100):
                for record in records:
                    with tail.dataset(record) as data:
                        found[record.label.sop_instance_uid] = bytes(data)
                end = records[-1].end
            assert tail.is_finished(name, end)
        assert answered <= found.keys()
        assert all(data == content(uid) for uid, data in found.items())


def content(uid):
    """What the child writes for a UID."""
    return hashlib.sha256(uid.encode()).digest() * 500


def _written_by_a_child_that_dies(folder, call, when, nth):
    """UIDs that the child got an answer for, before it died in the ``nth`` call."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _die_in(call, when, nth)
        with suppress(BaseException):
            _write_instances(folder, writer)
        os._exit(0)
    os.close(writer)
    answered = b""
    while piece := os.read(reader, 65536):
        answered += piece
    os.close(reader)
    os.waitpid(child, 0)
    return set(answered.decode().split())


def _write_instances(folder, answers):
    journal = Journal(folder, segment_bytes=80_000, prepares=True)
    for number in range(6):
        label = Label("1.2", f"2.25.{number}", "1.2.840.10008.1.2.1", "BENCH", datetime.now(UTC))
        if number % 3 == 2:
            large = journal.start_large(label)
            large.write(content(label.sop_instance_uid)[:5000])
            large.write(content(label.sop_instance_uid)[5000:])
            large.finish()
        else:
            journal.add(label, content(label.sop_instance_uid))
        os.write(answers, f"{label.sop_instance_uid} ".encode())
    journal.close()


def _die_in(call, when, nth):
    """Make the process end in the ``nth`` call of a function of ``os``."""
    original, calls = getattr(os, call), 0

    def dying(*arguments):
        nonlocal calls
        calls += 1
        if calls != nth:
            return original(*arguments)
        if when == "half-way" and call == "pwritev":
            descriptor, views, offset = arguments
            whole = b"".join(bytes(view) for view in views)
            with Path(f"/proc/self/fd/{descriptor}").open(
                "r+b", buffering=0
            ) as file:  # a direct write takes whole blocks
                file.seek(offset)
                file.write(whole[: len(whole) // 2])
        if when == "after":
            original(*arguments)
        os._exit(9)

    setattr(os, call, dying)
