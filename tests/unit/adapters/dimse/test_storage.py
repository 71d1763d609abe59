"""What the Storage SCP answers, and what it keeps of what it refuses; also of instances that no buffer holds."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from plumbline.adapters.dimse.storage import Storage
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.errors import OutOfCapacity
from plumbline.pipeline.receive import Label

CT, EXPLICIT, DEFLATED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
PIECE = 1000


def encoded(syntax=EXPLICIT, sop_instance_uid="2.25.1"):
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CT, sop_instance_uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID = "2.25.3", "2.25.4", "X"
    ds.add_new(0x7FE00010, "OW", bytes(range(256)) * 20)
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, ds)
    data = file.getvalue()
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
    return data


def label(syntax=EXPLICIT):
    return Label(CT, "2.25.1", syntax, "CT_ONE", datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path)
    yield made
    made.close()


def store(journal, data, *, as_large, syntax=EXPLICIT, reserve_bytes=0):
    storage = Storage(journal, reserve_bytes=reserve_bytes, accept_unknown=True)
    if not as_large:
        return storage.keep(label(syntax), memoryview(data))
    large = storage.start_large(label(syntax))
    for at in range(0, len(data), PIECE):
        large.write(data[at : at + PIECE])
    return large.finish()


def kept(folder):
    tail = JournalTail(folder)
    records = [record for name in tail.segments() for record in tail.after(name, 0, 100)]
    found = []
    for record in records:
        with tail.dataset(record) as data:
            found.append((record.label.refusal, bytes(data)))
    return found


@pytest.mark.parametrize("as_large", [False, True], ids=["buffered", "large"])
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
class TestEveryWayIn:
    """The same answer, whether an instance fitted into a buffer or was written as it came in."""

    def test_a_sound_instance_is_kept(self, journal, tmp_path, as_large, syntax):
        data = encoded(syntax)
        assert store(journal, data, as_large=as_large, syntax=syntax) == 0x0000
        assert kept(tmp_path) == [("", data)]

    def test_another_instance_than_announced_is_refused_and_kept_for_quarantine(
        self, journal, tmp_path, as_large, syntax
    ):
        data = encoded(syntax, sop_instance_uid="2.25.99")
        assert store(journal, data, as_large=as_large, syntax=syntax) == 0xA900
        assert kept(tmp_path) == [("contradicts-its-identity", data)]

    def test_a_cut_instance_is_refused_and_kept_for_quarantine(self, journal, tmp_path, as_large, syntax):
        data = encoded(syntax)[:-10]
        assert store(journal, data, as_large=as_large, syntax=syntax) == 0xC000
        assert kept(tmp_path) == [("truncated", data)]

    def test_what_is_no_dataset_is_refused(self, journal, tmp_path, as_large, syntax):
        data = b"%PDF-1.7 and so on, for a while " * 100
        assert store(journal, data, as_large=as_large, syntax=syntax) == 0xC000
        assert [refusal for refusal, _ in kept(tmp_path)] == ["not-dicom"]

    def test_a_disk_without_room_beyond_its_reserve_is_answered_so(self, journal, tmp_path, as_large, syntax):
        data = encoded(syntax)
        assert store(journal, data, as_large=as_large, syntax=syntax, reserve_bytes=1 << 62) == 0xA700
        assert kept(tmp_path) == []
        assert list(tmp_path.glob("*.partial")) == []


def test_a_disk_that_fills_up_in_the_middle_of_a_large_instance_is_answered_and_leaves_nothing(journal, tmp_path):
    storage = Storage(journal, reserve_bytes=0, accept_unknown=True)
    large = storage.start_large(label())
    large.write(encoded()[:PIECE])
    full = Storage(journal, reserve_bytes=1 << 62, accept_unknown=True)
    large._storage = full
    large.write(encoded()[PIECE:])
    assert large.finish() == 0xA700
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_at_the_end_of_a_large_instance_is_answered_so(journal, monkeypatch):
    large = Storage(journal, reserve_bytes=0, accept_unknown=True).start_large(label())
    large.write(encoded())

    def fails(*_):
        raise OutOfCapacity("the disk of the spool is full")

    monkeypatch.setattr(large._large, "finish", fails)
    assert large.finish() == 0xA700
    large.abandon()
