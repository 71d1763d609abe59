"""Which destinations are sent which exam: the routing rules beside the triage rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from plumbline.triage.facts import EXAM_FACTS, Facts
from plumbline.triage.priority import TriageDecision
from plumbline.triage.rules import Condition, FindingCondition

PROVISIONAL, FINAL = "provisional", "final"
"""Stages of a result: from order and header alone, and once the exam was compared."""

STAGE_FACT = "triage.stage"

ROUTING_FACTS: Mapping[str, str] = {
    **EXAM_FACTS,
    "triage.priority": "STAT, URGENT or ROUTINE, as decided",
    "triage.rules": "set of the names of the rules that fired",
    STAGE_FACT: "provisional or final; rules that do not ask for it are for final results",
}
"""Names that a condition of a routing rule may use, with their meaning."""


@dataclass(frozen=True, slots=True)
class Route:
    """One routing rule: when all of its conditions hold, the exam goes to its destinations."""

    name: str
    to: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    finding: FindingCondition | None = None
    line: int | None = None

    @property
    def names_stage(self) -> bool:
        """Whether it says at which stage it is for, so that it may be for provisional results."""
        return any(each.name == STAGE_FACT for each in self.conditions)

    def holds(self, facts: Facts) -> bool:
        """Whether it is for this exam, at this stage."""
        if facts[STAGE_FACT] == PROVISIONAL and not self.names_stage:
            return False
        return all(each.holds(facts[each.name]) for each in self.conditions) and (
            self.finding is None or any(self.finding.matches(each) for each in facts.findings)
        )


def routing_facts(facts: Facts, decision: TriageDecision, stage: str = FINAL) -> Facts:
    """The facts of an exam and what was decided on them."""
    decided = {
        "triage.priority": decision.priority.value,
        "triage.rules": frozenset(decision.rules),
        STAGE_FACT: stage,
    }
    return replace(facts, values={**facts.values, **decided})


def destinations_of(routes: Sequence[Route] | None, facts: Facts, known: Iterable[str]) -> tuple[str, ...]:
    """Names of the destinations of an exam, in the order of the settings.

    Without rules all of them are sent final results, and none provisional ones.
    """
    if routes is None:
        return () if facts[STAGE_FACT] == PROVISIONAL else tuple(known)
    chosen = {name for route in routes if route.holds(facts) for name in route.to}
    return tuple(name for name in known if name in chosen)
