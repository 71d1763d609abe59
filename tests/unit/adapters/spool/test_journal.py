"""The journal: what is appended is whole, durable when answered, and found again after any cut.

Not covered here: a real power cut (no test can), and processes killed by signal (tests/faults).
"""

from __future__ import annotations

import errno
import os
import threading
from datetime import UTC, datetime

import pytest

from plumbline.adapters.spool import Journal, JournalTail
from plumbline.adapters.spool import segment as segment_module
from plumbline.adapters.spool.record import FIRST_RECORD, SEAL, Checksum, checksum
from plumbline.errors import InvalidInput, OutOfCapacity
from plumbline.pipeline.ports import Location
from plumbline.pipeline.receive import Label

MOMENT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)


def label(number=1, refusal=""):
    return Label("1.2.840.10008.5.1.4.1.1.2", f"2.25.{number}", "1.2.840.10008.1.2.1", "MODALITY", MOMENT, refusal)


def everything(directory):
    """All records that a reader sees, as (label, bytes)."""
    tail = JournalTail(directory)
    found = []
    for name in tail.segments():
        for record in tail.after(name, 0, 1000):
            with tail.dataset(record) as dataset:
                found.append((record.label, bytes(dataset)))
    return found


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def test_what_is_added_is_read_back_with_its_label(journal, tmp_path):
    location = journal.add(label(), b"dataset bytes")
    assert journal.read(location) == b"dataset bytes"
    assert everything(tmp_path) == [(label(), b"dataset bytes")]


def test_an_empty_dataset_is_a_record_too(journal, tmp_path):
    journal.add(label(refusal="not-dicom"), b"")
    assert everything(tmp_path) == [(label(refusal="not-dicom"), b"")]


def test_other_processes_read_while_the_segment_is_still_written(journal, tmp_path):
    location = journal.add(label(), b"x" * 5000)
    assert Journal(tmp_path).read(location) == b"x" * 5000


def test_a_location_that_is_not_held_is_refused(journal):
    location = journal.add(label(), b"abc")
    with pytest.raises(InvalidInput):
        journal.read(Location(location.segment, location.offset, 10_000))
    with pytest.raises(InvalidInput):
        journal.read(Location("no-such-segment", 0, 1))


def test_a_new_segment_begins_when_one_is_full(tmp_path):
    journal = Journal(tmp_path, segment_bytes=3000)
    for number in range(10):
        journal.add(label(number), bytes([number]) * 1000)
    journal.close()
    assert len(JournalTail(tmp_path).segments()) == 5
    assert [found.sop_instance_uid for found, _ in everything(tmp_path)] == [f"2.25.{n}" for n in range(10)]


def test_an_instance_larger_than_a_segment_is_kept_whole(tmp_path):
    journal = Journal(tmp_path, segment_bytes=1000)
    assert journal.read(journal.add(label(), b"y" * 50_000)) == b"y" * 50_000
    journal.close()


