"""``/fhir``: create, replace and read ServiceRequest and Procedure; every error is an OperationOutcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from plumbline import __version__
from plumbline.adapters.fhir.answers import FHIR_JSON, capabilities, outcome
from plumbline.adapters.fhir.bundles import Asked, entries_of, is_transaction, read_bundle
from plumbline.adapters.fhir.desk import FhirDesk, Kept
from plumbline.adapters.fhir.reading import MODELS
from plumbline.adapters.fhir.refusals import RefusedResource
from plumbline.errors import PlumblineError, Unavailable
from services.worklist_api.context import InContext
from services.worklist_api.problems import NotFound, TooLarge, UnsupportedMedia, status_of

router = APIRouter(prefix="/fhir", tags=["FHIR"])

LARGEST_BYTES = 1024 * 1024
READ_AS_JSON = frozenset({FHIR_JSON, "application/json"})
RESOURCES = Counter("plumbline_fhir_resources", "FHIR resources taken, by type and HTTP status.", ["kind", "status"])
UNPROCESSABLE = 422
"""Status of a resource whose form is right and whose content cannot be used (FHIR R4, http.html#create)."""

_ISSUE_OF_STATUS = {404: "not-found", 413: "too-long", 415: "not-supported", 503: "transient"}


def desk_of(context: InContext) -> FhirDesk:
    """Return the desk of the application; raise ``Unavailable`` where it takes no orders."""
    if context.fhir is None:
        raise Unavailable("this API takes no orders")
    return context.fhir


InDesk = Annotated[FhirDesk, Depends(desk_of)]


@router.get("/metadata", summary="What this FHIR server can do", response_class=JSONResponse)
def metadata(context: InContext) -> JSONResponse:
    """CapabilityStatement."""
    return _json(capabilities(software_version=__version__, at=context.now()))


@router.post("", summary="Take several orders and operations at once", response_class=JSONResponse)
async def bundle(request: Request, desk: InDesk) -> JSONResponse:
    """A Bundle: of a transaction every entry is taken or none, of a batch each for itself.

    What is stored before the store went away stays so: the same Bundle again is the same.
    """
    try:
        body = await _body(request)
        return _json(await run_in_threadpool(_take_bundle, body, desk, f"{str(request.base_url).rstrip('/')}/fhir"))
    except PlumblineError as error:
        return _refused(error)


def _take_bundle(body: bytes, desk: FhirDesk, base: str) -> dict[str, Any]:
    document = read_bundle(body)
    asked = list(entries_of(document))
    if is_transaction(document):
        for each in asked:
            if each is not None:
                each.check(desk)
    answers = [_entry_answer(each, desk, base, is_all=is_transaction(document)) for each in asked]
    return {"resourceType": "Bundle", "type": f"{document['type']}-response", "entry": answers}


def _entry_answer(asked: Asked | None, desk: FhirDesk, base: str, *, is_all: bool) -> dict[str, Any]:
    if asked is None:
        said = outcome("not-supported", "This server keeps no resources of this type; it was passed over.")
        return {"response": {"status": "200", "outcome": said}}
    try:
        kept = asked.take(desk)
    except RefusedResource as refusal:
        if is_all:
            raise
        answer = _refused(refusal)
        RESOURCES.labels(asked.kind, str(answer.status_code)).inc()
        return {"response": {"status": str(answer.status_code), "outcome": json.loads(bytes(answer.body))}}
    status = "201" if kept.is_new else "200"
    RESOURCES.labels(asked.kind, status).inc()
    location = f"{base}/{asked.kind}/{kept.resource_id}/_history/{kept.version}"
    return {"response": {"status": status, "location": location, "etag": f'W/"{kept.version}"'}}


@router.post("/{kind}", summary="Take an order or an operation", response_class=JSONResponse)
async def create(kind: str, request: Request, desk: InDesk) -> JSONResponse:
    """201 with the address of the resource; 200 where it was known already.

    With ``If-None-Exist: identifier=SYSTEM|VALUE`` one that is known is not changed.
    """
    criteria = request.headers.get("if-none-exist")
    if criteria is None:
        return await _taken(kind, request, lambda body: desk.create(kind, body))
    return await _taken(kind, request, lambda body: desk.create_unless_known(kind, criteria, body))


@router.put("/{kind}", summary="Replace an order or an operation by its identifier", response_class=JSONResponse)
async def update_by_identifier(kind: str, request: Request, desk: InDesk) -> JSONResponse:
    """``?identifier=SYSTEM|VALUE``: 200, or 201 where none with it was known."""
    return await _taken(kind, request, lambda body: desk.update_by_identifier(kind, request.url.query, body))


@router.put("/{kind}/{resource_id}", summary="Replace an order or an operation", response_class=JSONResponse)
async def update(kind: str, resource_id: str, request: Request, desk: InDesk) -> JSONResponse:
    """200, or 201 where the id was not known."""
    return await _taken(kind, request, lambda body: desk.update(kind, resource_id, body))


@router.get("/{kind}/{resource_id}", summary="An order or an operation", response_class=JSONResponse)
def read(kind: str, resource_id: str, desk: InDesk) -> JSONResponse:
    """The newest version."""
    try:
        _check_kind(kind)
        found = desk.read(kind, resource_id)
        if found is None:
            raise NotFound("there is no such resource")
    except PlumblineError as error:
        return _refused(error)
    return _json(found.document, headers={"ETag": f'W/"{found.version}"'})


async def _taken(kind: str, request: Request, keep: Callable[[bytes], Kept]) -> JSONResponse:
    try:
        _check_kind(kind)
        kept = await run_in_threadpool(keep, await _body(request))
    except PlumblineError as error:
        answer = _refused(error)
        structlog.get_logger("plumbline.fhir").warning(
            "resource refused", status=answer.status_code, element=getattr(error, "path", None)
        )
    else:
        address = f"{str(request.base_url).rstrip('/')}/fhir/{kind}/{kept.resource_id}"
        headers = {"Location": f"{address}/_history/{kept.version}", "ETag": f'W/"{kept.version}"'}
        answer = _json(kept.document, 201 if kept.is_new else 200, headers)
    RESOURCES.labels(kind if kind in MODELS else "other", str(answer.status_code)).inc()
    return answer


def _check_kind(kind: str) -> None:
    if kind not in MODELS:
        raise NotFound(f"this server has only {' and '.join(MODELS)}")


async def _body(request: Request) -> bytes:
    """Read the body as far as it may go."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in READ_AS_JSON:
        raise UnsupportedMedia(f"only {FHIR_JSON} is read here")
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > LARGEST_BYTES:
            raise TooLarge(f"a resource may have {LARGEST_BYTES} bytes")
    return bytes(read)


def _refused(error: PlumblineError) -> JSONResponse:
    if isinstance(error, RefusedResource):
        status = 400 if error.issue == "structure" else UNPROCESSABLE
        return _json(outcome(error.issue, error.sentence, error.path), status)
    status, _ = status_of(error)
    headers = {"Retry-After": "5"} if status == 503 else None
    return _json(outcome(_ISSUE_OF_STATUS.get(status, "exception"), str(error)), status, headers)


def _json(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(document, status, headers=headers, media_type=FHIR_JSON)
