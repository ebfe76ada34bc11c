"""The one place where errors become answers: an HTTP status, or a WebSocket's close code."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus

import trio
from quart import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from dffmpeg.actors import ActorError
from dffmpeg.actors.coordinator.endurance import is_gone
from dffmpeg.actors.coordinator.operations import (
    Conflict,
    Elsewhere,
    Forbidden,
    NotFound,
    TooMany,
    Unavailable,
)
from dffmpeg.actors.coordinator.refusals import DatabaseGone
from dffmpeg.errors import BadInput, MalformedInput
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.web import versions
from dffmpeg.web.answers import json_answer
from dffmpeg.web.connections import MessageTooLarge, Misdirected, WrongKind
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web")

RETRY_AFTER = 1.0
"""Seconds that a caller should wait where the error does not say."""

CLOSE_RESTART = 1012
"""RFC 6455's registry: service restart. The client connects again."""

CLOSE_LATER = 1013
"""The same registry: try again later."""

CLOSE_INTERNAL_ERROR = 1011
CLOSE_POLICY = 1008
CLOSE_UNSUPPORTED = 1003
CLOSE_TOO_LARGE = 1009
CLOSE_UNAUTHORIZED = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_NOT_FOUND = 4404
CLOSE_CONFLICT = 4409


class HomeAway(Unavailable):
    """The coordinator that has to answer could not be reached."""


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (SignatureError, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (MalformedInput, 400),
    (BadInput, 422),
    (Misdirected, 421),
    (TooMany, 429),
    (Unavailable, 503),
    (ActorError, 503),
    (StoreUnavailable, 503),
    (trio.TooSlowError, 503),
)
"""The first that fits counts."""

TEMPORARY = (Unavailable, ActorError, StoreUnavailable, trio.TooSlowError)
"""What another try may not meet."""

_CLOSE_CODE_OF_ERROR: dict[type[BaseException], int] = {
    WrongKind: CLOSE_UNSUPPORTED,
    MessageTooLarge: CLOSE_TOO_LARGE,
    Elsewhere: CLOSE_RESTART,
}
"""An error of a class derived from one of these has its code too."""

_CLOSE_CODE = {
    401: CLOSE_UNAUTHORIZED,
    400: CLOSE_POLICY,
    422: CLOSE_POLICY,
    403: CLOSE_FORBIDDEN,
    404: CLOSE_NOT_FOUND,
    409: CLOSE_CONFLICT,
    429: CLOSE_LATER,
    503: CLOSE_INTERNAL_ERROR,
}


def _status(error: BaseException) -> int | None:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def _detail(error: BaseException, status: int) -> str:
    if is_gone(error) or is_gone(error.__cause__ or error):
        return str(DatabaseGone())
    if status == 503 and not isinstance(error, Unavailable):
        # What an actor's or the database's error says is about the inside.
        return "not available at the moment; try again"
    return str(error)


def unwrap(error: BaseException) -> BaseException:
    """The one error of a group that holds no other; a group of several as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def answer(error: BaseException, *, request: str) -> Response:
    """The HTTP answer to what a handler raised.

    Args:
        request: method and path, for the log.

    Raises:
        BaseException: the error itself, if it is no `Exception`: it is not ours to answer.
    """
    error = unwrap(error)
    if isinstance(error, HTTPException):
        return _http(error, request)
    status, detail = problem(error, request=request)
    reply = _reply(status, detail, request)
    if status in (429, 503):
        reply.headers["Retry-After"] = str(math.ceil(retry_after(error)))
    if status == 401:
        # RFC 9110, section 11.6.1, wants the scheme named.
        reply.headers["WWW-Authenticate"] = "dffmpeg-hmac-sha256"
    return reply


def retry_after(error: BaseException) -> float:
    """Seconds that the caller should wait before it tries again."""
    error = unwrap(error)
    return error.retry_after if isinstance(error, TooMany | Unavailable) else RETRY_AFTER


def problem(error: BaseException, *, request: str) -> tuple[int, str]:
    """The HTTP status and the sentence for what an operation raised; logs what is not the caller's fault.

    Raises:
        BaseException: as `answer` does.
    """
    error = unwrap(error)
    if not isinstance(error, Exception):
        raise error
    status = _status(error)
    if status is None:
        logger.error("%s failed", request, exc_info=error)
        return 500, "internal error"
    if status == 503:
        # Of the absence of the database, or of another coordinator, there is a line already.
        level = logging.DEBUG if is_gone(error) or isinstance(error, HomeAway) else logging.INFO
        logger.log(level, "%s was put off: %r", request, error)
    return status, _detail(error, status)


def _reply(status: int, detail: str, request: str) -> Response:
    path = request.partition(" ")[2]
    if versions.versioned(path):
        return versions.problem(status, detail, path)
    return json_answer({"detail": detail}, status)


def _http(error: HTTPException, request: str) -> Response:
    status = error.code or 500
    reply = _reply(status, HTTPStatus(status).phrase.lower(), request)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        reply.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return reply


def close(error: BaseException, *, request: str) -> tuple[int, str]:
    """The WebSocket close code and reason for what a handler raised; raises as `answer` does."""
    error = unwrap(error)
    if not isinstance(error, Exception):
        raise error
    status = _status(error)
    if status is None:
        logger.error("%s failed", request, exc_info=error)
        return CLOSE_INTERNAL_ERROR, "internal error"
    codes = (code for kind, code in _CLOSE_CODE_OF_ERROR.items() if isinstance(error, kind))
    return next(codes, None) or _CLOSE_CODE[status], _detail(error, status)
