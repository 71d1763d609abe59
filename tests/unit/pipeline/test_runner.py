"""The runner on a real store: every way in which a step can end, and what the exam, the reader and the bell learn."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.errors import AnalysisFailed, InvalidInput, Unavailable
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline import runner as runner_module
from plumbline.pipeline import sweep
from plumbline.pipeline.ports import (
    End,
    ExamState,
    Location,
    Proceed,
    ReceivedInstance,
    StepName,
    Wait,
)
from plumbline.pipeline.runner import AWAY_DELAY_S, Runner
from plumbline.pipeline.sweep import open_quiet_exams, ring_for_owed
from plumbline.testing import ManualClock, RecordingDoorbell, SilentObserver

STUDY = "2.25.1"


class World:
    """One exam, its steps, and a runner whose functions a test can set."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.store = open_store(url)
        self.receive(STUDY)
        self.exams = DatabaseExams(self.store)
        self.steps = DatabaseSteps(self.store, self.clock, lease_s=60, maximum_attempts=3)
        self.doorbell = RecordingDoorbell()
        self.observer = SilentObserver()
        self.told: list[str] = []
        self.functions = {}
        self.runner = Runner(
            steps=self.steps,
            doorbell=self.doorbell,
            functions=self.functions,
            holder="worker-1",
            observer=self.observer,
            extend_every_s=15,
            on_failure=self._tell,
        )

    def receive(self, study_instance_uid: str) -> None:
        instance = ReceivedInstance(
            sop_instance_uid=f"{study_instance_uid}.3",
            sop_class_uid="1.2",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            study_instance_uid=study_instance_uid,
            series_instance_uid="2.25.2",
            patient=PatientIdentity("P1"),
            sha256="0" * 64,
            location=Location("s", 0, 1),
            sender="ORTHANC",
            received_at=self.clock.now(),
        )
        DatabaseInstanceIndex(self.store).record([instance])

    tells = None

    def _tell(self, step, sentence):
        if self.tells is not None:
            self.tells(step)
        self.told.append(sentence)

    def begin(self, name: StepName = StepName.RECOGNISE) -> int:
        revision = self.exams.begin_revision(STUDY, digest="d", instance_count=1, completed_at=self.clock.now())
        step_id = self.steps.open(STUDY, revision, name)
        assert step_id is not None
        return step_id

    @property
    def exam(self):
        return self.exams.exam(STUDY)


@pytest.fixture
def world(tmp_path):
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


def raising(error: Exception):
    def function(_step):
        raise error

    return function


def test_a_step_that_proceeds_rings_for_the_next(world):
    world.functions[StepName.RECOGNISE] = lambda _step: Proceed({"kind": "x"})
    world.runner.run(world.begin())
    ((following, name),) = world.doorbell.rung
    assert name is StepName.PROVISIONAL
    assert world.steps.claim(following, "w") is not None


def test_a_silent_broker_costs_nothing_because_the_sweeper_rings(world):
    world.functions[StepName.RECOGNISE] = lambda _step: Proceed()
    world.doorbell.is_away = True
    world.runner.run(world.begin())
    world.doorbell.is_away = False
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 1
    assert world.doorbell.rung[0][1] is StepName.PROVISIONAL


def test_bad_input_is_never_retried_and_the_reader_is_told(world):
    world.functions[StepName.COMPARE] = raising(InvalidInput("the slices are unevenly spaced"))
    world.runner.run(world.begin(StepName.COMPARE))
    assert world.exam.state is ExamState.FAILED
    assert world.told == ["the slices are unevenly spaced."]


def test_an_absent_archive_is_waited_out_without_counting(world):
    world.functions[StepName.MATCH] = raising(Unavailable("the archive does not answer"))
    step_id = world.begin(StepName.MATCH)
    for _ in range(10):
        world.runner.run(step_id)
        world.clock.advance(AWAY_DELAY_S)
    assert world.exam.state is ExamState.COMPLETE
    assert world.told == []


@pytest.mark.parametrize("error", [AnalysisFailed("the registration diverged"), RuntimeError("private words")])
def test_the_third_failure_is_terminal_and_visible(world, error):
    world.functions[StepName.COMPARE] = raising(error)
    step_id = world.begin(StepName.COMPARE)
    for _ in range(5):
        world.runner.run(step_id)
        world.clock.advance(60)
    assert [outcome for _, outcome, _ in world.observer.outcomes] == ["retried", "retried", "failed"]
    assert world.exam.state is ExamState.FAILED
    assert len(world.told) == 1
    assert "private words" not in str(world.observer.outcomes) + str(world.exam.note)


def test_a_step_that_kills_its_worker_is_told_and_counted_once(world):
    step_id = world.begin(StepName.COMPARE)
    for _ in range(3):
        world.steps.claim(step_id, "dies")
        world.clock.advance(61)
    for _ in range(3):
        world.runner.run(step_id)
        world.clock.advance(61)
    assert [outcome for _, outcome, _ in world.observer.outcomes] == ["failed"]
    assert world.told == [world.exam.note]


