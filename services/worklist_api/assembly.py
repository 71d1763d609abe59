"""The areas of the API as one application, on any context: the real one or one for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog
from anyio import create_task_group, sleep
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool

from plumbline import __version__
from plumbline.errors import PlumblineError
from services.worklist_api import health, problems
from services.worklist_api.assets import STATIC, BuiltAssets, StaticPages
from services.worklist_api.board import endpoints as board
from services.worklist_api.board import live
from services.worklist_api.context import Context
from services.worklist_api.fhir import endpoints as fhir
from services.worklist_api.fhir import messages
from services.worklist_api.metrics import RequestMetrics
from services.worklist_api.operator import endpoints as operator
from services.worklist_api.pages import endpoints as pages
from services.worklist_api.pages.rendering import BUILT
from services.worklist_api.readers import endpoints as readers
from services.worklist_api.readings import endpoints as readings
from services.worklist_api.rules import endpoints as rules
from services.worklist_api.security import SecurityHeaders
from services.worklist_api.studies import endpoints as studies
from services.worklist_api.trends import endpoints as trends
from services.worklist_api.ups import capabilities, channel, statuses, subscriptions
from services.worklist_api.ups import endpoints as ups
from services.worklist_api.ups.ready import ReadySearches
from services.worklist_api.viewer import endpoints as viewer
from services.worklist_api.viewer import landmarks, radiographs

EVENTS_KEPT = timedelta(days=7)
"""How long an event waits for a subscriber that is away."""

_EXPIRE_EVERY_S = 3600.0


def serve(context: Context, *, on_stop: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application on anything that satisfies the context's ports."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with create_task_group() as chores:
            chores.start_soon(_expire_events, context)
            chores.start_soon(_read_board, context)
            yield
            chores.cancel_scope.cancel()
        on_stop()

    app = FastAPI(
        title=context.title,
        version=__version__,
        summary="UPS-RS, JSON and pages of the postoperative spine worklist.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    app.openapi = lambda: described(app)
    problems.install(app, page=pages.problem_page)
    statuses.install(app)
    app.add_middleware(ReadySearches, route=ups.search_route())
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics)
    of_pages = (readers, viewer, landmarks, radiographs, board, live, trends, operator, rules, pages)
    for area in (ups, subscriptions, channel, capabilities, readings, *of_pages):
        app.include_router(area.router)
    if context.studies is not None:
        app.include_router(studies.router)
    if context.fhir is not None:
        app.include_router(fhir.router)
        app.include_router(messages.router)
    app.include_router(health.router)
    app.mount("/assets", BuiltAssets(BUILT), name="assets")
    app.mount("/static", StaticPages(directory=STATIC), name="static")
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI document that says what is really answered: problem details, and 400 where the framework says 422."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        refused = {"description": "The request cannot be used", "content": {"application/problem+json": {}}}
        for operation in (operation for path in schema["paths"].values() for operation in path.values()):
            if operation["responses"].pop("422", None):
                operation["responses"]["400"] = refused
        app.openapi_schema = schema
    return app.openapi_schema


async def _read_board(context: Context) -> None:
    """Read the board before the first reader asks; whoever asks tries again where the store is away now."""
    with suppress(PlumblineError):
        await run_in_threadpool(context.board.refresh)


async def _expire_events(context: Context) -> None:
    """Drop events that nobody fetched for too long, now and every hour."""
    log = structlog.get_logger("plumbline.api")
    while True:
        try:
            dropped = await run_in_threadpool(context.subscriptions.expire, context.now() - EVENTS_KEPT)
            if dropped:
                log.warning("events expired", count=dropped)
        except PlumblineError as error:
            log.warning("events could not be expired", error=str(error))
        await sleep(_EXPIRE_EVERY_S)
