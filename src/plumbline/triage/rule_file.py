"""Read triage rules from YAML and refuse anything doubtful, with the line and the reason.

A rule that names an unknown fact, check, status or measurement would silently never fire, so the whole
file is refused and the nearest right name is offered.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from plumbline.checks.finding import CheckName, Status
from plumbline.errors import Misconfigured
from plumbline.exams.facts import RedFlag
from plumbline.priors.choice import Role
from plumbline.triage.facts import EXAM_FACTS
from plumbline.triage.priority import Priority
from plumbline.triage.routing import ROUTING_FACTS, Route
from plumbline.triage.rules import (
    FINDING_FIELDS,
    OPERATORS,
    PLACEHOLDER,
    RED_FLAGS_FACT,
    Condition,
    FindingCondition,
    Operand,
    Rule,
    RuleSet,
    Strategy,
)

_SPACER = (
    "translation_posterior_mm",
    "translation_cranial_mm",
    "translation_left_mm",
    "translation_mm",
    "rotation_deg",
    "subsidence_mm",
    "posterior_margin_mm",
    "baseline_posterior_margin_mm",
    "disc_height_mm",
    "baseline_disc_height_mm",
    "disc_height_lost_mm",
    "disc_height_lost_anterior_mm",
    "disc_height_lost_posterior_mm",
)
MEASUREMENTS = frozenset(
    {*_SPACER, *(f"{name.removesuffix('_mm')}_above_mm" for name in _SPACER if name.startswith("translation"))}
)
"""Measurements of the contract (design section 4) that rules may ask about."""
_LIST_OPERATORS = frozenset({"one_of", "contains", "contains_any"})
_NUMBER_OPERATORS = frozenset({"at_least", "at_most", "more_than", "less_than"})
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
_NEAR_ENOUGH = 0.6
"""Similarity from which another name is offered as the one that was meant."""
_DEFAULT_FILE = "default_rules.yaml"
_TOP_KEYS = ("strategy", "otherwise", "rules", "routing")
_RULE_KEYS = ("name", "priority", "says", "when", "sources")
_ROUTE_KEYS = ("name", "to", "when")
_FINDING_KEYS = ("check", "status", "level", "reference", "measurements")


def default_rules() -> RuleSet:
    """The packaged rules, which follow clinical.md."""
    text = resources.files("plumbline.triage").joinpath(_DEFAULT_FILE).read_text(encoding="utf-8")
    return read_rules(text, origin=_DEFAULT_FILE)


def read_rules(text: str, *, origin: str = "triage rules") -> RuleSet:
    """Rules from the text of a YAML file.

    Raises
    ------
    Misconfigured
        With ``origin`` and line: what is wrong there and, for a name, the nearest right one.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise Misconfigured(f"it is not YAML: {getattr(error, 'problem', error)}", where=f"{origin}{line}") from error
    if root is None:
        raise Misconfigured("the file is empty", where=origin, remedy="It needs at least 'rules:'.")
    return _RuleReader(origin).rule_set(root)


