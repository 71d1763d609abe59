"""Spans to a collector over OTLP/HTTP, by the OpenTelemetry SDK. The only module that imports it.

Spans wait in a bounded buffer and a thread sends them. Where the collector is away, the oldest are dropped, one line in
the log says so, and one says when it is back.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from plumbline import __version__
from plumbline.observability.tracing import SPANS, Place, Span
from plumbline.settings import TracingSettings
from plumbline.text_files import read_secret

FLUSH_WITHIN_S = 5.0
"""How long a process that ends tries to hand on its spans."""
MAXIMUM_BATCH = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class OtlpTracing:
    """``Tracing`` that exports over OTLP/HTTP.

    Raises ``Misconfigured`` where the file with the token cannot be read.
    """

    def __init__(self, settings: TracingSettings, *, process: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line for each batch; ours are enough
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            resource=_resource(process), id_generator=self._ids, sampler=ALWAYS_ON, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=settings.endpoint, headers=_headers(settings), timeout=settings.timeout_s)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                TellingExporter(exporter, settings.endpoint or ""),
                max_queue_size=settings.maximum_waiting,
                max_export_batch_size=min(MAXIMUM_BATCH, settings.maximum_waiting),
            )
        )
        self._tracer = self._provider.get_tracer("plumbline", __version__)

    def record(self, span: Span) -> None:
        """See ``Tracing.record``."""
        SPANS.labels("made").inc()
        self._ids.give(span.place)
        made = self._tracer.start_span(
            span.name,
            context=_under(span.parent),
            kind=_KINDS[span.kind],
            attributes=dict(span.attributes),
            links=[Link(_context(span.link))] if span.link else None,
            start_time=_nanoseconds(span.began_at),
        )
        if span.has_failed:
            made.set_status(Status(StatusCode.ERROR))
        made.end(_nanoseconds(span.ended_at))

    def stop(self) -> None:
        """See ``Tracing.stop``."""
        stopping = threading.Thread(target=self._provider.shutdown, name="traces-out", daemon=True)
        stopping.start()
        stopping.join(FLUSH_WITHIN_S)


class TellingExporter(SpanExporter):
    """Counts what another exporter sends, and tells once when the collector goes away and once when it is back."""

    def __init__(self, inner: SpanExporter, endpoint: str) -> None:
        self._inner = inner
        self._endpoint = endpoint
        self._is_away = False
        self._log = structlog.get_logger("plumbline.tracing")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what is not taken is lost."""
        outcome = self._inner.export(spans)
        is_away = outcome is not SpanExportResult.SUCCESS
        SPANS.labels("lost" if is_away else "exported").inc(len(spans))
        if is_away and not self._is_away:
            self._log.warning("the collector takes no traces; they are dropped", endpoint=self._endpoint)
        elif self._is_away and not is_away:
            self._log.info("the collector takes traces again", endpoint=self._endpoint)
        self._is_away = is_away
        return outcome

    def shutdown(self) -> None:
        """End the other exporter."""
        self._inner.shutdown()


class _GivenIds(IdGenerator):
    """Identifiers that were decided before the span is made, by the thread that makes it."""

    def __init__(self) -> None:
        self._next = threading.local()

    def give(self, place: Place) -> None:
        self._next.place = place

    def generate_trace_id(self) -> int:
        return self._next.place.trace_id

    def generate_span_id(self) -> int:
        return self._next.place.span_id


def _under(parent: Place | None) -> Context:
    empty = Context()
    return empty if parent is None else set_span_in_context(NonRecordingSpan(_context(parent)), empty)


def _context(place: Place) -> SpanContext:
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _US * 1000


def _resource(process: str) -> Resource:
    """Which process it is, by the conventions of OpenTelemetry; OTEL_RESOURCE_ATTRIBUTES may add to it."""
    return Resource.create(
        {
            "service.namespace": "plumbline",
            "service.name": f"plumbline-{process}",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )


def _headers(settings: TracingSettings) -> dict[str, str] | None:
    if settings.token_file is None:
        return None
    token = read_secret(settings.token_file, what="the file with the token", where="tracing.token_file")
    return {"Authorization": f"Bearer {token}"}
