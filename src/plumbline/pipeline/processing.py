"""The path as a performer of processing workitems (IHE AIW-I): each step does its work and keeps the exam's tasks true.

The task is offered once an exam is known to be one of ours, claimed before images are compared, completed with the
report, and cancelled with the reason where the exam ends otherwise. Who claims it first, performs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from plumbline.errors import InvalidInput
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import (
    End,
    Exam,
    ExamState,
    PathPorts,
    Proceed,
    Step,
    StepName,
    StepOutcome,
    Wait,
)
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.worklist.performer import Ownership, Performer
from plumbline.worklist.reading import RetrievalSource, StoredObject
from plumbline.worklist.refusals import WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.tasks import BROKE_OFF, NOT_FIT, task_uid

StepFunction = Callable[[Step, PathPorts, SitePolicy], StepOutcome]

LOOK_AGAIN_S = 30.0
"""How often a task that another performer has is looked at."""

NO_STUDY = "The inputs name no study, or several."
PROCESSED_ELSEWHERE = "Another performer carried out the processing of this exam."
CANCELLED_ELSEWHERE = "The processing of this exam was cancelled on the worklist."
HELD_ELSEWHERE = "Another performer has the processing workitem of this exam."


@dataclass(frozen=True)
class Processing:
    """How the site takes part in processing workitems.

    ``offered_for_s`` is how long a task waits for other performers before it is taken here.
    """

    performer: Performer
    offered_for_s: float = 0.0


def with_tasks(function: StepFunction, step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Carry out a step and bring the tasks of its exam along."""
    taking_part = ports.processing
    if taking_part is None:
        return function(step, ports, policy)
    held_up = _take(step, ports, taking_part) if step.name is StepName.MATCH else None
    outcome = function(step, ports, policy) if held_up is None else held_up
    uid, performer = step.study_instance_uid, taking_part.performer
    match outcome:
        case Proceed() if step.name is StepName.PROVISIONAL:
            performer.offer(uid, step.revision, reading_uid=workitem_of(uid))
        case Proceed() if step.name is StepName.PUBLISH:
            _complete(uid, step.revision, ports, policy, performer)
        case End():
            performer.give_up(uid, code=NOT_FIT, words=outcome.reason, now=ports.clock.now())
        case _:
            pass
    return outcome


def give_up_tasks(step: Step, sentence: str, ports: PathPorts) -> None:
    """Cancel the tasks of an exam that failed for good."""
    if ports.processing is not None:
        words = f"The step '{step.name.value}' failed. {sentence}"
        now = ports.clock.now()
        ports.processing.performer.give_up(step.study_instance_uid, code=BROKE_OFF, words=words, now=now)


def _take(step: Step, ports: PathPorts, taking_part: Processing) -> StepOutcome | None:
    """Claim the tasks of the exam; None where they are ours, else what becomes of the step."""
    uid = step.study_instance_uid
    try:
        who, state, since = taking_part.performer.ownership(task_uid(uid, step.revision), uid)
    except WorkitemInvalid:  # the revision began before the site took part
        who, state, since = Ownership.OURS, State.IN_PROGRESS, ports.clock.now()
    if who is Ownership.OTHERS:
        return _left_to_others(state)
    if who is Ownership.NOBODY:
        until = since + timedelta(seconds=taking_part.offered_for_s)
        if (remaining := (until - ports.clock.now()).total_seconds()) > 0:
            return Wait(min(remaining, LOOK_AGAIN_S), "The processing workitem is offered to other performers.")
    taking_part.performer.begin(uid)
    if taking_part.performer.ownership(task_uid(uid, step.revision), uid)[0] is Ownership.OTHERS:
        return Wait(LOOK_AGAIN_S, HELD_ELSEWHERE)
    return None


def _left_to_others(state: State) -> StepOutcome:
    if state is State.IN_PROGRESS:
        return Wait(LOOK_AGAIN_S, HELD_ELSEWHERE)
    return End(ExamState.DONE, PROCESSED_ELSEWHERE if state is State.COMPLETED else CANCELLED_ELSEWHERE)


def _complete(uid: str, revision: int, ports: PathPorts, policy: SitePolicy, performer: Performer) -> None:
    outputs = [
        StoredObject(uid, each.series_instance_uid, each.sop_class_uid, each.sop_instance_uid)
        for each in ports.results.objects(uid, revision)
    ]
    source = RetrievalSource(policy.archive_ae_title, policy.dicomweb_url)
    performer.complete(uid, outputs=outputs, source=source, now=ports.clock.now())


# --- what others schedule for us ---


def accept_pushed(ports: PathPorts, policy: SitePolicy) -> int:
    """Take in hand what other managers scheduled for this station, and start the path where it does not run; how many.

    An exam that is not here is fetched from the archive. One that has been compared already gives its report at once.
    """
    if ports.processing is None:
        return 0
    performer = ports.processing.performer
    pushed = performer.pushed()
    for workitem_uid, study in pushed:
        if study is None:
            performer.refuse(workitem_uid, code=NOT_FIT, words=NO_STUDY, now=ports.clock.now())
            continue
        started = _start(study, ports)
        performer.accept(workitem_uid, study)
        if started is not None:
            _answer_at_once(started, ports, policy, performer)
    return len(pushed)


def _start(study_instance_uid: str, ports: PathPorts) -> Exam | None:
    """Let the path run on an exam; return the exam where it has ended already."""
    try:
        exam = ports.exams.exam(study_instance_uid)
    except InvalidInput:
        listed = [each for each in ports.archive.instances_of(study_instance_uid) if not each.is_own]
        ports.fetcher.fetch(listed)
        return None
    if exam.state is ExamState.REFERENCE:
        ports.steps.open(study_instance_uid, exam.revision + 1, StepName.COMPLETE)
        return None
    return exam if exam.state in (ExamState.DONE, ExamState.NOT_APPLICABLE, ExamState.FAILED) else None


def _answer_at_once(exam: Exam, ports: PathPorts, policy: SitePolicy, performer: Performer) -> None:
    uid = exam.study_instance_uid
    if exam.state is ExamState.DONE and ports.results.objects(uid, exam.revision):
        performer.begin(uid)
        _complete(uid, exam.revision, ports, policy, performer)
        return
    words = exam.note or "The exam ended without a report."
    code = BROKE_OFF if exam.state is ExamState.FAILED else NOT_FIT
    performer.give_up(uid, code=code, words=words, now=ports.clock.now())
