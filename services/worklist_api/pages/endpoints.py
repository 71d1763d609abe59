"""The worklist page, the exam page and the page of the interfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from services.worklist_api.context import InContext, context_of
from services.worklist_api.pages import presentation
from services.worklist_api.problems import NotFound
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid

router = APIRouter(include_in_schema=False)

ROWS_A_PAGE = 200

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_templates.env.filters.update(presentation.FILTERS)
_templates.env.trim_blocks = _templates.env.lstrip_blocks = True


@router.get("/")
def worklist(
    request: Request, context: InContext, offset: Annotated[int, Query(ge=0)] = 0, finished: bool = False
) -> Response:
    """The worklist, the most urgent and then the oldest first."""
    states = None if finished else service.OPEN_STATES
    page = service.worklist_page(context, limit=ROWS_A_PAGE, offset=offset, states=states)
    shown = {
        "page": page,
        "counts": presentation.counts(page.entries),
        "finished": finished,
        "offset": offset,
        "rows_a_page": ROWS_A_PAGE,
        "now": context.now(),
    }
    return _render(request, "worklist.html", context.title, shown)


@router.get("/exams/{study_instance_uid}")
def exam(study_instance_uid: StudyUid, request: Request, context: InContext) -> Response:
    """Why an exam has its priority: findings, references, evidence."""
    try:
        details = service.exam_details(context, study_instance_uid)
    except NotFound:
        entry = service.entry_of_study(context, study_instance_uid, None)
        shown: dict[str, Any] = {"entry": entry, "study_instance_uid": study_instance_uid}
        return _render(request, "no_result.html", context.title, shown, status_code=200 if entry else 404)
    shown = {"details": details, "entry": details.workitem, "view": presentation.exam_view(details)}
    return _render(request, "exam.html", context.title, shown)


@router.get("/docs")
def interfaces(request: Request, context: InContext) -> Response:
    """The interfaces of this API, from its OpenAPI document."""
    schema = request.app.openapi()
    shown = {"schema": schema, "operations": presentation.operations(schema)}
    return _render(request, "docs.html", context.title, shown)


def problem_page(request: Request, status: int, problem: str, detail: str | None) -> Response:
    """Say what is wrong as a page."""
    context = context_of(request)
    return _render(request, "problem.html", context.title, {"problem": problem, "detail": detail}, status_code=status)


def _render(request: Request, template: str, title: str, shown: dict[str, Any], *, status_code: int = 200) -> Response:
    return _templates.TemplateResponse(request, template, {"title": title, **shown}, status_code=status_code)
