"""Every rule that is shipped: a case in which it must fire, and one in which it must not."""

import pytest

from plumbline.triage.priority import Priority
from plumbline.triage.rule_file import default_rules
from plumbline.triage.rules import decide, explain

RULES = default_rules()

FIRES = {
    "red-flag-cauda-equina": ({"order_red_flags": frozenset({"cauda-equina"})}, []),
    "red-flag-new-deficit": ({"order_red_flags": frozenset({"new-deficit"})}, []),
    "red-flag-bleeding": ({"order_red_flags": frozenset({"bleeding"})}, []),
    "red-flag-infection": ({"order_red_flags": frozenset({"infection"})}, []),
    "red-flag-radicular-pain-on-waking": ({"order_red_flags": frozenset({"radicular-pain-on-waking"})}, []),
    "red-flag-postural-headache": ({"order_red_flags": frozenset({"postural-headache"})}, []),
    "red-flag-cancer": ({"order_red_flags": frozenset({"cancer"})}, []),
    "red-flag-new-pain": ({"order_red_flags": frozenset({"new-pain-after-procedure"})}, []),
    "ordered-stat": ({"order_priority": "stat"}, []),
    "ordered-urgent": ({"order_priority": "urgent"}, []),
    "spacer-in-canal": ({}, [("spacer-migration", "positive", {"posterior_margin_mm": -0.5})]),
    "collapsed-sac-early": ({"exam_phase": "postoperative"}, [("dural-sac", "positive", {})]),
    "collection-with-infection": ({"order_red_flags": frozenset({"infection"})}, [("collection", "positive", {})]),
    "spacer-migration": ({}, [("spacer-migration", "positive", {})]),
    "spacer-position": ({}, [("spacer-position", "positive", {})]),
    "level-error": ({}, [("level-error", "positive", {})]),
    "needs-an-early-look": ({}, [("hardware-integrity", "positive", {})]),
    "alignment": ({}, [("spinopelvic-alignment", "positive", {})]),
    "slow-change": ({}, [("vacuum-gas", "positive", {})]),
    "check-failed": ({}, [("spacer-migration", "failed", {})]),
    "indeterminate": ({}, [("spacer-migration", "indeterminate", {})]),
    "no-baseline": ({"exam_has_baseline": False}, []),
    "early-after-surgery": ({"exam_phase": "postoperative", "exam_days_since_surgery": 3.0}, []),
}
DOES_NOT_FIRE = {
    "red-flag-cauda-equina": ({"order_red_flags": frozenset({"cancer"})}, []),
    "red-flag-new-deficit": ({"order_red_flags": frozenset({"cancer"})}, []),
    "red-flag-bleeding": ({"order_red_flags": frozenset({"infection"})}, []),
    "red-flag-infection": ({"order_red_flags": frozenset({"bleeding"})}, []),
    "red-flag-radicular-pain-on-waking": ({"order_red_flags": frozenset({"postural-headache"})}, []),
    "red-flag-postural-headache": ({"order_red_flags": frozenset({"radicular-pain-on-waking"})}, []),
    "red-flag-cancer": ({"order_red_flags": frozenset({"infection"})}, []),
    "red-flag-new-pain": ({"order_red_flags": frozenset()}, []),
    "ordered-stat": ({"order_priority": "urgent"}, []),
    "ordered-urgent": ({"order_priority": None}, []),
    "spacer-in-canal": ({}, [("spacer-migration", "positive", {"posterior_margin_mm": 1.0})]),
    "collapsed-sac-early": ({"exam_phase": "late"}, [("dural-sac", "positive", {})]),
    "collection-with-infection": ({}, [("collection", "positive", {})]),
    "spacer-migration": ({}, [("spacer-migration", "negative", {})]),
    "spacer-position": ({}, [("spacer-migration", "positive", {})]),
    "level-error": ({}, [("level-error", "indeterminate", {})]),
    "needs-an-early-look": ({}, [("hardware-integrity", "negative", {})]),
    "alignment": ({}, [("spinopelvic-alignment", "indeterminate", {})]),
    "slow-change": ({}, [("vacuum-gas", "not-applicable", {})]),
    "check-failed": ({}, [("spacer-migration", "negative", {})]),
    "indeterminate": ({}, [("spacer-migration", "not-applicable", {})]),
    "no-baseline": ({"exam_has_baseline": None}, []),
    "early-after-surgery": ({"exam_phase": "late"}, []),
}
NAMES = [rule.name for rule in RULES.rules]


def fired(known, case) -> set[str]:
    values, findings = case
    told = [known.finding(check, status, **measured) for check, status, measured in findings]
    return {firing.rule for firing in explain(RULES, known.facts(*told, **values)) if firing.fired}


def test_every_rule_has_both_cases():
    assert set(FIRES) == set(DOES_NOT_FIRE) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rule_fires_where_it_must(known, name: str):
    assert name in fired(known, FIRES[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rule_does_not_fire_where_it_must_not(known, name: str):
    assert name not in fired(known, DOES_NOT_FIRE[name])


@pytest.mark.parametrize(
    ("check", "status", "measured", "priority"),
    [
        ("spacer-migration", "positive", {"posterior_margin_mm": 3.0}, Priority.URGENT),
        ("spacer-migration", "positive", {"posterior_margin_mm": -2.0}, Priority.STAT),
        ("spacer-position", "positive", {"posterior_margin_mm": -2.0}, Priority.STAT),
        ("spacer-migration", "positive", {"subsidence_mm": 4.0}, Priority.URGENT),
        ("spacer-migration", "negative", {"posterior_margin_mm": 4.0}, Priority.ROUTINE),
        ("level-error", "positive", {}, Priority.URGENT),
        ("spacer-migration", "failed", {}, Priority.ROUTINE),
        ("spacer-migration", "indeterminate", {}, Priority.ROUTINE),
        ("vacuum-gas", "positive", {}, Priority.ROUTINE),
    ],
)
def test_what_was_measured_leads_to_its_priority(known, check, status, measured, priority):
    assert decide(RULES, known.facts(known.finding(check, status, **measured))).priority is priority


@pytest.mark.parametrize("status", ["failed", "indeterminate"])
def test_what_could_not_be_measured_is_said(known, status: str):
    decision = decide(RULES, known.facts(known.finding("spacer-migration", status)))
    assert any("What spacer-migration saw." in reason for reason in decision.reasons)


def test_red_flags_are_not_lowered_by_negative_findings(known):
    flags = {"order_red_flags": frozenset({"cauda-equina"})}
    before = decide(RULES, known.facts(**flags))
    after = decide(RULES, known.facts(known.finding("spacer-migration", "negative"), **flags))
    assert before.priority is after.priority is Priority.STAT


def test_an_exam_without_anything_is_routine_with_a_sentence(known):
    decision = decide(RULES, known.facts())
    assert decision.priority is Priority.ROUTINE
    assert decision.reasons == (RULES.otherwise_says,)


def test_a_decision_names_the_literature_that_it_rests_on(known):
    decision = decide(RULES, known.facts(order_red_flags=frozenset({"cauda-equina", "bleeding"})))
    assert decision.sources == ("B26", "ACE25")


def test_a_finding_of_the_whole_exam_is_said_as_such(known):
    decision = decide(RULES, known.facts(known.finding("level-labelling", "failed", level=None)))
    assert decision.reasons[0].startswith("Whole exam: level labelling failed")
