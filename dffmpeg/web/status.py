"""The dashboard: a page, its style and its script, and the data that they show."""

from __future__ import annotations

from importlib.resources import files

from quart import Blueprint, Response, redirect, render_template
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as Redirect

from dffmpeg import __version__
from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web import addresses, requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.jobs import MAX_WINDOW
from dffmpeg.web.viewers import require_near

ASSETS = {"dashboard.css": "text/css; charset=utf-8", "dashboard.js": "text/javascript; charset=utf-8"}

DEFAULT_WINDOW = 3600.0
"""How far back jobs are shown, seconds."""


def blueprint(operations: Operations, config: CoordinatorConfig) -> Blueprint:
    """The routes / and /status; every URL in them is relative, for proxies that add a prefix."""
    routes = Blueprint("status", __name__)
    allowed = addresses.parse_networks(config.allowed_dashboard_ips, "allowed_dashboard_ips")
    static = files("dffmpeg.web") / "static"
    assets = {name: (static / name).read_bytes() for name in ASSETS}

    async def check_address() -> None:
        require_near(allowed, "the dashboard is")

    routes.before_request(check_address)

    @routes.get("/")
    async def index() -> Redirect:
        return redirect("status")

    @routes.get("/status")
    async def page() -> Response:
        html = await render_template("dashboard.html", version=__version__)
        return Response(html, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @routes.get("/status/data")
    async def data() -> Response:
        window = requests.number("window", DEFAULT_WINDOW, maximum=MAX_WINDOW)
        return json_answer(await operations.overview(window))

    @routes.get("/status/<name>")
    async def asset(name: str) -> Response:
        if name not in assets:
            raise NotFound
        reply = Response(assets[name], content_type=ASSETS[name])
        reply.headers["Cache-Control"] = "no-cache"
        return reply

    return routes
