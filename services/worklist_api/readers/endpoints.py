"""Forms of the exam page: who reads, claim, agree, disagree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse

from plumbline.adapters.database.readers import Opinion
from plumbline.errors import InvalidInput
from services.worklist_api.context import Context, InContext
from services.worklist_api.forms import form_of
from services.worklist_api.problems import NotFound
from services.worklist_api.readers import reading
from services.worklist_api.readers.identity import COOKIE, OWN_PAGE, InRecords, KnownReader, clean_name
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303
SESSION_S = 12 * 3600
"""A reader says again who they are after a shift."""


class Introduction(BaseModel):
    """Who reads, and the page to go back to."""

    reader: str = Field(min_length=1, max_length=200)
    back: str = Field(default="/", pattern=r"^/([A-Za-z0-9.?=_&-][A-Za-z0-9./?=_&-]*)?$")


class Disagreement(BaseModel):
    """Why a reader disagrees."""

    reason: str = Field(default="", max_length=900)


@router.post("/session", dependencies=[OWN_PAGE])
def begin_session(
    introduction: Annotated[Introduction, Depends(form_of(Introduction))], records: InRecords
) -> RedirectResponse:
    """Say who reads in this browser."""
    token = records.readers.begin_session(clean_name(introduction.reader))
    answer = RedirectResponse(introduction.back, _SEE_OTHER)
    answer.set_cookie(COOKIE, token, max_age=SESSION_S, httponly=True, samesite="strict")
    return answer


@router.post("/exams/{study_instance_uid}/claim")
def claim(
    study_instance_uid: StudyUid, context: InContext, records: InRecords, reader: KnownReader
) -> RedirectResponse:
    """Take the reading of an exam."""
    reading.claim(context, records, _workitem_uid(context, study_instance_uid), reader)
    records.readers.note_deed(reader, "claimed the reading", study_instance_uid)
    return _back(study_instance_uid)


@router.post("/exams/{study_instance_uid}/agree")
def agree(
    study_instance_uid: StudyUid, context: InContext, records: InRecords, reader: KnownReader
) -> RedirectResponse:
    """Agree with the newest result, which finishes the reading."""
    return _finish(study_instance_uid, context, records, reader, agrees=True, reason="")


@router.post("/exams/{study_instance_uid}/disagree")
def disagree(
    study_instance_uid: StudyUid,
    context: InContext,
    records: InRecords,
    reader: KnownReader,
    disagreement: Annotated[Disagreement, Depends(form_of(Disagreement))],
) -> RedirectResponse:
    """Disagree with the newest result and say why, which finishes the reading."""
    reason = " ".join(disagreement.reason.split())
    if not reason:
        raise InvalidInput("a disagreement needs its reason", remedy="Write what you see instead")
    return _finish(study_instance_uid, context, records, reader, agrees=False, reason=reason)


def _finish(
    study_uid: str, context: Context, records: InRecords, reader: str, *, agrees: bool, reason: str
) -> RedirectResponse:
    result = service.newest_result(context, study_uid)
    opinion = Opinion(result.revision, reader, agrees, reason, context.now())
    reading.complete(context, records, _workitem_uid(context, study_uid), opinion)
    records.readers.add_opinion(study_uid, opinion)
    records.readers.note_deed(reader, "agreed with the result" if agrees else "disagreed with the result", study_uid)
    return _back(study_uid)


def _workitem_uid(context: Context, study_instance_uid: str) -> str:
    entry = service.entry_of_study(context, study_instance_uid, None)
    if entry is None:
        raise NotFound("this exam has no reading on the worklist", where=study_instance_uid)
    return entry.workitem_uid


def _back(study_instance_uid: str) -> RedirectResponse:
    return RedirectResponse(f"/exams/{study_instance_uid}", _SEE_OTHER)
