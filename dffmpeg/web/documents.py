"""The API's description, and two pages that show it; nothing in them comes from another host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from quart import Blueprint, Response, render_template, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map

from dffmpeg.web import openapi
from dffmpeg.wire import codec

_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"

ASSETS = {
    "documents.css": (("documents.css",), _STYLE),
    "swagger.js": (("swagger.js",), _SCRIPT),
    "swagger-ui.css": (("vendor", "swagger-ui", "swagger-ui.css"), _STYLE),
    "swagger-ui-bundle.js": (("vendor", "swagger-ui", "swagger-ui-bundle.js"), _SCRIPT),
    "redoc.js": (("redoc.js",), _SCRIPT),
    "redoc.standalone.js": (("vendor", "redoc", "redoc.standalone.js"), _SCRIPT),
}
"""By the name in the URL: where the file is, and what."""

POLICY = (
    # Both programs write style elements; nothing else is looser than anywhere here.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(routes_described: Map) -> Blueprint:
    """The routes /openapi.json, /docs and /redoc; every URL in the pages is relative, for a proxy's prefix.

    Args:
        routes_described: the application's routes, read when the description is first asked for.
    """
    routes = Blueprint("documents", __name__)

    @cache
    def description() -> bytes:
        return codec.encode(openapi.document(routes_described))

    @routes.get("/openapi.json")
    async def document() -> Response:
        return await _kept(description(), "application/json")

    @routes.get("/docs")
    async def swagger() -> Response:
        return await _page(["swagger-ui.css", "documents.css"], ["swagger-ui-bundle.js", "swagger.js"])

    @routes.get("/redoc")
    async def redoc() -> Response:
        return await _page(["documents.css"], ["redoc.standalone.js", "redoc.js"])

    @routes.get("/docs/<name>")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise NotFound
        return await _kept(_content(name), ASSETS[name][1])

    return routes


@cache
def _content(name: str) -> bytes:
    return (files("dffmpeg.web") / "static").joinpath(*ASSETS[name][0]).read_bytes()


async def _kept(content: bytes, kind: str) -> Response:
    """What browsers may keep, and ask about."""
    reply = Response(content, content_type=kind, headers={"Cache-Control": "no-cache"})
    await reply.add_etag()
    await reply.make_conditional(request)
    return reply


async def _page(styles: Sequence[str], scripts: Sequence[str]) -> Response:
    """A page that loads these of `ASSETS`, in this order."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    html = await render_template("documents.html", styles=styles, scripts=scripts)
    return Response(html, content_type="text/html; charset=utf-8", headers=headers)
