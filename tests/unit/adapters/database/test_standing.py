"""What waits in which queue, as the database says it."""

from __future__ import annotations

from datetime import UTC, datetime

from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.standing import DatabaseStanding, QueueStanding
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import Location, ReceivedInstance, StepName, Wait


def exam(store, number: int) -> str:
    uid = f"2.25.{number}"
    received = ReceivedInstance(
        sop_instance_uid=f"{uid}.1",
        sop_class_uid="1.2",
        transfer_syntax_uid="1.2.840.10008.1.2",
        study_instance_uid=uid,
        series_instance_uid=f"{uid}.0",
        patient=PatientIdentity(f"P{number}"),
        sha256="0" * 64,
        location=Location("s", number, 1),
        sender="ORTHANC",
        received_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    DatabaseInstanceIndex(store).record([received])
    return uid


def test_due_and_held_steps_are_counted_by_queue_with_the_age_of_the_oldest(store, clock):
    steps = DatabaseSteps(store, clock, lease_s=60, maximum_attempts=3)
    standing = DatabaseStanding(store, clock)
    first = steps.open(exam(store, 1), 1, StepName.COMPLETE)
    clock.advance(30)
    steps.open(exam(store, 2), 1, StepName.COMPARE)
    waiting = steps.open(exam(store, 3), 1, StepName.COMPARE)
    clock.advance(10)
    held = steps.open(exam(store, 4), 1, StepName.COMPARE)
    steps.claim(held, "worker")
    steps.rung([first])
    assert standing.queues() == [
        QueueStanding("path", due=1, held=0, oldest_due_s=40.0, unrung_s=0.0),
        QueueStanding("measure", due=2, held=1, oldest_due_s=10.0, unrung_s=10.0),
    ]
    steps.settle(steps.claim(waiting, "worker"), "worker", Wait(60, "the archive is asked again"))
    assert standing.queues()[1].due == 1


def test_an_empty_store_has_queues_in_which_nothing_waits(store, clock):
    assert [each.due for each in DatabaseStanding(store, clock).queues()] == [0, 0]
    assert DatabaseStanding(store, clock).exams() == {}


def test_exams_are_counted_by_state(store, clock):
    exam(store, 1), exam(store, 2)
    assert DatabaseStanding(store, clock).exams() == {"receiving": 2}
