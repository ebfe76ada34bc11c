"""Spans of attempts: of each one from its arrival to its end, and of its program below that."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from dffmpeg.model.retries import ended_with
from dffmpeg.telemetry import Kind, Span, Telemetry, known
from dffmpeg.wire.trace import Context, parse
from dffmpeg.wire.workers import JobRequest


class Chronicle:
    """Of one attempt; begins when it is made. Tells nothing of one that belongs to no trace."""

    def __init__(self, telemetry: Telemetry, request: JobRequest) -> None:
        self._telemetry = telemetry
        self._request = request
        self._begin = time.time()
        self._parent = parse(request.traceparent) if telemetry.enabled else None

    def ended(self, error: str | None) -> None:
        """The attempt is over.

        Args:
            error: why it came to nothing, where that was not its program's doing.
        """
        if self._parent is None:
            return
        attributes = known(
            dffmpeg__job__id=self._request.job_id,
            dffmpeg__attempt=self._request.attempt,
            error__type=None if error is None else "attempt_failed",
        )
        span = Span(
            name="attempt",
            context=self._place(self._parent),
            parent=self._parent,
            begin=self._begin,
            end=time.time(),
            kind=Kind.CONSUMER,
            attributes=attributes,
            error=error,
        )
        self._telemetry.emit(span)

    def program_ended(
        self, arguments: Sequence[bytes], begin: float, pid: int, exit_code: int | None, signal: int | None
    ) -> None:
        """Its program is over.

        Args:
            arguments: as it was called; told only where the configuration allows that.
            begin: when it was started, Unix seconds.
        """
        if self._parent is None:
            return
        place = self._place(self._parent)
        failed = signal is not None or exit_code != 0
        attributes = known(
            dffmpeg__job__id=self._request.job_id,
            process__executable__name=self._request.binary_name,
            process__pid=pid,
            process__exit__code=exit_code,
            error__type=("signal" if signal is not None else "exit_code") if failed else None,
            process__command_line=_line(arguments) if self._telemetry.command_lines else None,
        )
        span = Span(
            name=f"run {self._request.binary_name}",
            context=place.part("program"),
            parent=place,
            begin=begin,
            end=time.time(),
            attributes=attributes,
            error=f"its program ended with {ended_with(exit_code, signal)}" if failed else None,
        )
        self._telemetry.emit(span)

    def _place(self, parent: Context) -> Context:
        return parent.part("attempt", self._request.job_id, self._request.attempt)


def _line(arguments: Sequence[bytes]) -> str:
    return " ".join(os.fsdecode(argument).encode("utf-8", "replace").decode() for argument in arguments)
