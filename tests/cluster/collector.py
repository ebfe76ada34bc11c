"""A small OpenTelemetry collector: takes OTLP over HTTP, and keeps what it was told."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.cluster.kit import GUARD


@dataclass(frozen=True)
class Received:
    """A span as it arrived; ids in hexadecimal, times in seconds."""

    name: str
    service: str
    instance: str
    trace: str
    id: str
    parent: str
    begin: float
    end: float
    kind: str
    failed: bool
    text: str
    attributes: dict[str, object] = field(default_factory=dict)


class Collector:
    """Listens on a free port from entering to leaving.

    Attributes:
        headers: of each request.
    """

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._spans: list[Received] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self, number: int) -> list[Received]:
        """What has arrived, once it is so many."""
        give_up = time.monotonic() + GUARD
        with self._arrived:
            while len(self._spans) < number:
                assert self._arrived.wait(give_up - time.monotonic()), self._spans
            return list(self._spans)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert path == "/v1/traces"
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        found = [
            _received(dict(_attributes(group.resource.attributes)), span)
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self.headers.append({name.lower(): value for name, value in headers.items()})
            self._spans += found
            self._arrived.notify_all()


def _received(resource: dict[str, object], span: ProtoSpan) -> Received:
    return Received(
        name=span.name,
        service=str(resource["service.name"]),
        instance=str(resource["service.instance.id"]),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begin=span.start_time_unix_nano / 1e9,
        end=span.end_time_unix_nano / 1e9,
        kind=ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        text=span.status.message,
        attributes=dict(_attributes(span.attributes)),
    )


def _attributes(pairs: Iterable[KeyValue]) -> Iterator[tuple[str, object]]:
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        yield pair.key, getattr(pair.value, kind)
