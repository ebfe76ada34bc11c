"""Spans: what happened, from when to when, as part of which trace. Values, and who takes them.

Nothing here is kept open while it lasts: a span is made when what it tells of is over, from times that are
known then. So a coordinator that is restarted, or another one, tells of a job as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from dffmpeg.wire.trace import Context

Attribute = str | int | float | bool


class Kind(Enum):
    """What a span is to what stands beside it, in OpenTelemetry's words."""

    INTERNAL = "internal"
    CLIENT = "client"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that is over.

    Attributes:
        context: its own place in its trace.
        parent: the one that it belongs to; None for the first of a trace.
        begin, end: Unix seconds.
        error: one line, where it failed.
    """

    name: str
    context: Context
    parent: Context | None
    begin: float
    end: float
    kind: Kind = Kind.INTERNAL
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None


class Telemetry(Protocol):
    """Takes spans."""

    @property
    def enabled(self) -> bool:
        """Whether anybody wants them."""

    @property
    def command_lines(self) -> bool:
        """Whether they may tell programs' arguments."""

    def emit(self, span: Span) -> None:
        """Take one. Never waits and never raises; what is too much is dropped."""


class Off:
    """For where nobody wants any."""

    enabled = False
    command_lines = False

    def emit(self, span: Span) -> None:
        """Nothing."""


OFF = Off()


def known(**attributes: Attribute | None) -> dict[str, Attribute]:
    """Attributes without those that are None; `__` in a name stands for a dot."""
    return {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
