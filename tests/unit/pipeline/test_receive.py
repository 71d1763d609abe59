"""From journal to ledger: what becomes of each entry, and that a crash at any point repeats work and loses none."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from plumbline.errors import Unavailable
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import Location, RecordOutcome
from plumbline.pipeline.receive import (
    FINISHED,
    LARGE_BYTES,
    Arrival,
    InstanceHeader,
    Label,
    Ledger,
    Refusal,
    Unusable,
    is_own_object,
    tell_unusable,
)

MOMENT = datetime(2026, 3, 2, 8, tzinfo=UTC)
HEADER = InstanceHeader(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="2.25.1",
    study_instance_uid="2.25.100",
    series_instance_uid="2.25.101",
    patient=PatientIdentity("P1"),
    modality="CT",
    manufacturer="SIEMENS",
)


def header(number, **changes):
    return replace(HEADER, sop_instance_uid=f"2.25.{number}", **changes)


@dataclass
class Segments:
    """``Arrivals`` of which each dataset is the header that the reader will find."""

    headers: dict[str, list[InstanceHeader | Unusable]]
    sealed: set[str] = field(default_factory=set)
    refusals: dict[int, str] = field(default_factory=dict)
    sop_classes: dict[int, str] = field(default_factory=dict)
    """Of entries that are of another than ``HEADER``, as their senders announced it."""

    def segments(self):
        return sorted(self.headers)

    def after(self, segment, offset, limit):
        return [self._arrival(segment, n) for n in range(offset, min(offset + limit, len(self.headers[segment])))]

    def _arrival(self, segment, number):
        found = self.headers[segment][number]
        uid = found.sop_instance_uid if isinstance(found, InstanceHeader) else "2.25.9"
        sop_class = self.sop_classes.get(number, HEADER.sop_class_uid)
        label = Label(sop_class, uid, "1.2", "MODALITY", MOMENT, self.refusals.get(number, ""))
        return Arrival(label, Location(segment, number, 1), number + 1)

    def is_finished(self, segment, offset):
        return segment in self.sealed and offset == len(self.headers[segment])

    @contextmanager
    def dataset(self, arrival):
        self.current = self.headers[arrival.location.segment][arrival.location.offset]
        yield memoryview(b"x")

    def read_header(self, _dataset, _syntax):
        if isinstance(self.current, Unusable):
            raise self.current
        return self.current


@dataclass
class RecordingIndex:
    """As much of ``InstanceIndex`` as the ledger uses; ``fails_at`` makes one transaction fail."""

    recorded: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    cursors: dict = field(default_factory=dict)
    transactions: int = 0
    fails_at: int | None = None

    def _transaction(self, cursor):
        self.transactions += 1
        if self.transactions == self.fails_at:
            raise Unavailable("the database does not answer")
        if cursor:
            self.cursors[cursor[0]] = cursor[1]

    def record(self, received, *, cursor=None):
        self._transaction(cursor)
        self.recorded += received
        return [RecordOutcome.NEW] * len(received)

    def quarantine(self, entry, *, cursor=None):
        self._transaction(cursor)
        self.entries.append(entry)

    def cursor(self, name):
        return self.cursors.get(name)

    def set_cursor(self, name, value):
        self._transaction((name, value))


def take_in(segments, index):
    return Ledger(segments, index, segments.read_header).take_in()


def test_entries_are_recorded_in_order_with_the_position_behind_them():
    segments, index = Segments({"s1": [header(1), header(2)]}), RecordingIndex()
    assert take_in(segments, index).outcomes == {"new": 2}
    assert [instance.sop_instance_uid for instance in index.recorded] == ["2.25.1", "2.25.2"]
    assert index.cursors == {"spool:s1": "2"}
    assert index.recorded[0].sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


class LargeSegments(Segments):
    """``Segments`` of large entries, each of which finds its own header also when several are read at once."""

    def _arrival(self, segment, number):
        arrival = super()._arrival(segment, number)
        return replace(arrival, location=replace(arrival.location, length=LARGE_BYTES))

    @contextmanager
    def dataset(self, arrival):
        if arrival.location.offset % 2 == 0:
            time.sleep(0.002)  # those that began later end sooner
        yield memoryview(f"{arrival.location.offset}".encode())

    def read_header(self, dataset, _syntax):
        found = self.headers["s1"][int(bytes(dataset))]
        if isinstance(found, Unusable):
            raise found
        return found


def test_large_entries_are_judged_side_by_side_and_recorded_in_their_order():
    unusable = Unusable(Refusal.TRUNCATED)
    headers = [unusable if number == 7 else header(number) for number in range(20)]
    segments, index = LargeSegments({"s1": headers}), RecordingIndex()
    with ThreadPoolExecutor(4) as helpers:
        taken = Ledger(segments, index, segments.read_header, helpers).take_in()
    assert taken.outcomes == {"new": 19, "quarantined": 1}
    assert [one.sop_instance_uid for one in index.recorded] == [f"2.25.{n}" for n in range(20) if n != 7]
    digests = [hashlib.sha256(f"{one.location.offset}".encode()).hexdigest() for one in index.recorded]
    assert [one.sha256 for one in index.recorded] == digests
    assert index.cursors == {"spool:s1": "20"}


def test_an_idle_pass_asks_the_store_nothing():
    segments, index = Segments({"s1": [header(1)]}), RecordingIndex()
    ledger = Ledger(segments, index, segments.read_header)
    ledger.take_in()
    before = index.transactions
    assert ledger.take_in().entries == 0
    assert index.transactions == before


def test_a_segment_read_to_its_seal_is_never_read_again():
    segments, index = Segments({"s1": [header(1)]}, sealed={"s1"}), RecordingIndex()
    take_in(segments, index)
    assert index.cursors == {"spool:s1": FINISHED}
    segments.headers["s1"].append(header(2))
    take_in(segments, index)
    assert len(index.recorded) == 1


@pytest.mark.parametrize("fails_at", range(1, 7))
def test_a_crash_between_any_two_transactions_loses_and_doubles_nothing(fails_at):
    found = [
        header(1),
        Unusable(Refusal.TRUNCATED),
        header(2),
        header(3, manufacturer="Plumbline", modality="SR"),
        header(4),
    ]
    segments, index = Segments({"s1": found}, sealed={"s1"}), RecordingIndex(fails_at=fails_at)
    with pytest.raises(Unavailable):
        take_in(segments, index)
    take_in(segments, index)
    assert [instance.sop_instance_uid for instance in index.recorded] == ["2.25.1", "2.25.2", "2.25.4"]
    assert [entry.reason for entry in index.entries] == ["truncated"]


def test_what_was_fetched_of_a_class_that_the_site_does_not_take_is_said_and_its_bytes_are_not_kept():
    private = "1.2.826.0.1.3680043.9.7.1"
    segments, index = Segments({"s1": [header(1), header(2, sop_class_uid=private)]}), RecordingIndex()
    segments.sop_classes[1] = private
    taken = Ledger(segments, index, segments.read_header, takes_class=HEADER.sop_class_uid.__eq__).take_in()
    assert taken.outcomes == {"new": 1, "quarantined": 1}
    (entry,) = index.entries
    assert (entry.reason, entry.sop_instance_uid, entry.study_instance_uid) == ("class-not-taken", "2.25.2", "2.25.100")
    assert entry.location is None


def test_what_the_sender_was_refused_is_in_quarantine_with_the_reason():
    segments, index = Segments({"s1": [header(1)]}, refusals={0: "contradicts-its-identity"}), RecordingIndex()
    take_in(segments, index)
    (entry,) = index.entries
    assert (entry.reason, entry.study_instance_uid) == ("contradicts-its-identity", "2.25.100")
    assert "C-STORE request" in entry.sentence
    assert index.recorded == []


def test_a_truncated_instance_is_found_under_its_study():
    truncated = Unusable(Refusal.TRUNCATED, header=header(9))
    segments, index = Segments({"s1": [truncated, header(1)]}), RecordingIndex()
    assert take_in(segments, index).outcomes == {"quarantined": 1, "new": 1}
    assert index.entries[0].study_instance_uid == "2.25.100"


def test_our_own_report_coming_back_from_the_archive_is_not_recorded():
    own = header(1, manufacturer="Plumbline", modality="SR")
    segments, index = Segments({"s1": [own]}), RecordingIndex()
    assert take_in(segments, index).outcomes == {"own-object": 1}
    assert (index.recorded, index.entries) == ([], [])
    assert index.cursors == {"spool:s1": "1"}


@pytest.mark.parametrize(
    ("manufacturer", "modality", "own"),
    [
        ("Plumbline", "SR", True),
        ("Plumbline ", "KO", True),
        ("Plumbline", "OT", True),
        ("Plumbline", "CT", False),
        ("SIEMENS", "SR", False),
        ("plumbline phantom", "SR", False),
    ],
)
def test_own_objects_are_known_by_manufacturer_and_modality(manufacturer, modality, own):
    assert is_own_object(manufacturer=manufacturer, modality=modality) is own


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"study_instance_uid": ""}, Refusal.MISSING_TAG, "Study Instance UID (0020,000D)"),
        ({"series_instance_uid": ""}, Refusal.MISSING_TAG, "Series Instance UID (0020,000E)"),
        ({"patient": PatientIdentity("")}, Refusal.MISSING_TAG, "Patient ID (0010,0020)"),
        ({"sop_instance_uid": ""}, Refusal.MISSING_TAG, "SOP Instance UID (0008,0018)"),
        ({"sop_instance_uid": "2.25.2"}, Refusal.CONTRADICTION, "C-STORE request"),
        ({"sop_class_uid": "1.2.3"}, Refusal.CONTRADICTION, "C-STORE request"),
        ({"study_instance_uid": "1." * 33 + "1"}, Refusal.INVALID_UID, "UID"),
        ({"study_instance_uid": "1.2.x"}, Refusal.INVALID_UID, "UID"),
    ],
)
def test_what_the_path_cannot_do_without_is_named(changes, reason, words):
    label = Label(HEADER.sop_class_uid, HEADER.sop_instance_uid, "1.2", "MODALITY", MOMENT)
    with pytest.raises(Unusable) as told:
        tell_unusable(label, replace(HEADER, **changes))
    assert told.value.reason is reason
    assert words in told.value.what


def test_a_sound_header_is_let_through():
    label = Label(HEADER.sop_class_uid, HEADER.sop_instance_uid, "1.2", "MODALITY", MOMENT)
    assert tell_unusable(label, HEADER) is None
