"""A coordinator with one downlink, the server that this one needs, and receivers."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import trio
import trio_asyncio  # type: ignore[import-untyped]

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.backoff import Backoff
from dffmpeg.configuration.coordinator import CoordinatorConfig, Transports
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import StoreSettings
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.coordinator import coordinator_services, coordinator_tree
from dffmpeg.transports import client
from dffmpeg.transports.client import ClientTransport
from dffmpeg.transports.downlink import Downlink
from dffmpeg.transports.plugins import server_downlinks
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.web import WebServer, create_app
from dffmpeg.wire.records import downlink_message
from dffmpeg.wire.workers import DownlinkMessage
from tests.conformance.downlinks.proxy import Proxy, open_proxy
from tests.servers.mosquitto import open_mosquitto
from tests.servers.ports import free_port
from tests.servers.rabbitmq import PASSWORD, USER, open_rabbitmq
from tests.servers.requirements import Missing
from tests.services import listening, require

KEY = bytes(range(32))
ROLES = {"worker1": Role.WORKER, "worker2": Role.WORKER, "alice": Role.CLIENT}
PATIENCE = 120.0

Restart = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A downlink, as it is configured.

    Attributes:
        keeps: whether all that is sent to a receiver that is away is there for it when it comes back.
        broker: the server that it needs besides the coordinator.
        backend: the transport whose settings say where the broker is.
        beneath: the transport that this one is made over.
    """

    name: str
    keeps: bool
    broker: str | None = None
    backend: str | None = None
    server: Mapping[str, Any] = field(default_factory=dict)
    receiver: Mapping[str, Any] = field(default_factory=dict)
    beneath: str | None = None


KINDS = {
    "websocket": Kind("websocket", keeps=False),
    "stream": Kind("http_polling", keeps=True),
    "polls": Kind("http_polling", keeps=True, receiver={"streaming": False}),
    "mqtt": Kind("mqtt", keeps=False, broker="mqtt"),
    "mqtt3": Kind(
        "mqtt", keeps=False, broker="mqtt", server={"protocol": "3.1.1"}, receiver={"protocol": "3.1.1"}
    ),
    "rabbitmq": Kind("rabbitmq", keeps=True, broker="rabbitmq"),
    "stream-mqtt": Kind(
        "http_polling", keeps=True, broker="mqtt", backend="mqtt", server={"backend_transport": "mqtt"}
    ),
    "polls-rabbitmq": Kind(
        "http_polling",
        keeps=True,
        broker="rabbitmq",
        backend="rabbitmq",
        server={"backend_transport": "rabbitmq"},
        receiver={"streaming": False},
    ),
}


