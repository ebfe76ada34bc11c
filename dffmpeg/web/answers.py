"""What answers look like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quart import Response

from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame


def json_answer(value: Any, status: int = 200) -> Response:
    """A struct, or plain values, as JSON that nobody may cache."""
    reply = Response(codec.encode(value), status, content_type="application/json")
    reply.headers["Cache-Control"] = "no-store"
    return reply


def frames_answer(pieces: Iterable[Frame]) -> Response:
    """Frames, one behind the other."""
    reply = Response(b"".join(map(frames.encode, pieces)), content_type="application/octet-stream")
    reply.headers["Cache-Control"] = "no-store"
    return reply
