"""Search and retrieve of workitems (PS3.18 11.5, 11.9)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, Response

from plumbline.worklist import tags
from services.worklist_api.context import InContext
from services.worklist_api.ups.media import DICOM_JSON, DicomJsonResponse, require_acceptable, visible
from services.worklist_api.ups.schemas import read_query, returned_tags
from services.worklist_api.ups.statuses import warning

router = APIRouter(prefix="/dicom-web/workitems", tags=["UPS-RS"])

_DICOM_JSON_CONTENT = {"content": {DICOM_JSON: {}}}


@router.get(
    "",
    summary="Search for workitems, the most urgent and then the oldest first",
    response_class=DicomJsonResponse,
    responses={
        200: _DICOM_JSON_CONTENT,
        204: {"description": "Nothing matches"},
        206: {**_DICOM_JSON_CONTENT, "description": "More can be had with offset"},
    },
)
def search_workitems(request: Request, context: InContext, accept: Annotated[str | None, Header()] = None) -> Response:
    """Match attributes by tag or keyword, nested with a full stop; limit, offset and includefield as in QIDO-RS."""
    require_acceptable(accept, request.query_params.get("accept"))
    query = read_query(request.query_params.multi_items())
    page = context.worklist.search(query)
    if not page.workitems:
        return Response(status_code=204)
    wanted = returned_tags(query)
    body = [visible(dict(found.dataset), wanted) for found in page.workitems]
    if not page.has_more:
        return DicomJsonResponse(body)
    more = {"Warning": warning("There are additional results that can be requested.")}
    return DicomJsonResponse(body, 206, headers=more)


@router.get(
    "/{workitem_uid}",
    summary="Retrieve a workitem",
    response_class=DicomJsonResponse,
    responses={200: _DICOM_JSON_CONTENT, 404: {"description": "There is no such workitem"}},
)
def retrieve_workitem(
    workitem_uid: str, request: Request, context: InContext, accept: Annotated[str | None, Header()] = None
) -> JSONResponse:
    """All attributes but the Transaction UID, which is the lock and never leaves (PS3.4 CC.2.7.3)."""
    require_acceptable(accept, request.query_params.get("accept"))
    workitem = context.worklist.retrieve(workitem_uid)
    dataset = {tag: value for tag, value in workitem.dataset.items() if tag != tags.TRANSACTION_UID}
    return DicomJsonResponse([visible(dataset, None)])
