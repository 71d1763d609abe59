"""Which exams are over, on SQLite: what is under way, repeated, doubted or of the same patient keeps its images."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.results import DatabasePublications
from plumbline.adapters.database.retention import DatabaseRetention
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import ExamState, Location, QuarantineEntry, ReceivedInstance
from plumbline.pipeline.receive import CURSOR_PREFIX, FINISHED

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=8)


def received(study, number, patient="P1", segment="0001") -> ReceivedInstance:
    return ReceivedInstance(
        sop_instance_uid=f"{study}.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_instance_uid=study,
        series_instance_uid=f"{study}.9",
        patient=PatientIdentity(patient, "HOSPITAL", date(1960, 1, 2), "F"),
        sha256=f"{number:064d}",
        location=Location(segment, 4096 * number, 900),
        sender="ORTHANC",
        received_at=NOON,
    )


@pytest.fixture
def index(store):
    return DatabaseInstanceIndex(store)


@pytest.fixture
def retention(store):
    return DatabaseRetention(store)


def put(store, study, **values):
    with store.begin() as session:
        session.execute(update(ExamRow).where(ExamRow.study_instance_uid == study).values(**values))


def exam(index, store, study, state=ExamState.DONE, patient="P1", segment="0001", has_grown=False):
    index.record([received(study, number, patient, segment) for number in (1, 2)])
    put(store, study, state=state.value, has_grown=has_grown)


def over(retention, quiet_since=LATER):
    return retention.over(quiet_since=quiet_since, after="", limit=10)


@pytest.mark.parametrize("state", list(ExamState))
def test_an_exam_is_over_when_nobody_will_work_on_it(index, store, retention, state):
    exam(index, store, "1.1", state)
    is_over = state in (ExamState.DONE, ExamState.NOT_APPLICABLE, ExamState.REFERENCE)
    assert over(retention) == (["1.1"] if is_over else [])


def test_what_came_lately_has_grown_or_has_a_step_left_is_not_over(index, store, retention):
    exam(index, store, "1.1")
    assert over(retention, quiet_since=NOON) == []
    put(store, "1.1", has_grown=True)
    assert over(retention) == []
    put(store, "1.1", has_grown=False)
    with store.begin() as session:
        session.add(
            StepRow(
                study_instance_uid="1.1", revision=2, name="complete", state="ready", not_before=NOON, created_at=NOON
            )
        )
    assert over(retention) == []
    assert retention.release("1.1", {"1.1.1", "1.1.2"}, quiet_since=LATER) == 0


def test_released_instances_are_no_longer_held_and_come_back_as_new(index, store, retention):
    exam(index, store, "1.1")
    exam(index, store, "1.2", patient="P2")
    assert retention.release("1.1", {"1.1.1", "1.1.2"}, quiet_since=LATER) == 2
    assert index.held("1.1") == []
    assert len(index.held("1.2")) == 2
    assert over(retention) == ["1.2"], "an exam of which nothing is held has nothing to give back"
    assert [outcome.value for outcome in index.record([received("1.1", 1)])] == ["new"]


def test_while_an_exam_of_the_same_patient_is_under_way_nothing_is_released(index, store, retention):
    exam(index, store, "1.1")
    exam(index, store, "1.2", ExamState.RECEIVING)
    assert retention.release("1.1", {"1.1.1", "1.1.2"}, quiet_since=LATER) == 0
    put(store, "1.2", state=ExamState.DONE.value)
    assert retention.release("1.1", {"1.1.1", "1.1.2"}, quiet_since=LATER) == 2


def test_segments_that_are_pointed_to_are_those_of_instances_and_of_the_quarantine(index, store, retention):
    exam(index, store, "1.1", segment="0001")
    exam(index, store, "1.2", patient="P2", segment="0002")
    index.quarantine(QuarantineEntry("truncated", "A sentence.", "CT", NOON, Location("0003", 0, 5)))
    assert retention.referenced_segments() == {"0001", "0002", "0003"}
    retention.release("1.1", {"1.1.1", "1.1.2"}, quiet_since=LATER)
    assert retention.referenced_segments() == {"0002", "0003"}


def test_a_repeated_instance_points_nowhere(index, retention):
    index.record([received("1.1", 1, segment="0001")])
    again = replace(received("1.1", 1), location=Location("0002", 0, 900))
    index.record([again], cursor=(CURSOR_PREFIX + "0002", FINISHED))
    assert retention.referenced_segments() == {"0001"}
    assert retention.finished_segments() == {"0002"}
    retention.forget_segment("0002")
    assert retention.finished_segments() == set()


def test_nothing_of_an_exam_is_given_back_while_an_object_of_it_is_owed(index, store, retention, clock):
    exam(index, store, "1.1")
    publications = DatabasePublications(store, clock)
    publications.owe("1.1", 1, "orthanc", "2.25.7", "SR")
    assert over(retention) == []
    assert retention.release("1.1", ["1.1.1", "1.1.2"], quiet_since=LATER) == 0
    publications.sent("1.1", 1, "orthanc", "2.25.7")
    assert over(retention) == ["1.1"]
    assert retention.release("1.1", ["1.1.1", "1.1.2"], quiet_since=LATER) == 2
