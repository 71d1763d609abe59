"""The exam's processing task beside the path: offered, pulled by either side, pushed by others, and always ended."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.tasks import DatabaseTaskBook
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.errors import InvalidInput
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import End, ExamState, Proceed, ReportObject, Step, StepName, Wait
from plumbline.pipeline.processing import (
    CANCELLED_ELSEWHERE,
    NO_STUDY,
    PROCESSED_ELSEWHERE,
    Processing,
    accept_pushed,
    give_up_tasks,
    with_tasks,
)
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.testing import ManualClock, MemoryTaskBook, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.triage.rule_file import default_rules
from plumbline.worklist import tags
from plumbline.worklist.dataset import coded, element, items, sequence, text
from plumbline.worklist.matching import Query, search_key
from plumbline.worklist.performer import Performer
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import FILTERED, Subscription
from plumbline.worklist.tasks import Station, is_for_people, performed, task_of_reading, task_uid
from tests.integration.ups_work import finished_work

STUDY = invented_ct_study(1)
UID = STUDY.study_instance_uid
TASK = task_uid(UID, 1)
STATION = Station("PLUMBLINE")
POLICY = SitePolicy(default_rules(), "2.25.9")
REPORT = ReportObject("2.25.61", "2.25.6", "1.2.840.10008.5.1.4.1.1.88.34", "sr", b"")


@dataclass
class World:
    """As much of the path's ports as tasks use, on the worklist in memory or in a store."""

    worklist: Any
    book: Any
    clock: ManualClock
    offered_for_s: float = 0.0
    state: ExamState | None = ExamState.COMPLETE
    done: list[StepName] = field(default_factory=list)
    opened: list[tuple] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    objects: list[ReportObject] = field(default_factory=lambda: [REPORT])

    @property
    def ports(self) -> Any:
        performer = Performer(self.worklist, self.book, STATION)
        return SimpleNamespace(
            clock=self.clock,
            workitems=self.worklist,
            exams=SimpleNamespace(exam=self.exam),
            steps=SimpleNamespace(open=lambda *given: self.opened.append(given)),
            results=SimpleNamespace(objects=lambda _uid, _revision: self.objects),
            archive=SimpleNamespace(
                instances_of=lambda _uid: [SimpleNamespace(sop_instance_uid="2.25.5", is_own=False)]
            ),
            fetcher=SimpleNamespace(fetch=lambda wanted: self.fetched.extend(each.sop_instance_uid for each in wanted)),
            processing=Processing(performer, self.offered_for_s),
        )

    def exam(self, uid):
        if self.state is None:
            raise InvalidInput("no such exam", where=uid)
        return SimpleNamespace(study_instance_uid=uid, revision=1, state=self.state, note="It shows the chest.")

    def run(self, name: StepName, outcome=None):
        def function(step, _ports, _policy):
            self.done.append(step.name)
            return outcome or Proceed()

        return with_tasks(function, Step(1, UID, 1, name, 1), self.ports, POLICY)

    def offer(self) -> None:
        reading = reading_workitem(
            STUDY,
            TriageDecision(Priority.STAT, ("Red flag.",)),
            workitem_uid=workitem_of(UID),
            scheduled_at=self.clock.now(),
            source=RetrievalSource("ORTHANC"),
        )
        self.worklist.upsert_reading(workitem_of(UID), UID, reading)
        self.run(StepName.PROVISIONAL)

    def push(self, workitem_uid: str, *, study: str | None = UID) -> None:
        reading = self.worklist.retrieve(workitem_of(UID)).dataset
        task = task_of_reading(reading, workitem_uid=workitem_uid, station=STATION)
        task[tags.WORKITEM_CODE] = sequence(coded("110001", "DCM", "Image Processing"))
        del task[tags.STUDY_INSTANCE_UID]
        if study is None:
            task[tags.INPUTS] = sequence()
        self.worklist.create(task)

    def state_of(self, workitem_uid: str) -> State:
        return self.worklist.retrieve(workitem_uid).state

    def claim(self, workitem_uid: str, lock: str = "2.25.100") -> None:
        self.worklist.change_state(workitem_uid, State.IN_PROGRESS, transaction_uid=lock)


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    clock = ManualClock()
    if request.param == "memory":
        yield World(MemoryWorkitems(clock), MemoryTaskBook(), clock)
        return
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield World(DatabaseWorkitems(store, clock), DatabaseTaskBook(store), clock)
    store.engine.dispose()


