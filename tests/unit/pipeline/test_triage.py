"""Priority as steps: a first one from order and header, refined by what was measured, never lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.errors import Conflict, InvalidInput
from plumbline.exams.facts import SourceKind
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import order_from_text
from plumbline.pipeline.documents import Comparison, choice_document, comparison_document
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import Exam, ExamState, Proceed, Step, StepName
from plumbline.pipeline.recognise import story_document
from plumbline.pipeline.story import tell_story
from plumbline.pipeline.triage import (
    MEASURED_AGAIN,
    _not_below_what_was_measured,
    orders_of,
    provisional_step,
    triage_step,
)
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.priors.choice import Reference, ReferenceChoice, Role
from plumbline.testing import ManualClock, MemoryOrders, MemoryPatients, MemoryWorkitems
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.triage.rule_file import default_rules
from tests.unit.pipeline.test_given import study

STUDY = "2.25.1"
POLICY = SitePolicy(default_rules(), "2.25.9")
EXAM = study(STUDY, "2026-06-01")
MIGRATED = Finding(
    CheckName.SPACER_MIGRATION,
    "L4-L5",
    Status.POSITIVE,
    ("It has moved.",),
    {"translation_mm": Measurement(3.1, 0.3), "translation_posterior_mm": Measurement(3.1, 0.3)},
    reference="baseline",
)
BROKEN = Finding(CheckName.SPACER_MIGRATION, None, Status.FAILED, ("The check broke off.",))


@dataclass
class StoredResults:
    """As much of ``Steps`` and ``Results`` as triage uses."""

    of: dict[StepName, Any] = field(default_factory=dict)
    saved: dict[tuple[str, int], Any] = field(default_factory=dict)

    def result(self, _study, _revision, name):
        if name not in self.of:
            raise Conflict("the step has no result", where=name.value)
        return self.of[name]

    def latest_result(self, _study, name):
        return self.of.get(name, {})

    def save(self, uid, revision, document):
        self.saved[uid, revision] = document


class World:
    def __init__(self, order: str, findings: tuple[Finding, ...] = (), *, has_baseline: bool = True) -> None:
        baseline = (Reference("2.25.2", Role.BASELINE, True, 0.9),) if has_baseline else ()
        self.steps = StoredResults()
        self.choice = ReferenceChoice(baseline, {} if has_baseline else {Role.BASELINE: "None was found."})
        self.findings = findings
        self.workitems = MemoryWorkitems()
        now = datetime(2026, 6, 1, 10, tzinfo=UTC)
        orders = (order_from_text(order, source=SourceKind.ORDER, reference_date=date(2026, 6, 1)),)
        story = tell_story(EXAM, images=None, orders=orders, hardware_seen=True)  # type: ignore[arg-type]
        self.steps.of[StepName.RECOGNISE] = story_document(story)
        exam = Exam(STUDY, 1, ExamState.COMPLETE, EXAM.patient, now, now, now)
        self.ports: Any = SimpleNamespace(
            steps=self.steps,
            results=self.steps,
            workitems=self.workitems,
            clock=ManualClock(now),
            exams=SimpleNamespace(exam=lambda _uid: exam),
            orders=MemoryOrders([OrderNotice("1", OrderStatus.ACTIVE, EXAM.patient, orders[0], STUDY)]),
            patients=MemoryPatients(),
            images=SimpleNamespace(study=lambda _uid: EXAM, headers=lambda _uid: []),
            index=SimpleNamespace(held=lambda _uid: []),
            outbox=None,
        )

    def provisional(self, policy: SitePolicy = POLICY) -> dict[str, Any]:
        outcome = provisional_step(Step(1, STUDY, 1, StepName.PROVISIONAL, 1), self.ports, policy)
        assert isinstance(outcome, Proceed)
        return outcome.result["decision"]

    def triage(self) -> dict[str, Any]:
        self.steps.of[StepName.MATCH] = {**self.steps.of[StepName.RECOGNISE], "choice": choice_document(self.choice)}
        self.steps.of[StepName.COMPARE] = {"comparison": comparison_document(Comparison(self.findings))}
        outcome = triage_step(Step(2, STUDY, 1, StepName.TRIAGE, 1), self.ports, POLICY)
        assert isinstance(outcome, Proceed)
        return outcome.result["decision"]

    @property
    def shown(self) -> str:
        """Priority on the worklist, (0074,1200)."""
        return self.workitems.store.get(workitem_of(STUDY)).dataset["00741200"]["Value"][0]


ROUTINE_ORDER = "Follow-up after L4-L5 TLIF on 2026-03-02."


def test_an_exam_is_on_the_worklist_before_anything_was_measured():
    world = World(ROUTINE_ORDER)
    assert world.provisional()["priority"] == "ROUTINE"
    assert world.shown == "LOW"


def test_a_red_flag_in_the_order_cannot_wait_for_a_measurement():
    world = World(f"{ROUTINE_ORDER} Suspected cauda equina syndrome.")
    assert world.provisional()["priority"] == "STAT"
    assert world.shown == "HIGH"


def test_a_positive_finding_raises_the_priority_on_the_same_workitem():
    world = World(ROUTINE_ORDER, (MIGRATED,))
    world.provisional()
    decision = world.triage()
    assert decision["priority"] == "URGENT"
    assert decision["reasons"]
    assert world.shown == "MEDIUM"


def test_measuring_nothing_does_not_lower_what_the_order_asked_for():
    world = World(f"{ROUTINE_ORDER} Suspected cauda equina syndrome.")
    world.provisional()
    assert world.triage()["priority"] == "STAT"
    assert world.shown == "HIGH"


def test_a_failed_check_and_a_missing_baseline_still_give_a_priority():
    world = World(ROUTINE_ORDER, (BROKEN,), has_baseline=False)
    world.provisional()
    assert world.triage()["priority"] in {"ROUTINE", "URGENT", "STAT"}
    (document,) = world.steps.saved.values()
    assert document["findings"][0]["status"] == "failed"
    assert document["missing"] == {"baseline": "None was found."}


def test_the_result_tells_the_exams_circumstances():
    world = World(ROUTINE_ORDER, (MIGRATED,))
    world.provisional()
    world.triage()
    document = world.steps.saved[STUDY, 1]
    assert document["exam"] == {
        "revision": 1,
        "performed_at": "2026-06-01T00:00:00",
        "description": "CT LSPINE",
        "days_since_surgery": 91,
        "planned": ["L4-L5"],
    }
    assert document["findings"][0]["status"] == "positive"


def test_triage_twice_is_triage_once():
    world = World(ROUTINE_ORDER, (MIGRATED,))
    world.provisional()
    assert world.triage() == world.triage()
    assert len(world.steps.saved) == 1


def test_triage_before_the_comparison_is_refused():
    world = World(ROUTINE_ORDER)
    with pytest.raises((Conflict, InvalidInput)):
        triage_step(Step(2, STUDY, 1, StepName.TRIAGE, 1), world.ports, POLICY)


def test_the_header_is_the_last_of_the_orders():
    asked = order_from_text(ROUTINE_ORDER, source=SourceKind.ORDER)
    orders = orders_of(EXAM, [asked])
    assert orders[0] is asked
    assert [each.source for each in orders] == [SourceKind.ORDER, SourceKind.HEADER_TEXT]


def test_exams_that_may_be_somebody_else_s_are_said_with_the_priority():
    world = World(ROUTINE_ORDER)
    world.choice = replace(world.choice, conflicts=("1 exam left out: the birth dates contradict each other.",))
    assert "1 exam left out: the birth dates contradict each other." in world.triage()["reasons"]
    assert world.shown == "LOW"


def test_a_priority_after_late_news_is_timed_from_the_news():
    world = World(ROUTINE_ORDER)
    exam = world.ports.exams.exam(STUDY)
    world.ports.exams.exam = lambda _uid: replace(exam, completed_at=exam.last_instance_at + timedelta(hours=5))
    world.ports.clock.advance(5 * 3600 + 7)
    outcome = provisional_step(Step(1, STUDY, 1, StepName.PROVISIONAL, 1), world.ports, POLICY)
    assert outcome.result["since_last_instance_s"] == 5 * 3600 + 7
    world.steps.latest_result = lambda _study, _name: {"news": ["its orders"]}
    outcome = provisional_step(Step(1, STUDY, 1, StepName.PROVISIONAL, 1), world.ports, POLICY)
    assert outcome.result["since_last_instance_s"] == 7


@pytest.mark.parametrize(("measured", "shown"), [("STAT", "STAT"), ("URGENT", "URGENT"), ("ROUTINE", "ROUTINE")])
def test_what_was_measured_stands_until_it_is_measured_again(measured, shown):
    earlier = {"decision": {"priority": measured, "reasons": ["It has moved."], "rules": ["r"], "sources": []}}
    kept = _not_below_what_was_measured(TriageDecision(Priority.ROUTINE, ("In turn.",)), earlier)
    assert kept.priority is Priority(shown)
    assert (MEASURED_AGAIN in kept.reasons) == (measured != "ROUTINE")
    assert kept.reasons[0] == ("It has moved." if measured != "ROUTINE" else "In turn.")


def test_a_first_revision_has_nothing_to_keep():
    decision = TriageDecision(Priority.ROUTINE, ("In turn.",))
    assert _not_below_what_was_measured(decision, {}) is decision
