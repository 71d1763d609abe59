"""The journal: what is appended is whole, durable when answered, and found again after any cut.

Not covered here: a real power cut (no test can), and processes killed by signal (tests/faults).
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from plumbline.adapters.spool import Journal, JournalTail
from plumbline.adapters.spool import segment as segment_module
from plumbline.adapters.spool import writer as writer_module
from plumbline.adapters.spool.prepared import Preparation
from plumbline.adapters.spool.record import BLOCK, FIRST_RECORD, TRAILER_LENGTH, Checksum, checksum, record_length
from plumbline.errors import InvalidInput, OutOfCapacity, Unavailable
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
        end = 0
        while records := tail.after(name, end, 1000):
            for record in records:
                with tail.dataset(record) as dataset:
                    found.append((record.label, bytes(dataset)))
            end = records[-1].end
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
    journal = Journal(tmp_path, segment_bytes=FIRST_RECORD + 2 * record_length(1000))
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


def test_associations_that_wait_together_are_written_together(journal, tmp_path, monkeypatch):
    writes = []
    write = writer_module.write_all
    entered, go_on = threading.Event(), threading.Event()

    def slow_write(descriptor, parts, offset):
        writes.append(len(parts))
        entered.set()
        go_on.wait(5)
        return write(descriptor, parts, offset)

    journal.add(label(), b"opens the segment")
    monkeypatch.setattr(writer_module, "write_all", slow_write)
    threads = [threading.Thread(target=journal.add, args=(label(n), b"z" * 100)) for n in range(5)]
    threads[0].start()
    assert entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    while len(journal._segment._waiting) < 4:
        pass
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert writes == [1, 4]
    assert len(everything(tmp_path)) == 6


def test_nothing_is_answered_before_it_is_durable(journal, monkeypatch):
    """Each write returns when the disk has it (O_DSYNC), so there is no flush to be forgotten."""
    opened = []
    create = writer_module.create_locked
    monkeypatch.setattr(
        writer_module, "create_locked", lambda path, flags: (opened.append(flags), create(path, flags))[1]
    )
    journal.add(label(), b"abc")
    assert opened == [os.O_DSYNC]
    flags = fcntl.fcntl(journal._segment._descriptor, fcntl.F_GETFL)
    assert flags & os.O_DSYNC


def test_a_full_disk_is_told_and_the_journal_goes_on_when_there_is_room(journal, tmp_path, monkeypatch):
    journal.add(label(1), b"before")
    write = os.pwritev

    def half_a_write(descriptor, views, offset):
        write(descriptor, [memoryview(views[0])[:BLOCK]], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", half_a_write)
    with pytest.raises(OutOfCapacity):
        journal.add(label(2), bytes(2 * BLOCK))
    monkeypatch.undo()
    journal.add(label(3), b"after")
    assert len(JournalTail(tmp_path).segments()) == 1
    assert [lab.sop_instance_uid for lab, _ in everything(tmp_path)] == ["2.25.1", "2.25.3"]


def test_a_disk_that_failed_once_gets_another_segment(journal, tmp_path, monkeypatch):
    first = journal.add(label(1), b"before").segment

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwritev", fail)
    with pytest.raises(Unavailable, match="spool"):
        journal.add(label(2), b"uncertain")
    monkeypatch.undo()
    second = journal.add(label(3), b"after").segment
    assert second != first
    tail = JournalTail(tmp_path)
    assert tail.is_finished(first, tail.after(first, 0, 10)[-1].end), "its lock was let go, it can be cut and sealed"
    assert [lab.sop_instance_uid for lab, _ in everything(tmp_path)] == ["2.25.1", "2.25.3"]


def end_of_trailer(record):
    """Where the padding of a record begins."""
    return record.location.offset + record.location.length + TRAILER_LENGTH


def test_a_segment_that_was_cut_anywhere_ends_with_its_last_whole_record(tmp_path):
    original = tmp_path / "original"
    journal = Journal(original)
    for number in range(4):
        journal.add(label(number), os.urandom(2000 * number))
    journal.close()
    whole = everything(original)
    name = JournalTail(original).segments()[0]
    content = (original / f"{name}.segment").read_bytes()
    for cut in range(0, len(content) - BLOCK, 171):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / f"{name}.segment").write_bytes(content[:cut])
        found = everything(folder)
        assert found == whole[: len(found)]
        ends = [record.end for record in JournalTail(folder).after(name, 0, 10)]
        tail = JournalTail(folder)
        assert tail.is_finished(name, ends[-1] if ends else 0)
        assert everything(folder) == found
        assert len(found) == sum(end_of_trailer(record) <= cut for record in JournalTail(original).after(name, 0, 10))


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


def test_a_record_on_its_way_to_the_disk_is_not_seen_yet(journal, tmp_path):
    """Header and trailer may arrive before what is between them."""
    location = journal.add(label(1), b"a" * 20_000)
    path = tmp_path / f"{location.segment}.segment"
    with path.open("r+b") as file:
        file.seek(location.offset + 5000)
        file.write(b"\0" * 4096)
        file.flush()
        assert everything(tmp_path) == []
        file.seek(location.offset + 5000)
        file.write(b"a" * 4096)
    assert everything(tmp_path) == [(label(1), b"a" * 20_000)]


def test_damage_in_the_middle_is_told_and_takes_away_nothing_that_follows(tmp_path):
    journal = Journal(tmp_path)
    locations = [journal.add(label(number), bytes([number]) * 6000) for number in range(3)]
    path = tmp_path / f"{locations[0].segment}.segment"
    os.close(journal._segment._descriptor)  # the writer is gone, with its lock
    with path.open("r+b") as file:
        file.seek(locations[1].offset)
        file.write(b"?")
    assert JournalTail(tmp_path).is_finished(path.stem, _last_end(path))
    assert [(lab.sop_instance_uid, lab.refusal) for lab, _ in everything(tmp_path)] == [
        ("2.25.0", ""),
        ("2.25.1", "damaged"),
        ("2.25.2", ""),
    ]


def _last_end(path):
    return JournalTail(path.parent).after(path.stem, 0, 100)[-1].end


def test_an_instance_larger_than_what_is_read_at_once_is_found(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("plumbline.adapters.spool.tail.WINDOW_BYTES", 8 * BLOCK)
    for number, size in enumerate((10, 100_000, 10)):
        journal.add(label(number), bytes([65 + number]) * size)
    assert [len(data) for _, data in everything(tmp_path)] == [10, 100_000, 10]


def test_a_prepared_file_becomes_the_next_segment(tmp_path):
    journal = Journal(tmp_path, segment_bytes=1 << 20, prepares=True)
    wait_for(lambda: journal._preparation._ready is not None)
    location = journal.add(label(1), b"a" * 5000)
    path = tmp_path / f"{location.segment}.segment"
    assert path.stat().st_size == 1 << 20
    assert everything(tmp_path) == [(label(1), b"a" * 5000)]
    journal.close()
    assert path.stat().st_size == FIRST_RECORD + record_length(5000) + BLOCK, "what was not used is given back"
    assert [found.suffix for found in tmp_path.iterdir()] == [".segment"]
    assert JournalTail(tmp_path).is_finished(location.segment, path.stat().st_size - BLOCK)


def test_a_prepared_segment_whose_writer_died_is_cut_like_any(tmp_path):
    journal = Journal(tmp_path, segment_bytes=1 << 20, prepares=True)
    wait_for(lambda: journal._preparation._ready is not None)
    location = journal.add(label(1), b"a" * 5000)
    journal._preparation.close()
    os.close(journal._segment._descriptor)
    tail = JournalTail(tmp_path)
    assert tail.is_finished(location.segment, tail.after(location.segment, 0, 10)[-1].end)
    assert everything(tmp_path) == [(label(1), b"a" * 5000)]


def test_what_is_prepared_counts_as_free(tmp_path, monkeypatch):
    """Else a disk that is nearly full would refuse what there is prepared room for."""
    journal = Journal(tmp_path, segment_bytes=1 << 20, prepares=True)
    wait_for(lambda: journal._preparation._ready is not None)
    nothing = SimpleNamespace(f_bavail=0, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _path: nothing)
    assert journal.free_bytes() == 1 << 20
    journal.add(label(1), b"a" * 5000)
    journal._free_bytes = (0, -1.0)
    assert journal.free_bytes() >= (1 << 20) - FIRST_RECORD - record_length(5000)
    journal.close()


def test_nothing_is_prepared_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=1000, f_frsize=4096))
    journal = Journal(tmp_path, segment_bytes=1 << 20, prepares=True)
    journal.add(label(1), b"a" * 5000)
    assert [found.suffix for found in tmp_path.iterdir()] == [".segment"]
    journal.close()


def test_a_journal_does_not_wait_for_its_preparation(tmp_path, monkeypatch):
    monkeypatch.setattr(Preparation, "_fill", lambda self, _path: not self._stopped.wait())
    journal = Journal(tmp_path, segment_bytes=1 << 20, prepares=True)
    assert journal.read(journal.add(label(1), b"a" * 5000)) == b"a" * 5000
    journal.close()
    assert [found.suffix for found in tmp_path.iterdir()] == [".segment"]


def test_the_sweep_takes_a_prepared_file_whose_process_is_gone(tmp_path):
    (tmp_path / "77-1.prepared").write_bytes(bytes(100))
    assert JournalTail(tmp_path).sweep() == 1


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
