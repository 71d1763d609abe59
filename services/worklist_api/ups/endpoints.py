"""The transactions on workitems: search, retrieve, create, update, change state, request cancellation.

PS3.18 11.4 to 11.9. The older spellings that are in use are read too: ``AffectedSOPInstanceUID`` and a bare
UID as query, ``transaction`` beside ``transaction-uid``, and a requester at the end of the path (dcm4chee).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, params
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from plumbline.worklist import tags
from plumbline.worklist.dataset import text
from plumbline.worklist.form import check_form, is_uid
from plumbline.worklist.refusals import Refusal, WorkitemInvalid
from plumbline.worklist.rendering import selected
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import check_ae_title
from services.worklist_api.context import InContext
from services.worklist_api.ups.media import (
    DICOM_JSON,
    DICOM_XML,
    REFUSED,
    Body,
    MediaType,
    dataset_response,
    datasets_response,
)
from services.worklist_api.ups.ready import MORE
from services.worklist_api.ups.schemas import read_query, returned_tags
from services.worklist_api.ups.statuses import Transaction, no_content, noticed

router = APIRouter(prefix="/dicom-web/workitems", tags=["UPS-RS"], responses=REFUSED)

DEFAULT_REQUESTER = "UPS-RS"
"""Requesting AE (0074,1236) of a web client that names none."""

WorkitemUid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$", description="SOP Instance UID of the workitem")]

_STATES = frozenset(state.value for state in State)
_SPELLED_OTHERWISE = {"CANCELLED": State.CANCELED.value}
"""PS3.18 11.7.1.4 spells the state otherwise than PS3.3."""
_DATASETS: dict[str, Any] = {"content": {DICOM_JSON: {}, DICOM_XML: {}}}
_NOT_FOUND = {404: {"description": "There is no such workitem"}}
_CONFLICT = {409: {"description": "The state of the workitem does not allow it"}}


def _is(transaction: Transaction) -> params.Depends:
    """Dependency that names the transaction for the answers to refusals."""

    def name(request: Request) -> None:
        request.state.transaction = transaction

    return params.Depends(name)


@router.get(
    "",
    summary="Search for workitems, the most urgent and then the oldest first",
    response_class=Response,
    responses={
        200: _DATASETS,
        204: {"description": "Nothing matches"},
        304: {"description": "It is what the reader has already, by its entity tag"},
        206: {**_DATASETS, "description": "More can be had with offset"},
    },
)
def search_workitems(request: Request, context: InContext, media_type: MediaType) -> Response:
    """Match attributes by tag or keyword, nested with a full stop; limit, offset and includefield as in QIDO-RS.

    Results with the usual attributes in DICOM JSON are answered before it comes to this (``ups.ready``).
    """
    query = read_query(request.query_params.multi_items())
    page = context.worklist.search(query)
    if not page.workitems:
        return Response(status_code=204)
    body = [selected(found.dataset, returned_tags(query)) for found in page.workitems]
    return datasets_response(body, media_type, *((206, MORE) if page.has_more else (200, {})))


@router.post(
    "",
    summary="Create a workitem",
    status_code=201,
    dependencies=[_is(Transaction.CREATE)],
    responses={201: {"description": "Created; its address is in Location"}, **_CONFLICT},
)
async def create_workitem(request: Request, context: InContext, body: Body) -> Response:
    """The UID is given as query, ?1.2.3 or ?workitem=1.2.3, or as SOP Instance UID in the dataset."""
    uid = uid_in_query(request, "workitem", "AffectedSOPInstanceUID")
    workitem, notice = await run_in_threadpool(context.worklist.create, body, workitem_uid=uid)
    address = str(request.url_for("retrieve_workitem", workitem_uid=workitem.workitem_uid))
    return Response(status_code=201, headers={"Location": address, "Content-Location": address, **noticed(notice)})


@router.get(
    "/{workitem_uid}",
    summary="Retrieve a workitem",
    response_class=Response,
    responses={200: _DATASETS, **_NOT_FOUND},
)
def retrieve_workitem(workitem_uid: WorkitemUid, context: InContext, media_type: MediaType) -> Response:
    """All attributes but the Transaction UID, which is the lock and never leaves (PS3.4 CC.2.7.3)."""
    workitem = context.worklist.retrieve(workitem_uid)
    dataset = {tag: value for tag, value in workitem.dataset.items() if tag != tags.TRANSACTION_UID}
    return dataset_response(selected(dataset, None), media_type)


@router.post(
    "/{workitem_uid}",
    summary="Update a workitem",
    dependencies=[_is(Transaction.UPDATE)],
    responses={200: {"description": "Updated"}, **_NOT_FOUND, **_CONFLICT},
)
async def update_workitem(workitem_uid: WorkitemUid, request: Request, context: InContext, body: Body) -> Response:
    """Replace attributes; one in progress needs its Transaction UID, in the query or in the dataset."""
    changes = dict(body or {})
    inside = changes.pop(tags.TRANSACTION_UID, None)
    given = text({tags.TRANSACTION_UID: inside or {}}, tags.TRANSACTION_UID)
    provided = uid_in_query(request, "transaction-uid", "transaction", "transactionUID") or given or None
    await run_in_threadpool(context.worklist.update, workitem_uid, changes, transaction_uid=provided)
    return no_content(200)


@router.put(
    "/{workitem_uid}/state",
    summary="Change the state of a workitem",
    dependencies=[_is(Transaction.CHANGE_STATE)],
    responses={200: {"description": "Changed, or in that state already"}, **_NOT_FOUND, **_CONFLICT},
)
@router.put("/{workitem_uid}/state/{requester}", include_in_schema=False, dependencies=[_is(Transaction.CHANGE_STATE)])
async def change_state(workitem_uid: WorkitemUid, context: InContext, body: Body, requester: str = "") -> Response:
    """Claim with a Transaction UID of one's own making; complete or cancel with the same one."""
    if requester:
        check_ae_title(requester)
    request = check_form(body or {})
    requested = _SPELLED_OTHERWISE.get(text(request, tags.STATE), text(request, tags.STATE))
    if requested not in _STATES:
        raise WorkitemInvalid(Refusal.INVALID_VALUE, where="ProcedureStepState")
    provided = text(request, tags.TRANSACTION_UID) or None
    if provided is None:
        await run_in_threadpool(context.worklist.retrieve, workitem_uid)
        raise WorkitemInvalid(Refusal.MISSING_ATTRIBUTE, where="TransactionUID")
    notice = await run_in_threadpool(
        context.worklist.change_state, workitem_uid, State(requested), transaction_uid=provided
    )
    return no_content(200, notice)


