import pytest

from plumbline.errors import Misconfigured
from plumbline.triage.priority import Priority
from plumbline.triage.rule_file import default_rules, read_rules
from plumbline.triage.rules import Strategy

RULE = "  - {{name: a, when: {{{when}}}, priority: {priority}, says: {says}}}\n"


def one_rule(when: str = "exam.modality: CT", priority: str = "STAT", says: str = "a", head: str = "") -> str:
    return f"{head}rules:\n" + RULE.format(when=when, priority=priority, says=says)


def test_the_shipped_rules_are_valid_and_named_in_order():
    rules = default_rules()
    assert rules.strategy is Strategy.MOST_URGENT
    assert rules.rules[0].name == "red-flag-cauda-equina"
    assert rules.rules[0].line is not None
    assert all(rule.says for rule in rules.rules)


def test_shorthands_become_comparisons():
    (rule,) = read_rules(
        one_rule("exam.modality: [CT, MR], exam.phase: late, exam.days_since_surgery: {more_than: 3}")
    ).rules
    assert [(one.operator, one.operand) for one in rule.conditions] == [
        ("one_of", ("CT", "MR")),
        ("is", "late"),
        ("more_than", 3.0),
    ]
    assert rule.priority is Priority.STAT


@pytest.mark.parametrize(
    ("text", "line", "what", "remedy"),
    [
        (one_rule("exam.modalty: CT"), 2, "no fact 'exam.modalty'", "exam.modality"),
        (one_rule("finding: {check: spacer-migraton}"), 2, "no check 'spacer-migraton'", "spacer-migration"),
        (one_rule("finding: {status: positiv}"), 2, "no status 'positiv'", "positive"),
        (one_rule("finding: {reference: base}"), 2, "no reference 'base'", "baseline"),
        (
            one_rule("finding: {measurements: {translation_posterior: {at_least: 2}}}"),
            2,
            "no measurement",
            "translation_posterior_mm",
        ),
        (one_rule("exam.modality: {equals: CT}"), 2, "no comparison 'equals'", "is"),
        (one_rule("order.red_flags: {contains: cauda-equine}"), 2, "no red flag", "cauda-equina"),
        (one_rule(priority="HIGH"), 2, "no priority 'HIGH'", "ROUTINE"),
        (one_rule("exam.days_since_surgery: {at_least: soon}"), 2, "needs a number", ""),
        (one_rule("exam.days_since_surgery: {at_least: true}"), 2, "needs a number", ""),
        (one_rule("exam.phase: {is_known: maybe}"), 2, "needs true or false", ""),
        (one_rule(when=""), 2, "no condition", ""),
        (one_rule(says="'{levl}'"), 2, "name in the sentence", ""),
        (one_rule(says="'{translation_mm}'"), 2, "name in the sentence", ""),
        ("rules:\n  - {name: a, priority: STAT, says: a}\n", 2, "no 'when'", ""),
        ("rule: []\n", 1, "no key 'rule'", "rules"),
        ("strategy: fastest\nrules: []\n", 1, "no strategy 'fastest'", ""),
        ("rules: []\n", 1, "not empty", ""),
        (one_rule("exam.days_since_surgery: {at_least: .nan}"), 2, "needs a number", ""),
        ("strategy: most-urgent\n", 1, "no 'rules:'", ""),
        ("rules: {a: b}\n", 1, "must be a list", ""),
        ("- a\n", 1, "key: value", ""),
        ("rules:\n  - [a\n", 3, "not YAML", ""),
        (one_rule() + RULE.format(when="exam.modality: MR", priority="STAT", says="b"), 3, "taken already", ""),
        ("rules:\n  - name: a\n    name: b\n", 3, "written twice", ""),
        ("rules:\n  - {name: , when: {exam.modality: CT}, priority: STAT, says: a}\n", 2, "must be a text", ""),
    ],
)
def test_a_doubtful_file_is_refused_with_line_reason_and_nearest_name(text: str, line: int, what: str, remedy: str):
    with pytest.raises(Misconfigured) as refused:
        read_rules(text, origin="site.yaml")
    assert refused.value.where == f"site.yaml line {line}"
    assert what in refused.value.what
    assert remedy in (refused.value.remedy or "")


def test_an_empty_file_is_refused():
    with pytest.raises(Misconfigured, match="empty"):
        read_rules("", origin="site.yaml")


def test_tags_that_would_build_objects_are_refused():
    with pytest.raises(Misconfigured, match="tag"):
        read_rules("rules: !!python/object/apply:os.getcwd []\n")