class Site:
    """What a test has in its hands.

    Attributes:
        proxy: what receivers, and the coordinator if there is a broker, reach the server through.
        restart: ends the server and starts it anew.

    Args:
        apart: part of every name, as a server of this machine remembers those of other tests.
    """

    def __init__(
        self, kind: Kind, folder: Path, proxy: Proxy, settings: dict[str, dict[str, Any]], apart: str
    ) -> None:
        self.kind = kind
        self.proxy = proxy
        self.restart: Restart = self._restart_coordinator
        self._port = free_port()
        self._apart = apart
        if kind.broker is None:
            proxy.target = self._port
        self.config = CoordinatorConfig(
            port=self._port,
            transports=Transports(
                enabled_transports=[name for name in (kind.name, kind.beneath) if name is not None],
                transport_settings=settings,
            ),
            allowed_binaries=["ffmpeg", "python"],
            web_dashboard_enabled=False,
        )
        self._folder = folder
        self._settings = settings
        self._nursery: trio.Nursery | None = None
        self._running: trio.CancelScope | None = None
        self._ended = trio.Event()
        self.services: Services

    @property
    def downlink(self) -> Downlink:
        return self.services.downlinks[self.kind.name]

    @property
    def url(self) -> str:
        """The coordinator's, for receivers."""
        port = self._port if self.kind.broker is not None else self.proxy.port
        return f"http://127.0.0.1:{port}"

    def name(self, who: str) -> str:
        """The identity that is `worker1`, `worker2` or `alice` here."""
        return f"{who}-{self._apart}"

    async def send(self, who: str, number: int, *, job_id: str | None = None, size: int = 0) -> None:
        """Send a numbered message to a worker, or with a job to a requester."""
        payload = {"number": number, "padding": "x" * size}
        message = downlink_message(self.name(who), "probe", payload, time.time(), job_id=job_id)
        await self.downlink.send(message, "worker" if job_id is None else "requester")

    def receiver(self, http: SignedHttp, job_id: str | None = None) -> ClientTransport:
        """A receiver's half, for whoever signs the requests."""
        if job_id is None:
            metadata = self.downlink.worker_metadata(http.client_id)
        else:
            metadata = self.downlink.job_metadata(http.client_id, job_id)
        return client.load([self.kind.name], {self.kind.name: self.receiver_settings()})[self.kind.name](
            http, metadata
        )

    def receiver_settings(self) -> dict[str, Any]:
        """What the receivers' configuration says of the transport."""
        kind, said = self.kind, dict(self.kind.receiver)
        broker = self._settings.get(kind.broker or "", {})
        if kind.beneath is not None:
            return {**said, "settings": {**broker, **said["settings"]}}
        return {**broker, **said} if kind.name == kind.broker else said

    @asynccontextmanager
    async def listening(self, who: str, job_id: str | None = None) -> AsyncIterator[Listener]:
        """A listener that comes back whenever its connection ends, as a worker does; it is connected."""
        async with SignedHttp(self.url, self.name(who), KEY) as http, trio.open_nursery() as nursery:
            listener = Listener(self.receiver(http, job_id))
            nursery.start_soon(listener.run)
            await listener.until_connected(1)
            yield listener
            nursery.cancel_scope.cancel()

    async def usable(self, usable: bool = True) -> None:
        """Wait until the coordinator's half says so."""
        with trio.fail_after(PATIENCE):
            while (self.downlink.failing_since is None) is not usable:  # noqa: ASYNC110
                # Nobody tells a test: it is asked whenever somebody wants to use it.
                await trio.sleep(0.02)

    # The coordinator

    async def start(self) -> None:
        """Start it, in the nursery that was opened for it."""
        assert self._nursery is not None
        await self._nursery.start(self._run)

    async def _restart_coordinator(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await self._ended.wait()
        await self.start()

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        ended = self._ended = trio.Event()
        config = self.config
        settings = StoreSettings(engine_defaults={"sqlite": {"path": str(self._folder / "coordinator.db")}})
        self.services = services = coordinator_services(
            config,
            lambda opened: server_downlinks(
                config.transports, lambda: opened.current.messages, opened.keys_of
            ),
        )
        serves = trio.Event()

        def web() -> WebServer:
            app = create_app(Operations(services), services.opened.current.identities, config)
            return WebServer(app, config, bound=lambda _: serves.set())

        try:
            with trio.CancelScope() as self._running:
                async with open_tree(coordinator_tree(services, settings, web), name="coordinator"):
                    await serves.wait()
                    await self._identities(services)
                    task_status.started()
                    await trio.sleep_forever()
        finally:
            ended.set()

    async def _identities(self, services: Services) -> None:
        for who, role in ROLES.items():
            if await services.store.identities.get(self.name(who)) is None:
                await services.store.identities.add(Identity(client_id=self.name(who), role=role, key=KEY))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The coordinator around a block."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self.start()
            yield
            nursery.cancel_scope.cancel()


class Listener:
    """What a receiver gets, in the order in which it gets it.

    Attributes:
        paused: while it is set nothing is taken.
    """

    def __init__(self, transport: ClientTransport) -> None:
        self.numbers: list[int] = []
        self.recipients: set[str] = set()
        self.connections = 0
        self.paused = False
        self._transport = transport
        self._changed = trio.Event()

    async def run(self) -> None:
        backoff, attempt = Backoff(minimum=0.05, maximum=0.5, jitter=0.5), 0
        while True:
            attempt += 1
            try:
                async with self._transport.connect() as arrivals:
                    self.connections += 1
                    self.note()
                    async for arrival in arrivals:
                        if isinstance(arrival, DownlinkMessage):
                            await self._take(arrival)
            except (Unreachable, Refused):
                await trio.sleep(backoff.delay(attempt, 0.5))

    async def _take(self, message: DownlinkMessage) -> None:
        self.numbers.append(message.payload["number"])
        self.recipients.add(message.recipient_id)
        self.note()
        await self._until(lambda: not self.paused, patience=False)

    def note(self) -> None:
        """Something has changed."""
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, number: int) -> None:
        """Wait until that number came."""
        await self._until(lambda: number in self.numbers)

    async def until_connected(self, times: int) -> None:
        """Wait until it was connected so often."""
        await self._until(lambda: self.connections >= times)

    async def _until(self, condition: Callable[[], bool], *, patience: bool = True) -> None:
        with trio.fail_after(PATIENCE if patience else float("inf")):
            while not condition():
                await self._changed.wait()


