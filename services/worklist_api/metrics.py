"""Metrics of the API and of the worklist's standing. No label names a patient."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plumbline.observability.exposure import exposed_registry
from plumbline.worklist.desk import Worklist
from plumbline.worklist.states import State

CONTENT_TYPE = CONTENT_TYPE_LATEST

REQUESTS = Counter("plumbline_api_requests", "Requests by route and status.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "plumbline_api_request_seconds",
    "Time to answer a request.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


class RequestMetrics:
    """ASGI middleware that counts and times requests by route, never by address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(scope["method"], route, str(status)).inc()
            REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)


class WorklistStanding(Collector):
    """Workitems by state and priority, and the age of the oldest that waits, read when asked."""

    def __init__(self, worklist: Worklist, now: datetime) -> None:
        self._worklist = worklist
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the standing once."""
        count = GaugeMetricFamily(
            "plumbline_worklist_workitems", "Workitems by state and priority.", labels=["state", "priority"]
        )
        oldest = GaugeMetricFamily(
            "plumbline_worklist_oldest_seconds", "Age of the oldest workitem that waits.", labels=["priority"]
        )
        for group in self._worklist.standing():
            count.add_metric([group.state.value, group.priority], group.count)
            if group.state is State.SCHEDULED:
                oldest.add_metric([group.priority], (self._now - group.oldest_created_at).total_seconds())
        yield count
        yield oldest


def exposition(worklist: Worklist, now: datetime, standing: Collector | None = None) -> bytes:
    """Text of all metrics: those of every process where they share a folder, else of this one.

    Parameters
    ----------
    standing
        What the store says of queues, exams and deliveries.
    """
    own = CollectorRegistry()
    own.register(WorklistStanding(worklist, now))
    if standing is not None:
        own.register(standing)
    return generate_latest(exposed_registry()) + generate_latest(own)
