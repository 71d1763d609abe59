"""The steps of the path by name, for the runner; and what a reader is told when one has failed for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.compare import compare_step
from plumbline.pipeline.complete import complete
from plumbline.pipeline.documents import decision_from_document
from plumbline.pipeline.match import match_step
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Step, StepName, StepOutcome
from plumbline.pipeline.processing import give_up_tasks, with_tasks
from plumbline.pipeline.publish import publish_step
from plumbline.pipeline.recognise import recognise_step
from plumbline.pipeline.report import report_step
from plumbline.pipeline.runner import StepFunction
from plumbline.pipeline.triage import provisional_step, triage_step
from plumbline.pipeline.worklist_entry import show_on_worklist
from plumbline.triage.priority import Priority, TriageDecision

_FUNCTIONS = {
    StepName.COMPLETE: complete,
    StepName.RECOGNISE: recognise_step,
    StepName.PROVISIONAL: provisional_step,
    StepName.MATCH: match_step,
    StepName.COMPARE: compare_step,
    StepName.TRIAGE: triage_step,
    StepName.REPORT: report_step,
    StepName.PUBLISH: publish_step,
}


def path_functions(ports: PathPorts, policy: Callable[[], SitePolicy]) -> Mapping[StepName, StepFunction]:
    """Every step of the path, bound to its ports and to the site's policy as it is when the step begins."""
    return {name: partial(_carry_out, function, ports=ports, policy=policy) for name, function in _FUNCTIONS.items()}


def _carry_out(
    function: Callable[[Step, PathPorts, SitePolicy], StepOutcome],
    step: Step,
    *,
    ports: PathPorts,
    policy: Callable[[], SitePolicy],
) -> StepOutcome:
    return with_tasks(function, step, ports, policy())


def tell_failure(step: Step, sentence: str, ports: PathPorts, policy: SitePolicy) -> None:
    """Say on the worklist that an exam could not be compared; it keeps the priority that it had."""
    give_up_tasks(step, sentence, ports)
    try:
        show_on_worklist(step, ports, policy, _decision_of_failure(step, sentence, ports))
    except InvalidInput:
        return  # nothing of the exam can be read: the operator's list has it, the worklist cannot


def _decision_of_failure(step: Step, sentence: str, ports: PathPorts) -> TriageDecision:
    told = f"This exam was not compared: the step '{step.name.value}' failed. {sentence}"
    for name in (StepName.TRIAGE, StepName.PROVISIONAL):
        try:
            earlier = ports.steps.result(step.study_instance_uid, step.revision, name)
        except Conflict:
            continue
        known = decision_from_document(earlier["decision"])
        return TriageDecision(known.priority, (*known.reasons, told), known.rules)
    return TriageDecision(Priority.ROUTINE, (told,))
