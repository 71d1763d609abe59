"""Step 9, publish: the report into the archive, the final word onto the worklist. A repeat changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plumbline.pipeline.documents import decision_from_document
from plumbline.pipeline.outgoing import deliveries
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Proceed, Step, StepName, StepOutcome
from plumbline.pipeline.taking_back import still_told, superseded_selections
from plumbline.pipeline.telling import told_of
from plumbline.pipeline.triage import measured_facts
from plumbline.pipeline.withdrawal import ARCHIVE, PRIORITY, REASON, withdraw_earlier_selections
from plumbline.pipeline.worklist_entry import show_on_worklist
from plumbline.triage.priority import TriageDecision
from plumbline.triage.routing import destinations_of, routing_facts
from plumbline.worklist.reading import StoredObject


def publish_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Store what was built, point the workitem at it, then take back the earlier key object selections.

    Every object is first noted as ours: when the archive routes it back, it is known and not taken for
    growth of the exam.
    """
    uid, revision = step.study_instance_uid, step.revision
    objects = ports.results.objects(uid, revision)
    for each in objects:
        ports.publications.owe(uid, revision, ARCHIVE, each.sop_instance_uid, each.kind)
    for each in objects:
        if ports.publications.owe(uid, revision, ARCHIVE, each.sop_instance_uid, each.kind):
            ports.archive.store(each.part10)
            ports.publications.sent(uid, revision, ARCHIVE, each.sop_instance_uid)
    decision = decision_from_document(ports.steps.result(uid, revision, StepName.TRIAGE)["decision"])
    report = next(each for each in objects if each.kind == "sr")
    ports.archive.annotate(uid, {PRIORITY: decision.priority.value, REASON: " ".join(decision.reasons)})
    document = {**ports.results.document(uid, revision)}
    document["report"] = {
        "sr": f"studies/{uid}/series/{report.series_instance_uid}/instances/{report.sop_instance_uid}"
    }
    _commit(step, ports, policy, decision, document)
    show_on_worklist(
        step,
        ports,
        policy,
        decision,
        report=StoredObject(uid, report.series_instance_uid, report.sop_class_uid, report.sop_instance_uid),
    )
    left = withdraw_earlier_selections(step, ports)
    return Proceed({"published": [each.sop_instance_uid for each in objects], "not_withdrawn": left})


def _commit(
    step: Step, ports: PathPorts, policy: SitePolicy, decision: TriageDecision, document: Mapping[str, Any]
) -> None:
    """Store the result together with what is owed because of it, so that neither is ever without the other.

    Destinations that were told of an earlier revision are told of this one, too, whatever the rules say of it.
    """
    uid, revision, routing = step.study_instance_uid, step.revision, policy.routing
    if ports.outbox is None or not routing.kinds:
        ports.results.save(uid, revision, document)
        return
    facts = routing_facts(measured_facts(step, ports, policy), decision)
    chosen = destinations_of(policy.rules.routes, facts, routing.kinds)
    told = still_told(ports.outbox.of_exam(uid, list(routing.kinds)))
    concerned = [name for name in routing.kinds if name in chosen or name in told]
    finished = told_of(step, ports, decision, document=document, objects=ports.results.objects(uid, revision))
    rejects = superseded_selections(finished, told, ports, policy)
    ports.outbox.commit(uid, revision, document, deliveries(finished, concerned, routing, rejects=rejects))