def test_a_task_goes_from_scheduled_to_completed_with_the_report(world):
    world.offer()
    task = world.worklist.retrieve(TASK).dataset
    assert text(task, tags.PRIORITY) == "HIGH"
    assert not is_for_people(task)
    assert is_for_people(world.worklist.retrieve(workitem_of(UID)).dataset)
    assert world.state_of(TASK) is State.SCHEDULED
    world.run(StepName.MATCH)
    assert world.state_of(TASK) is State.IN_PROGRESS
    world.clock.advance(20)
    world.run(StepName.PUBLISH)
    assert world.state_of(TASK) is State.COMPLETED
    (item,) = items(world.worklist.retrieve(TASK).dataset, tags.PERFORMED)
    (output,) = items(item, tags.OUTPUTS)
    assert text(items(output, tags.REFERENCED_SOP_SEQUENCE)[0], "00081155") == REPORT.sop_instance_uid
    assert text(item, "00404050") < text(item, "00404051")


def test_a_repeated_step_changes_nothing(world):
    world.offer()
    for name in (StepName.PROVISIONAL, StepName.MATCH, StepName.MATCH, StepName.PUBLISH, StepName.PUBLISH):
        assert isinstance(world.run(name), Proceed)
    assert world.state_of(TASK) is State.COMPLETED


def test_pulled_by_another_performer_the_path_waits_and_leaves_it_to_them(world):
    world.offer()
    world.claim(TASK)
    assert isinstance(world.run(StepName.MATCH), Wait)
    world.worklist.update(TASK, finished_work(), transaction_uid="2.25.100")
    world.worklist.change_state(TASK, State.COMPLETED, transaction_uid="2.25.100")
    assert world.run(StepName.MATCH) == End(ExamState.DONE, PROCESSED_ELSEWHERE)
    assert StepName.MATCH not in world.done


def test_a_task_cancelled_by_its_watcher_is_not_performed(world):
    world.offer()
    world.worklist.request_cancel(TASK, requesting_ae="RIS")
    assert world.run(StepName.MATCH) == End(ExamState.DONE, CANCELLED_ELSEWHERE)


def test_a_task_is_offered_to_others_for_a_while(world):
    world.offered_for_s = 40
    world.offer()
    assert world.run(StepName.MATCH) == Wait(30, "The processing workitem is offered to other performers.")
    world.clock.advance(41)
    assert isinstance(world.run(StepName.MATCH), Proceed)
    assert world.state_of(TASK) is State.IN_PROGRESS


def test_a_task_of_ours_is_nobody_elses_to_finish(world):
    world.offer()
    world.run(StepName.MATCH)
    with pytest.raises(Exception, match="Transaction UID"):
        world.worklist.change_state(TASK, State.COMPLETED, transaction_uid="2.25.100")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda world: world.run(StepName.RECOGNISE, End(ExamState.NOT_APPLICABLE, "It shows the chest.")), "110514"),
        (lambda world: give_up_tasks(Step(1, UID, 1, StepName.COMPARE, 3), "It broke off.", world.ports), "110501"),
    ],
)
def test_an_exam_that_ends_otherwise_cancels_its_tasks_with_the_reason(world, end, code):
    world.offer()
    end(world)
    assert world.state_of(TASK) is State.CANCELED
    (progress,) = items(world.worklist.retrieve(TASK).dataset, tags.PROGRESS_INFORMATION)
    assert text(items(progress, tags.DISCONTINUATION_REASON)[0], tags.CODE_VALUE) == code
    assert text(progress, tags.REASON_FOR_CANCELLATION)


def test_pushed_by_another_manager_it_begins_and_ends_with_the_exam(world):
    world.offer()
    world.push("2.25.901")
    assert accept_pushed(world.ports, POLICY) == 1
    assert accept_pushed(world.ports, POLICY) == 0
    world.run(StepName.MATCH)
    assert world.state_of("2.25.901") is State.IN_PROGRESS
    world.run(StepName.PUBLISH)
    assert {world.state_of(uid) for uid in ("2.25.901", TASK)} == {State.COMPLETED}


