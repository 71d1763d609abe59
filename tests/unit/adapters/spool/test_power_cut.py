"""What a segment looks like after a power cut, simulated: everything acknowledged is there, nothing half-written."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime

import pytest

from plumbline.adapters.spool import Journal, JournalTail
from plumbline.pipeline.receive import Label


@pytest.mark.parametrize("seed", range(40))
def test_after_a_power_cut_no_block_that_never_reached_the_disk_is_taken_for_an_instance(tmp_path, seed):
    """What was being written when the power went has any of its blocks, in a file that had grown or not."""
    source = random.Random(seed)
    journal = Journal(tmp_path)
    before = [added(journal, number, source) for number in range(source.randrange(1, 4))]
    (path,) = tmp_path.iterdir()
    durable = path.stat().st_size
    in_flight = [added(journal, number, source) for number in range(10, 10 + source.randrange(1, 4))]
    os.close(journal._segment._descriptor)  # no seal, no lock: the process went with the power
    written = path.read_bytes()
    on_disk = bytearray(written[:durable])
    for start in range(durable, len(written), 4096):
        block = written[start : start + 4096]
        on_disk += block if source.random() < 0.7 else source.choice([bytes(4096), source.randbytes(4096)])
    if source.random() < 0.3:
        del on_disk[durable + source.randrange(len(on_disk) - durable) :]
    on_disk += bytes(source.choice([0, 4096, 1 << 20]))
    path.write_bytes(on_disk)
    tail = JournalTail(tmp_path)
    found, damaged = shown(tail, path.stem)
    assert found.items() >= dict(before).items()
    assert found.items() <= dict(before + in_flight).items()
    assert damaged <= dict(in_flight).keys(), "torn, though one that was written with it is whole: for the quarantine"
    assert tail.is_finished(path.stem, tail.after(path.stem, 0, 100)[-1].end)


def added(journal, number, source):
    """(UID, content) of an instance that was added."""
    uid, data = f"2.25.{number}", source.randbytes(source.choice([0, 10, 5000, 60_000]))
    journal.add(Label("1.2", uid, "1.2.840.10008.1.2.1", "BENCH", datetime.now(UTC)), data)
    return uid, data


def shown(tail, name):
    """What a reader gets after the segment is cut and sealed: whole instances, and the UIDs of damaged ones."""
    tail.is_finished(name, tail.after(name, 0, 100)[-1].end)
    found, damaged = {}, set()
    for record in tail.after(name, 0, 100):
        if record.label.refusal:
            damaged.add(record.label.sop_instance_uid)
            continue
        with tail.dataset(record) as data:
            found[record.label.sop_instance_uid] = bytes(data)
    return found, damaged
