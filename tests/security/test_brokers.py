"""Messages forged at a broker that lets everybody write everywhere: nobody believes them. Real brokers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio

from dffmpeg.transports import client
from dffmpeg.transports.broker import Post, Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.downlink import Surroundings
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_server import MqttDownlink
from dffmpeg.transports.mqtt_settings import MqttSettings
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings
from dffmpeg.transports.rabbitmq_connection import open_rabbitmq as connect_rabbitmq
from dffmpeg.transports.rabbitmq_server import RabbitMqDownlink
from dffmpeg.transports.relayed_messages import RelayedMessages
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import codec
from dffmpeg.wire.records import downlink_message
from dffmpeg.wire.seals import is_sealed, sealed
from dffmpeg.wire.workers import DownlinkMessage
from tests.conformance.downlinks.site import PATIENCE
from tests.conformance.downlinks.test_permissions import start
from tests.servers.mosquitto import open_mosquitto
from tests.servers.rabbitmq import PASSWORD, USER, open_rabbitmq
from tests.servers.requirements import Missing
from tests.services import require

KEYS = {"victim": b"v" * 32, "attacker": b"a" * 32}
ROUTE = Route("victim")


def message(recipient: str = "victim", **payload: object) -> DownlinkMessage:
    return downlink_message(recipient, "probe", payload, time.time())


def forgeries() -> dict[str, DownlinkMessage]:
    """What somebody can make who may write there, has read there, and has a key of its own."""
    theirs = sealed(message(benchmark=False), (KEYS["victim"],))
    return {
        "not sealed": message(benchmark=True),
        "sealed with another worker's key": sealed(message(benchmark=True), (KEYS["attacker"],)),
        "no seal at all": msgspec.structs.replace(message(), seal="x"),
        "another command under its seal": msgspec.structs.replace(theirs, payload={"benchmark": True}),
        "another kind under its seal": msgspec.structs.replace(theirs, message_type="job_status"),
        "about another job": msgspec.structs.replace(theirs, job_id="J"),
        "a new one with an old seal": msgspec.structs.replace(message(benchmark=False), seal=theirs.seal),
        "another's": sealed(message("attacker"), (KEYS["attacker"],)),
    }


@pytest.mark.parametrize("name", forgeries())
def test_what_is_not_the_coordinators(name: str) -> None:
    assert not is_sealed(forgeries()[name], (KEYS["victim"],))


def test_what_is_the_coordinators_survives_the_way() -> None:
    nested: dict[str, Any] = {
        "floats": [0.1, 1e300, -0.0],
        "text": 'a"\\\n\N{SNOWMAN}\0',
        "more": {"b": None, "a": [True, 1 << 60]},
    }
    found = codec.decode(codec.encode(sealed(message(**nested), (KEYS["victim"],))), DownlinkMessage)
    assert is_sealed(found, (KEYS["victim"],))


@dataclass
class Broker:
    """A broker, and the coordinator's half of a downlink over it."""

    downlink: BrokerDownlink
    settings: dict[str, Any]

    async def forge(self) -> None:
        posts = [Post(ROUTE, codec.encode(one)) for one in forgeries().values()]
        if isinstance(self.downlink, MqttDownlink):
            async with open_mqtt(MqttSettings(**self.settings), "attacker") as connection:
                await connection.publish(posts)
        else:
            async with connect_rabbitmq(RabbitMqSettings(**self.settings), "attacker") as connection:
                await connection.publish(posts)


async def keys_of(client_id: str) -> tuple[bytes, ...] | None:
    await trio.lowlevel.checkpoint()
    key = KEYS.get(client_id)
    return None if key is None else (key,)


def surroundings() -> Surroundings:
    def nothing(*_: object) -> Any:
        raise AssertionError

    return Surroundings(nothing, nothing, keys_of)


@asynccontextmanager
async def open_broker(name: str) -> AsyncIterator[Broker]:
    try:
        if name == "mqtt":
            async with open_mosquitto() as mosquitto:
                where: dict[str, Any] = {"host": mosquitto.host, "port": mosquitto.port}
                async with _serving(MqttDownlink.create(where, surroundings()), where) as broker:
                    yield broker
        else:
            async with open_rabbitmq(nodes=1) as cluster:
                (node,) = cluster.nodes
                where = {"host": node.host, "port": node.port, "username": USER, "password": PASSWORD}
                async with _serving(RabbitMqDownlink.create(where, surroundings()), where) as broker:
                    yield broker
    except Missing as missing:
        require(name, str(missing))


@asynccontextmanager
async def _serving(downlink: BrokerDownlink, settings: dict[str, Any]) -> AsyncIterator[Broker]:
    async with trio.open_nursery() as nursery:
        await start(nursery, downlink)
        yield Broker(downlink, settings)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["mqtt", "rabbitmq"])
async def test_a_worker_believes_the_coordinator_only(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with open_broker(name) as broker:
        made = client.load([name], {name: broker.settings})[name]
        metadata = broker.downlink.worker_metadata("victim")
        assert metadata["sealed"] is True
        receiver = made(SignedHttp("http://nowhere", "victim", KEYS["victim"]), metadata)
        with trio.fail_after(PATIENCE):
            async with receiver.connect() as arrivals:
                await broker.forge()
                await broker.downlink.send(message(true=1), "worker")
                first = await anext(arrivals)
        assert isinstance(first, DownlinkMessage)
        assert first.payload == {"true": 1}
        assert len([line for line in caplog.messages if "not the coordinator's" in line]) == 7


@pytest.mark.parametrize("name", ["mqtt", "rabbitmq"])
async def test_a_coordinator_hands_nothing_on_that_no_coordinator_sent(name: str) -> None:
    async with open_broker(name) as broker:
        relay = RelayedMessages(broker.downlink)
        with trio.fail_after(PATIENCE):
            assert await relay.poll(ROUTE, last=None, wait=0.0) == []
            await broker.forge()
            await relay.send(message(true=1), "worker")
            (found,) = await relay.poll(ROUTE, last=None, wait=PATIENCE)
        assert found.payload == {"true": 1}
