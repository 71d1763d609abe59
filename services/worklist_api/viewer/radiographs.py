"""The page on which a reader looks at radiographs and sets landmarks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from plumbline.errors import InvalidInput
from services.worklist_api.context import InContext
from services.worklist_api.pages.rendering import render
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import Reader
from services.worklist_api.readings import service
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.security import CONTENT_SECURITY_POLICY_OF_VIEWER
from services.worklist_api.viewer.endpoints import pixels_of
from services.worklist_api.viewer.landmarks import NAMES

router = APIRouter(include_in_schema=False)

RADIOGRAPHS = frozenset({"CR", "DX", "RF", "RG", "XA"})
"""Modalities of projection images."""


@router.get("/exams/{study_instance_uid}/radiographs")
def radiographs(study_instance_uid: StudyUid, request: Request, context: InContext, reader: Reader) -> Response:
    """Radiographs of an exam, with their landmarks."""
    try:
        listed = pixels_of(context).series_of(study_instance_uid)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error
    shown = {
        "study_instance_uid": study_instance_uid,
        "entry": service.entry_of_study(context, study_instance_uid, None),
        "series": [each for each in listed if each.modality in RADIOGRAPHS],
        "names": NAMES,
        "reader": reader,
        "names_itself": context.reader_header is None,
    }
    answer = render(request, "radiographs.html", shown)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_VIEWER
    return answer
