"""What a handler may ask of the request that it serves. Everything is validated; errors name the field."""

from __future__ import annotations

import math
from typing import TypeVar, cast

from quart import g, has_websocket_context, request, websocket
from werkzeug.datastructures import MultiDict

from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web.connections import BODY_KEY, SOCKET_KEY, RequestBody, Scope, Socket
from dffmpeg.wire import codec, times

T = TypeVar("T")

MAX_WAIT = 60.0
"""Longest that a poll may ask to be held, seconds."""

PAGING = ("offset", "cursor", "sort")
"""Parameters of lists by pages."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def caller() -> Identity:
    """Who signed the request; only for routes that want a signature."""
    return cast("Identity", g.identity)


def describe() -> str:
    """Method and path, for logs: without the query, which is a user's business."""
    if has_websocket_context():
        return f"WEBSOCKET {websocket.path}"
    return f"{request.method} {request.path}"


def request_body() -> RequestBody:
    """The body of the HTTP request in hand."""
    return cast("RequestBody", cast("Scope", request.scope)[BODY_KEY])


def socket() -> Socket:
    """The WebSocket in hand."""
    return cast("Socket", cast("Scope", websocket.scope)[SOCKET_KEY])


def body(kind: type[T], *, empty: T | None = None) -> T:
    """The JSON body as a struct.

    Args:
        empty: what stands for no body at all; None if there has to be one.

    Raises:
        MalformedInput: it is not JSON.
        BadInput: it does not fit.
    """
    content = request_body().content
    if not content and empty is not None:
        return empty
    return codec.decode(content, kind)


def _arguments() -> MultiDict[str, str]:
    """The query string, of whichever is in hand."""
    return websocket.args if has_websocket_context() else request.args


def number(name: str, default: float, *, maximum: float, minimum: float = 0.0) -> float:
    """A finite number from the query string; raises BadInput if it is none, or out of bounds."""
    text = _arguments().get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadInput(f"{name}: expected a number") from None
    # A NaN is not between any bounds, but only if it is asked in this way.
    if not (math.isfinite(value) and minimum <= value <= maximum):
        raise BadInput(f"{name}: expected a number from {minimum:g} to {maximum:g}")
    return value


def whole_number(name: str, default: int, *, maximum: int, minimum: int = 1) -> int:
    """A whole number from the query string; raises BadInput as `number` does."""
    value = number(name, default, minimum=minimum, maximum=maximum)
    if value != int(value):
        raise BadInput(f"{name}: expected a whole number")
    return int(value)


def text(name: str, *, longest: int = 128) -> str | None:
    """A text from the query string; None if it is missing or empty."""
    value = _arguments().get(name) or None
    if value is not None and len(value) > longest:
        raise BadInput(f"{name}: at most {longest} characters")
    return None if value is None else _without_nul(name, value)


def moment(name: str) -> float | None:
    """A time from the query string, Unix seconds; None if it is missing or empty."""
    value = text(name)
    if value is None:
        return None
    try:
        return times.from_wire(value)
    except (ValueError, OverflowError):
        raise BadInput(f"{name}: expected a time such as 2026-01-31T12:00:00Z") from None


def names(name: str) -> list[str]:
    """Names behind commas in the query string; none if it is missing or empty."""
    value = _arguments().get(name, "")
    if len(value) > 4096:
        raise BadInput(f"{name}: at most 4096 characters")
    return [part for part in _without_nul(name, value).split(",") if part]


def refuse_paging(instead: str) -> None:
    """For a list that is one array: what asks for a page is not left unheard, or each page would be all.

    Args:
        instead: the route that has pages.
    """
    for name in PAGING:
        if name in _arguments():
            raise BadInput(f"{name}: this list has no pages; {instead} has")


def _without_nul(name: str, value: str) -> str:
    # Not every database takes it for a question.
    if "\0" in value:
        raise BadInput(f"{name}: expected a string without a NUL character")
    return value


def flag(name: str, default: bool | None = None) -> bool | None:
    """A truth value from the query string; raises BadInput if it is none."""
    value = _arguments().get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise BadInput(f"{name}: expected true or false")
