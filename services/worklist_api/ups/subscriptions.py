"""Subscribe, unsubscribe, suspend (PS3.18 11.10 to 11.12)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from plumbline.errors import InvalidInput
from plumbline.worklist.matching import search_key
from plumbline.worklist.subscriptions import FILTERED, WELL_KNOWN, Subscription
from services.worklist_api.context import InContext
from services.worklist_api.ups.endpoints import WorkitemUid
from services.worklist_api.ups.media import REFUSED
from services.worklist_api.ups.statuses import no_content

router = APIRouter(prefix="/dicom-web/workitems", tags=["UPS-RS"], responses=REFUSED)

AeTitle = Annotated[str, Path(description="AE Title that is told the events")]

_ABSENT = {404: {"description": "There is no such workitem or subscription"}}


@router.post(
    "/{workitem_uid}/subscribers/{ae_title}",
    summary="Subscribe to a workitem, to all, or to those that match",
    status_code=201,
    responses={201: {"description": "Subscribed"}, **_ABSENT},
)
def subscribe(
    workitem_uid: WorkitemUid,
    ae_title: AeTitle,
    request: Request,
    context: InContext,
    deletionlock: Annotated[str, Query(pattern="^(true|false)$")] = "false",
) -> Response:
    """All is the well-known UID 1.2.840.10008.5.1.4.34.5; with matching keys, or a filter, …34.5.1."""
    parameters = request.query_params.multi_items()
    pairs = [(name, value) for name, value in parameters if name not in ("deletionlock", "filter")]
    pairs += [_filter(value) for name, value in parameters if name == "filter"]
    if pairs and workitem_uid != FILTERED:
        raise InvalidInput("only the filtered worklist can be subscribed to with matching keys")
    keys = tuple(search_key(name, value) for name, value in pairs)
    context.subscriptions.subscribe(Subscription(ae_title, workitem_uid, deletionlock == "true", keys))
    address = str(request.url_for("open_channel", ae_title=ae_title))
    return Response(status_code=201, headers={"Content-Location": address})


def _filter(value: str) -> tuple[str, str]:
    """Name and value of ``filter=PatientID=12345`` (PS3.18 11.10.1.2)."""
    name, separator, wanted = value.partition("=")
    if not separator:
        raise InvalidInput("a filter is an attribute, an equals sign and a value", where="filter")
    return name, wanted


@router.delete(
    "/{workitem_uid}/subscribers/{ae_title}",
    summary="Unsubscribe from a workitem or from all",
    responses={200: {"description": "Unsubscribed"}, **_ABSENT},
)
def unsubscribe(workitem_uid: WorkitemUid, ae_title: AeTitle, context: InContext) -> Response:
    """Unsubscribing from all ends the subscriptions to single workitems, too."""
    context.subscriptions.unsubscribe(ae_title, workitem_uid)
    return no_content(200)


@router.post(
    "/{workitem_uid}/subscribers/{ae_title}/suspend",
    summary="Stop subscribing to new workitems",
    responses={200: {"description": "Suspended"}, **_ABSENT},
)
def suspend(workitem_uid: WorkitemUid, ae_title: AeTitle, context: InContext) -> Response:
    """Subscriptions to workitems that are there stay."""
    if workitem_uid not in WELL_KNOWN:
        raise InvalidInput("only a global subscription can be suspended", where=workitem_uid)
    context.subscriptions.suspend(ae_title, workitem_uid)
    return no_content(200)
