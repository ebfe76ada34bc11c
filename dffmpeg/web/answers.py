"""What answers look like."""

from __future__ import annotations

from typing import Any

from quart import Response

from dffmpeg.wire import codec


def json_answer(value: Any, status: int = 200) -> Response:
    """A struct, or plain values, as JSON that nobody may cache."""
    reply = Response(codec.encode(value), status, content_type="application/json")
    reply.headers["Cache-Control"] = "no-store"
    return reply
