"""Steps 4 and 7, triage: a first priority from order and header alone, refined by what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plumbline.checks.finding import Finding
from plumbline.exams.order import Order, order_from_header
from plumbline.exams.study import Study
from plumbline.pipeline.documents import (
    Comparison,
    choice_from_document,
    comparison_from_document,
    decision_document,
    decision_from_document,
    facts_document,
    result_document,
)
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.recognise import story_of
from plumbline.pipeline.story import Story
from plumbline.pipeline.telling import tell_provisional
from plumbline.pipeline.worklist_entry import show_on_worklist
from plumbline.priors.choice import ReferenceChoice, Role
from plumbline.triage.facts import Facts, provisional_facts, with_findings
from plumbline.triage.priority import TriageDecision
from plumbline.triage.rules import RuleSet, decide

MEASURED_AGAIN = "More images came since this was measured; it is being measured again."


def orders_of(study: Study, orders: Sequence[Order]) -> tuple[Order, ...]:
    """All that was asked for with a study: orders that came in, and what its own header says."""
    header = order_from_header(study)
    return (*orders, header) if header else tuple(orders)


def facts_of(story: Story) -> Facts:
    """Facts from order, history and header, before any measurement."""
    day = story.study.performed_at.date() if story.study.performed_at else None
    return provisional_facts(orders_of(story.study, story.orders), story.history, story.recognition, performed_on=day)


def decide_priority(
    rules: RuleSet, facts: Facts, findings: Sequence[Finding], choice: ReferenceChoice
) -> TriageDecision:
    """The priority once the checks have run."""
    return decide(rules, _with_findings(facts, findings, choice))


def measured_facts(step: Step, ports: PathPorts, policy: SitePolicy) -> Facts:
    """Everything a rule can see of an exam whose checks have run, for a later step."""
    uid, revision = step.study_instance_uid, step.revision
    choice = choice_from_document(ports.steps.result(uid, revision, StepName.MATCH)["choice"])
    comparison = comparison_from_document(ports.steps.result(uid, revision, StepName.COMPARE)["comparison"])
    return _with_findings(facts_of(story_of(step, ports, policy, told_by=StepName.MATCH)), comparison.findings, choice)


def _with_findings(facts: Facts, findings: Sequence[Finding], choice: ReferenceChoice) -> Facts:
    baseline = choice.chosen(Role.BASELINE)
    return with_findings(facts, findings, has_baseline=baseline is not None and baseline.comparable)


def with_notes(decision: TriageDecision, notes: Sequence[str]) -> TriageDecision:
    """The decision with what its reader must know besides: orders and exams that were not used, and why."""
    return replace(decision, reasons=(*decision.reasons, *notes))


def provisional_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function: the workitem exists, with a first priority and its reason, before anything is measured."""
    story = story_of(step, ports, policy)
    facts = facts_of(story)
    decision = with_notes(decide(policy.rules, facts), story.order_notes)
    decision = _not_below_what_was_measured(
        decision, ports.steps.latest_result(step.study_instance_uid, StepName.TRIAGE)
    )
    show_on_worklist(step, ports, policy, decision)
    tell_provisional(step, ports, policy, facts, decision)
    return Proceed({"decision": decision_document(decision), **_since_last_instance(step, ports)})


def _not_below_what_was_measured(decision: TriageDecision, earlier: Mapping[str, Any]) -> TriageDecision:
    """Keep the priority that was measured before more images came, until it is measured again and may be taken back."""
    if "decision" not in earlier:
        return decision
    measured = decision_from_document(earlier["decision"])
    if measured.priority.rank >= decision.priority.rank:
        return decision
    reasons = (*measured.reasons, MEASURED_AGAIN, *decision.reasons)
    return replace(measured, reasons=tuple(dict.fromkeys(reasons)), rules=(*measured.rules, *decision.rules))


def triage_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function: the priority with its reasons, onto the worklist and into the result document."""
    uid, revision = step.study_instance_uid, step.revision
    story = story_of(step, ports, policy, told_by=StepName.MATCH)
    choice = choice_from_document(ports.steps.result(uid, revision, StepName.MATCH)["choice"])
    comparison = comparison_from_document(ports.steps.result(uid, revision, StepName.COMPARE)["comparison"])
    facts = facts_of(story)
    decision = decide_priority(policy.rules, facts, comparison.findings, choice)
    decision = with_notes(decision, (*story.order_notes, *choice.conflicts))
    show_on_worklist(step, ports, policy, decision)
    ports.results.save(uid, revision, _document(step, story, comparison, choice, decision))
    said = {"decision": decision_document(decision), "facts": facts_document(facts)}
    return Proceed({**said, **_since_last_instance(step, ports)})


def _since_last_instance(step: Step, ports: PathPorts) -> dict[str, float]:
    """How long the reader waited for this priority: from the last instance, or from when news re-opened the exam."""
    exam = ports.exams.exam(step.study_instance_uid)
    is_reopened = bool(ports.steps.latest_result(step.study_instance_uid, StepName.COMPLETE).get("news"))
    began = exam.completed_at if is_reopened and exam.completed_at else exam.last_instance_at
    return {"since_last_instance_s": (ports.clock.now() - began).total_seconds()}


def _document(
    step: Step, story: Story, comparison: Comparison, choice: ReferenceChoice, decision: TriageDecision
) -> dict[str, object]:
    document = result_document(
        study_instance_uid=step.study_instance_uid,
        recognition=story.recognition,
        comparison=comparison,
        choice=choice,
        decision=decision,
        sr_path=None,
    )
    performed_at = story.study.performed_at
    document["exam"] = {
        "revision": step.revision,
        "performed_at": performed_at.isoformat() if performed_at else None,
        "description": story.study.description,
        "days_since_surgery": story.days_since_surgery,
        "planned": None if story.plan is None else [level.name for level in story.plan.levels],
    }
    return document
