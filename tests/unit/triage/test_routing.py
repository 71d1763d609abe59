"""Routing rules: which exams go where, and what is refused at load with its line."""

import pytest

from plumbline.destination_settings import Hl7Destination
from plumbline.errors import Misconfigured
from plumbline.settings import Settings, SiteSettings
from plumbline.site_policy import site_policy
from plumbline.triage.facts import EXAM_FACTS, Facts
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.triage.routing import destinations_of, routing_facts
from plumbline.triage.rule_file import default_rules, read_rules

RULE = "rules: [{name: r, priority: STAT, says: x, when: {order.priority: stat}}]\n"
ROUTED = (
    RULE
    + """routing:
  - name: urgent ones to the RIS
    to: [ris]
    when: {triage.priority: [STAT, URGENT]}
  - name: CT to the archive of the spine unit
    to: [spine-pacs, backup]
    when: {exam.modality: CT}
  - name: everything to the backup
    to: [backup]
"""
)
KNOWN = ("backup", "ris", "spine-pacs")


def facts(priority="ROUTINE", **values):
    known = dict.fromkeys(EXAM_FACTS) | values
    return routing_facts(Facts(known), TriageDecision(Priority(priority), ("x",), ("rule",)))


def chosen(priority="ROUTINE", **values):
    return destinations_of(read_rules(ROUTED).routes, facts(priority, **values), KNOWN)


def test_every_route_that_holds_adds_its_destinations_once():
    assert chosen() == ("backup",)
    assert chosen("STAT") == ("backup", "ris")
    assert chosen(**{"exam.modality": "CT"}) == ("backup", "spine-pacs")


def test_without_rules_everybody_is_sent_everything():
    assert default_rules().routes is None
    assert destinations_of(None, facts(), KNOWN) == KNOWN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routing:\n  - to: [a]\n", "line 3.*no 'name'"),
        ("routing:\n  - name: a\n", "line 3.*no 'to'"),
        (
            "routing:\n  - name: a\n    to: [b]\n    when: {triage.priorty: STAT}\n",
            "line 5.*triage.priority",
        ),
        ("routing:\n  - name: a\n    to: [b]\n    whan: {}\n", "line 5.*whan"),
    ],
)
def test_a_wrong_route_is_refused_with_its_line(text, said):
    with pytest.raises(Misconfigured, match=said):
        read_rules(RULE + text)


def test_triage_rules_may_not_ask_for_what_is_only_decided_later():
    with pytest.raises(Misconfigured, match=r"triage\.priority"):
        read_rules("rules:\n  - {name: a, priority: STAT, says: x, when: {triage.priority: STAT}}\n")


def site(tmp_path, *names, text=ROUTED):
    (tmp_path / "rules.yaml").write_text(text)
    destinations = tuple(Hl7Destination(kind="hl7", name=name, host="127.0.0.1", port=2576) for name in names)
    return Settings(site=SiteSettings(triage_rules=tmp_path / "rules.yaml"), destinations=destinations)


def test_a_route_to_a_destination_that_is_not_there_is_refused_with_its_line_and_the_nearest(tmp_path):
    with pytest.raises(Misconfigured, match=r"rules.yaml line 6.*spine-pacs.*Did you mean spine-pac\?"):
        site_policy(site(tmp_path, "ris", "spine-pac", "backup"))
    assert list(site_policy(site(tmp_path, *KNOWN)).routing.kinds) == list(KNOWN)


def test_two_destinations_of_one_name_are_refused(tmp_path):
    with pytest.raises(Misconfigured, match="two destinations"):
        site_policy(site(tmp_path, "ris", "ris", "spine-pacs", "backup"))