def test_a_failure_that_could_not_be_told_is_told_later(world):
    world.functions[StepName.COMPARE] = raising(InvalidInput("the slices are unevenly spaced"))
    step_id = world.begin(StepName.COMPARE)
    world.tells = raising(Unavailable("the database does not answer"))
    with pytest.raises(Unavailable):
        world.runner.run(step_id)
    world.tells = None
    world.clock.advance(61)
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 1
    world.runner.run(step_id)
    assert world.told == ["the slices are unevenly spaced."]


@pytest.mark.parametrize("away", [1, 3])
def test_what_a_step_came_to_outlives_an_absence_of_the_store(world, monkeypatch, away):
    monkeypatch.setattr(runner_module, "SETTLE_AGAIN_S", 0.0)
    runs, settle = [], DatabaseSteps.settle

    def absent(*arguments):
        monkeypatch.setattr(DatabaseSteps, "settle", settle if len(refused) >= away - 1 else absent)
        refused.append(arguments)
        raise Unavailable("the database does not answer")

    refused = []
    monkeypatch.setattr(DatabaseSteps, "settle", absent)
    world.functions[StepName.RECOGNISE] = lambda step: (runs.append(step), Proceed({"kind": "x"}))[1]
    world.runner.run(world.begin())
    assert (len(runs), len(refused)) == (1, away)
    assert world.steps.result(STUDY, 1, StepName.RECOGNISE) == {"kind": "x"}


def test_an_outcome_that_the_store_does_not_take_is_a_failed_attempt(world):
    world.functions[StepName.RECOGNISE] = lambda _step: Proceed({"kind": object()})
    world.runner.run(world.begin())
    assert world.observer.outcomes[-1][1] == "retried"
    assert "cannot be kept" in world.observer.outcomes[-1][2]


def test_an_end_is_an_answer(world):
    world.functions[StepName.RECOGNISE] = lambda _step: End(ExamState.NOT_APPLICABLE, "A chest CT.")
    world.runner.run(world.begin())
    assert world.exam.state is ExamState.NOT_APPLICABLE
    assert world.doorbell.rung == []


def test_the_same_message_twice_runs_a_step_once(world):
    runs = []
    world.functions[StepName.RECOGNISE] = lambda step: (runs.append(step), Proceed())[1]
    step_id = world.begin()
    world.runner.run(step_id)
    world.runner.run(step_id)
    assert len(runs) == 1


def test_a_worker_whose_lease_was_lost_changes_nothing(world):
    def slow(step):
        world.clock.advance(61)
        assert world.steps.claim(step.step_id, "worker-2") is not None
        return Proceed()

    world.functions[StepName.RECOGNISE] = slow
    world.runner.run(world.begin())
    assert world.observer.outcomes[-1][1] == "lost"
    assert world.doorbell.rung == []


def test_waiting_puts_the_step_back(world):
    world.functions[StepName.MATCH] = lambda _step: Wait(3, "not yet")
    step_id = world.begin(StepName.MATCH)
    world.runner.run(step_id)
    assert world.steps.owed(unheard_for_s=1, limit=9) == []
    world.clock.advance(3)
    assert world.steps.owed(unheard_for_s=1, limit=9) == [(step_id, StepName.MATCH)]


def test_a_quiet_exam_is_counted_once(world):
    world.clock.advance(5)
    assert open_quiet_exams(world.exams, world.steps, world.clock, quiet_period_s=3) == 1
    assert open_quiet_exams(world.exams, world.steps, world.clock, quiet_period_s=3) == 0


def test_a_busy_exam_is_not_counted(world):
    world.clock.moment += timedelta(seconds=1)
    assert open_quiet_exams(world.exams, world.steps, world.clock, quiet_period_s=3) == 0


def test_an_exam_that_waits_to_be_counted_costs_the_clock_nothing(world):
    world.clock.advance(5)
    open_quiet_exams(world.exams, world.steps, world.clock, quiet_period_s=3)
    assert world.exams.quiet_since(world.clock.now()) == []
    ((step_id, _),) = world.steps.owed(unheard_for_s=1, limit=9)
    assert world.steps.claim(step_id, "worker-1") is not None
    assert world.exams.quiet_since(world.clock.now()) == [], "nor one that is being counted"


def begin_many(world, count: int, name: StepName) -> None:
    for number in range(count):
        world.receive(f"2.25.9{number}")
        world.steps.open(f"2.25.9{number}", 1, name)


def test_a_queue_that_is_full_enough_is_not_rung_for(world, monkeypatch):
    monkeypatch.setattr(sweep, "ENOUGH", 5)
    begin_many(world, 9, StepName.COMPARE)
    world.doorbell.untaken = {"measure": 3}
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 2
    world.doorbell.untaken = {"measure": 5}
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 0
    world.doorbell.untaken = {}
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 5
    assert len({step_id for step_id, _ in world.doorbell.rung}) == 7, "nothing is rung for twice at once"


def test_a_backlog_of_one_queue_does_not_hide_what_is_due_in_another(world, monkeypatch):
    monkeypatch.setattr(sweep, "ENOUGH", 5)
    begin_many(world, 9, StepName.COMPARE)
    world.doorbell.untaken = {"measure": 50}
    step_id = world.begin(StepName.MATCH)
    assert ring_for_owed(world.steps, world.doorbell, unheard_for_s=10) == 1
    assert world.doorbell.rung == [(step_id, StepName.MATCH)]
