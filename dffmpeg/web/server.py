"""The web server: Hypercorn's protocol code on listeners, connections and a shutdown of our own.

Hypercorn's `serve()` lets one client that does not read hold a shutdown for
ever, and an error in one connection's protocol end the whole server. Its
connection class has neither trait by itself, so that is what is used here
(hypercorn/trio/tcp_server.py, 0.18): a connection is one object with one `run()`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from dffmpeg.actors import Actor
from dffmpeg.configuration.coordinator import CoordinatorConfig, Limits
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.crowds import Crowd
from dffmpeg.model.failures import neighbourhood
from dffmpeg.transports.messages import mask_in_c
from dffmpeg.web import addresses, proxy_protocol
from dffmpeg.web.app import WebApp
from dffmpeg.web.certificates import Certificates
from dffmpeg.web.connections import ABORT_KEY, FRAME_KEY, PEER_KEY, SECURE_KEY, SEND_KEY, TUNNEL_KEY
from dffmpeg.web.protocol import Protocol
from dffmpeg.web.stream import BoundedStream
from dffmpeg.web.tls import HandshakeFailed, secured
from dffmpeg.wire.frames import MAX_PAYLOAD

logger = logging.getLogger("dffmpeg.web.server")

WRITE_TIMEOUT = 60.0
GRACE = 3.0
"""How long requests under way may take to finish when the server stops, seconds."""

SPARE_MESSAGE = 2 * MAX_PAYLOAD
"""Of a WebSocket's client, bytes, where a body may not have more; beyond it Hypercorn refuses, before it our
own, smaller limits do."""

REFUSAL = 1.0
"""Seconds for saying that there are too many connections."""

_TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)

SPARE_CONNECTIONS = 1024
"""Beyond one for each live job and each worker."""


class WebServer(Actor[None]):
    """Serves the application until it is stopped.

    Args:
        app: made for this server alone; its `closing` is used up by the stop.
        config: where to listen.
        bound: told the port once it is bound, before the server is ready.

    Attributes:
        port: the port that is bound, 0 before.
        connections: how many are open.
    """

    def __init__(
        self,
        app: WebApp,
        config: CoordinatorConfig,
        *,
        bound: Callable[[int], None] | None = None,
        write_timeout: float = WRITE_TIMEOUT,
        grace: float = GRACE,
    ) -> None:
        self.port = 0
        self._app = app
        self._config = config
        self._bound = bound
        self._write_timeout = write_timeout
        self._grace = grace
        self._proxies = addresses.parse_networks(
            config.security.trusted_proxies, "[security] trusted_proxies"
        )
        self._limit = config.limits.live_jobs + config.limits.workers + SPARE_CONNECTIONS
        self._certificates: Certificates | None = None
        self._open: set[_Connection] = set()
        self._neighbours = Crowd(config.limits.connections_per_address)
        self._drained = trio.Event()
        mask_in_c()
        self._hypercorn = _hypercorn_config(config.limits)
        self._worker = WorkerContext(None)
        # The application asks for no lifespan events, and Hypercorn's wrapper only changes the call.
        self._asgi = ASGIWrapper(app)

    @property
    def connections(self) -> int:
        return len(self._open)

    async def run(self) -> None:
        """Listen, be ready, serve, and wind down when a stop is asked for.

        Raises:
            ConfigurationError: the address cannot be listened on, or the certificate not be used.
        """
        if self._config.tls.certfile is not None:
            self._certificates = Certificates(self._config.tls)
        listeners = await self._listen()
        async with trio.open_nursery() as connections:
            serve = partial(trio.serve_listeners, self._serve, listeners, handler_nursery=connections)
            try:
                async with trio.open_nursery() as accepting:
                    await accepting.start(serve)
                    accepting.start_soon(self._app.watch)
                    self.context.ready()
                    await self.context.stopping.wait()
                    accepting.cancel_scope.cancel()
                await self._wind_down()
            finally:
                # Also when this is cancelled: a write that is shielded would hold the nursery.
                self._abort_all()
        await self._app.aclose()

    async def _listen(self) -> list[trio.SocketListener]:
        host, port = self._config.host, self._config.port
        try:
            listeners = await trio.open_tcp_listeners(port, host=host, backlog=1024)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror or error}"
            ) from error
        self.port = listeners[0].socket.getsockname()[1]
        logger.info(
            "listening on %s port %d%s",
            host,
            self.port,
            " with TLS" if self._certificates is not None else "",
        )
        if (
            self._certificates is None
            and not self._config.security.trusted_proxies
            and not _is_loopback(host)
        ):
            logger.warning(
                "without TLS whoever is on the way reads what jobs read and write, and keys with which people"
                " sign in: set [tls] certfile, or put a reverse proxy in front (security.trusted_proxies)"
            )
        if self._bound is not None:
            self._bound(self.port)
        return listeners

    async def _wind_down(self) -> None:
        self._app.closing.begin()
        # Idle connections close, and every other one after the answer under way.
        await self._worker.terminated.set()
        with trio.move_on_after(self._grace):
            while self._open:
                self._drained = trio.Event()
                await self._drained.wait()
        if self._open:
            logger.info("%d connections are cut off", len(self._open))

    def _abort_all(self) -> None:
        for connection in tuple(self._open):
            connection.abort()

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection, from its first byte to its last. What goes wrong in it ends it alone."""
        if len(self._open) >= self._limit:
            logger.warning("%d connections are open: one more is refused", len(self._open))
            return
        try:
            connection = _Connection(stream)
        except OSError:
            # It was gone before we came to it.
            await trio.aclose_forcefully(stream)
            return
        who = self._whose(connection)
        if who is not None and not self._neighbours.enter(who):
            logger.info("%s has too many connections: one more is refused", who)
            await _refuse(stream)
            return
        self._open.add(connection)
        try:
            with connection.scope:
                await self._protocol(connection, await self._begun(connection, stream)).run()
        except (proxy_protocol.MalformedHeader, HandshakeFailed) as error:
            logger.info("refused a connection from %s: %s", connection.peer, error)
            connection.abort()
        except Exception:  # the boundary of a connection, which nothing restarts
            logger.exception("a connection failed")
        finally:
            self._open.discard(connection)
            if who is not None:
                self._neighbours.leave(who)
            if not self._open:
                self._drained.set()

    def _whose(self, connection: _Connection) -> str | None:
        """By whom a connection is counted; None for a proxy's, which are everybody's, and our own."""
        peer = connection.peer
        if peer is None or peer.is_loopback or addresses.contains(self._proxies, peer):
            return None
        return neighbourhood(peer)

    async def _begun(self, connection: _Connection, stream: trio.SocketStream) -> BoundedStream:
        """What comes before HTTP: a proxy's introduction, and TLS."""
        beginning = b""
        if self._config.proxy_protocol:
            beginning = await self._introduce(connection, stream)
        if self._certificates is not None:
            return await secured(stream, self._certificates.context(), self._write_timeout, beginning)
        bounded = BoundedStream(stream, stream.socket, self._write_timeout)
        bounded.give_back(beginning)
        return bounded

    async def _introduce(self, connection: _Connection, stream: trio.SocketStream) -> bytes:
        """Hear from a proxy whom it speaks for; raises MalformedHeader where there is none to be believed.

        Returns:
            What was read of what comes behind.
        """
        if connection.peer is None or not addresses.contains(self._proxies, connection.peer):
            raise proxy_protocol.MalformedHeader(
                "proxy_protocol is set, and trusted_proxies does not name it"
            )
        header, rest = await proxy_protocol.receive(stream.receive_some)
        connection.introduced = {PEER_KEY: connection.peer if header.local else header.source}
        return rest

    def _protocol(self, connection: _Connection, stream: BoundedStream) -> Protocol:
        state: dict[str, Any] = {
            ABORT_KEY: connection.abort,
            SEND_KEY: stream.send_message,
            FRAME_KEY: stream.send_frame,
            TUNNEL_KEY: stream,
            SECURE_KEY: self._certificates is not None,
            **connection.introduced,
        }
        limits = self._config.limits
        return Protocol(
            self._asgi,
            self._hypercorn,
            self._worker,
            ConnectionState(state),
            stream,
            header_timeout=limits.header_timeout,
            control_frames=limits.control_frames,
        )


