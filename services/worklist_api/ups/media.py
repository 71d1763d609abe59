"""Media types of the Worklist Service (PS3.18 8.7): what was asked for, what is sent, what is read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from plumbline.worklist.dataset import Dataset
from plumbline.worklist.native_xml import from_xml, to_xml
from plumbline.worklist.refusals import Refusal, WorkitemInvalid
from services.worklist_api.problems import NotAcceptable, TooLarge, UnsupportedMedia

DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be used", "content": {"application/problem+json": {}}},
    406: {"description": "None of the accepted media types can be sent", "content": {"application/problem+json": {}}},
    413: {"description": "The body is too large", "content": {"application/problem+json": {}}},
    415: {"description": "The body is of another media type", "content": {"application/problem+json": {}}},
    503: {"description": "The store does not answer", "content": {"application/problem+json": {}}},
}
"""What every transaction may be answered with, for the OpenAPI document."""

LARGEST_BODY_BYTES = 8 * 1024 * 1024
"""A workitem of ten thousand referenced instances takes about 2 MB."""

_SENT_AS_JSON = frozenset({DICOM_JSON, "application/json", "application/*", "*/*"})
_SENT_AS_XML = frozenset({DICOM_XML, "multipart/related", "multipart/*"})
_READ_AS_JSON = frozenset({DICOM_JSON, "application/json"})


async def chosen_media_type(request: Request) -> str:
    """Media type to answer in, by the Accept header or the query parameter for it (PS3.18 8.3.3.1).

    JSON where both are as welcome. ``multipart/related`` is taken for ``application/dicom+xml``.

    Raises
    ------
    NotAcceptable
        When neither DICOM JSON nor DICOM XML is among the accepted types.
    """
    given = request.query_params.get("accept") or request.headers.get("accept")
    if not given:
        return DICOM_JSON
    ranges = [part.partition(";") for part in given.split(",")]
    wanted = {name.strip().lower() for name, _, parameters in ranges if not _is_refused(parameters)}
    if wanted & _SENT_AS_JSON:
        return DICOM_JSON
    if wanted & _SENT_AS_XML:
        return DICOM_XML
    raise NotAcceptable(f"only {DICOM_JSON} and {DICOM_XML} can be sent", remedy="Change the Accept header.")


def datasets_response(
    datasets: Sequence[Dataset], media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Datasets as one JSON array, or as XML with a part for each (PS3.18 8.6.1.2.1, 8.7.3.2)."""
    if media_type == DICOM_JSON:
        return JSONResponse(list(datasets), status, headers=headers, media_type=DICOM_JSON)
    boundary = secrets.token_hex(16)
    parts = [
        b"".join((f"--{boundary}\r\nContent-Type: {DICOM_XML}\r\n\r\n".encode(), to_xml(dataset), b"\r\n"))
        for dataset in datasets
    ]
    body = b"".join((*parts, f"--{boundary}--\r\n".encode()))
    content_type = f'multipart/related; type="{DICOM_XML}"; boundary={boundary}'
    return Response(body, status, headers={**(headers or {}), "Content-Type": content_type})


def accepts_gzip(request: Request) -> bool:
    """Whether the Accept-Encoding header names gzip with a weight (RFC 9110 12.5.3)."""
    codings = [part.partition(";") for part in request.headers.get("accept-encoding", "").split(",")]
    return any(name.strip().lower() == "gzip" and not _is_refused(parameters) for name, _, parameters in codings)


def _is_refused(parameters: str) -> bool:
    """Whether a media range has weight zero (RFC 9110 12.5.1)."""
    return any(each.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for each in parameters.split(";"))


async def read_dataset(request: Request) -> Any:
    """Read the body as one dataset; a list of one is taken for it; None where there is no body.

    Raises
    ------
    UnsupportedMedia, TooLarge
        When it is of another media type, or larger than ``LARGEST_BODY_BYTES``.
    WorkitemInvalid
        INVALID_VALUE, when it is neither JSON nor XML, or not one dataset.
    """
    body = await _limited_body(request)
    if not body:
        return None
    media_type = request.headers.get("content-type", DICOM_JSON).partition(";")[0].strip().lower()
    if media_type == DICOM_XML:
        return from_xml(body)
    if media_type not in _READ_AS_JSON:
        raise UnsupportedMedia(f"only {DICOM_JSON} and {DICOM_XML} can be read")
    return _read_json(body)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WorkitemInvalid(Refusal.INVALID_VALUE, detail="the body is not JSON") from error
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise WorkitemInvalid(Refusal.INVALID_VALUE, detail="the body is not one dataset")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


async def _limited_body(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST_BODY_BYTES:
            raise TooLarge(f"a workitem may have {LARGEST_BODY_BYTES} bytes")
    return bytes(received)


MediaType = Annotated[str, Depends(chosen_media_type)]
Body = Annotated[Any, Depends(read_dataset)]