@router.post(
    "/{workitem_uid}/cancelrequest",
    summary="Request that a workitem be cancelled",
    status_code=202,
    dependencies=[_is(Transaction.REQUEST_CANCEL)],
    responses={202: {"description": "Cancelled, or its performer is told"}, **_NOT_FOUND, **_CONFLICT},
)
@router.post(
    "/{workitem_uid}/cancelrequest/{requester}",
    include_in_schema=False,
    dependencies=[_is(Transaction.REQUEST_CANCEL)],
)
async def request_cancellation(
    workitem_uid: WorkitemUid, context: InContext, body: Body, requester: str = DEFAULT_REQUESTER
) -> Response:
    """One that nobody has claimed is cancelled; the performer of a claimed one is told and decides."""
    notice = await run_in_threadpool(
        context.worklist.request_cancel, workitem_uid, body, requesting_ae=check_ae_title(requester)
    )
    return no_content(202, notice)


def search_route() -> APIRoute:
    """Route of the search."""
    return next(route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is search_workitems)


def uid_in_query(request: Request, *names: str) -> str | None:
    """UID given as a query parameter of one of these names, or bare as ``?1.2.3``.

    Raises
    ------
    WorkitemInvalid
        INVALID_VALUE, when it is not a UID.
    """
    named = next((request.query_params[name] for name in names if name in request.query_params), None)
    bare = next((name for name, value in request.query_params.items() if not value and name[:1].isdigit()), None)
    uid = named or bare
    if uid is not None and not is_uid(uid):
        raise WorkitemInvalid(Refusal.INVALID_VALUE, where=names[0])
    return uid
