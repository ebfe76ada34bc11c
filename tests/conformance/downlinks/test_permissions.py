"""What the examples in `config/` let each user do at a broker, and what they do not."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.errors import Refused, Unreachable
from dffmpeg.transports import client
from dffmpeg.transports.broker import Post, Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.client import ClientTransport
from dffmpeg.transports.downlink import Surroundings
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_server import MqttDownlink
from dffmpeg.transports.mqtt_settings import MqttSettings
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings, open_rabbitmq
from dffmpeg.transports.rabbitmq_server import RabbitMqDownlink
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.records import downlink_message
from dffmpeg.wire.workers import DownlinkMessage
from tests.conformance.downlinks.site import PATIENCE
from tests.servers import rabbitmq
from tests.servers.mosquitto import Mosquitto, open_mosquitto
from tests.servers.rabbitmq import Node
from tests.servers.requirements import Missing
from tests.services import require

CONFIG = Path(__file__).parents[3] / "config"
USERS = ("coordinator", "worker1", "worker2", "alice")
ROLES = {"coordinator": "coordinator", "worker1": "worker", "worker2": "worker", "alice": "client"}


def password(user: str) -> str:
    return f"change-me-{user}"


class Parties:
    """A broker, the coordinator's half that publishes there, and everybody's own connection."""

    def __init__(self, downlink: BrokerDownlink, settings: dict[str, Any]) -> None:
        self.downlink = downlink
        self._settings = settings

    def settings(self, user: str) -> dict[str, Any]:
        return {**self._settings, "username": user, "password": password(user)}

    async def send(self, route: Route, kind: str = "probe") -> None:
        message = downlink_message(
            route.recipient_id, "probe", {"kind": kind}, time.time(), job_id=route.job_id
        )
        await self.downlink.send(message, "worker" if route.job_id is None else "requester")

    def receiver(self, user: str, **metadata: Any) -> ClientTransport:
        name = self.downlink.name
        made = client.load([name], {name: self.settings(user)})[name]
        return made(SignedHttp("http://nowhere", user, bytes(32)), metadata)

    async def hears(self, user: str, route: Route, **metadata: Any) -> str:
        """What the user hears first, of what is sent to the route once it listens."""
        with trio.fail_after(PATIENCE):
            async with self.receiver(user, **metadata).connect() as arrivals:
                await self.send(route)
                async for arrival in arrivals:
                    assert isinstance(arrival, DownlinkMessage)
                    return str(arrival.payload["kind"])
        raise AssertionError("it was disconnected")


async def start(nursery: trio.Nursery, downlink: BrokerDownlink) -> None:
    ready = trio.Event()
    nursery.start_soon(downlink.run, ready.set)
    await ready.wait()
    assert downlink.failing_since is None


def surroundings() -> Surroundings:
    def nothing(*_: object) -> Any:
        raise AssertionError

    return Surroundings(nothing, nothing)


# RabbitMQ


@asynccontextmanager
async def rabbitmq_of(definitions: rabbitmq.Definitions) -> AsyncIterator[Node]:
    try:
        async with rabbitmq.open_rabbitmq(1, definitions) as cluster:
            yield cluster.nodes[0]
    except Missing as missing:
        require("rabbitmq", str(missing))


@asynccontextmanager
async def rabbitmq_parties(node: Node) -> AsyncIterator[Parties]:
    settings = {"host": node.host, "port": node.port}
    own = {"username": "coordinator", "password": password("coordinator")}
    downlink = RabbitMqDownlink.create({**settings, **own}, surroundings())
    async with trio.open_nursery() as nursery:
        await start(nursery, downlink)
        yield Parties(downlink, settings)
        nursery.cancel_scope.cancel()


async def give_permissions(node: Node, folder: Path) -> None:
    """As an administrator does, whose rabbitmqctl is this node's."""
    asked, ctl = folder / "asked", folder / "ctl"
    ctl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$#" "$@" >> {asked}\n')
    ctl.chmod(0o755)
    for user in USERS:
        await node.control("add_user", user, password(user))
        command = [str(CONFIG / "rabbitmq/permissions.sh"), ROLES[user], user]
        subprocess.run(command, env={"RABBITMQCTL": str(ctl), "PATH": "/usr/bin:/bin"}, check=True)
    lines = asked.read_text().splitlines()
    while lines:
        count = int(lines.pop(0))
        arguments, lines = lines[:count], lines[count:]
        await node.control(*arguments)


async def test_rabbitmq_users_do_what_they_need_and_no_more(tmp_path: Path) -> None:
    async with rabbitmq_of({"vhosts": [{"name": "/"}]}) as node:
        await give_permissions(node, tmp_path)
        async with rabbitmq_parties(node) as parties:
            await _what_workers_may(parties)
            await _what_clients_may(parties)
            await _nobody_else_publishes(parties)
            await _the_coordinator_listens_for_pollers(parties)


