"""Laws of the triage rules, tried on generated files and findings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.errors import Misconfigured
from plumbline.exams.facts import RedFlag
from plumbline.triage.facts import EXAM_FACTS, Facts, with_findings
from plumbline.triage.priority import Priority
from plumbline.triage.rule_file import MEASUREMENTS, default_rules, read_rules
from plumbline.triage.rules import RuleSet, Strategy, decide, explain

RULES = default_rules()
_FINDINGS = st.lists(
    st.builds(
        Finding,
        check=st.sampled_from(CheckName),
        level=st.sampled_from(["L3-L4", "L4-L5", None]),
        status=st.sampled_from(Status),
        reasons=st.just(("A reason.",)),
        measurements=st.dictionaries(
            st.sampled_from(sorted(MEASUREMENTS)), st.builds(Measurement, st.floats(-20, 20), st.just(0.5)), max_size=3
        ),
    ),
    max_size=4,
)
_FLAGS = st.frozensets(st.sampled_from([flag.value for flag in RedFlag]))
_LINES = st.lists(
    st.sampled_from(
        [
            "rules:",
            "  - name: a",
            "    when: {exam.modality: CT}",
            "    when: &x {finding: *x}",
            "    priority: STAT",
            "    says: '{level}'",
            "strategy: most-urgent",
            "otherwise: {priority: STAT}",
            "    when: [1, 2]",
            "\t",
            "? [a, b]",
            "--- !!set {a}",
            "    says: {a: b}",
        ]
    ),
    max_size=8,
).map("\n".join)


def _facts(flags: frozenset[str]) -> Facts:
    return Facts({**dict.fromkeys(EXAM_FACTS), "order.red_flags": flags, "order.procedures": frozenset()})


@given(_FLAGS, _FINDINGS, st.sampled_from(Strategy))
def test_measurement_never_makes_an_exam_less_urgent_than_its_red_flags(flags, findings, strategy):
    rules = RuleSet(RULES.rules, strategy)
    provisional = decide(rules, _facts(flags))
    refined = decide(rules, with_findings(_facts(flags), findings, has_baseline=True))
    if flags:
        assert refined.priority.rank <= provisional.priority.rank


@given(_FLAGS, _FINDINGS)
def test_the_decision_is_as_urgent_as_the_most_urgent_rule_that_fired_and_says_why(flags, findings):
    facts = with_findings(_facts(flags), findings)
    decision = decide(RULES, facts)
    fired = [firing for firing in explain(RULES, facts) if firing.fired]
    assert decision.reasons
    assert decision.priority.rank == min((f.priority.rank for f in fired), default=Priority.ROUTINE.rank)
    assert set(decision.rules) == {firing.rule for firing in fired}


@given(_FINDINGS)
def test_a_check_that_failed_or_could_not_tell_is_never_left_out(findings):
    decision = decide(RULES, with_findings(_facts(frozenset()), findings))
    for status, rule in ((Status.FAILED, "check-failed"), (Status.INDETERMINATE, "indeterminate")):
        assert (rule in decision.rules) is any(finding.status is status for finding in findings)


@given(st.one_of(st.text(max_size=200), _LINES))
def test_any_text_is_rules_or_refused_with_a_sentence(text: str):
    try:
        rules = read_rules(text)
    except Misconfigured as refusal:
        assert refusal.what
    else:
        assert rules.rules
