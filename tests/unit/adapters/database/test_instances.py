"""The receive ledger on SQLite: outcomes of recording, replay, quarantine. The journal is tested elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import ExamState, Location, QuarantineEntry, ReceivedInstance, RecordOutcome

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def received(number: int = 1, **changes) -> ReceivedInstance:
    instance = ReceivedInstance(
        sop_instance_uid=f"2.25.10{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_instance_uid="2.25.1",
        series_instance_uid="2.25.2",
        patient=PatientIdentity("P1", "HOSPITAL", date(1960, 1, 2), "F"),
        sha256=f"{number:064d}",
        location=Location("0001.seg", 1000 * number, 900),
        sender="ORTHANC",
        received_at=NOON + timedelta(seconds=number),
    )
    return replace(instance, **changes)


@pytest.fixture
def index(store) -> DatabaseInstanceIndex:
    return DatabaseInstanceIndex(store)


def test_new_instances_are_held_in_order_and_open_an_exam(index, store):
    assert index.record([received(2), received(1)]) == [RecordOutcome.NEW, RecordOutcome.NEW]
    assert [i.sop_instance_uid for i in index.held("2.25.1")] == ["2.25.102", "2.25.101"]
    exam = DatabaseExams(store).exam("2.25.1")
    assert exam.state is ExamState.RECEIVING
    assert exam.last_instance_at == NOON + timedelta(seconds=2)
    assert exam.patient == received().patient


def test_the_same_instance_again_is_a_duplicate_and_nothing_new(index):
    index.record([received(1)])
    again = received(1, location=Location("0002.seg", 0, 900))
    assert index.record([again]) == [RecordOutcome.DUPLICATE]
    assert index.held("2.25.1") == [received(1)]
    assert index.quarantined() == []


def test_same_uid_with_other_content_is_set_aside_once_and_the_first_stays(index):
    index.record([received(1)])
    other = received(1, sha256="f" * 64, location=Location("0002.seg", 0, 901))
    assert index.record([other]) == [RecordOutcome.CONFLICTING_CONTENT]
    assert index.record([other]) == [RecordOutcome.CONFLICTING_CONTENT]
    assert index.held("2.25.1") == [received(1)]
    (entry,) = index.quarantined("2.25.1")
    assert entry.reason == "conflicting-content"
    assert entry.location == other.location


def test_another_patient_under_the_same_study_uid_is_set_aside(index):
    index.record([received(1)])
    stranger = received(2, patient=PatientIdentity("P2", "HOSPITAL"))
    assert index.record([stranger]) == [RecordOutcome.CONFLICTING_PATIENT]
    assert [i.sop_instance_uid for i in index.held("2.25.1")] == ["2.25.101"]
    assert index.quarantined()[0].reason == "conflicting-patient"


def test_both_halves_of_a_conflict_within_one_batch_are_seen(index):
    other = received(1, sha256="f" * 64, location=Location("0001.seg", 5000, 901))
    assert index.record([received(1), other]) == [RecordOutcome.NEW, RecordOutcome.CONFLICTING_CONTENT]


def test_the_cursor_moves_with_the_batch(index):
    index.record([received(1)], cursor=("journal", "0001.seg:1900"))
    assert index.cursor("journal") == "0001.seg:1900"
    assert index.cursor("unknown") is None


def test_quarantine_of_one_place_is_entered_once(index):
    entry = QuarantineEntry("truncated", "It ends early.", "ORTHANC", NOON, Location("0001.seg", 7, 8))
    index.quarantine(entry)
    index.quarantine(entry)
    assert index.quarantined() == [entry]


def test_instances_are_found_by_uid_over_many_queries(index):
    index.record([received(n) for n in range(1, 20)])
    assert set(index.find(["2.25.105", "2.25.999"])) == {"2.25.105"}
