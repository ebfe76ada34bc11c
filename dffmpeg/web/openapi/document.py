"""The document, out of the table, the table of access, and the models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from werkzeug.routing import Map, Rule

from dffmpeg import __version__
from dffmpeg.web import access
from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import (
    JSON,
    Channel,
    Content,
    Described,
    Description,
    Message,
    Parameter,
)
from dffmpeg.web.openapi.table import PAGES, PLACES, ROUTES
from dffmpeg.web.versions import PREFIX, PROBLEM, Alias, Problem, versioned

SIGNATURE = {
    "clientId": "x-dffmpeg-client-id",
    "timestamp": "x-dffmpeg-timestamp",
    "nonce": "x-dffmpeg-nonce",
    "digest": "x-dffmpeg-digest",
    "signature": "x-dffmpeg-signature",
}
"""The headers of a signature, which come together."""

_ABOUT = f"""Runs FFmpeg on other machines as if it ran here.

Requests are signed with five headers, each request anew. The signature is `v2=` and
base64(HMAC-SHA256(key, text)); the text is eight lines: `dffmpeg-hmac-sha256-v2`, method, path, query,
client id, timestamp, nonce and hex(sha256(body)). A browser has a session's cookie in their place: see
`POST {PREFIX}/session`.

Each of these paths is also there without `{PREFIX}`, as the first dffmpeg had it; errors are
`{{"detail": …}}` there. HEAD works where GET does. WebSockets stand at their paths as `x-websocket`; frames
are described in the protocol's page."""

_MEANS = {
    400: "the body is not JSON",
    401: "not signed, not right, not now, or not from there",
    403: "not with this role",
    404: "there is no such thing",
    408: "the body took too long",
    409: "the state does not allow it",
    413: "the body is too large",
    422: "it does not fit; `detail` begins with the field's name",
    429: "there is too much of it already; `Retry-After` says when to try again",
    503: "not now; `Retry-After` says when to try again",
}


def check_complete(routes: Map) -> None:
    """Raises RuntimeError, which names them, if there are routes of which nothing is said."""
    missing = access.keys(routes) - ROUTES.keys() - PAGES
    if missing:
        raise RuntimeError(f"nothing is said of {', '.join(sorted(missing))}")


def document(routes: Map) -> dict[str, Any]:
    """The OpenAPI document of an application's routes, as plain values.

    A route below the prefix stands for both; one that is only outside of it is there too.
    """
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, route in _shown(routes):
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        item = paths.setdefault(path, {})
        if "parameters" not in item and rule.arguments:
            item["parameters"] = [_place(name) for name in re.findall(r"<(\w+)>", rule.rule)]
        described = ROUTES[route]
        if isinstance(described, Channel):
            item["x-websocket"] = _channel(described, route, schemas)
        else:
            item[method.lower()] = _operation(described, route, rule, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dffmpeg",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "."}],
        "tags": [{"name": name} for name in sorted({one.tag for one in ROUTES.values()})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": header} for name, header in SIGNATURE.items()
            },
        },
    }


def _shown(routes: Map) -> Iterator[tuple[Rule, str, str]]:
    rules = list(routes.iter_rules())
    aliased = {
        (rule.original, method) for rule in rules if isinstance(rule, Alias) for method in _methods(rule)
    }
    for rule in rules:
        for method in _methods(rule):
            route = access.key(rule, method)
            if route in ROUTES and (rule.rule, method) not in aliased:
                yield rule, method, route


def _methods(rule: Rule) -> set[str]:
    return {"WEBSOCKET"} if rule.websocket else set(rule.methods or ()) - {"HEAD", "OPTIONS"}


class _Schemas:
    """Schemas of the models that are named, each once."""

    _TEMPLATE = "#/components/schemas/{name}"

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def of(self, kind: Any) -> Any:
        (schema,), components = msgspec.json.schema_components([kind], ref_template=self._TEMPLATE)
        self._found.update(components)
        return _portable(schema)

    def components(self) -> dict[str, Any]:
        return {name: _portable(schema) for name, schema in sorted(self._found.items())}


