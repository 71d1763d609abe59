"""Steps on SQLite: leases, counted attempts, waiting, superseded revisions, growth."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import StatementError

from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.overview import DatabaseOverview
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.errors import Conflict
from plumbline.pipeline.ports import End, ExamState, Proceed, StepName, Wait

from .test_instances import received

STUDY = "2.25.1"


@pytest.fixture
def exams(store) -> DatabaseExams:
    DatabaseInstanceIndex(store).record([received(1)])
    return DatabaseExams(store)


@pytest.fixture
def steps(store, clock, exams) -> DatabaseSteps:
    return DatabaseSteps(store, clock, lease_s=60, maximum_attempts=3)


def complete(exams, clock, digest="d1", count=1) -> int:
    return exams.begin_revision(STUDY, digest=digest, instance_count=count, completed_at=clock.now())


def test_a_step_is_held_by_one_worker_only(steps):
    step_id = steps.open(STUDY, 1, StepName.COMPLETE)
    assert steps.claim(step_id, "a").attempt == 1
    assert steps.claim(step_id, "b") is None


def test_opening_the_same_step_twice_opens_it_once(steps):
    assert steps.open(STUDY, 1, StepName.MATCH) is not None
    assert steps.open(STUDY, 1, StepName.MATCH) is None


def test_an_expired_lease_passes_to_another_worker_and_the_first_is_refused(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.RECOGNISE)
    first = steps.claim(step_id, "a")
    clock.advance(61)
    assert steps.claim(step_id, "b").attempt == 2
    with pytest.raises(Conflict):
        steps.settle(first, "a", Proceed())


def test_an_extended_lease_stays(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.RECOGNISE)
    step = steps.claim(step_id, "a")
    clock.advance(50)
    steps.extend(step, "a")
    clock.advance(50)
    assert steps.claim(step_id, "b") is None


def test_a_step_says_since_when_it_was_due(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.RECOGNISE)
    opened_at = clock.now()
    clock.advance(7)
    step = steps.claim(step_id, "a")
    assert step.due_at == opened_at
    steps.settle(step, "a", Wait(20, "not yet"))
    ready_at = clock.now() + timedelta(seconds=20)
    clock.advance(25)
    assert steps.claim(step_id, "a").due_at == ready_at


def test_a_step_whose_worker_was_lost_is_due_since_the_end_of_the_lease(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.RECOGNISE)
    steps.claim(step_id, "a")
    lost_at = clock.now() + timedelta(seconds=60)
    clock.advance(75)
    assert steps.claim(step_id, "b").due_at == lost_at


def forsaken(steps, clock, step_id) -> None:
    """Let three workers take the step and die."""
    for _ in range(3):
        assert steps.claim(step_id, "a").failure is None
        clock.advance(61)


def test_a_worker_that_dies_three_times_leaves_a_visible_failure(steps, exams, clock):
    complete(exams, clock)
    step_id = steps.open(STUDY, 1, StepName.COMPARE)
    forsaken(steps, clock, step_id)
    failed = steps.claim(step_id, "b")
    assert (failed.attempt, failed.failure) == (3, exams.exam(STUDY).note)
    assert exams.exam(STUDY).state is ExamState.FAILED
    assert "worker ended" in failed.failure


def test_a_failure_is_owed_until_the_reader_was_told(steps, exams, clock):
    complete(exams, clock)
    step_id = steps.open(STUDY, 1, StepName.COMPARE)
    forsaken(steps, clock, step_id)
    assert steps.claim(step_id, "dies while telling").failure
    assert steps.claim(step_id, "b") is None
    clock.advance(61)
    assert steps.owed(unheard_for_s=10, limit=9) == [(step_id, StepName.COMPARE)]
    steps.told(steps.claim(step_id, "b"), "b")
    clock.advance(61)
    assert steps.owed(unheard_for_s=10, limit=9) == []
    assert steps.claim(step_id, "c") is None


def test_the_telling_of_a_failure_that_kills_its_worker_is_given_up(steps, exams, clock):
    complete(exams, clock)
    step_id = steps.open(STUDY, 1, StepName.COMPARE)
    forsaken(steps, clock, step_id)
    tellers = 0
    while steps.claim(step_id, "a") is not None:
        tellers += 1
        clock.advance(61)
    assert tellers == 3
    assert steps.owed(unheard_for_s=10, limit=9) == []


def test_the_failure_of_a_revision_that_was_replaced_is_told_to_nobody(steps, exams, clock, store):
    complete(exams, clock)
    step = steps.claim(steps.open(STUDY, 1, StepName.COMPARE), "a")
    complete(exams, clock, "d2")
    assert steps.fail(step, "a", "broken", is_final=True) is False
    clock.advance(61)
    assert steps.owed(unheard_for_s=10, limit=9) == []
    assert exams.exam(STUDY).state is ExamState.COMPLETE


def test_a_failure_that_an_operator_has_tried_again_is_not_told_any_more(steps, exams, clock, store):
    complete(exams, clock)
    step = steps.claim(steps.open(STUDY, 1, StepName.COMPARE), "a")
    assert steps.fail(step, "a", "broken", is_final=True)
    DatabaseOverview(store, clock).retry(step.step_id)
    steps.told(step, "a")
    assert steps.claim(step.step_id, "b").failure is None


def test_waiting_is_not_an_attempt(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.MATCH)
    for _ in range(5):
        step = steps.claim(step_id, "a")
        assert step.attempt == 1
        steps.settle(step, "a", Wait(5, "the archive is away"))
        assert steps.claim(step_id, "a") is None
        clock.advance(5)


def test_the_next_step_is_opened_with_the_result(steps, exams, clock):
    revision = complete(exams, clock)
    step_id = steps.open(STUDY, revision, StepName.RECOGNISE)
    following = steps.settle(steps.claim(step_id, "a"), "a", Proceed({"kind": "spine"}))
    assert steps.claim(following, "a").name is StepName.PROVISIONAL
    assert steps.result(STUDY, revision, StepName.RECOGNISE) == {"kind": "spine"}


def test_an_ended_path_says_why(steps, exams, clock):
    revision = complete(exams, clock)
    step_id = steps.open(STUDY, revision, StepName.RECOGNISE)
    steps.settle(steps.claim(step_id, "a"), "a", End(ExamState.NOT_APPLICABLE, "This is a chest CT."))
    assert exams.exam(STUDY).state is ExamState.NOT_APPLICABLE
    assert exams.exam(STUDY).note == "This is a chest CT."


def test_a_superseded_revision_opens_no_further_step(steps, exams, clock):
    first = complete(exams, clock)
    step = steps.claim(steps.open(STUDY, first, StepName.RECOGNISE), "a")
    assert complete(exams, clock, digest="d2") == 2
    assert steps.settle(step, "a", Proceed()) is None


def test_growth_after_a_fruitless_count_is_counted_again(steps, exams, clock, store):
    step_id = steps.open(STUDY, 1, StepName.COMPLETE)
    revision = complete(exams, clock)
    steps.settle(steps.claim(step_id, "a"), "a", Proceed({"revision": revision}))
    assert steps.open(STUDY, 1, StepName.COMPLETE) is None, "nothing has grown"
    DatabaseInstanceIndex(store).record([received(2)])
    assert steps.open(STUDY, 1, StepName.COMPLETE) == step_id


def test_an_instance_that_slips_in_while_counting_is_not_overlooked(exams, clock, store):
    DatabaseInstanceIndex(store).record([received(2)])
    complete(exams, clock, count=1)
    assert exams.quiet_since(clock.now().replace(year=2027)) == [STUDY]


def test_owed_steps_are_rung_for_until_somebody_holds_them(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.MATCH)
    assert steps.owed(unheard_for_s=10, limit=5) == [(step_id, StepName.MATCH)]
    steps.rung([step_id])
    assert steps.owed(unheard_for_s=10, limit=5) == []
    clock.advance(11)
    assert steps.owed(unheard_for_s=10, limit=5) == [(step_id, StepName.MATCH)]
    steps.claim(step_id, "a")
    assert steps.owed(unheard_for_s=10, limit=5) == []
    clock.advance(61)
    assert steps.owed(unheard_for_s=10, limit=5) == [(step_id, StepName.MATCH)]


def test_what_a_waiting_step_keeps_is_there_when_it_is_taken_again(steps, clock):
    step_id = steps.open(STUDY, 1, StepName.MATCH)
    steps.settle(steps.claim(step_id, "a"), "a", Wait(5.0, "on their way", {"listed": ["2.25.8"]}))
    clock.advance(6)
    assert steps.claim(step_id, "b").kept == {"listed": ["2.25.8"]}
    with pytest.raises(Conflict):
        steps.result(STUDY, 1, StepName.MATCH)
    assert steps.latest_result(STUDY, StepName.MATCH) == {}


def test_metal_was_seen_where_the_newest_step_that_looked_saw_it(steps):
    for revision, name, result in (
        (1, StepName.RECOGNISE, {"hardware_seen": True}),
        (2, StepName.RECOGNISE, {"hardware_seen": False}),
        (1, StepName.COMPARE, {"hardware_seen": None}),
    ):
        step_id = steps.open(STUDY, revision, name)
        steps.settle(steps.claim(step_id, "a"), "a", End(ExamState.DONE, "", result))
    assert steps.hardware_seen([STUDY, "2.25.404"]) == {STUDY: False}
    assert steps.hardware_seen([]) == {}


def test_metal_that_comparing_saw_counts_more_than_what_recognising_did(steps):
    for revision, name, seen in ((1, StepName.COMPARE, True), (2, StepName.RECOGNISE, False)):
        step_id = steps.open(STUDY, revision, name)
        steps.settle(steps.claim(step_id, "a"), "a", End(ExamState.DONE, "", {"hardware_seen": seen}))
    assert steps.hardware_seen([STUDY]) == {STUDY: True}


def test_a_result_is_kept_without_what_postgresql_has_no_place_for(steps):
    step = steps.claim(steps.open(STUDY, 1, StepName.RECOGNISE), "a")
    steps.settle(step, "a", End(ExamState.DONE, "", {"description": "LWS\0 post\ud800op, C:\\u0000 é 😀"}))
    assert steps.result(STUDY, 1, StepName.RECOGNISE) == {"description": "LWS postop, C:\\u0000 é 😀"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_by_both_stores(steps, number):
    step = steps.claim(steps.open(STUDY, 1, StepName.RECOGNISE), "a")
    with pytest.raises((StatementError, ValueError), match="not JSON compliant"):
        steps.settle(step, "a", End(ExamState.DONE, "", {"translation_mm": number}))
