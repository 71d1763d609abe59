"""What operators read and start: flow, failures, another try, another sending."""

import pytest

from plumbline.adapters.database.overview import DatabaseOverview
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.adapters.database.tables import ExamRow, PublicationRow, StepRow
from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.ports import Wait

UID = "2.25.7"


@pytest.fixture
def overview(store, clock):
    return DatabaseOverview(store, clock)


def add_step(store, clock, name="compare", state="failed", **changes):
    with store.begin() as session:
        if session.get(ExamRow, UID) is None:
            session.add(
                ExamRow(
                    study_instance_uid=UID,
                    revision=1,
                    state="failed",
                    patient={},
                    sender="ORTHANC",
                    first_instance_at=clock.now(),
                    last_instance_at=clock.now(),
                    note="It broke off.",
                )
            )
            session.flush()
        values = {"attempts": 3, "error": "It broke off.", "not_before": clock.now(), "created_at": clock.now()}
        row = StepRow(study_instance_uid=UID, revision=1, name=name, state=state, **{**values, **changes})
        session.add(row)
        session.flush()
        return row.step_id


def test_a_failure_is_listed_with_its_reason_and_counted_in_the_flow(store, clock, overview):
    add_step(store, clock)
    (failure,) = overview.failures(limit=10)
    assert (failure.name, failure.error) == ("compare", "It broke off.")
    assert {each.name: each.failed for each in overview.flow()}["compare"] == 1


def test_a_failed_step_is_done_again_with_all_its_attempts(store, clock, overview):
    step_id = add_step(store, clock)
    overview.retry(step_id)
    (step,) = overview.waiting(limit=10)
    assert (step.attempts, step.error) == (0, None)
    course = overview.course_of(UID)
    assert (course.state, course.note) == ("complete", None)


@pytest.mark.parametrize("state", ["ready", "held", "done"])
def test_only_a_failed_step_is_done_again(store, clock, overview, state):
    with pytest.raises(Conflict, match=state):
        overview.retry(add_step(store, clock, state=state))


def test_a_step_or_exam_that_is_not_there_is_said(overview):
    with pytest.raises(InvalidInput):
        overview.retry(77)
    with pytest.raises(InvalidInput):
        overview.course_of("2.25.1")


def test_what_was_sent_is_owed_again_and_its_step_is_due(store, clock, overview):
    add_step(store, clock, "publish", "done")
    with store.begin() as session:
        session.add(
            PublicationRow(
                study_instance_uid=UID,
                revision=1,
                destination="archive",
                object_uid="2.25.9",
                kind="sr",
                state="sent",
                created_at=clock.now(),
            )
        )
    overview.resend(UID, 1)
    assert overview.destinations()[0].owed == 1
    assert [step.name for step in overview.waiting(limit=10)] == ["publish"]
    with pytest.raises(Conflict):
        overview.resend(UID, 1)


def test_every_attempt_that_came_to_nothing_stays_in_the_log(store, clock, overview):
    step_id = add_step(store, clock, state="ready", attempts=0, error=None)
    steps = DatabaseSteps(store, clock, lease_s=60, maximum_attempts=3)
    steps.settle(steps.claim(step_id, "first"), "first", Wait(1.0, "The archive does not answer."))
    clock.advance(2)
    steps.settle(steps.claim(step_id, "first"), "first", Wait(1.0, "The archive does not answer."))
    clock.advance(2)
    steps.claim(step_id, "second")
    clock.advance(61)
    steps.fail(steps.claim(step_id, "third"), "third", "It broke off.", is_final=False)
    clock.advance(10)
    steps.fail(steps.claim(step_id, "fourth"), "fourth", "It broke off again.", is_final=False)
    told = [(each.kind, each.holder, each.sentence) for each in overview.events_of(UID)]
    assert told == [
        ("failed", "fourth", "It broke off again."),
        ("retried", "third", "It broke off."),
        ("lost", "second", "The worker ended, or was cut off, before it was done."),
        ("waited", "first", "The archive does not answer."),
    ]
    overview.retry(step_id)
    assert len(overview.events_of(UID)) == 4