def _portable(schema: Any) -> Any:
    """As every reader of JSON Schema understands it: ECMA 262 does not know what Python's patterns end in."""
    if isinstance(schema, dict):
        found = {key: _portable(value) for key, value in schema.items()}
        if isinstance(pattern := found.get("pattern"), str):
            found["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
        if isinstance(text := found.get("description"), str):
            found["description"] = inspect.cleandoc(text)
        return found
    return [_portable(value) for value in schema] if isinstance(schema, list | tuple) else schema


def _place(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": PLACES[name],
        "schema": schema,
        "example": examples.IN_PATHS[name],
    }


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    found = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "schema": schemas.of(parameter.kind),
    }
    return found if parameter.example is None else {**found, "example": parameter.example}


def _security(route: str) -> dict[str, Any]:
    roles = access.ACCESS[route]
    if roles is None:
        return {"security": []}
    return {"security": [{name: [] for name in SIGNATURE}], "x-roles": sorted(roles)}


def _operation(described: Description, route: str, rule: Rule, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", route).strip("_").lower(),
        "tags": [described.tag],
        "summary": described.summary,
        **_security(route),
    }
    if described.text:
        found["description"] = described.text
    if described.parameters:
        found["parameters"] = [_parameter(one, schemas) for one in described.parameters]
    if described.body is not None:
        found["requestBody"] = {
            "description": described.body.text,
            "required": not described.may_be_empty,
            "content": _content(described.body, schemas),
        }
    answers = {str(status): _answer(one, schemas) for status, one in described.answers.items()}
    for status, text in _errors(described, route).items():
        error = _error(status, text, rule, schemas)
        known = answers.setdefault(str(status), error)
        known["content"] = {**error["content"], **known["content"]}
    if versioned(rule.rule) and route.startswith("GET "):
        answers["304"] = {"description": "it is as `If-None-Match` has it"}
    # By the server itself, before anybody knows which route it is.
    answers.setdefault("431", {"description": "the request's head is too large; without a body"})
    return {**found, "responses": dict(sorted(answers.items()))}


def _errors(described: Description, route: str) -> Mapping[int, str]:
    statuses = {503}
    if access.ACCESS[route] is not None:
        statuses |= {401, 403}
    if "<" in route:
        statuses |= {404}
    if described.parameters:
        statuses |= {422}
    if described.body is not None:
        statuses |= {400, 408, 413, 422}
    named = {status: _MEANS[status] for status in statuses if status in _MEANS}
    return dict(sorted({**named, **described.errors}.items()))


def _answer(content: Content, schemas: _Schemas) -> dict[str, Any]:
    return {"description": content.text, "content": _content(content, schemas)}


def _error(status: int, text: str, rule: Rule, schemas: _Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if versioned(rule.rule):
        example = Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=text,
            instance=rule.rule.replace("<", "{").replace(">", "}"),
        )
        answer["content"] = {
            PROBLEM: {"schema": schemas.of(Problem), "example": msgspec.to_builtins(example)}
        }
    else:
        schema = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
        answer["content"] = {JSON: {"schema": schema, "example": {"detail": text}}}
    return answer


def _content(content: Content, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for media in content.media:
        one: dict[str, Any] = {}
        if media == JSON and content.kind is not None:
            one["schema"] = schemas.of(content.kind)
        if content.example is not None and (media == JSON) is not isinstance(content.example, str):
            one["example"] = msgspec.to_builtins(content.example)
        found[media] = one
    return found


def _channel(channel: Channel, route: str, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {"tags": [channel.tag], "summary": channel.summary, **_security(route)}
    if channel.text:
        found["description"] = channel.text
    if channel.parameters:
        found["parameters"] = [_parameter(one, schemas) for one in channel.parameters]
    return {
        **found,
        "receives": [_message(one, schemas) for one in channel.receives],
        "sends": [_message(one, schemas) for one in channel.sends],
        "closes": {str(code): text for code, text in channel.closes.items()},
    }


def _message(message: Message, schemas: _Schemas) -> dict[str, Any]:
    if message.kind is None:
        return {"description": message.text, "kind": "binary"}
    example = msgspec.json.decode(msgspec.json.encode(message.example))
    return {
        "description": message.text,
        "kind": "text",
        "schema": schemas.of(message.kind),
        "example": example,
    }


__all__ = ["Described", "check_complete", "document"]
