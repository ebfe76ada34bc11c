"""The application: every blueprint, behind one door."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import trio
from quart import Response, g, request, websocket
from quart_trio import QuartTrio

from dffmpeg.actors.coordinator.operations import Elsewhere, Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.transports.peers import Peers
from dffmpeg.web import (
    access,
    admin,
    debug,
    documents,
    downlink,
    errors,
    events,
    follow,
    health,
    homes,
    jobs,
    lists,
    metrics,
    observation,
    observed,
    openapi,
    poll,
    proxy_protocol,
    requests,
    run,
    status,
    versions,
    workers,
)
from dffmpeg.web.authentication import Authentication, Identities
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import BODY_KEY, SOCKET_KEY, Misdirected, RequestBody, Scope, Send, Socket
from dffmpeg.web.conversation import outcome_of
from dffmpeg.web.forwarding import FRESH, Forwarding, pause
from dffmpeg.web.homes import Neighbours
from dffmpeg.web.origins import ORIGIN_KEY, Origins, origin
from dffmpeg.wire import codec, forwarding
from dffmpeg.wire.signature import SignatureError

if TYPE_CHECKING:
    from dffmpeg.supervisors import TreeNode

logger = logging.getLogger("dffmpeg.web")

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
    """Quart with our own bodies, WebSockets and errors, and with what is passed on to other coordinators.

    Args:
        origins: tells where requests come from.
        forwarding: the way to the other coordinators; None where there are none.

    Attributes:
        closing: to be told when the server stops.
    """

    def __init__(self, origins: Origins, forwarding: Forwarding | None = None) -> None:
        super().__init__("dffmpeg.web", static_folder=None, template_folder="templates")
        self.closing = Closing()
        self._origins = origins
        self._forwarding = forwarding
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """What the server calls, once for each request and WebSocket."""
        if scope["type"] == "lifespan":
            await super().asgi_app(scope, receive, send)
            return
        if not _sane(scope):
            await _refuse(scope, send, 400, "expected HTTP/1.1 and a path")
            return
        try:
            found = self._origins.of(scope)
        except SignatureError as error:
            logger.warning("refused %s: %s", scope["path"], error)
            await _refuse(scope, send, 401, str(error))
            return
        scope = _without_host(scope)
        scope[ORIGIN_KEY] = found
        if scope["type"] == "http":
            body = RequestBody(scope, receive, send)
            scope[BODY_KEY] = body
            await super().asgi_app(scope, cast("Any", body.receive), cast("Any", body.send))
        else:
            end = Socket(scope, receive, send)
            scope[SOCKET_KEY] = end
            await super().asgi_app(scope, cast("Any", end.quart_receive), cast("Any", end.quart_send))

    async def aclose(self) -> None:
        """Close what the application has open itself."""
        if self._forwarding is not None:
            await self._forwarding.aclose()

    async def dispatch_request(self, request_context: Any = None) -> Any:
        """Answer a request that was let pass: here, or by the coordinator that looks after what it names."""
        if self._forwarding is None or request.url_rule is None:
            return await super().dispatch_request(request_context)
        route = access.key(request.url_rule, request.method)
        tries, began = 0, trio.current_time()
        while True:
            member = await self._forwarding.home(route, g.identity, request.view_args, request.scope)
            if member is None:
                try:
                    return await super().dispatch_request(request_context)
                except Elsewhere:
                    # It moved meanwhile; nothing was changed.
                    _require_unpassed(request.scope)
                    if trio.current_time() - began > FRESH:
                        raise
            else:
                answer = await self._forwarding.request(
                    member, request.scope, requests.request_body().content
                )
                if answer is not None:
                    return answer
            tries += 1
            await pause(tries)

    async def dispatch_websocket(self, websocket_context: Any = None) -> Any:
        """The same for a WebSocket, of which nothing has been answered yet.

        Once it was accepted, or its connection given away, no error gets any further than to here.
        """
        try:
            return await self._speak(websocket_context)
        except Exception as error:
            end, described = requests.socket(), requests.describe()
            if not end.taken:
                raise
            logger.info("%s was broken off: %r", described, errors.unwrap(error))
            await end.fail(*outcome_of(error, self.closing, described))
            return None

    async def _speak(self, websocket_context: Any) -> Any:
        if self._forwarding is None or websocket.url_rule is None:
            return await super().dispatch_websocket(websocket_context)
        route, end = access.key(websocket.url_rule, "GET"), requests.socket()
        tries = 0
        while True:
            member = await self._forwarding.home(route, g.identity, websocket.view_args, websocket.scope)
            if member is None:
                try:
                    return await super().dispatch_websocket(websocket_context)
                except Elsewhere:
                    _require_unpassed(websocket.scope)
            else:
                carried = await self._forwarding.websocket(member, websocket.scope, end, self.closing)
                if carried:
                    return None if carried is True else carried
            tries += 1
            await pause(tries)

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


def _require_unpassed(scope: Scope) -> None:
    """Raises Misdirected for a request that another coordinator passed on: it knows better by now."""
    if origin(scope).passage is not None:
        raise Misdirected


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    detail = codec.encode({"detail": reason})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(detail)).encode())]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
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
    neighbours: Neighbours | None = None,
) -> WebApp:
    """Make the coordinator's application.

    Args:
        operations: what the routes call.
        identities: who may call them.
        tree: the supervision tree, for administrators.
        crash: crashes the child at a path, as `TreeHandle.crash_child` does;
            used only with `[debug] routes`.
        neighbours: the other coordinators, where there may be some.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """
    secret = config.cluster.secret
    key = None if secret is None else forwarding.key_of(secret)
    peers = Peers(proxy_protocol.LOCAL if config.proxy_protocol else b"")
    way = None if neighbours is None else Forwarding(neighbours, peers, key)
    app = WebApp(Origins(config, key), way)
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
    app.register_blueprint(events.blueprint(operations, app.closing))
    app.register_blueprint(lists.blueprint(operations))
    app.register_blueprint(documents.blueprint(app.url_map))
    if config.web_dashboard_enabled:
        app.register_blueprint(status.blueprint(operations, config))
    if config.debug.routes and crash is not None:
        app.register_blueprint(debug.blueprint(crash))
    versions.add_aliases(app)
    access.check_complete(app.url_map)
    homes.check_complete(app.url_map)
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
