"""The page on which a reader looks at radiographs and sets landmarks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from plumbline.anatomy.landmarks import OF_ALIGNMENT, OTHERS
from plumbline.errors import InvalidInput
from services.worklist_api.context import InContext
from services.worklist_api.pages.exam_page import RADIOGRAPHS
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import InRecords, KnownReader, Reader
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.security import CONTENT_SECURITY_POLICY_OF_VIEWER
from services.worklist_api.viewer.endpoints import pixels_of

router = APIRouter(include_in_schema=False)

LANDMARKS_TOLD = "A reader set landmarks on its radiographs."
_SEE_OTHER = 303


@router.get("/exams/{study_instance_uid}/radiographs")
def radiographs(
    study_instance_uid: StudyUid, request: Request, context: InContext, reader: Reader, reported: str = ""
) -> Response:
    """Radiographs of an exam, with their landmarks."""
    try:
        listed = pixels_of(context).series_of(study_instance_uid)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error
    result = context.results.newest_of([study_instance_uid]).get(study_instance_uid)
    shown = {
        "study_instance_uid": study_instance_uid,
        "entry": service.entry_of_study(context, study_instance_uid, result),
        "has_result": result is not None,
        "series": [each for each in listed if each.modality in RADIOGRAPHS],
        "names": {"For alignment": OF_ALIGNMENT, "Others": OTHERS},
        "was_reported": reported == "yes",
        "reader": reader,
        "names_itself": context.reader_header is None,
    }
    answer = render(request, "radiographs.html", shown)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_VIEWER
    return answer


@router.post("/exams/{study_instance_uid}/landmarks/report")
def report_landmarks(study_instance_uid: StudyUid, records: InRecords, reader: KnownReader) -> RedirectResponse:
    """Have the exam compared and reported again with its landmarks, as a revision that supersedes the one before."""
    if not records.readers.landmarks(study_instance_uid):
        raise InvalidInput("no landmark is set on this exam", where=study_instance_uid)
    records.news.tell_exam(study_instance_uid, LANDMARKS_TOLD)
    records.readers.note_deed(reader, "had the landmarks put into the report", study_instance_uid)
    return RedirectResponse(f"/exams/{study_instance_uid}/radiographs?reported=yes", _SEE_OTHER)
