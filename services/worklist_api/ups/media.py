"""Media types of the Worklist Service (PS3.18 8.7): what was asked for, what is sent, what is read."""

from __future__ import annotations

import json
import re
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
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

MULTIPART = f'multipart/related; type="{DICOM_XML}"'

_SENT_AS_JSON = frozenset({DICOM_JSON, "application/json", "application/*", "*/*"})
_READ_AS_JSON = frozenset({DICOM_JSON, "application/json"})
_MULTIPART = frozenset({"multipart/related", "multipart/*"})
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_WEIGHT = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)")


async def chosen_media_type(request: Request) -> str:
    """Media type to answer in, by the Accept header or the query parameter for it (PS3.18 8.3.3.1).

    ``DICOM_JSON`` where it is as welcome as another, else ``DICOM_XML`` or ``MULTIPART``.

    Raises
    ------
    NotAcceptable
        When neither DICOM JSON nor DICOM XML is among the accepted types.
    """
    given = request.query_params.get("accept") or request.headers.get("accept")
    if not given:
        return DICOM_JSON
    weights: dict[str, float] = {}
    for media_range in given.split(","):
        media_type = _sent_for(media_range)
        if media_type is not None:
            weights[media_type] = max(weights.get(media_type, 0.0), _weight(media_range))
    best = max(weights, key=lambda media_type: (weights[media_type], media_type == DICOM_JSON), default=None)
    if best is None or weights[best] == 0.0:
        raise NotAcceptable(f"only {DICOM_JSON} and {DICOM_XML} can be sent", remedy="Change the Accept header.")
    return best


def _sent_for(media_range: str) -> str | None:
    """Media type that a media range is answered with; None where there is none."""
    name, _, parameters = media_range.partition(";")
    name = name.strip().lower().replace(" ", "+")  # a plus in a query that was not escaped
    if name in _SENT_AS_JSON or (name in _MULTIPART and DICOM_JSON in parameters):
        return DICOM_JSON
    if name == DICOM_XML:
        return DICOM_XML
    return MULTIPART if name in _MULTIPART else None


def _weight(media_range: str) -> float:
    """Weight of a media range (RFC 9110 12.4.2)."""
    found = _WEIGHT.search(media_range.lower())
    return float(found[1]) if found else 1.0


def dataset_response(dataset: Dataset, media_type: str) -> Response:
    """One dataset: a JSON array of one, or XML, in one part unless parts were asked for (PS3.18 11.5.3.3)."""
    if media_type == DICOM_XML:
        return Response(to_xml(dataset), media_type=DICOM_XML)
    return datasets_response([dataset], media_type)


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
    return Response(body, status, headers={**(headers or {}), "Content-Type": f"{MULTIPART}; boundary={boundary}"})


def accepts_gzip(request: Request) -> bool:
    """Whether the Accept-Encoding header names gzip with a weight (RFC 9110 12.5.3)."""
    codings = request.headers.get("accept-encoding", "").split(",")
    return any(each.partition(";")[0].strip().lower() == "gzip" and _weight(each) > 0.0 for each in codings)


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
    """Whole body, unpacked where it came compressed; no more of it is held than may be read."""
    unpack = _unpacker(request.headers.get("content-encoding", "identity").strip().lower())
    received = bytearray()
    async for chunk in request.stream():
        received += unpack(chunk, LARGEST_BODY_BYTES + 1 - len(received))
        if len(received) > LARGEST_BODY_BYTES:
            raise TooLarge(f"a workitem may have {LARGEST_BODY_BYTES} bytes")
    return bytes(received)


def _unpacker(coding: str) -> Callable[[bytes, int], bytes]:
    """Function that unpacks a part of a body, at most so many bytes of it (RFC 9110 8.4)."""
    if coding in ("identity", ""):
        return lambda chunk, _limit: chunk
    if coding not in _WINDOW_BITS:
        raise UnsupportedMedia("only gzip and deflate are unpacked", remedy="Send the body as it is.")
    unpacking = zlib.decompressobj(_WINDOW_BITS[coding])

    def unpack(chunk: bytes, limit: int) -> bytes:
        try:
            return unpacking.decompress(chunk, limit)
        except zlib.error as error:
            raise WorkitemInvalid(Refusal.INVALID_VALUE, detail=f"the body is not {coding}") from error

    return unpack


MediaType = Annotated[str, Depends(chosen_media_type)]
Body = Annotated[Any, Depends(read_dataset)]
