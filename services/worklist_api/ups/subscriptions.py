"""Subscribe, unsubscribe, suspend (PS3.18 11.10 to 11.12)."""

from __future__ import annotations

import re
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

_NOT_KEYS = frozenset({"accept", "charset", "deletionlock", "filter"})
_NEXT_KEY = re.compile(r",(?=\s*[A-Za-z0-9.]+=)")
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
    deletionlock: Annotated[str, Query(pattern="^(true|false|TRUE|FALSE|True|False)$")] = "false",
) -> Response:
    """All is the well-known UID 1.2.840.10008.5.1.4.34.5; with matching keys, or a filter, …34.5.1."""
    parameters = request.query_params.multi_items()
    pairs = [(name, value) for name, value in parameters if name not in _NOT_KEYS]
    pairs += [pair for name, value in parameters if name == "filter" for pair in filter_pairs(value)]
    if pairs and workitem_uid != FILTERED:
        raise InvalidInput("only the filtered worklist can be subscribed to with matching keys")
    keys = tuple(search_key(name, value) for name, value in pairs)
    context.subscriptions.subscribe(Subscription(ae_title, workitem_uid, deletionlock.lower() == "true", keys))
    address = str(request.url_for("open_channel", ae_title=ae_title))
    return Response(status_code=201, headers={"Content-Location": address})


def filter_pairs(value: str) -> list[tuple[str, str]]:
    """Names and values of ``filter=PatientID=12345,StudyInstanceUID=1.2,1.3`` (PS3.18 11.10.1.2).

    A comma that no name and equals sign follow belongs to a list of values.
    """
    pairs = [part.partition("=") for part in _NEXT_KEY.split(value)]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidInput("a filter is an attribute, an equals sign and a value", where="filter")
    return [(name.strip(), wanted) for name, _, wanted in pairs]


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
