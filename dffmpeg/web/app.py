"""The application: every blueprint, behind one door."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import trio
from quart import Response, g, request, websocket
from quart_trio import QuartTrio

from dffmpeg.actors.coordinator.operations import Elsewhere, Operations, TooMany
from dffmpeg.configuration.common import Trust
from dffmpeg.configuration.coordinator import CoordinatorConfig, Tls
from dffmpeg.model.crowds import Crowd
from dffmpeg.model.failures import FailureLimit, neighbourhood
from dffmpeg.transports.peers import Peers
from dffmpeg.web import (
    access,
    admin,
    audited,
    dashboard,
    debug,
    documents,
    downlink,
    errors,
    events,
    follow,
    health,
    homes,
    job_log,
    jobs,
    join,
    lists,
    metrics,
    observation,
    observed,
    openapi,
    poll,
    proxy_protocol,
    requests,
    run,
    session,
    status,
    users,
    versions,
    workers,
)
from dffmpeg.web import tree as tree_routes
from dffmpeg.web.authentication import Authentication, Claims, Entrance, Identities, People
from dffmpeg.web.authentication.joining import Joining
from dffmpeg.web.authentication.revocation import Revocation
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import BODY_KEY, SOCKET_KEY, Misdirected, RequestBody, Scope, Send, Socket
from dffmpeg.web.conversation import outcome_of
from dffmpeg.web.forwarding import FRESH, Forwarding, pause
from dffmpeg.web.guard import guard
from dffmpeg.web.homes import Neighbours
from dffmpeg.web.origins import ORIGIN_KEY, Origins, origin
from dffmpeg.web.trail import Trail
from dffmpeg.web.tree import TreeLook
from dffmpeg.wire import forwarding
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web")

FORGED = 20
"""Lines a minute about requests that claim to be passed on, and were not."""


class WebApp(QuartTrio):
    """Quart with our own bodies, WebSockets and errors, and with what is passed on to other coordinators.

    Args:
        origins: tells where requests come from.
        revocation: ends what is open for those who may not have it any more.
        forwarding: the way to the other coordinators; None where there are none.
        trail: records what administrators do.
        crowd: how many requests each identity, or each address that only looks, may have under way.
        count: told the reason of each request that claims to be passed on, and was not.

    Attributes:
        closing: to be told when the server stops.
    """

    def __init__(
        self,
        origins: Origins,
        revocation: Revocation,
        forwarding: Forwarding | None,
        trail: Trail,
        crowd: Crowd,
        count: Callable[[str], None],
    ) -> None:
        super().__init__("dffmpeg.web", static_folder=None, template_folder="templates")
        self.closing = Closing()
        self._origins = origins
        self._revocation = revocation
        self._forwarding = forwarding
        self._trail = trail
        self._crowd = crowd
        self._count = count
        self._lines = FailureLimit(FORGED, 60.0 / FORGED, clock=trio.current_time)
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """What the server calls, once for each request and WebSocket."""
        if scope["type"] == "lifespan":
            await super().asgi_app(scope, receive, send)
            return
        strange = _strange(scope)
        if strange is not None:
            await _refuse(scope, send, *strange)
            return
        try:
            found = self._origins.of(scope)
        except SignatureError as error:
            self._count(error.reason)
            # Anybody can send such a header, and nobody has to find the rest of the log among its lines.
            level = logging.DEBUG if self._lines.take(None) else logging.WARNING
            logger.log(level, "refused %s: %s", scope["path"], error)
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

    async def watch(self) -> None:
        """End what is open for those who may not have it any more, until this is cancelled."""
        await self._revocation.run()

    async def aclose(self) -> None:
        """Close what the application has open itself."""
        if self._forwarding is not None:
            await self._forwarding.aclose()

    async def dispatch_request(self, request_context: Any = None) -> Any:
        """Answer a request that was let pass: here, or by the coordinator that looks after what it names."""
        with self._present(g.get("entrance")):
            return await self._dispatch(request_context)

    @contextmanager
    def _present(self, entrance: Entrance | None) -> Iterator[None]:
        """A block in which one more of an identity's requests is under way; raises TooMany."""
        if entrance is None:
            yield
            return
        # Those who only look have no name, and none of them may keep the others out.
        who = entrance.identity.client_id or (neighbourhood(entrance.address),)
        if not self._crowd.enter(who):
            raise TooMany("too many requests of this identity are under way", retry_after=1.0)
        try:
            yield
        finally:
            self._crowd.leave(who)

    async def _dispatch(self, request_context: Any) -> Any:
        if self._forwarding is None or request.url_rule is None:
            return await self._answer(request_context)
        route = access.key(request.url_rule, request.method)
        tries, began = 0, trio.current_time()
        while True:
            member = await self._forwarding.home(route, g.identity, request.view_args, request.scope)
            if member is None:
                try:
                    return await self._answer(request_context)
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

    async def _answer(self, request_context: Any) -> Any:
        entrance: Entrance | None = g.get("entrance")
        if request.method not in ("GET", "HEAD"):
            # What changes something is carried out by whoever could ask for it.
            answer = await self._trail.followed(partial(super().dispatch_request, request_context))
        else:
            with self._revocation.watched(entrance):
                answer = await super().dispatch_request(request_context)
        if isinstance(answer, Response):
            self._revocation.follow(answer, entrance)
        return answer

    async def dispatch_websocket(self, websocket_context: Any = None) -> Any:
        """The same for a WebSocket, of which nothing has been answered yet.

        Once it was accepted, or its connection given away, no error gets any further than to here.
        """
        try:
            with self._present(g.get("entrance")):
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
            return await self._converse(websocket_context)
        route, end = access.key(websocket.url_rule, "GET"), requests.socket()
        tries = 0
        while True:
            member = await self._forwarding.home(route, g.identity, websocket.view_args, websocket.scope)
            if member is None:
                try:
                    return await self._converse(websocket_context)
                except Elsewhere:
                    _require_unpassed(websocket.scope)
            else:
                carried = await self._forwarding.websocket(member, websocket.scope, end, self.closing)
                if carried:
                    return None if carried is True else carried
            tries += 1
            await pause(tries)

    async def _converse(self, websocket_context: Any) -> Any:
        with self._revocation.watched(g.get("entrance")):
            return await super().dispatch_websocket(websocket_context)

    # Quart's versions disagree about what comes before the error.

    async def handle_user_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())

    async def handle_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())

    async def handle_websocket_exception(self, *arguments: Any, **_: Any) -> Response:
        return errors.answer(arguments[-1], request=requests.describe())


