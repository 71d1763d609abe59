"""The exam page and the page of the interfaces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.worklist_api.context import InContext
from services.worklist_api.pages import presentation
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid

router = APIRouter(include_in_schema=False)


@router.get("/exams/{study_instance_uid}")
def exam(study_instance_uid: StudyUid, request: Request, context: InContext) -> Response:
    """Why an exam has its priority: findings, references, evidence."""
    try:
        details = service.exam_details(context, study_instance_uid)
    except NotFound:
        entry = service.entry_of_study(context, study_instance_uid, None)
        shown: dict[str, Any] = {"entry": entry, "study_instance_uid": study_instance_uid}
        return render(request, "no_result.html", shown, status_code=200 if entry else 404)
    shown = {"details": details, "entry": details.workitem, "view": presentation.exam_view(details)}
    return render(request, "exam.html", shown)


@router.get("/docs")
def interfaces(request: Request, context: InContext) -> Response:
    """The interfaces of this API, from its OpenAPI document."""
    schema = request.app.openapi()
    shown = {"schema": schema, "operations": presentation.operations(schema)}
    return render(request, "docs.html", shown)


def problem_page(request: Request, status: int, problem: str, detail: str | None) -> Response:
    """Say what is wrong as a page."""
    return render(request, "problem.html", {"problem": problem, "detail": detail}, status_code=status)
