"""The downlinks that a cluster may have: how processes are configured for it, and how its broker breaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.victims import Victim, Way, frozen, killed
from tests.servers.mosquitto import open_mosquitto
from tests.servers.ports import LOOPBACK
from tests.servers.rabbitmq import Node, RabbitMQ, open_rabbitmq

BROKERLESS = ("websocket", "http_polling")
"""Where the broker is away for too long, workers go over to these."""

COORDINATOR = "coordinator"

Settings = Mapping[str, Mapping[str, Any]]
"""`transport_settings`: a table by the name of a transport."""

_CONFIG = Path(__file__).parents[2] / "config"


@dataclass(frozen=True, slots=True)
class Downlink:
    """A downlink, with its broker running if it has one.

    Attributes:
        names: in the order in which workers prefer them.
        ports: of the broker's nodes.
        settings: how the broker is reached by a worker, or by `COORDINATOR`, at its ports or at others
            that lead there.
        victims: what of it may break.
    """

    names: Sequence[str]
    ports: Sequence[int] = ()
    settings: Callable[[str, Sequence[int]], Settings] = field(default=lambda name, ports: {})
    victims: Sequence[Victim] = ()


@asynccontextmanager
async def open_websocket(_workers: Sequence[str]) -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(BROKERLESS)


@asynccontextmanager
async def open_http_polling(_workers: Sequence[str]) -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(["http_polling"])


@asynccontextmanager
async def open_mqtt(workers: Sequence[str]) -> AsyncIterator[Downlink]:
    """One broker, which forgets who was there when it dies; who may do what there is the example's."""
    passwords = {name: f"{name}'s password" for name in (COORDINATOR, *workers)}

    def settings(name: str, ports: Sequence[int]) -> Settings:
        return {"mqtt": {"hosts": _hosts(ports), "username": name, "password": passwords[name]}}

    access = (_CONFIG / "mosquitto/acl").read_text("utf-8")
    async with open_mosquitto(access=access, passwords=passwords) as broker:
        victim = Victim("mosquitto", [killed(broker.process), frozen(broker.process)])
        yield Downlink(["mqtt", *BROKERLESS], [broker.port], settings, [victim])


@asynccontextmanager
async def open_rabbitmq_cluster(workers: Sequence[str]) -> AsyncIterator[Downlink]:
    """Three nodes, of which two go on; who may do what there is the example's."""
    definitions = _definitions(workers)
    passwords = {user["name"]: user["password"] for user in definitions["users"]}

    def settings(name: str, ports: Sequence[int]) -> Settings:
        return {"rabbitmq": {"hosts": _hosts(ports), "username": name, "password": passwords[name]}}

    async with open_rabbitmq(definitions=definitions) as cluster:
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


def _definitions(workers: Sequence[str]) -> dict[str, Any]:
    """The example's, for these workers: each has what its `worker1` has."""
    text = (_CONFIG / "rabbitmq/definitions.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    for table, key in (("users", "name"), ("permissions", "user"), ("topic_permissions", "user")):
        others = [one for one in found[table] if one[key] == COORDINATOR]
        (worker,) = (one for one in found[table] if one[key] == "worker1")
        copies = [json.loads(json.dumps(worker).replace("worker1", name)) for name in workers]
        found[table] = others + copies
    return found


def _hosts(ports: Sequence[int]) -> list[str]:
    return [f"{LOOPBACK}:{port}" for port in ports]


DOWNLINKS: dict[str, Callable[[Sequence[str]], AbstractAsyncContextManager[Downlink]]] = {
    "websocket": open_websocket,
    "http_polling": open_http_polling,
    "mqtt": open_mqtt,
    "rabbitmq": open_rabbitmq_cluster,
}
