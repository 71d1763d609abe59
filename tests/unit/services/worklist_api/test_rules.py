"""The rules page: triage and routing rules as loaded, and what they come to on a past exam."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.pipeline.documents import Comparison, comparison_document, facts_document
from plumbline.triage.facts import EXAM_FACTS, Facts
from plumbline.triage.rule_file import read_rules
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context
from services.worklist_api.pages.presentation import firing_words

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

RULES = """rules: [{name: ordered as stat, priority: STAT, says: Ordered as stat., when: {order.priority: stat}}]
"""
ROUTING = """routing:
  - {name: urgent ones, to: [ris], when: {triage.priority: STAT}}
  - {name: at once, to: [ris], when: {triage.stage: provisional}}
"""


def page(site, rules: str, exam: str = "") -> str:
    known: dict[str, Any] = dict.fromkeys(EXAM_FACTS) | {"order.priority": "stat"}
    kept = SimpleNamespace(
        comparison=comparison_document(Comparison(())),
        facts=facts_document(Facts(known)),
        has_baseline=None,
        priority="STAT",
    )
    records: Any = SimpleNamespace(patients=SimpleNamespace(triaged=lambda _uid: kept))
    context = Context(
        site.worklist,
        site.worklist.store,
        site.results,
        site.clock.now,
        {},
        records=records,
        rules=read_rules(rules),
        destinations=("ris", "pacs"),
    )
    return TestClient(serve(context)).get("/rules", params={"exam": exam}).text


def test_routing_rules_are_shown_with_where_they_lead(site):
    shown = page(site, RULES + ROUTING)
    assert "urgent ones" in shown
    assert "triage.stage is provisional" in shown


@pytest.mark.parametrize(("route", "said"), [("urgent ones", "Holds"), ("at once", "Does not hold")])
def test_routing_rules_are_tried_on_a_past_exam(site, route, said):
    shown = page(site, RULES + ROUTING, exam="2.25.1")
    row = shown[shown.index(route) :]
    assert said in row[: row.index("</tr>")]


def test_without_routing_rules_it_says_who_is_sent_everything(site):
    assert "every result goes to every destination: ris, pacs" in page(site, RULES)


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("Not fired, order.red_flags contains infection: it is empty.", "order.red_flags is empty."),
        (
            "Not fired, there is not a finding with level-error, positive.",
            "There is not a finding with level-error, positive.",
        ),
        ("Fired: exam.phase is late.", "exam.phase is late."),
        ("Fired: a finding with any check, failed.", "A finding with any check, failed."),
    ],
)
def test_the_reason_beside_a_rule_does_not_repeat_its_conditions(why, shown):
    assert firing_words(why) == shown
