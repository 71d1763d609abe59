"""Triage rules and how they decide: conditions on facts, a priority, and a sentence for the reader.

Red flags come before pixels: whatever the strategy and whatever was measured, an exam is never less
urgent than the most urgent rule that its red flags fire (design section 1, step 4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from plumbline.checks.finding import Finding
from plumbline.triage.facts import Facts, FactValue
from plumbline.triage.priority import Priority, TriageDecision

if TYPE_CHECKING:
    from plumbline.triage.routing import Route

RED_FLAGS_FACT = "order.red_flags"


class Strategy(StrEnum):
    """Which of several rules that fire decides."""

    MOST_URGENT = "most-urgent"
    FIRST_MATCH = "first-match"


Operand = str | float | bool | tuple[str, ...]


def _contains(value: FactValue, wanted: Operand) -> bool:
    return isinstance(value, frozenset) and all(one in value for one in _as_tuple(wanted))


def _contains_any(value: FactValue, wanted: Operand) -> bool:
    return isinstance(value, frozenset) and any(one in value for one in _as_tuple(wanted))


def _compare(holds: Callable[[float, float], bool]) -> Callable[[FactValue, Operand], bool]:
    def compare(value: FactValue, wanted: Operand) -> bool:
        return _is_number(value) and _is_number(wanted) and holds(float(value), float(wanted))  # type: ignore[arg-type]

    return compare


OPERATORS: Mapping[str, Callable[[FactValue, Operand], bool]] = {
    "is": lambda value, wanted: value is not None and value == wanted,
    "is_not": lambda value, wanted: value is not None and value != wanted,
    "one_of": lambda value, wanted: isinstance(value, str) and value in _as_tuple(wanted),
    "contains": _contains,
    "contains_any": _contains_any,
    "at_least": _compare(lambda value, wanted: value >= wanted),
    "at_most": _compare(lambda value, wanted: value <= wanted),
    "more_than": _compare(lambda value, wanted: value > wanted),
    "less_than": _compare(lambda value, wanted: value < wanted),
    "is_known": lambda value, wanted: (value is not None) is wanted,
}
"""Comparisons that a condition may use."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of one fact (or of one measurement of a finding) with a value of the rule."""

    name: str
    operator: str
    operand: Operand

    def holds(self, value: FactValue) -> bool:
        """Whether ``value`` satisfies it."""
        return OPERATORS[self.operator](value, self.operand)

    def words(self) -> str:
        """The condition as a person would say it."""
        operand = ", ".join(_as_tuple(self.operand)) if isinstance(self.operand, tuple) else _shown(self.operand)
        return f"{self.name} {self.operator.replace('_', ' ')} {operand}"


@dataclass(frozen=True, slots=True)
class FindingCondition:
    """A finding that has to be there. Empty tuples and None allow anything."""

    checks: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    measurements: tuple[Condition, ...] = ()

    def matches(self, finding: Finding) -> bool:
        """Whether this finding is one."""
        return (
            _is_allowed(finding.check.value, self.checks)
            and _is_allowed(finding.status.value, self.statuses)
            and _is_allowed(finding.level, self.levels)
            and _is_allowed(finding.reference, self.references)
            and all(one.holds(_measured(finding, one.name)) for one in self.measurements)
        )

    def words(self) -> str:
        """The condition as a person would say it."""
        parts = [
            " or ".join(self.checks) or "any check",
            " or ".join(self.statuses) or "any status",
            *(f"level {' or '.join(self.levels)}" for _ in range(bool(self.levels))),
            *(f"against {' or '.join(self.references)}" for _ in range(bool(self.references))),
            *(one.words() for one in self.measurements),
        ]
        return f"a finding with {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when all of its conditions hold, its priority and its sentence.

    ``says`` is a template: ``{name}`` is replaced by a fact, by a field of the finding (``{level}``,
    ``{check}``, ``{reason}``, ``{reference}``) or by one of its measurements.
    """

    name: str
    priority: Priority
    says: str
    conditions: tuple[Condition, ...] = ()
    finding: FindingCondition | None = None
    sources: tuple[str, ...] = ()
    line: int | None = None

    @property
    def is_red_flag_rule(self) -> bool:
        """Whether it rests on red flags, so that no measurement may go below it."""
        return any(condition.name == RED_FLAGS_FACT for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a site, in the order of the file, and what holds where none fires."""

    rules: tuple[Rule, ...]
    strategy: Strategy = Strategy.MOST_URGENT
    otherwise_priority: Priority = Priority.ROUTINE
    otherwise_says: str = "Nothing speaks for reading this exam before others."
    origin: str = field(default="", compare=False)
    routes: tuple[Route, ...] | None = None
    """Which destinations an exam is sent to; all of them where None."""


