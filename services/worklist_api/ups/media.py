"""Media types of the Worklist Service (PS3.18 8.7): what was asked for, what is sent, what is read."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import JSONResponse

from plumbline.worklist.refusals import Refusal, WorkitemInvalid
from services.worklist_api.problems import NotAcceptable, TooLarge, UnsupportedMedia

DICOM_JSON = "application/dicom+json"
LARGEST_BODY_BYTES = 8 * 1024 * 1024
"""A workitem of ten thousand referenced instances takes about 2 MB."""

_SENT = frozenset({DICOM_JSON, "application/json", "application/*", "*/*"})
_READ = frozenset({DICOM_JSON, "application/json"})


class DicomJsonResponse(JSONResponse):
    """One dataset or a list of them in the DICOM JSON Model."""

    media_type = DICOM_JSON


def require_acceptable(request: Request) -> None:
    """Check the Accept header, or the query parameter that stands for it (PS3.18 8.3.3.1).

    Raises
    ------
    NotAcceptable
        When DICOM JSON is not among the accepted types.
    """
    given = request.query_params.get("accept") or request.headers.get("accept")
    if not given:
        return
    ranges = [part.partition(";") for part in given.split(",")]
    wanted = {name.strip().lower() for name, _, parameters in ranges if not _is_refused(parameters)}
    if not wanted & _SENT:
        raise NotAcceptable(f"only {DICOM_JSON} can be sent", remedy="Change the Accept header.")


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
        INVALID_VALUE, when it is not JSON or not one dataset.
    """
    body = await _limited_body(request)
    if not body:
        return None
    media_type = request.headers.get("content-type", DICOM_JSON).partition(";")[0].strip().lower()
    if media_type not in _READ:
        raise UnsupportedMedia(f"only {DICOM_JSON} can be read")
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


Acceptable = Depends(require_acceptable)
Body = Annotated[Any, Depends(read_dataset)]


def visible(dataset: dict[str, Any], wanted: frozenset[str] | None) -> dict[str, Any]:
    """Attributes of a dataset that may be sent: the wanted ones, all where None, in order of their tags."""
    return {tag: dataset[tag] for tag in sorted(dataset) if wanted is None or tag in wanted}
