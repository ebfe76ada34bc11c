"""The downlinks that a cluster may have: how processes are configured for it, and how its broker breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.victims import Victim, Way, frozen, killed
from tests.servers.mosquitto import open_mosquitto
from tests.servers.ports import LOOPBACK
from tests.servers.rabbitmq import PASSWORD, USER, Node, RabbitMQ, open_rabbitmq

BROKERLESS = ("websocket", "http_polling")
"""Where the broker is away for too long, workers go over to these."""

Settings = Mapping[str, Mapping[str, Any]]
"""`transport_settings`: a table by the name of a transport."""


@dataclass(frozen=True, slots=True)
class Downlink:
    """A downlink, with its broker running if it has one.

    Attributes:
        names: in the order in which workers prefer them.
        ports: of the broker's nodes.
        settings: how the broker is reached at these ports, or at others that lead there.
        victims: what of it may break.
    """

    names: Sequence[str]
    ports: Sequence[int] = ()
    settings: Callable[[Sequence[int]], Settings] = field(default=lambda ports: {})
    victims: Sequence[Victim] = ()


@asynccontextmanager
async def open_websocket() -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(BROKERLESS)


@asynccontextmanager
async def open_http_polling() -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(["http_polling"])


@asynccontextmanager
async def open_mqtt() -> AsyncIterator[Downlink]:
    """One broker, which forgets who was there when it dies."""

    def settings(ports: Sequence[int]) -> Settings:
        return {"mqtt": {"hosts": _hosts(ports)}}

    async with open_mosquitto() as broker:
        victim = Victim("mosquitto", [killed(broker.process), frozen(broker.process)])
        yield Downlink(["mqtt", *BROKERLESS], [broker.port], settings, [victim])


@asynccontextmanager
async def open_rabbitmq_cluster() -> AsyncIterator[Downlink]:
    """Three nodes, of which two go on."""

    def settings(ports: Sequence[int]) -> Settings:
        return {"rabbitmq": {"hosts": _hosts(ports), "username": USER, "password": PASSWORD}}

    async with open_rabbitmq() as cluster:
        victims = [
            Victim(f"rabbitmq{number + 1}", _ways(cluster, node)) for number, node in enumerate(cluster.nodes)
        ]
        ports = [node.port for node in cluster.nodes]
        yield Downlink(["rabbitmq", *BROKERLESS], ports, settings, victims)


def _ways(cluster: RabbitMQ, node: Node) -> list[Way]:
    async def together() -> None:
        for one in cluster.nodes:
            await one.sees(len(cluster.nodes))

    async def start() -> None:
        await node.process.start()
        await together()

    return [killed(node.process, start), frozen(node.process, together)]


def _hosts(ports: Sequence[int]) -> list[str]:
    return [f"{LOOPBACK}:{port}" for port in ports]


DOWNLINKS: dict[str, Callable[[], AbstractAsyncContextManager[Downlink]]] = {
    "websocket": open_websocket,
    "http_polling": open_http_polling,
    "mqtt": open_mqtt,
    "rabbitmq": open_rabbitmq_cluster,
}
