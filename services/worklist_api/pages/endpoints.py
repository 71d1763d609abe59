"""The exam page and the page of the interfaces."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.worklist_api.context import InContext
from services.worklist_api.pages import presentation
from services.worklist_api.pages.exam_page import Standing, exam_page, standing_of, why_not_compared
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import Reader
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.security import CONTENT_SECURITY_POLICY_OF_VIEWER

router = APIRouter(include_in_schema=False)


@router.get("/exams/{study_instance_uid}")
def exam(
    study_instance_uid: StudyUid,
    request: Request,
    context: InContext,
    reader: Reader,
    view: Annotated[int, Query(ge=0, le=99)] = 0,
) -> Response:
    """Why an exam has its priority: findings, references, images, and what readers made of it."""
    try:
        details = service.exam_details(context, study_instance_uid)
    except NotFound:
        entry = service.entry_of_study(context, study_instance_uid, None)
        shown: dict[str, Any] = {
            "entry": entry,
            "study_instance_uid": study_instance_uid,
            "reader": reader,
            "standing": standing_of(context, study_instance_uid),
            "why_not_compared": why_not_compared(context, study_instance_uid),
        }
        return render(request, "no_result.html", shown, status_code=200 if entry else 404)
    shown = {
        "details": details,
        "entry": details.workitem,
        "view": presentation.exam_view(details),
        "page": exam_page(context, details, viewed=view),
        "reader": reader,
        "standing": standing_of(context, study_instance_uid),
        "can_read": context.records is not None,
        "names_itself": context.reader_header is None,
    }
    answer = render(request, "exam.html", shown)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_VIEWER
    return answer


@router.get("/exams/{study_instance_uid}/standing")
def standing(study_instance_uid: StudyUid, context: InContext) -> Standing:
    """What an open page compares itself with when something changed."""
    return standing_of(context, study_instance_uid)


@router.get("/docs")
def interfaces(request: Request, context: InContext) -> Response:
    """The interfaces of this API, from its OpenAPI document."""
    schema = request.app.openapi()
    shown = {"schema": schema, "operations": presentation.operations(schema)}
    return render(request, "docs.html", shown)


def problem_page(request: Request, status: int, problem: str, detail: str | None) -> Response:
    """Say what is wrong as a page."""
    return render(request, "problem.html", {"problem": problem, "detail": detail}, status_code=status)
