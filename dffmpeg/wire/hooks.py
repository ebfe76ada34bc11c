"""What a hook's receiver gets: a signed POST of a job's new state."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from dffmpeg.model.jobs import Job
from dffmpeg.wire import codec, times, trace
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.records import job_record

EVENT_HEADER = "x-dffmpeg-event"
TIMESTAMP_HEADER = "x-dffmpeg-timestamp"
SIGNATURE_HEADER = "x-dffmpeg-signature"


class HookEvent(msgspec.Struct, kw_only=True):
    """The body of a call.

    Attributes:
        event: the same in each repetition of the call.
        time: when the state changed, ISO 8601 UTC.
        job: the record as it was then.
    """

    event: str
    time: str
    status: str
    job: JobRecord


def body(event: str, job: Job, now: float) -> bytes:
    """A call's body, for a job that has just come into its state."""
    return codec.encode(
        HookEvent(event=event, time=times.to_wire(now), status=job.state.value, job=job_record(job))
    )


class _Rules(msgspec.Struct):
    traceparent: str | None = None


class _Job(msgspec.Struct):
    rules: _Rules = msgspec.field(default_factory=_Rules)


class _Told(msgspec.Struct):
    """What matters here of a HookEvent, also of one that an older version wrote."""

    job: _Job


def traceparent_of(content: bytes) -> str | None:
    """The trace that a call's job belongs to."""
    return codec.decode(content, _Told).job.rules.traceparent


def headers(
    event: str, content: bytes, secret: str, now: float, traceparent: str | None = None
) -> dict[str, str]:
    """A call's headers.

    Args:
        content: the body.
        secret: the coordinator's; its UTF-8 is the key.
        now: Unix seconds, of this very try.
        traceparent: what the call is a part of; None is what the job came with.
    """
    stamp = str(int(now))
    traceparent = traceparent or traceparent_of(content)
    return {
        **({} if traceparent is None else {trace.HEADER: traceparent}),
        "content-type": "application/json",
        "user-agent": "dffmpeg-hook/1",
        "accept-encoding": "identity",
        EVENT_HEADER: event,
        TIMESTAMP_HEADER: stamp,
        SIGNATURE_HEADER: f"sha256={signature(stamp, content, secret)}",
    }


def signature(stamp: str, content: bytes, secret: str) -> str:
    """HMAC-SHA256 over the time, a dot and the body, in hexadecimal."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
