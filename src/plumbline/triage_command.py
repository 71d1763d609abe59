"""Trying triage rules on a past exam at the command line: what each rule comes to, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.patient_exams import DatabasePatientExams
from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.errors import InvalidInput
from plumbline.pipeline.documents import comparison_from_document, facts_from_document
from plumbline.settings import load_settings
from plumbline.site_policy import read_rule_file, site_policy
from plumbline.triage.facts import EXAM_FACTS, Facts, with_findings
from plumbline.triage.rules import RuleSet, decide, explain

_OF_CURRENT = {
    "exam.kind": "kind",
    "exam.modality": "modality",
    "exam.projection": "projection",
    "exam.position": "position",
}
"""Facts that a result document says under ``current``."""


def print_triage(
    console: Console, study_instance_uid: str | None, *, result: Path | None, rules: Path | None, explains: bool
) -> None:
    """Print what the rules decide on an exam, and with ``explains`` every rule with its reason.

    Raises
    ------
    InvalidInput
        When neither an exam nor a result is named, or it cannot be used.
    Misconfigured
        When the rules are wrong; with the line and the reason.
    """
    if (study_instance_uid is None) == (result is None):
        raise InvalidInput("name either an exam of the site or a result file", remedy="See 'plumbline triage --help'.")
    chosen = read_rule_file(rules) if rules is not None else site_policy(load_settings()).rules
    facts = _stored_facts(study_instance_uid) if study_instance_uid is not None else _facts_of_file(result)
    decision = decide(chosen, facts)
    console.print(f"{decision.priority.value}: {' '.join(decision.reasons)}", highlight=False)
    if explains:
        console.print(_table(chosen, facts))


def _table(rules: RuleSet, facts: Facts) -> Table:
    table = Table("Line", "Rule", "Priority", "Fired", "Why", title=rules.origin)
    for rule, firing in zip(rules.rules, explain(rules, facts), strict=True):
        table.add_row(str(rule.line), rule.name, rule.priority.value, "yes" if firing.fired else "no", firing.why)
    return table


def _stored_facts(study_instance_uid: str) -> Facts:
    kept = DatabasePatientExams(open_store(load_settings().store_url)).triaged(study_instance_uid)
    if kept is None:
        raise InvalidInput("what the rules saw of this exam is not stored", where=study_instance_uid)
    findings = comparison_from_document(kept.comparison).findings
    return with_findings(facts_from_document(kept.facts, findings), findings, has_baseline=kept.has_baseline)


def _facts_of_file(path: Path | None) -> Facts:
    assert path is not None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return facts_of_result(document)
    except OSError as error:
        raise InvalidInput("the result cannot be read", where=str(path), remedy=str(error.strerror)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("this is not a result that 'compare --json' wrote", where=str(path)) from error


def facts_of_result(document: Mapping[str, Any]) -> Facts:
    """Facts that a result document tells; what only the order told is not known."""
    current = document["current"]
    findings = tuple(_finding(each) for each in document["findings"])
    days = document.get("exam", {}).get("days_since_surgery")
    values = dict.fromkeys(EXAM_FACTS) | {name: current.get(key) for name, key in _OF_CURRENT.items()}
    values |= {"exam.days_since_surgery": None if days is None else float(days), "order.red_flags": frozenset()}
    baselines = [each for each in document["references"] if each["role"] == "baseline"]
    return with_findings(Facts(values), findings, has_baseline=any(each["comparable"] for each in baselines))


def _finding(written: Mapping[str, Any]) -> Finding:
    measured = written.get("measurements", {})
    return Finding(
        check=CheckName(written["check"]),
        level=written["level"],
        status=Status(written["status"]),
        reasons=tuple(written["reasons"]),
        measurements={
            name: Measurement(each["value"], each.get("uncertainty_95")) for name, each in measured.items() if each
        },
        reference=written.get("reference"),
        sources=tuple(written.get("sources", ())),
    )
