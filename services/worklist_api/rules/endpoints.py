"""The triage and routing rules as loaded, tried on a past exam with what was known of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from plumbline.errors import Unavailable
from plumbline.pipeline.documents import comparison_from_document, facts_from_document
from plumbline.triage.facts import with_findings
from plumbline.triage.routing import routing_facts
from plumbline.triage.rules import RuleSet, decide, explain
from services.worklist_api.board.filters import Filters
from services.worklist_api.context import Context, InContext, Records
from services.worklist_api.pages.presentation import day
from services.worklist_api.pages.rendering import render
from services.worklist_api.readers.identity import InRecords

router = APIRouter(prefix="/rules", include_in_schema=False)

EXAMS_OFFERED = 200
NOT_KEPT = "What the rules saw of this exam was not kept; it was triaged by an earlier version, or not yet."


@router.get("")
def rules(
    request: Request,
    context: InContext,
    records: InRecords,
    exam: Annotated[str, Query(pattern=r"^[0-9.]{0,64}$")] = "",
) -> Response:
    """Every rule, and with ``exam`` what each comes to on it."""
    loaded = loaded_rules(context)
    shown: dict[str, Any] = {
        "rules": loaded,
        "routes": loaded.routes,
        "destinations": context.destinations,
        "exams": _offered(context),
        "tried": exam,
        "why_not": NOT_KEPT,
        **(trial(loaded, records, exam) if exam else {}),
    }
    return render(request, "rules.html", shown)


def loaded_rules(context: Context) -> RuleSet:
    """Rules of the site; raise ``Unavailable`` where this application was given none."""
    if context.rules is None:
        raise Unavailable("this API was started without triage rules")
    return context.rules


def trial(loaded: RuleSet, records: Records, study_instance_uid: str) -> dict[str, Any]:
    """Decision and firings on the newest revision of an exam; empty where what the rules saw was not kept."""
    kept = records.patients.triaged(study_instance_uid)
    if kept is None:
        return {}
    findings = comparison_from_document(kept.comparison).findings
    facts = with_findings(facts_from_document(kept.facts, findings), findings, has_baseline=kept.has_baseline)
    decision = decide(loaded, facts)
    for_routing = routing_facts(facts, decision)
    return {
        "trial": decision,
        "routed": {route.name for route in loaded.routes or () if route.holds(for_routing)},
        "firings": {firing.rule: firing for firing in explain(loaded, facts)},
        "stored": kept.priority,
    }


def _offered(context: Context) -> list[tuple[str, str]]:
    """Exams to try the rules on, in reading order; named as the worklist names them."""
    selection = context.board.select(Filters(state="all"), offset=0, limit=EXAMS_OFFERED)
    return [
        (
            line.entry.study_instance_uid,
            f"{line.entry.patient_name or 'No name'} · {line.entry.exam or 'Exam'} · {day(line.entry.exam_date)}",
        )
        for line in selection.lines
        if line.entry.study_instance_uid and line.entry.has_result
    ]
