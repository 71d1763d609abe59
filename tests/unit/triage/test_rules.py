import pytest

from plumbline.triage.priority import Priority
from plumbline.triage.rule_file import read_rules
from plumbline.triage.rules import OPERATORS, decide, explain

TWO_RULES = """
strategy: {strategy}
rules:
  - name: slow
    when: {{exam.modality: CT}}
    priority: ROUTINE
    says: It is a CT.
  - name: fast
    when: {{exam.days_since_surgery: {{at_most: 42}}}}
    priority: URGENT
    says: "{{exam.days_since_surgery}} days since surgery."
  - name: flag
    when: {{order.red_flags: {{contains: cauda-equina}}}}
    priority: STAT
    says: Red flag.
"""


def rules(strategy: str = "most-urgent"):
    return read_rules(TWO_RULES.format(strategy=strategy))


def test_the_most_urgent_rule_decides_and_all_that_fire_are_said(known):
    decision = decide(rules(), known.facts(exam_modality="CT", exam_days_since_surgery=5.0))
    assert decision.priority is Priority.URGENT
    assert decision.reasons == ("5 days since surgery.", "It is a CT.")
    assert decision.rules == ("fast", "slow")


def test_the_first_match_decides_where_the_site_wants_it(known):
    decision = decide(rules("first-match"), known.facts(exam_modality="CT", exam_days_since_surgery=5.0))
    assert decision.priority is Priority.ROUTINE
    assert decision.rules == ("slow",)


def test_red_flags_come_first_even_with_first_match(known):
    facts = known.facts(exam_modality="CT", order_red_flags=frozenset({"cauda-equina"}))
    decision = decide(rules("first-match"), facts)
    assert decision.priority is Priority.STAT
    assert decision.rules == ("flag", "slow")


def test_every_rule_is_explained(known):
    firings = explain(rules(), known.facts(exam_modality="MR", exam_days_since_surgery=5.0))
    assert [firing.fired for firing in firings] == [False, True, False]
    assert firings[0].why == "Not fired, exam.modality is CT: it is MR."
    assert firings[1].why == "Fired: exam.days_since_surgery at most 42."
    assert "it is empty" in firings[2].why


def test_what_is_not_known_satisfies_nothing_but_not_known(known):
    text = """
rules:
  - {name: a, when: {exam.modality: {is_not: CT}}, priority: STAT, says: a}
  - {name: b, when: {exam.days_since_surgery: {less_than: 9}}, priority: STAT, says: b}
  - {name: c, when: {exam.days_since_surgery: {is_known: false}}, priority: URGENT, says: c}
"""
    assert decide(read_rules(text), known.facts()).rules == ("c",)


def test_a_rule_on_findings_speaks_once_for_each_of_them(known):
    text = """
rules:
  - name: moved
    when: {finding: {check: spacer-migration, status: positive, measurements: {translation_mm: {at_least: 2}}}}
    priority: URGENT
    says: "{level} moved {translation_mm} mm against the {reference}."
"""
    findings = [
        known.finding("spacer-migration", level="L3-L4", translation_mm=2.0),
        known.finding("spacer-migration", level="L4-L5", translation_mm=5.25),
        known.finding("spacer-migration", level="L5-S1", translation_mm=1.9),
        known.finding("spacer-migration", level="L2-L3"),
    ]
    decision = decide(read_rules(text), known.facts(*findings))
    assert decision.reasons == (
        "L3-L4 moved 2.0 mm against the baseline.",
        "L4-L5 moved 5.2 mm against the baseline.",
    )
    (firing,) = explain(read_rules(text), known.facts(findings[2]))
    assert "there is not a finding with spacer-migration, positive" in firing.why


def test_a_finding_rule_can_ask_for_level_and_reference(known):
    text = """
rules:
  - {name: a, when: {finding: {level: [L4-L5], reference: preoperative}}, priority: STAT, says: a}
  - {name: b, when: {finding: {level: [L4-L5], reference: baseline}}, priority: STAT, says: b}
  - {name: c, when: {finding: {level: [L3-L4]}}, priority: STAT, says: c}
"""
    assert decide(read_rules(text), known.facts(known.finding("level-error"))).rules == ("b",)


@pytest.mark.parametrize(
    ("operator", "value", "operand", "holds"),
    [
        ("is", "CT", "CT", True),
        ("is", "MR", "CT", False),
        ("is", True, True, True),
        ("is", None, "CT", False),
        ("is_not", "MR", "CT", True),
        ("is_not", "CT", "CT", False),
        ("is_not", None, "CT", False),
        ("one_of", "CT", ("CT", "MR"), True),
        ("one_of", "DX", ("CT", "MR"), False),
        ("contains", frozenset({"a", "b"}), ("a", "b"), True),
        ("contains", frozenset({"a"}), ("a", "b"), False),
        ("contains_any", frozenset({"a"}), ("a", "b"), True),
        ("contains_any", frozenset({"c"}), ("a", "b"), False),
        ("at_least", 2.0, 2.0, True),
        ("at_least", 1.9, 2.0, False),
        ("at_most", 2.0, 2.0, True),
        ("at_most", 2.1, 2.0, False),
        ("more_than", 2.1, 2.0, True),
        ("more_than", 2.0, 2.0, False),
        ("less_than", 1.9, 2.0, True),
        ("less_than", 2.0, 2.0, False),
        ("at_least", None, 2.0, False),
        ("at_least", "CT", 2.0, False),
        ("is_known", "x", True, True),
        ("is_known", None, True, False),
        ("is_known", None, False, True),
        ("is_known", "x", False, False),
    ],
)
def test_each_comparison_holds_and_does_not(operator, value, operand, holds):
    assert OPERATORS[operator](value, operand) is holds


def test_what_holds_without_a_match_is_the_site_s_choice(known):
    text = """
otherwise: {priority: URGENT, says: Unknown exams are looked at early here.}
rules:
  - {name: a, when: {exam.modality: CT}, priority: STAT, says: a}
"""
    decision = decide(read_rules(text), known.facts())
    assert (decision.priority, decision.reasons) == (Priority.URGENT, ("Unknown exams are looked at early here.",))
