"""``/api/studies``: completeness of studies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from services.worklist_api.context import InContext
from services.worklist_api.studies import service
from services.worklist_api.studies.schemas import StudyPage, StudyStatus, Word

router = APIRouter(prefix="/api/studies", tags=["Studies"])

MAXIMUM_STUDIES = 1000

StudyUid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$", description="Study Instance UID")]


@router.get("", summary="Where the studies stand")
def studies(
    context: InContext,
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_STUDIES)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
    waiting: Annotated[bool, Query(description="Only those that are still waited for")] = False,
) -> StudyPage:
    """What is held, listed and missing of each study, since when, and why."""
    return service.study_page(context, limit=limit, offset=offset, only_waiting=waiting)


@router.get("/{study_instance_uid}", summary="Where a study stands")
def study(study_instance_uid: StudyUid, context: InContext) -> StudyStatus:
    """Counts, reason, and what persons said of it."""
    return service.study_status(context, study_instance_uid)


@router.post("/{study_instance_uid}/complete", summary="Declare a study complete", status_code=202)
def complete(study_instance_uid: StudyUid, word: Word, context: InContext) -> StudyStatus:
    """Take a person's word that nothing more will come; who said so and why is kept. It is acted on in seconds."""
    return service.declare_complete(context, study_instance_uid, word)
