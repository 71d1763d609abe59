"""What other systems are told of an exam; the first of it is the provisional priority, where a routing rule asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.pipeline.outgoing import Finished, deliveries
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, ReportObject, Step
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.triage.facts import Facts
from plumbline.triage.priority import TriageDecision
from plumbline.triage.routing import PROVISIONAL, destinations_of, routing_facts


def told_of(
    step: Step,
    ports: PathPorts,
    decision: TriageDecision,
    *,
    document: Mapping[str, Any],
    objects: Sequence[ReportObject] = (),
    is_provisional: bool = False,
) -> Finished:
    """The exam of a step as other systems are told of it."""
    uid = step.study_instance_uid
    exam = ports.exams.exam(uid)
    headers = ports.images.headers(uid)
    name = headers[0].get("PatientName") if headers else None
    return Finished(
        study=ports.images.study(uid),
        revision=step.revision,
        patient_name=None if name is None else str(name),
        decision=decision,
        document=document,
        objects=objects,
        workitem_uid=workitem_of(uid),
        completed_at=(exam.completed_at or exam.last_instance_at).isoformat(),
        is_provisional=is_provisional,
    )


def tell_provisional(
    step: Step, ports: PathPorts, policy: SitePolicy, facts: Facts, decision: TriageDecision
) -> Sequence[str]:
    """Owe the first priority to the destinations that a rule names for it; return their names."""
    known = policy.routing.kinds
    if ports.outbox is None or not known:
        return ()
    chosen = destinations_of(policy.rules.routes, routing_facts(facts, decision, PROVISIONAL), known)
    if not chosen:
        return ()
    told = told_of(step, ports, decision, document={}, is_provisional=True)
    owed = deliveries(told, chosen, policy.routing)
    ports.outbox.owe(owed)
    return [each.destination for each in owed]
