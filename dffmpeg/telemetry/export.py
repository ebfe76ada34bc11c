"""Spans to an OpenTelemetry collector: the only file that knows opentelemetry.

Where the collector is, and all else, the standard's own environment variables say:
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_* and the like.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dffmpeg import __version__
from dffmpeg.errors import ConfigurationError
from dffmpeg.telemetry import OFF, Kind, Span, Telemetry
from dffmpeg.wire.trace import Context

FLUSH = 5.0
"""Seconds that the end of the process waits for what was not sent yet."""

INSTALL = "pip install 'dffmpeg[opentelemetry]'"


@contextmanager
def telemetry(*, enabled: bool, command_lines: bool, service: str, instance: str) -> Iterator[Telemetry]:
    """What takes spans, around the life of a process; leaving sends the rest, in `FLUSH` seconds at most.

    Args:
        service: the service's name, unless the environment gives another.
        instance: tells it from others of the same service.

    Raises:
        ConfigurationError: the extra is not installed, or a variable cannot be used.
    """
    if not enabled or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield OFF
        return
    exporter = _exporter(command_lines, service, instance)
    try:
        yield exporter
    finally:
        exporter.close(FLUSH)


def _exporter(command_lines: bool, service: str, instance: str) -> Exporter:
    try:
        return Exporter(command_lines, service, instance)
    except ImportError as error:
        raise ConfigurationError(
            f"telemetry.enabled: {error.name or 'opentelemetry'} is not installed: {INSTALL}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"telemetry.enabled: an OTEL_ variable cannot be used: {error}") from error


class Exporter:
    """Hands spans to OpenTelemetry's SDK, whose thread sends them.

    Between the two is a queue of OTEL_BSP_MAX_QUEUE_SIZE spans (2048); what does not fit is dropped.
    """

    enabled = True

    def __init__(self, command_lines: bool, service: str, instance: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator

        class Ids(IdGenerator):
            """Ours, which follow from what a span is about; one task makes a span at a time."""

            next = Context(trace="0" * 32, span="0" * 16)

            def generate_span_id(self) -> int:
                return int(self.next.span, 16)

            def generate_trace_id(self) -> int:
                return int(self.next.trace, 16)

        self.command_lines = command_lines
        self._api = trace
        self._ids = Ids()
        resource = Resource.create({"service.version": __version__, "service.instance.id": instance})
        if "OTEL_SERVICE_NAME" not in os.environ and "service.name=" not in os.environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        ):
            resource = resource.merge(Resource({"service.name": service}))
        self._provider = TracerProvider(id_generator=self._ids, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("dffmpeg", __version__)
        self._kinds = {kind: trace.SpanKind[kind.name] for kind in Kind}

    def emit(self, span: Span) -> None:
        """Take one; see `Telemetry`."""
        if not span.context.sampled:
            return
        api = self._api
        self._ids.next = span.context
        made = self._tracer.start_span(
            span.name,
            context=self._context(span.parent),
            kind=self._kinds[span.kind],
            attributes=span.attributes,
            start_time=_nanoseconds(span.begin),
        )
        if span.error is not None:
            made.set_status(api.Status(api.StatusCode.ERROR, span.error))
        made.end(_nanoseconds(max(span.begin, span.end)))

    def _context(self, parent: Context | None):  # type: ignore[no-untyped-def]
        api = self._api
        if parent is None:
            return api.set_span_in_context(api.INVALID_SPAN)
        place = api.SpanContext(
            int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=api.TraceFlags(1)
        )
        return api.set_span_in_context(api.NonRecordingSpan(place))

    def close(self, timeout: float) -> None:
        """Send what is left, for so many seconds at most."""
        # The SDK's own bound is half a minute, and a request under way may go beyond it.
        last = threading.Thread(target=self._provider.shutdown, name="telemetry's end", daemon=True)
        last.start()
        last.join(timeout)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
