"""``/api``: the worklist, the stored results and their pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from services.worklist_api.context import InContext
from services.worklist_api.problems import NotFound
from services.worklist_api.readings import service
from services.worklist_api.readings.schemas import ExamDetails, WorklistPage

router = APIRouter(prefix="/api", tags=["Readings"])

MAXIMUM_ENTRIES = 1000
PICTURE_KEPT = "private, max-age=3600, immutable"
"""A picture of one revision never changes; only the reader's own browser keeps it, for an hour."""

StudyUid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$", description="Study Instance UID")]


@router.get("/worklist", summary="The worklist in reading order")
def worklist(
    context: InContext,
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_ENTRIES)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
    finished: Annotated[bool, Query(description="Include completed and canceled readings")] = False,
) -> WorklistPage:
    """Readings that wait or are in progress, the most urgent and then the oldest first."""
    states = None if finished else service.OPEN_STATES
    return service.worklist_page(context, limit=limit, offset=offset, states=states)


@router.get("/exams/{study_instance_uid}", summary="Stored result of an exam")
def exam(study_instance_uid: StudyUid, context: InContext) -> ExamDetails:
    """Result document of the newest revision, with its pictures and its line on the worklist."""
    return service.exam_details(context, study_instance_uid)


@router.get(
    "/exams/{study_instance_uid}/evidence/{ordinal}.png", summary="An evidence picture", response_class=Response
)
def evidence(
    study_instance_uid: StudyUid,
    ordinal: Annotated[int, Path(ge=1, le=999)],
    context: InContext,
    revision: Annotated[int | None, Query(ge=1, description="Refuse any other than this one")] = None,
) -> Response:
    """PNG of the newest revision, counted from 1."""
    result = service.newest_result(context, study_instance_uid)
    if revision is not None and revision != result.revision:
        raise NotFound("a newer result has taken the place of this one", where=study_instance_uid)
    kept = {} if revision is None else {"Cache-Control": PICTURE_KEPT}
    return Response(service.evidence_picture(context, result, ordinal), media_type="image/png", headers=kept)
