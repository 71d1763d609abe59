"""A span for each request to the API, by its route. Addresses are left out: searches have patients' names in them.

Starlette's own middleware for OpenTelemetry is not used, for it writes them down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plumbline.observability.tracing import Place, Span, SpanKind, Tracing, exam_place, new_place

UNMATCHED = "unmatched"
NOT_TRACED = ("/health", "/metrics", "/assets", "/static")
"""Beginnings of what machines ask for every few seconds, and of files that pages are made of."""


class RequestTraces:
    """ASGI middleware that traces requests; one about an exam is linked to the exam's trace."""

    def __init__(self, app: ASGIApp, *, tracing: Tracing, now: Callable[[], datetime]) -> None:
        self._app = app
        self._tracing = tracing
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"].startswith(NOT_TRACED):
            await self._app(scope, receive, send)
            return
        began_at, status = self._now(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._tracing.record(_span(scope, status, began_at, self._now()))


def _span(scope: Scope, status: int, began_at: datetime, ended_at: datetime) -> Span:
    route = getattr(scope.get("route"), "path", UNMATCHED)
    return Span(
        name=f"{scope['method']} {route}",
        place=new_place(),
        began_at=began_at,
        ended_at=ended_at,
        kind=SpanKind.SERVER,
        attributes={
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
        },
        has_failed=status >= 500,
        link=_exam(scope),
    )


def _exam(scope: Scope) -> Place | None:
    uid = scope.get("path_params", {}).get("study_instance_uid")
    return exam_place(uid) if uid else None
