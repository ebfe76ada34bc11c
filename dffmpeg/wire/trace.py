"""Trace context (W3C): one line that says to which trace something belongs, and to which part of it.

Where nobody exports spans it is handed on as it came. Where somebody does, each part of a job has an id that
follows from the job's: nothing has to be remembered, and any process finds the same one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

import msgspec

HEADER = "traceparent"

VARIABLE = "TRACEPARENT"
"""The environment variable by which a caller says to which trace its children belong."""

PATTERN = r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z"

Traceparent = Annotated[str, msgspec.Meta(pattern=PATTERN)]
"""Version, trace, parent and flags: Trace Context, section 3.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A span's place.

    Attributes:
        trace, span: as the header has them, 32 and 16 hexadecimal digits.
        sampled: whether whoever began the trace records it.
    """

    trace: str
    span: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """The traceparent for whatever belongs below it."""
        return f"00-{self.trace}-{self.span}-{1 if self.sampled else 0:02}"

    def part(self, *subject: object) -> Context:
        """The place of a span of the same trace that is about something; the same for the same."""
        return Context(trace=self.trace, span=_identifier(16, self.trace, *subject), sampled=self.sampled)


def read(text: str | None) -> str | None:
    """The header's value; None where there is none, or one that nobody is to look at."""
    return text if text is not None and re.match(PATTERN, text) else None


def trace_of(traceparent: str | None) -> str | None:
    """The trace that it names."""
    return None if traceparent is None else traceparent.split("-")[1]


def parse(traceparent: str | None) -> Context | None:
    """What it says."""
    if read(traceparent) is None or traceparent is None:
        return None
    _, trace, span, flags = traceparent.split("-")
    return Context(trace=trace, span=span, sampled=bool(int(flags, 16) & 1))


def job_context(job_id: str, traceparent: str | None) -> Context:
    """A job's own place: in its submitter's trace, or in one of its own."""
    submitter = parse(traceparent) or Context(trace=_identifier(32, "trace", job_id), span="0" * 16)
    return submitter.part("job", job_id)


def _identifier(digits: int, *subject: object) -> str:
    # Nothing but zeros would be none; that is not worth more than one chance in 2**64.
    return hashlib.sha256("\0".join(map(str, subject)).encode()).hexdigest()[:digits]
