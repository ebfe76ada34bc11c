"""The dashboard: a page, its style and its script, and the data that they show."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePath

from quart import Blueprint, Response, redirect, render_template, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as Redirect

from dffmpeg import __version__
from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web import addresses, requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.jobs import MAX_WINDOW
from dffmpeg.web.viewers import require_near

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What the folder `static/dashboard` has, by the end of a file's name."""

STYLES = (
    "tokens.css",
    "base.css",
    "parts.css",
    "overview.css",
    "workers.css",
    "tree.css",
    "people.css",
    "jobs.css",
    "log.css",
)
"""In the order in which the page has them."""

NO_MODULES = frozenset({"theme.js"})
"""Scripts that the page has to wait for."""

PLACES = frozenset({"/", "/status"})
"""Where people look for it."""

DEFAULT_WINDOW = 3600.0
"""How far back jobs are shown, seconds."""


def blueprint(operations: Operations, config: CoordinatorConfig) -> Blueprint:
    """The routes / and /status; every URL in them is relative, for proxies that add a prefix."""
    routes = Blueprint("status", __name__)
    allowed = addresses.parse_networks(
        [*config.allowed_dashboard_ips, *config.security.sign_in_networks], "[security] sign_in_networks"
    )
    assets = load_assets()

    async def check_address() -> None:
        require_near(allowed, "the dashboard (see allowed_dashboard_ips and sign_in_networks) is")

    routes.before_request(check_address)

    @routes.get("/")
    async def index() -> Redirect:
        return redirect("status")

    @routes.get("/status")
    async def page() -> Redirect | Response:
        if request.path.endswith("/"):
            # What the page loads is relative to the folder above.
            return redirect("../status")
        # All modules are named, or a browser would learn of them one import after the other.
        modules = sorted(name for name in assets if name.endswith(".js") and name not in NO_MODULES)
        html = await render_template("dashboard.html", version=__version__, styles=STYLES, modules=modules)
        return Response(html, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @routes.get("/status/data")
    async def data() -> Response:
        window = requests.number("window", DEFAULT_WINDOW, maximum=MAX_WINDOW)
        return json_answer(await operations.overview(window))

    @routes.get("/status/<name>")
    async def asset(name: str) -> Response:
        if name not in assets:
            raise NotFound
        content_type = TYPES[PurePath(name).suffix]
        reply = Response(assets[name], content_type=content_type, headers={"Cache-Control": "no-cache"})
        await reply.add_etag()
        await reply.make_conditional(request)
        return reply

    return routes


def load_assets() -> Mapping[str, bytes]:
    """What the page loads, by name: all that is in its folder, which has no other files."""
    folder = files("dffmpeg.web") / "static" / "dashboard"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}