@dataclass(frozen=True, slots=True)
class Firing:
    """What became of one rule on one exam."""

    rule: str
    fired: bool
    priority: Priority
    sentences: tuple[str, ...]
    """For the reader, one for each finding it fired on; empty where it did not fire."""
    why: str
    """Why it fired or did not, for whoever maintains the rules."""
    sources: tuple[str, ...] = ()
    """Keys of the clinical literature that the rule rests on."""


def decide(rules: RuleSet, facts: Facts) -> TriageDecision:
    """The priority of an exam, with the sentences of all rules that speak for it, the most urgent first.

    With ``first-match`` only the first rule that fires and the red-flag rules speak.
    """
    fired = [(rule, firing) for rule, firing in zip(rules.rules, explain(rules, facts), strict=True) if firing.fired]
    if rules.strategy is Strategy.FIRST_MATCH:
        fired = [pair for index, pair in enumerate(fired) if index == 0 or pair[0].is_red_flag_rule]
    if not fired:
        return TriageDecision(rules.otherwise_priority, (rules.otherwise_says,), ())
    ordered = sorted(fired, key=lambda pair: pair[0].priority.rank)
    spoken = [(rule.name, sentence) for rule, firing in ordered for sentence in firing.sentences]
    return TriageDecision(
        priority=ordered[0][0].priority,
        reasons=tuple(sentence for _, sentence in spoken),
        rules=tuple(name for name, _ in spoken),
        sources=tuple(dict.fromkeys(key for _, firing in ordered for key in firing.sources)),
    )


def explain(rules: RuleSet, facts: Facts) -> tuple[Firing, ...]:
    """Every rule with whether it fired and why or why not, in the order of the file."""
    return tuple(_try(rule, facts) for rule in rules.rules)


def _try(rule: Rule, facts: Facts) -> Firing:
    for condition in rule.conditions:
        if not condition.holds(facts[condition.name]):
            why = f"{condition.words()}: it is {_shown(facts[condition.name])}"
            return Firing(rule.name, False, rule.priority, (), f"Not fired, {why}.")
    if rule.finding is None:
        return _fired(rule, (_sentence(rule, facts, None),))
    matching = [finding for finding in facts.findings if rule.finding.matches(finding)]
    if not matching:
        return Firing(rule.name, False, rule.priority, (), f"Not fired, there is not {rule.finding.words()}.")
    sentences = tuple(dict.fromkeys(_sentence(rule, facts, finding) for finding in matching))
    return _fired(rule, sentences)


def _fired(rule: Rule, sentences: tuple[str, ...]) -> Firing:
    return Firing(rule.name, True, rule.priority, sentences, _fired_words(rule), rule.sources)


def _fired_words(rule: Rule) -> str:
    held = [condition.words() for condition in rule.conditions]
    if rule.finding is not None:
        held.append(rule.finding.words())
    return f"Fired: {'; '.join(held)}." if held else "Fired: it has no condition."


PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
FINDING_FIELDS = ("check", "level", "reason", "reference", "status")


def _sentence(rule: Rule, facts: Facts, finding: Finding | None) -> str:
    return PLACEHOLDER.sub(lambda found: _value_in_words(found[1], facts, finding), rule.says)


def _value_in_words(name: str, facts: Facts, finding: Finding | None) -> str:
    if finding is not None:
        fields = {
            "check": finding.check.value.replace("-", " "),
            "level": finding.level or "Whole exam",
            "reason": " ".join(finding.reasons),
            "reference": finding.reference or "no reference",
            "status": finding.status.value.replace("-", " "),
        }
        if name in fields:
            return fields[name]
        if name in finding.measurements:
            return f"{finding.measurements[name].value:.1f}"
    return _shown(facts[name])


def _measured(finding: Finding, name: str) -> float | None:
    measurement = finding.measurements.get(name)
    return None if measurement is None else measurement.value


def _is_allowed(value: str | None, allowed: Sequence[str]) -> bool:
    return not allowed or value in allowed


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_tuple(value: Operand) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _shown(value: FactValue | Operand) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(sorted(_members(value))) or "empty" if not isinstance(value, str) else value


def _members(value: object) -> Iterator[str]:
    yield from (str(one) for one in value)  # type: ignore[attr-defined]