@asynccontextmanager
async def open_site(kind: Kind, folder: Path, *, own: bool = False) -> AsyncIterator[Site]:
    """A site around a block.

    Args:
        own: with a broker of its own, which can be restarted.
    """
    apart = secrets.token_hex(4)
    async with open_proxy() as proxy:
        settings: dict[str, dict[str, Any]] = {kind.name: dict(kind.server)}
        if kind.broker is None:
            site = Site(kind, folder, proxy, settings, apart)
            async with site.running():
                yield site
            return
        async with _broker(kind.broker, own, apart) as (port, told, restart):
            proxy.target = port
            settings[kind.broker] = {
                **settings.get(kind.broker, {}),
                **told,
                "host": "127.0.0.1",
                "port": proxy.port,
            }
            site = Site(kind, folder, proxy, settings, apart)
            if restart is not None:
                site.restart = restart
            async with site.running():
                await site.usable()
                yield site


@asynccontextmanager
async def _broker(
    name: str, own: bool, apart: str
) -> AsyncIterator[tuple[int, dict[str, Any], Restart | None]]:
    """Its port, what settings say of it, and how it is restarted."""
    names: dict[str, Any] = (
        {"topic_prefix": f"dffmpeg-{apart}"}
        if name == "mqtt"
        else {"workers_exchange": f"dffmpeg.workers.{apart}", "jobs_exchange": f"dffmpeg.jobs.{apart}"}
    )
    if not own:
        found = listening(name)
        assert found.port is not None
        users = {"username": found.username, "password": found.password} if found.username else {}
        try:
            yield found.port, {**names, **users}, None
        finally:
            if name == "rabbitmq":
                queues = [f"dffmpeg.worker.{who}-{apart}" for who in ROLES]
                with trio.CancelScope(shield=True):
                    await tidy(found.port, users, queues, list(names.values()))
        return
    try:
        if name == "mqtt":
            async with open_mosquitto() as broker:
                yield broker.port, names, lambda: _again(broker.process)
        else:
            async with open_rabbitmq(nodes=1) as cluster:
                process = cluster.nodes[0].process
                users = {"username": USER, "password": PASSWORD}
                yield cluster.nodes[0].port, {**names, **users}, lambda: _again(process)
    except Missing as missing:
        require(name, str(missing))


async def tidy(
    port: int, users: Mapping[str, str | None], queues: Sequence[str], exchanges: Sequence[str]
) -> None:
    """Take away from a broker that is not ours what outlives its connections."""
    call = trio_asyncio.aio_as_trio
    async with trio_asyncio.open_loop():
        connection = await call(aio_pika.connect)(
            host="127.0.0.1", port=port, login=users["username"], password=users["password"]
        )
        channel = connection.channel()
        await call(channel.initialize)()
        for queue in queues:
            await call(channel.queue_delete)(queue)
        for exchange in exchanges:
            await call(channel.exchange_delete)(exchange)
        await call(connection.close)()


async def _again(process: Any) -> None:
    await process.kill()
    await process.start()