async def _what_workers_may(parties: Parties) -> None:
    own = parties.downlink.worker_metadata("worker1")
    other = parties.downlink.worker_metadata("worker2")
    assert await parties.hears("worker1", Route("worker1"), **own) == "probe"
    assert await parties.hears("worker2", Route("worker2"), **other) == "probe"
    # Neither the other's queue, nor what is for the other in its own.
    await _refused(parties, "worker1", **other)
    await _refused(parties, "worker1", **{**own, "routing_key": "worker.worker2"})
    await _refused(parties, "worker1", **{**own, "routing_key": "worker.#"})
    await _refused(parties, "worker1", **{**own, "queue_name": "dffmpeg.worker.worker1.more"})


async def _what_clients_may(parties: Parties) -> None:
    own = parties.downlink.job_metadata("alice", "J1")
    assert await parties.hears("alice", Route("alice", "J1"), **own) == "probe"
    await _refused(parties, "alice", **parties.downlink.job_metadata("bob", "J1"))
    await _refused(parties, "alice", **{**own, "routing_key": "job.bob.J1"})
    await _refused(parties, "alice", **parties.downlink.worker_metadata("worker1"))


async def _nobody_else_publishes(parties: Parties) -> None:
    for user in ("worker1", "alice"):
        with pytest.raises(Refused, match="refused"):
            await _publish(RabbitMqSettings(**parties.settings(user)))


async def _publish(settings: RabbitMqSettings) -> None:
    async with open_rabbitmq(settings, "somebody") as connection:
        await connection.publish([Post(Route("worker2"), b"{}")])
        await trio.sleep_forever()


async def _the_coordinator_listens_for_pollers(parties: Parties) -> None:
    heard = trio.Event()
    await parties.downlink.listen(Route("worker2"), lambda message, size: heard.set())
    await parties.send(Route("worker2"))
    with trio.fail_after(PATIENCE):
        await heard.wait()


async def _refused(parties: Parties, user: str, **metadata: Any) -> None:
    with pytest.raises(Refused, match="refused"):
        async with parties.receiver(user, **metadata).connect():
            pass


async def test_rabbitmq_definitions_are_the_same_permissions(tmp_path: Path) -> None:
    definitions = json.loads((CONFIG / "rabbitmq/definitions.json").read_text())
    async with rabbitmq_of(definitions) as node, rabbitmq_parties(node) as parties:
        await _what_workers_may(parties)


# MQTT


@asynccontextmanager
async def mqtt_parties() -> AsyncIterator[tuple[Mosquitto, Parties]]:
    access = (CONFIG / "mosquitto/acl").read_text()
    try:
        async with (
            open_mosquitto(access=access, passwords={user: password(user) for user in USERS}) as broker,
            trio.open_nursery() as nursery,
        ):
            settings = {"host": broker.host, "port": broker.port}
            own = {"username": "coordinator", "password": password("coordinator")}
            downlink = MqttDownlink.create({**settings, **own}, surroundings())
            await start(nursery, downlink)
            yield broker, Parties(downlink, settings)
            nursery.cancel_scope.cancel()
    except Missing as missing:
        require("mosquitto", str(missing))


async def test_mqtt_users_hear_what_is_theirs_and_nothing_else() -> None:
    async with mqtt_parties() as (_, parties):
        downlink = parties.downlink
        assert (
            await parties.hears("worker1", Route("worker1"), **downlink.worker_metadata("worker1")) == "probe"
        )
        assert (
            await parties.hears("alice", Route("alice", "J"), **downlink.job_metadata("alice", "J"))
            == "probe"
        )
        # Mosquitto lets everybody subscribe to everything, and then brings nothing.
        settings = MqttSettings(**parties.settings("worker1"))
        async with open_mqtt(settings, "worker1") as connection:
            for topic in ("dffmpeg/workers/worker2", "dffmpeg/workers/#", "dffmpeg/jobs/#", "#"):
                await connection.subscribe_topic(topic)
            await parties.send(Route("worker2"), "other")
            await parties.send(Route("alice", "J"), "other")
            await connection.publish([Post(Route("worker1"), b"from a worker")])
            await parties.send(Route("worker1"), "own")
            with trio.fail_after(PATIENCE):
                assert b'"own"' in await connection.receive()


async def test_who_has_no_password_is_refused_and_told_so() -> None:
    async with mqtt_parties() as (broker, _):
        for protocol in ("3.1.1", "5"):
            settings = MqttSettings(
                host=broker.host, port=broker.port, username="worker1", password="x", protocol=protocol
            )
            with pytest.raises((Refused, Unreachable), match=r"(?i)not authori[sz]ed"):
                async with open_mqtt(settings, "worker1"):
                    pass