def test_many_threads_share_one_segment_and_nothing_is_mixed_up(journal, tmp_path):
    def add_some(first):
        for number in range(first, first + 25):
            journal.add(label(number), b"%d " % number * 100)

    threads = [threading.Thread(target=add_some, args=(100 * n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = everything(tmp_path)
    assert len(found) == 100
    assert all(data == b"%s " % lab.sop_instance_uid.removeprefix("2.25.").encode() * 100 for lab, data in found)
    assert len(JournalTail(tmp_path).segments()) == 1


def test_associations_that_wait_together_are_flushed_together(journal, monkeypatch):
    flushes = []
    flush = os.fdatasync
    entered, go_on = threading.Event(), threading.Event()

    def slow_flush(descriptor):
        flushes.append(descriptor)
        entered.set()
        go_on.wait(5)
        flush(descriptor)

    journal.add(label(), b"opens the segment")
    monkeypatch.setattr(os, "fdatasync", slow_flush)
    threads = [threading.Thread(target=journal.add, args=(label(n), b"z" * 100)) for n in range(5)]
    threads[0].start()
    assert entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    while journal._segment.end < 6 * 100:  # all five are written, one is being flushed
        pass
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert len(flushes) <= 3


def test_nothing_is_answered_before_it_is_flushed(journal, monkeypatch):
    order = []
    flush = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (order.append("flush"), flush(descriptor)))
    journal.add(label(), b"abc")
    order.append("answered")
    assert order == ["flush", "answered"]


def test_a_full_disk_is_told_and_the_journal_goes_on_when_there_is_room(journal, tmp_path, monkeypatch):
    journal.add(label(1), b"before")
    write = os.pwritev

    def half_a_write(descriptor, views, offset):
        write(descriptor, [memoryview(views[0])[:7]], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", half_a_write)
    with pytest.raises(OutOfCapacity):
        journal.add(label(2), b"lost")
    monkeypatch.undo()
    journal.add(label(3), b"after")
    assert [lab.sop_instance_uid for lab, _ in everything(tmp_path)] == ["2.25.1", "2.25.3"]


def test_a_failed_flush_is_not_trusted_again(journal, tmp_path, monkeypatch):
    journal.add(label(1), b"before")
    first = journal._segment.name

    def fail(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Exception, match="spool"):
        journal.add(label(2), b"uncertain")
    monkeypatch.undo()
    assert journal.add(label(3), b"after").segment != first


def test_a_segment_that_was_cut_anywhere_ends_with_its_last_whole_record(tmp_path):
    original = tmp_path / "original"
    journal = Journal(original)
    for number in range(4):
        journal.add(label(number), os.urandom(200))
    journal.close()
    whole = everything(original)
    name = JournalTail(original).segments()[0]
    content = (original / f"{name}.segment").read_bytes()
    for cut in range(0, len(content) - len(SEAL), 17):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / f"{name}.segment").write_bytes(content[:cut])
        found = everything(folder)
        assert found == whole[: len(found)]
        ends = [record.end for record in JournalTail(folder).after(name, 0, 10)]
        tail = JournalTail(folder)
        assert tail.is_finished(name, ends[-1] if ends else 0)
        assert everything(folder) == found
        assert len(found) == sum(record.end <= cut for record in JournalTail(original).after(name, 0, 10))


def test_a_record_whose_data_never_reached_the_disk_is_cut_off(tmp_path):
    journal = Journal(tmp_path)
    journal.add(label(1), b"a" * 500)
    location = journal.add(label(2), b"b" * 500)
    name = journal._segment.name
    path = tmp_path / f"{name}.segment"
    os.close(journal._segment._descriptor)  # the writer is gone, with its lock
    with path.open("r+b") as file:  # header and trailer are there, the page between is not
        file.seek(location.offset + 100)
        file.write(b"\0" * 300)
    tail = JournalTail(tmp_path)
    first = tail.after(name, 0, 1)[0]
    assert tail.is_finished(name, first.end)
    assert [lab.sop_instance_uid for lab, _ in everything(tmp_path)] == ["2.25.1"]


def test_a_segment_in_use_is_not_finished(journal, tmp_path):
    location = journal.add(label(), b"abc")
    tail = JournalTail(tmp_path)
    assert not tail.is_finished(location.segment, tail.after(location.segment, 0, 10)[-1].end)


def test_a_sealed_segment_is_finished(tmp_path):
    journal = Journal(tmp_path)
    location = journal.add(label(), b"abc")
    journal.close()
    tail = JournalTail(tmp_path)
    assert tail.is_finished(location.segment, tail.after(location.segment, 0, 10)[-1].end)
    assert not tail.is_finished(location.segment, FIRST_RECORD)


def test_a_large_instance_is_seen_only_when_it_is_whole(journal, tmp_path):
    large = journal.start_large(label())
    large.write(b"first " * 1000)
    assert everything(tmp_path) == []
    large.write(b"second" * 1000)
    location = large.finish()
    assert journal.read(location) == b"first " * 1000 + b"second" * 1000
    assert everything(tmp_path) == [(label(), b"first " * 1000 + b"second" * 1000)]
    assert JournalTail(tmp_path).is_finished(
        location.segment, JournalTail(tmp_path).after(location.segment, 0, 9)[-1].end
    )


def test_an_abandoned_large_instance_leaves_nothing(journal, tmp_path):
    large = journal.start_large(label())
    large.write(b"x" * 100)
    large.abandon()
    assert list(tmp_path.iterdir()) == []


def test_the_sweep_takes_what_crashed_writers_left_and_nothing_that_is_written_now(journal, tmp_path):
    (tmp_path / "0000-dead.partial").write_bytes(b"half an instance")
    large = journal.start_large(label())
    assert JournalTail(tmp_path).sweep() == 1
    assert journal.read(large.finish()) == b""


def test_a_new_file_has_its_lock_before_it_has_its_name(tmp_path, monkeypatch):
    locked = []
    flock = segment_module.fcntl.flock
    monkeypatch.setattr(
        segment_module.fcntl,
        "flock",
        lambda d, how: (locked.append(sorted(p.suffix for p in tmp_path.iterdir())), flock(d, how)),
    )
    os.close(segment_module.create_locked(tmp_path / "a.segment"))
    assert locked == [[".new"]]


def test_a_forked_process_writes_a_segment_of_its_own(journal, tmp_path):
    journal.add(label(1), b"parent")
    child = os.fork()
    if child == 0:
        try:
            journal.add(label(2), b"child")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    journal.add(label(3), b"parent again")
    assert len(JournalTail(tmp_path).segments()) == 2
    assert {data for _, data in everything(tmp_path)} == {b"parent", b"child", b"parent again"}


def test_damaged_bytes_are_told_from_intact_ones(journal, tmp_path):
    location = journal.add(label(), b"q" * 1000)
    path = tmp_path / f"{location.segment}.segment"
    with segment_module.SegmentReader(path) as reader:
        record = reader.record_at(FIRST_RECORD)
        assert record is not None
        assert reader.is_intact(record)
        with path.open("r+b") as file:
            file.seek(location.offset + 10)
            file.write(b"!")
        assert not reader.is_intact(record)


def test_a_checksum_is_the_same_however_the_bytes_come():
    data = os.urandom(1000)
    for cuts in ((1, 2, 3, 500), (8, 16), (7, 15, 23, 999), ()):
        summed = Checksum()
        for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
            summed.add(data[start:end])
        assert summed.value() == checksum(data)


def test_a_page_that_never_reached_the_disk_changes_the_checksum():
    data = bytearray(os.urandom(20_000))
    whole = checksum(data)
    for start in range(0, len(data), 4096):
        lost = bytearray(data)
        lost[start : start + 4096] = bytes(len(lost[start : start + 4096]))
        assert checksum(lost) != whole
