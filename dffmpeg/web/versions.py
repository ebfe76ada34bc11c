"""The versioned API: every route once more below /api/v1, with the same handlers and the same access.

What a route of the first dffmpeg answers stays as it is. Below the prefix errors are problem details
(RFC 9457), answers to GET have an ETag, and lists have pages.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Any

import msgspec
from quart import Response, request
from quart.wrappers import Request
from quart_trio import QuartTrio
from werkzeug.routing import Rule

from dffmpeg.wire import codec

PREFIX = "/api/v1"

PROBLEM = "application/problem+json"

UNVERSIONED = frozenset(
    {"/", "/status", "/status/data", "/status/<name>", "/docs", "/docs/<name>", "/redoc", "/openapi.json"}
)
"""Pages for people, and what they load."""


UNTAGGED = frozenset({f"{PREFIX}/session"})
"""Whose answers no browser may keep."""


class Problem(msgspec.Struct, kw_only=True):
    """RFC 9457.

    Attributes:
        type: there is nothing to be said of a problem's type beyond its status.
        title: the status in words.
        detail: what was wrong with this request.
        instance: the request's path.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str


class Alias(Rule):
    """A route's place below the prefix.

    Attributes:
        original: the rule that it stands for.
    """

    original: str
    provide_automatic_options = False


def versioned(path: str) -> bool:
    """Whether a path is below the prefix."""
    return path.startswith(f"{PREFIX}/")


def add_aliases(app: QuartTrio) -> None:
    """Add the alias of every route that has none of its own there."""
    rules = list(app.url_map.iter_rules())
    there = {(method, rule.rule) for rule in rules for method in _methods(rule)}
    for rule in rules:
        path = PREFIX + rule.rule
        if versioned(rule.rule) or rule.rule in UNVERSIONED:
            continue
        methods = _methods(rule) - {method for method, place in there if place == path}
        if not methods:
            continue
        options: dict[str, Any] = {"websocket": True} if rule.websocket else {"methods": methods}
        alias = Alias(path, endpoint=rule.endpoint, strict_slashes=False, **options)
        alias.original = rule.rule
        app.url_map.add(alias)


def _methods(rule: Rule) -> set[str]:
    return {"WEBSOCKET"} if rule.websocket else set(rule.methods or ())


def add_etags(app: QuartTrio) -> None:
    """Give each answer of a versioned route to GET an ETag, and answer 304 where the caller has it."""

    async def tag(response: Response) -> Response:
        if _taggable(request, response):
            digest = hashlib.blake2b(await response.get_data(as_text=False), digest_size=16)
            response.set_etag(digest.hexdigest())
            response.headers["Cache-Control"] = "private, no-cache"
            await response.make_conditional(request)
        return response

    app.after_request(tag)


def _taggable(asked: Request, response: Response) -> bool:
    return (
        asked.method in ("GET", "HEAD")
        and versioned(asked.path)
        and asked.path.rstrip("/") not in UNTAGGED
        and response.status_code == HTTPStatus.OK
        and response.mimetype == "application/json"
    )


def error(status: int, detail: str, path: str) -> tuple[bytes, str]:
    """An error of the route that a path names, and its content type."""
    if not versioned(path):
        return codec.encode({"detail": detail}), "application/json"
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=path)
    return codec.encode(content), PROBLEM


def problem(status: int, detail: str, path: str) -> Response:
    """An error of a versioned route."""
    content, content_type = error(status, detail, path)
    reply = Response(content, status, content_type=content_type)
    reply.headers["Cache-Control"] = "no-store"
    return reply