class _Connection:
    """An open connection, and how to end it whatever it is doing."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.scope = trio.CancelScope()
        self.introduced: dict[str, Any] = {}
        self.peer = addresses.parse_address(str(stream.socket.getpeername()[0]))
        self._socket = stream.socket

    def abort(self) -> None:
        self.scope.cancel()
        self._socket.close()


async def _refuse(stream: trio.SocketStream) -> None:
    """Say why, to whoever waits for an answer."""
    with trio.move_on_after(REFUSAL):
        try:
            await stream.send_all(_TOO_MANY)
            await stream.send_eof()
            # Closed with bytes of a request unread, the kernel would throw the answer away.
            while await stream.receive_some(4096):
                pass
        except trio.BrokenResourceError:
            pass
    await trio.aclose_forcefully(stream)


def _is_loopback(host: str) -> bool:
    found = addresses.parse_address(host)
    return host == "localhost" if found is None else found.is_loopback


def _hypercorn_config(limits: Limits) -> HypercornConfig:
    config = HypercornConfig()
    config.accesslog = None
    config.errorlog = logging.getLogger("dffmpeg.web.hypercorn")
    config.h11_max_incomplete_size = limits.headers
    config.include_server_header = False
    config.keep_alive_max_requests = 1_000_000_000
    config.keep_alive_timeout = limits.idle_timeout
    config.websocket_max_message_size = max(limits.body, SPARE_MESSAGE)
    return config
