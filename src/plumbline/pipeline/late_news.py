"""News that reaches an exam after it was recognised: whether it changes anything, and then a new revision.

An order, a merge, a better reference or a reader's landmark is told to the exams that it may concern. Each of
them is judged once it is not under way: what it was made from is found again and compared. Only where that
differs is the exam compared again, as its next revision; the report that follows supersedes the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from plumbline.errors import Conflict, InvalidInput
from plumbline.exams.history import Operation
from plumbline.exams.order import Order
from plumbline.exams.order_links import LinkedOrders
from plumbline.exams.study import Study
from plumbline.pipeline.patient_ports import News
from plumbline.pipeline.ports import Clock, Exams, PathPorts, Step, StepName, Steps
from plumbline.pipeline.story import Story
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.priors.choice import ReferenceChoice

OPENED_AT_ONCE = 20
"""Exams whose news is judged in one round of the clock: a merge of two long records is no storm."""
NEW_REFERENCE = "An earlier exam of its patient was completed, or has grown."


def open_told_exams(news: News, exams: Exams, steps: Steps, clock: Clock, *, quiet_s: float) -> int:
    """Open the counting step of exams that have news and are not under way; return how many."""
    opened = 0
    quiet_before = clock.now() - timedelta(seconds=quiet_s)
    for study_instance_uid in news.waiting(quiet_before=quiet_before, limit=OPENED_AT_ONCE):
        revision = exams.exam(study_instance_uid).revision + 1
        if steps.open(study_instance_uid, revision, StepName.COMPLETE, again=True) is not None:
            opened += 1
    return opened


def tell_later_exams(step: Step, study: Study, ports: PathPorts) -> None:
    """Tell later exams of the patient that this one is there to be compared with.

    A revision that only news has brought about changes nothing for others and is not told.
    """
    completed = ports.steps.latest_result(step.study_instance_uid, StepName.COMPLETE)
    if not completed.get("news"):
        ports.news.tell_later_exams(study, NEW_REFERENCE)


def withdraw_from_worklist(step: Step, reasons: Sequence[str], ports: PathPorts) -> None:
    """Cancel the workitem of an exam that an earlier revision took for a postoperative spine."""
    if step.revision <= 1:
        return
    try:
        ports.workitems.cancel(workitem_of(step.study_instance_uid), reason=" ".join(reasons))
    except (InvalidInput, Conflict):
        return  # there was none, or a reader has finished it


@dataclass(frozen=True)
class Inputs:
    """What the outcome of an exam rests on besides its own images, in a form that can be compared."""

    kind: str
    orders: Mapping[str, Any]
    days_since_surgery: int | None
    plan: tuple[str, ...]
    operations: tuple[tuple[str, ...], ...]
    references: Mapping[str, str]
    """Study Instance UID by role; empty for an exam that is not compared."""
    conflicts: tuple[str, ...]
    landmarks: str = ""
    """Fingerprint of what readers set on its radiographs."""

    def differences(self, other: Inputs) -> list[str]:
        """What is not the same, in words, without patient data."""
        compared = {
            "kind": "what kind of exam it is",
            "orders": "its orders",
            "days_since_surgery": "the time since surgery",
            "plan": "what was planned",
            "operations": "the surgical history",
            "references": "the exams to compare with",
            "conflicts": "the identity of the patient's exams",
            "landmarks": "the landmarks that readers set",
        }
        return [words for name, words in compared.items() if getattr(self, name) != getattr(other, name)]


def inputs_of(
    story: Story, orders: Mapping[str, Any], choice: ReferenceChoice | None, *, landmarks: str = ""
) -> Inputs:
    """The inputs of a story and of the references chosen with it."""
    day = story.study.performed_at.date() if story.study.performed_at else None
    plan = story.plan
    return Inputs(
        kind=story.recognition.kind.value,
        orders=orders,
        days_since_surgery=story.days_since_surgery,
        plan=(*(level.name for level in plan.levels), *plan.procedures, str(plan.surgery_date)) if plan else (),
        operations=tuple(_operation(each) for each in story.history.before(day)),
        references={each.role.value: each.study_instance_uid for each in choice.considered if each.role}
        if choice
        else {},
        conflicts=choice.conflicts if choice else (),
        landmarks=landmarks,
    )


def orders_document(orders: LinkedOrders) -> dict[str, Any]:
    """Fingerprints of an exam's orders; those of its patient count through the history."""
    return {"of_exam": sorted(_fingerprint(order) for order in orders.of_exam), "refused": list(orders.refused)}


def _fingerprint(order: Order) -> str:
    """Of what an order says, not of how its text was read."""
    said = [order.text, order.source.name, order.priority, sorted(flag.value for flag in order.red_flags)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _operation(operation: Operation) -> tuple[str, ...]:
    levels = (level.name for level in operation.levels)
    return (str(operation.earliest), str(operation.latest), operation.source.name, *levels, *operation.procedures)
