"""What travels on a worker's WebSocket besides downlink messages: calls and their replies, and streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from dffmpeg.errors import BadInput
from dffmpeg.wire import frames
from dffmpeg.wire.frames import HEADER_BYTES, Frame
from dffmpeg.wire.workers import AttemptRef

JOB_ID_BYTES = 26
"""A job's id, a ULID in ASCII, stands in front of each message of frames."""

MAX_MESSAGE = (1 << 20) + JOB_ID_BYTES
"""Largest message of frames that either side sends, bytes: what is in it fits into a follower's message."""

MAX_PAYLOAD = MAX_MESSAGE - JOB_ID_BYTES - HEADER_BYTES
"""What a message can hold of a single stream."""

VERSION = 1
"""In a downlink's metadata as `link`: the coordinator speaks this on its WebSocket."""

CallRoute = Literal["accept", "reject", "heartbeat", "finish"]


class Call(msgspec.Struct, kw_only=True):
    """A worker's report: its number, and what the route of that name takes as its body."""

    call: int
    route: CallRoute
    job_id: str
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Reply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to the call of that number: a status as HTTP has it, and a sentence where it is not 200."""

    reply: int
    status: int
    detail: str | None = None
    body: msgspec.Raw | None = None


class Fenced(msgspec.Struct, kw_only=True):
    """Frames came for an attempt that is not, or no longer, this worker's."""

    fenced: AttemptRef


def parts(job_id: str, pieces: Iterable[Frame]) -> list[bytes]:
    """Frames of a job as one message, whose parts were not put together yet."""
    found = [job_id.encode("ascii")]
    for frame in pieces:
        found += (frames.header(frame), frame.payload)
    return found


def pack(job_id: str, pieces: Iterable[Frame]) -> bytes:
    """Frames of a job as one message."""
    return b"".join(parts(job_id, pieces))


def unpack(message: bytes) -> tuple[str, list[Frame]]:
    """The job and its frames, all of one attempt.

    Raises:
        BadInput: it is no such message.
    """
    try:
        job_id = message[:JOB_ID_BYTES].decode("ascii")
    except UnicodeDecodeError:
        raise BadInput("message: expected a job's id") from None
    pieces = list(frames.decode_all(memoryview(message)[JOB_ID_BYTES:]))
    if len(job_id) < JOB_ID_BYTES or not pieces:
        raise BadInput("message: expected a job's id and frames")
    if any(frame.attempt != pieces[0].attempt for frame in pieces):
        raise BadInput("message: expected frames of one attempt")
    return job_id, pieces