def test_a_pushed_exam_that_is_not_here_is_fetched_and_a_reference_becomes_work(world):
    world.offer()
    world.state = None
    world.push("2.25.901")
    accept_pushed(world.ports, POLICY)
    assert world.fetched == ["2.25.5"]
    world.state = ExamState.REFERENCE
    world.push("2.25.902")
    accept_pushed(world.ports, POLICY)
    assert world.opened == [(UID, 2, StepName.COMPLETE)]


def test_a_pushed_exam_that_is_done_is_answered_at_once(world):
    world.offer()
    world.state = ExamState.DONE
    world.push("2.25.901")
    accept_pushed(world.ports, POLICY)
    assert world.state_of("2.25.901") is State.COMPLETED


def test_a_pushed_exam_that_is_none_of_ours_is_cancelled_with_the_reason(world):
    world.offer()
    world.state = ExamState.NOT_APPLICABLE
    world.push("2.25.901")
    accept_pushed(world.ports, POLICY)
    (progress,) = items(world.worklist.retrieve("2.25.901").dataset, tags.PROGRESS_INFORMATION)
    assert text(progress, tags.REASON_FOR_CANCELLATION) == "It shows the chest."


def test_a_pushed_task_without_a_study_is_refused_and_others_are_left_alone(world):
    world.offer()
    world.push("2.25.901", study=None)
    accept_pushed(world.ports, POLICY)
    (progress,) = items(world.worklist.retrieve("2.25.901").dataset, tags.PROGRESS_INFORMATION)
    assert text(progress, tags.REASON_FOR_CANCELLATION) == NO_STUDY
    assert world.state_of(TASK) is State.SCHEDULED


def test_a_task_for_another_station_is_not_ours(world):
    world.offer()
    reading = world.worklist.retrieve(workitem_of(UID)).dataset
    world.worklist.create(task_of_reading(reading, workitem_uid="2.25.901", station=Station("OTHER")))
    assert accept_pushed(world.ports, POLICY) == 0


def test_without_processing_workitems_steps_run_as_they_are(world):
    ports: Any = SimpleNamespace(processing=None)
    outcome = Proceed({"a": 1})
    assert with_tasks(lambda *_: outcome, Step(1, UID, 1, StepName.MATCH, 1), ports, POLICY) is outcome
    assert accept_pushed(ports, POLICY) == 0


def test_triggered_pull_a_subscriber_is_told_claims_and_completes():
    clock = ManualClock()
    world = World(MemoryWorkitems(clock), MemoryTaskBook(), clock)
    key = search_key("ScheduledStationNameCodeSequence.CodeValue", "PLUMBLINE")
    world.worklist.store.subscribe(Subscription("HELPER", FILTERED, keys=(key,)))
    world.offer()
    told = world.worklist.store.pending("HELPER", limit=10)
    assert {event.report.workitem_uid for event in told} == {TASK}
    world.claim(told[0].report.workitem_uid)
    assert isinstance(world.run(StepName.MATCH), Wait)


def test_what_a_performer_writes_meets_the_final_state(world):
    world.offer()
    world.claim(TASK)
    done = performed(
        Station("HELPER"), began_at=world.clock.now(), ended_at=world.clock.now(), outputs=(), source=RetrievalSource()
    )
    with pytest.raises(Exception, match="OutputInformationSequence"):
        world.worklist.update(TASK, done, transaction_uid="2.25.100")
        world.worklist.change_state(TASK, State.COMPLETED, transaction_uid="2.25.100")


def test_stations_are_found_by_their_column_and_in_rows_that_name_several(world):
    world.offer()
    several = {tags.STATION_NAMES: sequence(Station("OTHER").code, STATION.code), tags.LABEL: element("LO", "Two")}
    world.worklist.update(workitem_of(UID), several)
    found = world.worklist.search(Query((search_key("ScheduledStationNameCodeSequence.CodeValue", "PLUMBLINE"),)))
    assert {each.workitem_uid for each in found.workitems} == {TASK, workitem_of(UID)}
