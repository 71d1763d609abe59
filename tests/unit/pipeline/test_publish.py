"""Publishing: what is stored in which order; a later revision takes back the key object selections before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.results import DatabasePublications, DatabaseResults
from plumbline.errors import Misconfigured, Unavailable
from plumbline.pipeline.documents import decision_document
from plumbline.pipeline.outbox import DeliveryKind
from plumbline.pipeline.outgoing import Routing
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import Proceed, ReportObject, Step, StepName
from plumbline.pipeline.publish import publish_step
from plumbline.pipeline.withdrawal import KEY_OBJECTS, withdraw_earlier_selections, withdraw_report
from plumbline.testing import ManualClock, MemoryArchive
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.triage.rule_file import read_rules
from tests.unit.pipeline import test_triage
from tests.unit.pipeline.test_triage import POLICY, STUDY

KINDS = ("picture", KEY_OBJECTS, "sr")


class World(test_triage.World):
    """An exam whose report was built, on a real store; the archive notes what it is told, in order."""

    def __init__(self, url: str) -> None:
        super().__init__("s/p TLIF L4-L5 2026-03-02")
        self.store, clock = open_store(url), ManualClock()
        self.steps.of[StepName.TRIAGE] = {"decision": decision_document(TriageDecision(Priority.ROUTINE, ("So.",), ()))}
        self.archive = MemoryArchive()
        self.told: list[str] = []
        for name in ("store", "withdraw"):
            self._noted(name)
        parts = {"publications": DatabasePublications(self.store, clock), "results": DatabaseResults(self.store, clock)}
        self.ports = SimpleNamespace(**{**vars(self.ports), **parts, "archive": self.archive})

    def _noted(self, name: str) -> None:
        real = getattr(self.archive, name)

        def noted(what: Any) -> None:
            real(what)
            self.told.append(f"{name} {what.decode() if isinstance(what, bytes) else what}")

        setattr(self.archive, name, noted)

    def publish(self, revision: int, kinds: tuple[str, ...] = KINDS, policy: SitePolicy = POLICY) -> Any:
        self.told.clear()
        self.ports.results.save(STUDY, revision, {})
        built = [
            ReportObject(f"2.25.{revision}{n}", f"2.25.{revision}{n}.9", "1.2", kind, f"2.25.{revision}{n}".encode())
            for n, kind in enumerate(kinds)
        ]
        self.ports.results.save_objects(STUDY, revision, built)
        outcome = publish_step(Step(1, STUDY, revision, StepName.PUBLISH, 1), self.ports, policy)
        assert isinstance(outcome, Proceed)
        return outcome.result


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


def test_a_first_report_takes_nothing_back(world):
    world.publish(1)
    assert world.told == ["store 2.25.10", "store 2.25.11", "store 2.25.12"]


def test_a_second_selection_takes_the_place_of_the_first_once_it_is_stored(world):
    world.publish(1)
    world.publish(2)
    assert world.told == ["store 2.25.20", "store 2.25.21", "store 2.25.22", "withdraw 2.25.11"]
    world.publish(3)
    assert world.told[-1] == "withdraw 2.25.21", "each is taken back once"
    assert world.ports.publications.own_objects(STUDY) >= {"2.25.11", "2.25.21"}, "they stay our own if sent again"


def test_a_revision_without_a_selection_takes_the_former_back_too(world):
    world.publish(1)
    world.publish(2, kinds=("sr",))
    assert world.told == ["store 2.25.20", "withdraw 2.25.11"]


def test_a_repeat_takes_nothing_back_that_counts(world):
    world.publish(1)
    world.publish(2)
    world.publish(2)
    assert world.told == []


def test_an_archive_that_is_away_is_asked_again(world, monkeypatch):
    world.publish(1)
    withdraw = world.archive.withdraw

    def away(_uid: str) -> None:
        monkeypatch.setattr(world.archive, "withdraw", withdraw)
        raise Unavailable("the archive does not answer")

    monkeypatch.setattr(world.archive, "withdraw", away)
    with pytest.raises(Unavailable):
        world.publish(2)
    world.publish(2)
    assert world.told == ["withdraw 2.25.11"]


def test_an_archive_that_lets_nothing_go_does_not_keep_the_result_from_its_reader(world, monkeypatch):
    world.publish(1)

    def refuse(_uid: str) -> None:
        raise Misconfigured("the archive does not let us in")

    monkeypatch.setattr(world.archive, "withdraw", refuse)
    assert world.publish(2)["not_withdrawn"] == ["2.25.11"]
    assert world.shown == "LOW"


def test_what_was_never_stored_is_not_taken_back(world):
    world.ports.publications.owe(STUDY, 1, "archive", "2.25.11", KEY_OBJECTS)
    assert withdraw_earlier_selections(Step(1, STUDY, 2, StepName.PUBLISH, 1), world.ports) == []
    assert world.told == []


def test_an_exam_that_needs_no_report_any_more_keeps_nothing_of_the_earlier_one(world):
    world.publish(1)
    assert world.archive.annotations[STUDY]["plumbline-priority"] == "ROUTINE"
    world.told.clear()
    step = Step(1, STUDY, 2, StepName.RECOGNISE, 1)
    assert withdraw_report(step, world.ports) == []
    assert world.told == ["withdraw 2.25.12", "withdraw 2.25.11", "withdraw 2.25.10"], (
        "what refers to others goes first"
    )
    assert world.archive.annotations[STUDY] == {}
    world.told.clear()
    assert withdraw_report(step, world.ports) == [] and world.told == []


def test_a_first_revision_that_needs_no_report_leaves_the_archive_alone(world, monkeypatch):
    monkeypatch.setattr(world.archive, "annotate", None)
    assert withdraw_report(Step(1, STUDY, 1, StepName.RECOGNISE, 1), world.ports) == []


def test_whoever_was_told_of_the_first_result_is_told_of_the_second_though_no_rule_chooses_it_any_more(world):
    rules = """rules: [{name: flag, priority: STAT, says: x, when: {order.red_flags: {contains: cauda-equina}}}]
routing: [{name: urgent, to: [ris], when: {triage.priority: URGENT}}]"""
    policy = replace(POLICY, rules=read_rules(rules), routing=Routing({"ris": DeliveryKind.RESULT}))
    world.ports.outbox = DatabaseOutbox(world.store, ManualClock())
    world.triage()
    for revision, priority in ((1, Priority.URGENT), (2, Priority.ROUTINE)):
        decision = TriageDecision(priority, ("So.",), ())
        world.steps.of[StepName.TRIAGE] = {"decision": decision_document(decision)}
        world.publish(revision, policy=policy)
    told = [(each.notice["status"], each.notice["priority"]) for each in reversed(world.ports.outbox.letters())]
    assert told == [("final", "URGENT"), ("corrected", "ROUTINE")]
