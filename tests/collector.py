"""A collector of traces for tests: takes OTLP over HTTP on loopback and keeps what the protobuf says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came over the wire, with the process that sent it."""

    process: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, str | int | float]
    linked_traces: tuple[str, ...]


@dataclass
class Collector:
    """What has come so far. A test may hold answers back until ``answers`` is set."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    asked: threading.Event = field(default_factory=threading.Event)
    answers: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, token: str | None, body: bytes) -> None:
        """Keep one request."""
        self.paths.add(path)
        self.tokens.add(token)
        self.bodies.append(body)
        self.spans += _spans(body)


@contextmanager
def run_collector(*, answers: bool = True) -> Iterator[Collector]:
    """A collector on a free port of loopback; without ``answers`` it holds requests until it is told to answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked.set()
            collector.answers.wait(30)
            collector.take(self.path, self.headers.get("Authorization"), body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        if answers:
            collector.answers.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.answers.set()
            server.shutdown()
            thread.join()


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
        process = next(each.value.string_value for each in sent.resource.attributes if each.key == "service.name")
        for span in (span for scope in sent.scope_spans for span in scope.spans):
            yield ReceivedSpan(
                process=process,
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                kind=span.kind,
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                status=span.status.code,
                attributes={each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes},
                linked_traces=tuple(each.trace_id.hex() for each in span.links),
            )
