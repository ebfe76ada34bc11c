"""Trace context (W3C): one line that says to which trace a request belongs. It is handed on as it came."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

HEADER = "traceparent"

PATTERN = r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z"

Traceparent = Annotated[str, msgspec.Meta(pattern=PATTERN)]
"""Version, trace, parent and flags: Trace Context, section 3.2."""


def read(text: str | None) -> str | None:
    """The header's value; None where there is none, or one that nobody is to look at."""
    return text if text is not None and re.match(PATTERN, text) else None


def trace_of(traceparent: str | None) -> str | None:
    """The trace that it names."""
    return None if traceparent is None else traceparent.split("-")[1]