class _RuleReader:
    """Turns the nodes of one file into rules; knows where it is for messages."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def rule_set(self, root: Node) -> RuleSet:
        top = self._mapping(root, _TOP_KEYS, "the file")
        if "rules" not in top:
            self._refuse(root, "there is no 'rules:'")
        strategy = Strategy(self._name(top["strategy"], "strategy", Strategy)) if "strategy" in top else None
        rules = tuple(self._rule(node) for node in self._sequence(top["rules"], "rules"))
        self._refuse_repeated(rules, top["rules"])
        otherwise = self._mapping(top["otherwise"], ("priority", "says"), "otherwise") if "otherwise" in top else {}
        defaults = RuleSet(())
        return RuleSet(
            rules=rules,
            strategy=strategy or defaults.strategy,
            otherwise_priority=self._priority(otherwise["priority"])
            if "priority" in otherwise
            else defaults.otherwise_priority,
            otherwise_says=self._text(otherwise["says"], "says") if "says" in otherwise else defaults.otherwise_says,
            origin=self._origin,
            routes=tuple(self._route(node) for node in self._sequence(top["routing"], "routing"))
            if "routing" in top
            else None,
        )

    def _route(self, node: Node) -> Route:
        fields = self._mapping(node, _ROUTE_KEYS, "a routing rule")
        for needed in ("name", "to"):
            if needed not in fields:
                self._refuse(node, f"the routing rule has no '{needed}'")
        conditions, finding = self._when(fields["when"], ROUTING_FACTS) if "when" in fields else ((), None)
        return Route(
            name=self._text(fields["name"], "name"),
            to=self._texts(fields["to"], "to"),
            conditions=conditions,
            finding=finding,
            line=node.start_mark.line + 1,
        )

    def _rule(self, node: Node) -> Rule:
        fields = self._mapping(node, _RULE_KEYS, "a rule")
        for needed in ("name", "priority", "says", "when"):
            if needed not in fields:
                self._refuse(node, f"the rule has no '{needed}'")
        conditions, finding = self._when(fields["when"], EXAM_FACTS)
        rule = Rule(
            name=self._text(fields["name"], "name"),
            priority=self._priority(fields["priority"]),
            says=self._text(fields["says"], "says"),
            conditions=conditions,
            finding=finding,
            sources=self._texts(fields["sources"], "sources") if "sources" in fields else (),
            line=node.start_mark.line + 1,
        )
        self._check_template(rule, fields["says"])
        return rule

    def _when(self, node: Node, known: Mapping[str, str]) -> tuple[tuple[Condition, ...], FindingCondition | None]:
        fields = self._mapping(node, (*known, "finding"), "when", kind="fact")
        if not fields:
            self._refuse(node, "the rule has no condition and would fire on every exam")
        finding = self._finding(fields["finding"]) if "finding" in fields else None
        facts = ((name, value) for name, value in fields.items() if name != "finding")
        return tuple(condition for name, value in facts for condition in self._conditions(name, value)), finding

    def _conditions(self, name: str, node: Node) -> Iterator[Condition]:
        """``name: value`` is ``is``, ``name: [a, b]`` is ``one_of``, ``name: {operator: value}`` is what it says."""
        if isinstance(node, SequenceNode):
            yield self._condition(name, "one_of", node)
        elif isinstance(node, MappingNode):
            for operator, operand in self._mapping(
                node, OPERATORS, f"the condition on {name}", kind="comparison"
            ).items():
                yield self._condition(name, operator, operand)
        else:
            yield self._condition(name, "is", node)

    def _condition(self, name: str, operator: str, node: Node) -> Condition:
        operand = self._operand(operator, node)
        if name == RED_FLAGS_FACT and operator in _LIST_OPERATORS:
            for value in operand if isinstance(operand, tuple) else ():
                self._require(value, [flag.value for flag in RedFlag], "red flag", node)
        return Condition(name, operator, operand)

    def _operand(self, operator: str, node: Node) -> Operand:
        self._refuse_tag(node)
        if operator in _LIST_OPERATORS:
            return self._texts(node, operator)
        value = yaml.SafeLoader.construct_object(yaml.SafeLoader(""), node) if isinstance(node, ScalarNode) else None
        if isinstance(value, bool):
            return value if operator not in _NUMBER_OPERATORS else self._refuse(node, f"'{operator}' needs a number")
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value) if operator != "is_known" else self._refuse(node, "'is_known' needs true or false")
        if operator in _NUMBER_OPERATORS:
            self._refuse(node, f"'{operator}' needs a number")
        if operator == "is_known":
            self._refuse(node, "'is_known' needs true or false")
        return self._text(node, operator)

    def _finding(self, node: Node) -> FindingCondition:
        fields = self._mapping(node, _FINDING_KEYS, "finding")
        return FindingCondition(
            checks=self._names(fields.get("check"), "check", [name.value for name in CheckName]),
            statuses=self._names(fields.get("status"), "status", [status.value for status in Status]),
            levels=self._texts(fields["level"], "level") if "level" in fields else (),
            references=self._names(fields.get("reference"), "reference", [role.value for role in Role]),
            measurements=tuple(self._measurements(fields["measurements"])) if "measurements" in fields else (),
        )

    def _measurements(self, node: Node) -> Iterator[Condition]:
        for name, value in self._mapping(node, MEASUREMENTS, "measurements", kind="measurement").items():
            yield from self._conditions(name, value)

    def _check_template(self, rule: Rule, node: Node) -> None:
        allowed = [*EXAM_FACTS, *((*FINDING_FIELDS, *MEASUREMENTS) if rule.finding else ())]
        for found in PLACEHOLDER.finditer(rule.says):
            self._require(found[1], allowed, "name in the sentence", node)

    def _refuse_repeated(self, rules: Iterable[Rule], node: Node) -> None:
        seen: dict[str, Rule] = {}
        for rule in rules:
            if rule.name in seen:
                first = seen[rule.name].line
                self._refuse(node, f"the rule name '{rule.name}' is taken already (line {first})", line=rule.line)
            seen[rule.name] = rule

    # --- nodes ---

    def _mapping(self, node: Node, allowed: Iterable[str], what: str, *, kind: str = "key") -> dict[str, Node]:
        self._refuse_tag(node)
        if not isinstance(node, MappingNode):
            self._refuse(node, f"{what} must hold 'key: value' lines")
        known = list(allowed)
        fields: dict[str, Node] = {}
        for key, value in node.value:
            name = self._text(key, "a key")
            self._require(name, known, kind, key)
            if name in fields:
                self._refuse(key, f"'{name}' is written twice")
            fields[name] = value
        return fields

    def _sequence(self, node: Node, what: str) -> list[Node]:
        self._refuse_tag(node)
        if not isinstance(node, SequenceNode) or not node.value:
            self._refuse(node, f"{what} must be a list that is not empty")
        return node.value

    def _text(self, node: Node, what: str) -> str:
        self._refuse_tag(node)
        if not isinstance(node, ScalarNode) or not node.value.strip():
            self._refuse(node, f"{what} must be a text")
        return node.value.strip()

    def _texts(self, node: Node, what: str) -> tuple[str, ...]:
        nodes = self._sequence(node, what) if isinstance(node, SequenceNode) else [node]
        return tuple(self._text(one, what) for one in nodes)

    def _names(self, node: Node | None, kind: str, allowed: list[str]) -> tuple[str, ...]:
        if node is None:
            return ()
        names = self._texts(node, kind)
        for name in names:
            self._require(name, allowed, kind, node)
        return names

    def _name(self, node: Node, kind: str, allowed: Iterable[str]) -> str:
        return self._names(node, kind, [str(one) for one in allowed])[0]

    def _priority(self, node: Node) -> Priority:
        return Priority(self._name(node, "priority", Priority))

    def _require(self, name: str, allowed: list[str], kind: str, node: Node) -> None:
        if name in allowed:
            return
        near = difflib.get_close_matches(name, allowed, n=1, cutoff=_NEAR_ENOUGH)
        remedy = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(sorted(allowed))}."
        self._refuse(node, f"there is no {kind} '{name}'", remedy=remedy)

    def _refuse_tag(self, node: Node) -> None:
        if node.tag not in _PLAIN_TAGS:
            self._refuse(node, f"the tag '{node.tag}' has no place in triage rules")

    def _refuse(self, node: Node, what: str, *, remedy: str | None = None, line: int | None = None) -> NoReturn:
        at = line or node.start_mark.line + 1
        raise Misconfigured(what, where=f"{self._origin} line {at}", remedy=remedy)
