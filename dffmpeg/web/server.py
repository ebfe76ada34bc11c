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
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from dffmpeg.actors import Actor
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.transports.messages import mask_in_c
from dffmpeg.web import addresses, proxy_protocol
from dffmpeg.web.app import WebApp
from dffmpeg.web.connections import ABORT_KEY, PEER_KEY, SEND_KEY, TUNNEL_KEY
from dffmpeg.web.stream import BoundedStream
from dffmpeg.wire.frames import MAX_PAYLOAD

logger = logging.getLogger("dffmpeg.web.server")

WRITE_TIMEOUT = 60.0
GRACE = 3.0
"""How long requests under way may take to finish when the server stops, seconds."""

KEEP_ALIVE_TIMEOUT = 30.0
"""How long a connection may be idle, and how long a request's headers may take to arrive, seconds.
Longer than HTTP clients keep theirs, so that it is rarely this end that closes one just being used."""

MAX_HEADERS = 16 * 1024
"""Bytes."""

SPARE_MESSAGE = 2 * MAX_PAYLOAD
"""Of a WebSocket's client, bytes, where a body may not have more; beyond it Hypercorn refuses, before it our
own, smaller limits do."""

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
        self._open: set[_Connection] = set()
        self._drained = trio.Event()
        mask_in_c()
        self._hypercorn = _hypercorn_config(max(config.limits.body, SPARE_MESSAGE))
        self._worker = WorkerContext(None)
        # The application asks for no lifespan events, and Hypercorn's wrapper only changes the call.
        self._asgi = ASGIWrapper(app)

    @property
    def connections(self) -> int:
        return len(self._open)

    async def run(self) -> None:
        """Listen, be ready, serve, and wind down when a stop is asked for.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        listeners = await self._listen()
        async with trio.open_nursery() as connections:
            serve = partial(trio.serve_listeners, self._serve, listeners, handler_nursery=connections)
            try:
                async with trio.open_nursery() as accepting:
                    await accepting.start(serve)
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
        logger.info("listening on %s port %d", host, self.port)
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
            connection = _Connection(BoundedStream(stream, self._write_timeout))
        except OSError:
            # It was gone before we came to it.
            await trio.aclose_forcefully(stream)
            return
        self._open.add(connection)
        try:
            with connection.scope:
                if self._config.proxy_protocol:
                    await self._introduce(connection)
                await self._protocol(connection).run()
        except proxy_protocol.MalformedHeader as error:
            logger.info("refused a connection from %s: %s", connection.peer, error)
            connection.abort()
        except Exception:  # the boundary of a connection, which nothing restarts
            logger.exception("a connection failed")
        finally:
            self._open.discard(connection)
            if not self._open:
                self._drained.set()

    async def _introduce(self, connection: _Connection) -> None:
        """Hear from a proxy whom it speaks for; raises MalformedHeader where there is none to be believed."""
        if connection.peer is None or not addresses.contains(self._proxies, connection.peer):
            raise proxy_protocol.MalformedHeader(
                "proxy_protocol is set, and trusted_proxies does not name it"
            )
        header, rest = await proxy_protocol.receive(connection.stream.receive_some)
        connection.stream.give_back(rest)
        connection.introduced = {PEER_KEY: connection.peer if header.local else header.source}

    def _protocol(self, connection: _Connection) -> TCPServer:
        state: dict[str, Any] = {
            ABORT_KEY: connection.abort,
            SEND_KEY: connection.stream.send_message,
            TUNNEL_KEY: connection.stream,
            **connection.introduced,
        }
        return _Protocol(
            self._asgi,
            self._hypercorn,
            self._worker,
            ConnectionState(state),
            connection.stream,  # type: ignore[arg-type]
        )


class _Protocol(TCPServer):
    """Hypercorn's connection, without its habit of waiting for a client that has gone.

    Its timer for idle connections goes on when the client has closed, and holds
    the file descriptor for as long as it runs.
    """

    _read_everything = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._read_everything = True
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        if not self._read_everything:
            await super()._idle_timeout()


class _Connection:
    """An open connection, and how to end it whatever it is doing."""

    def __init__(self, stream: BoundedStream) -> None:
        self.stream = stream
        self.scope = trio.CancelScope()
        self.introduced: dict[str, Any] = {}
        self.peer = stream.peer

    def abort(self) -> None:
        self.scope.cancel()
        self.stream.abort()


def _hypercorn_config(max_message: int) -> HypercornConfig:
    config = HypercornConfig()
    config.accesslog = None
    config.errorlog = logging.getLogger("dffmpeg.web.hypercorn")
    config.h11_max_incomplete_size = MAX_HEADERS
    config.include_server_header = False
    config.keep_alive_max_requests = 1_000_000_000
    config.keep_alive_timeout = KEEP_ALIVE_TIMEOUT
    config.websocket_max_message_size = max_message
    return config