def _strange(scope: Scope) -> tuple[int, str] | None:
    """Status and reason of what no program of ours sends, and what a proxy may understand in another way."""
    if scope["http_version"] not in ("1.0", "1.1") or not str(scope["path"]).startswith("/"):
        # HTTP/2 without TLS, which the server would speak.
        return 400, "expected HTTP/1.1 and a path"
    if "\0" in scope["path"]:
        # Nothing has such a name, and not every database takes it for a question.
        return 400, "the path: expected one without a NUL character"
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in scope["headers"]):
        return 415, "a body is taken as it is, without Content-Encoding"
    return None


def _require_unpassed(scope: Scope) -> None:
    """Raises Misdirected for a request that another coordinator passed on: it knows better by now."""
    if origin(scope).passage is not None:
        raise Misdirected


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    body, content_type = versions.error(status, reason, str(scope["path"]))
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body, "more_body": False})


def _without_host(scope: Scope) -> dict[str, Any]:
    """No answer depends on the Host header, so one that cannot be parsed is no reason to fail."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [(b"host", b"coordinator"), *headers]}


def create_app(
    operations: Operations,
    identities: Identities,
    config: CoordinatorConfig,
    *,
    tree: TreeLook | None = None,
    crash: Callable[[str], None] | None = None,
    neighbours: Neighbours | None = None,
    claims: Claims | None = None,
    people: People | None = None,
) -> WebApp:
    """Make the coordinator's application.

    Args:
        operations: what the routes call.
        identities: who may call them.
        tree: the supervision tree, for administrators.
        crash: crashes the child at a path, as `TreeHandle.crash_child` does;
            used only with `[debug] routes`.
        neighbours: the other coordinators, where there may be some.
        claims: where nonces are claimed for all of them; None for this one's memory alone.
        people: who signs in; None where nobody does.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """
    secret = config.cluster.secret
    key = None if secret is None else forwarding.key_of(secret)
    # Where a certificate is asked of clients, a coordinator shows the others its own.
    shown = config.tls if config.tls.client_cafile is not None else Tls()
    trust = Trust(cafile=config.cluster.cafile, certfile=shown.certfile, keyfile=shown.keyfile)
    peers = Peers(proxy_protocol.LOCAL if config.proxy_protocol else b"", trust)
    way = None if neighbours is None else Forwarding(neighbours, peers, key)
    revocation = Revocation(identities, None if people is None else people.sessions)
    crowd, count = Crowd(config.limits.requests_per_identity), operations.measurements.refused
    trail = Trail(operations)
    app = WebApp(Origins(config, key), revocation, way, trail, crowd, count)
    authentication = Authentication(identities, config, people=people, claims=claims, count=count)
    app.register_blueprint(jobs.blueprint(operations, app.closing))
    app.register_blueprint(follow.blueprint(operations, app.closing))
    app.register_blueprint(run.blueprint(operations, app.closing, max_body=config.limits.body))
    app.register_blueprint(workers.blueprint(operations))
    app.register_blueprint(downlink.blueprint(operations, app.closing))
    app.register_blueprint(poll.blueprint(operations, app.closing))
    app.register_blueprint(health.blueprint(operations, app.closing))
    app.register_blueprint(observed.blueprint(operations, app.closing, tree))
    app.register_blueprint(metrics.blueprint(operations, config, authentication, tree))
    app.register_blueprint(admin.blueprint(operations))
    app.register_blueprint(tree_routes.blueprint(operations, tree))
    app.register_blueprint(events.blueprint(operations, app.closing))
    app.register_blueprint(lists.blueprint(operations))
    app.register_blueprint(users.blueprint(operations, revocation.hurry))
    app.register_blueprint(dashboard.blueprint(operations))
    app.register_blueprint(job_log.blueprint(operations, app.closing))
    app.register_blueprint(documents.blueprint(app.url_map))
    if config.web_dashboard_enabled:
        app.register_blueprint(status.blueprint(operations, config))
    if authentication.sessions is not None:
        ways_in = session.blueprint(authentication.sessions, authentication.sites, config, revocation.hurry)
        app.register_blueprint(ways_in)
    if people is not None:
        app.register_blueprint(join.blueprint(Joining(identities, people.tokens, count)))
    if config.debug.routes and crash is not None:
        app.register_blueprint(debug.blueprint(crash))
    versions.add_aliases(app)
    access.check_complete(app.url_map)
    homes.check_complete(app.url_map)
    audited.check_complete(app.url_map)
    openapi.check_complete(app.url_map)
    versions.add_etags(app)
    observation.observe(app, operations.measurements)
    off = status.PLACES if not config.web_dashboard_enabled else ()
    guard(app, authentication, trail, off)
    return app
