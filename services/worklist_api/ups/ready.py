"""The short way to the usual search: answered before routing and validation, which take longer than the answer itself.

Whatever is not the usual search, and whatever is wrong with one, goes the long way and is answered there.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from plumbline.errors import PlumblineError
from plumbline.worklist.attributes import RETURNED_BY_SEARCH
from plumbline.worklist.matching import Query
from services.worklist_api.ups.found import Answer, found_answers
from services.worklist_api.ups.media import DICOM_JSON, accepts_gzip, chosen_media_type
from services.worklist_api.ups.schemas import read_query, returned_tags
from services.worklist_api.ups.statuses import warning

QUERIES_READ = 256
"""Different query strings that are read once and not for every reader."""

MORE = {"Warning": warning("There are additional results that can be requested.")}


class ReadySearches:
    """ASGI middleware that answers searches for the usual attributes in DICOM JSON.

    Parameters
    ----------
    app
        What answers all else.
    route
        Route of the search in that application; requests are counted by it.
    """

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"] == self._route.path and scope["method"] == "GET":
            response = await _usual_answer(Request(scope))
            if response is not None:
                scope["route"] = self._route
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _usual_answer(request: Request) -> Response | None:
    """Answer to the usual search; None where it has to go the long way."""
    try:
        query = usual_query(request.scope["query_string"])
        if query is None or await chosen_media_type(request) != DICOM_JSON:
            return None
        return _response(request, await found_answers(request).answer(query))
    except PlumblineError:
        return None


@lru_cache(maxsize=QUERIES_READ)
def usual_query(query_string: bytes) -> Query | None:
    """Search that a query string asks for; None where it asks for other attributes than the usual ones.

    Raises
    ------
    InvalidInput
        When it cannot be read.
    """
    query = read_query(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    return query if returned_tags(query) == RETURNED_BY_SEARCH else None


def _response(request: Request, answer: Answer) -> Response:
    """The answer, or 304 where the reader has it already (RFC 9110 13.1.2)."""
    if answer.is_empty:
        return Response(status_code=204)
    headers = {"ETag": answer.entity_tag, "Vary": "Accept, Accept-Encoding", **(MORE if answer.has_more else {})}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if answer.entity_tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    status = 206 if answer.has_more else 200
    if not accepts_gzip(request):
        return Response(answer.body, status, headers, media_type=DICOM_JSON)
    headers["Content-Encoding"] = "gzip"
    return Response(answer.compressed, status, headers, media_type=DICOM_JSON)
