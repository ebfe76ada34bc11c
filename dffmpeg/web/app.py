"""The application: every blueprint, behind one door."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from quart import Response, g, request, websocket
from quart_trio import QuartTrio

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web import (
    access,
    admin,
    debug,
    documents,
    downlink,
    errors,
    follow,
    health,
    jobs,
    lists,
    metrics,
    observation,
    observed,
    openapi,
    poll,
    requests,
    run,
    status,
    versions,
    workers,
)
from dffmpeg.web.authentication import Authentication, Identities
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import BODY_KEY, SOCKET_KEY, RequestBody, Scope, Send, Socket

if TYPE_CHECKING:
    from dffmpeg.supervisors import TreeNode

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class WebApp(QuartTrio):
    """Quart with our own bodies, WebSockets and errors.

    Attributes:
        closing: to be told when the server stops.
    """

    def __init__(self) -> None:
        super().__init__("dffmpeg.web", static_folder=None, template_folder="templates")
        self.closing = Closing()
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """What the server calls, once for each request and WebSocket."""
        if scope["type"] == "lifespan":
            await super().asgi_app(scope, receive, send)
            return
        if not _sane(scope):
            await _refuse(scope, send)
            return
        scope = _without_host(scope)
        if scope["type"] == "http":
            body = RequestBody(scope, receive, send)
            scope[BODY_KEY] = body
            await super().asgi_app(scope, cast("Any", body.receive), cast("Any", body.send))
        else:
            end = Socket(scope, receive, send)
            scope[SOCKET_KEY] = end
            await super().asgi_app(scope, cast("Any", end.quart_receive), send)

    # Quart's versions disagree about what comes before the error.

    async def handle_user_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())

    async def handle_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())

    async def handle_websocket_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())


def _sane(scope: Scope) -> bool:
    """HTTP/2 without TLS, which the server would speak, and targets that are no path have no use here."""
    return scope["http_version"] in ("1.0", "1.1") and str(scope["path"]).startswith("/")


async def _refuse(scope: Scope, send: Send) -> None:
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    detail = b'{"detail":"expected HTTP/1.1 and a path"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(detail)).encode())]
    await send({"type": f"{kind}.response.start", "status": 400, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": detail, "more_body": False})


def _without_host(scope: Scope) -> dict[str, Any]:
    """No answer depends on the Host header, so one that cannot be parsed is no reason to fail."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [(b"host", b"coordinator"), *headers]}


def create_app(
    operations: Operations,
    identities: Identities,
    config: CoordinatorConfig,
    *,
    tree: Callable[[], TreeNode] | None = None,
    crash: Callable[[str], None] | None = None,
) -> WebApp:
    """Make the coordinator's application.

    Args:
        operations: what the routes call.
        identities: who may call them.
        tree: the supervision tree, for administrators.
        crash: crashes the child at a path, as `TreeHandle.crash_child` does;
            used only with `[debug] routes`.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """
    app = WebApp()
    authentication = Authentication(identities, config)
    app.register_blueprint(jobs.blueprint(operations, app.closing))
    app.register_blueprint(follow.blueprint(operations, app.closing))
    app.register_blueprint(run.blueprint(operations, app.closing, max_body=config.limits.body))
    app.register_blueprint(workers.blueprint(operations))
    app.register_blueprint(downlink.blueprint(operations, app.closing))
    app.register_blueprint(poll.blueprint(operations, app.closing))
    app.register_blueprint(health.blueprint(operations, app.closing))
    app.register_blueprint(observed.blueprint(operations, app.closing, tree))
    app.register_blueprint(metrics.blueprint(operations, config, authentication, tree))
    app.register_blueprint(admin.blueprint(operations, tree))
    app.register_blueprint(lists.blueprint(operations))
    app.register_blueprint(documents.blueprint(app.url_map))
    if config.web_dashboard_enabled:
        app.register_blueprint(status.blueprint(operations, config, authentication.source))
    if config.debug.routes and crash is not None:
        app.register_blueprint(debug.blueprint(crash))
    versions.add_aliases(app)
    access.check_complete(app.url_map)
    openapi.check_complete(app.url_map)
    versions.add_etags(app)
    observation.observe(app, operations.measurements)
    _guard(app, authentication)
    return app


def _guard(app: WebApp, authentication: Authentication) -> None:
    async def check_request() -> None:
        # An unknown path, or a wrong method: Quart raises it a little later.
        if request.url_rule is None:
            return
        route = access.key(request.url_rule, request.method)
        g.identity = await authentication.check(request.scope, route, requests.request_body())

    async def check_websocket() -> None:
        if websocket.url_rule is None:
            return
        route = access.key(websocket.url_rule, "GET")
        g.identity = await authentication.check(websocket.scope, route, None)

    async def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.before_request(check_request)
    app.before_websocket(check_websocket)
    app.after_request(add_headers)
