"""From our errors to HTTP, in one table; bodies are problem details (RFC 9457).

UPS-RS adds the Warning header that PS3.18 wants; its own table is in ``ups.statuses``.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from plumbline.errors import (
    AnalysisFailed,
    Conflict,
    InvalidInput,
    Misconfigured,
    OutOfCapacity,
    PlumblineError,
    Unavailable,
)


class NotFound(InvalidInput):
    """The address names something that is not there."""


class Forbidden(InvalidInput):
    """The request does not come from one of our own pages, or who sends it is not known."""


class NotAcceptable(InvalidInput):
    """None of the media types that the client accepts can be sent."""


class UnsupportedMedia(InvalidInput):
    """The body is of a media type that is not read here."""


class TooLarge(InvalidInput):
    """The body is larger than what is read here."""


STATUS_OF: dict[type[PlumblineError], tuple[int, str]] = {
    Forbidden: (403, "This is not allowed"),
    NotFound: (404, "There is nothing here"),
    NotAcceptable: (406, "This media type cannot be sent"),
    TooLarge: (413, "The body is too large"),
    UnsupportedMedia: (415, "This media type cannot be read"),
    InvalidInput: (400, "The request cannot be used"),
    Conflict: (409, "The request contradicts what is stored"),
    Unavailable: (503, "Another system does not answer"),
    OutOfCapacity: (503, "Too much at once"),
    AnalysisFailed: (500, "The analysis failed"),
    Misconfigured: (500, "The settings are wrong"),
}
"""HTTP status and title of every kind of error; the nearest class counts."""

ProblemPage = Callable[[Request, int, str, str | None], Response]
"""Makes a page of status, title and detail."""

RETRY_AFTER_S = 5
"""When a client may try again after 503."""


def status_of(error: PlumblineError) -> tuple[int, str]:
    """Status and title of an error, by the nearest class in the table."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def problem(status: int, title: str, detail: str | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """Problem details as a response."""
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI, page: ProblemPage) -> None:
    """Answer every error of ours, of the framework and of the unexpected kind; people get a page of it."""
    app.state.problem_page = page
    app.add_exception_handler(PlumblineError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(Exception, _answer_unexpected)


def _answer(
    request: Request, status: int, title: str, detail: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Problem details, or a page where a browser asks."""
    if "text/html" not in request.headers.get("accept", ""):
        return problem(status, title, detail, headers)
    response = request.app.state.problem_page(request, status, title, detail)
    response.headers.update(headers or {})
    return response


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlumblineError)
    status, title = status_of(error)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return _answer(request, status, title, str(error), headers)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return _answer(request, 400, "The request cannot be used", detail)


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    structlog.get_logger("plumbline.api").error(
        "request failed", path=request.url.path, error=type(error).__name__, exc_info=error
    )
    return _answer(request, 500, "Something went wrong here", "The failure is in the log of the worklist API.")
