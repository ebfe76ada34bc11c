"""Mosquitto, and a RabbitMQ cluster whose nodes die, hang and return."""

from __future__ import annotations

import subprocess

import pytest
import trio
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.cluster.kit import GUARD
from tests.servers.mosquitto import Mosquitto, open_mosquitto
from tests.servers.ports import listens
from tests.servers.rabbitmq import open_rabbitmq


async def connects(broker: Mosquitto, user: str | None = None, password: str | None = None) -> bool:
    def connect() -> bool:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if user is not None:
            client.username_pw_set(user, password)
        client.connect(broker.host, broker.port)
        try:
            # The answer is the first that comes.
            while not client.is_connected():
                if client.loop(timeout=GUARD) != mqtt.MQTT_ERR_SUCCESS:
                    return False
            return True
        finally:
            client.disconnect()

    return await trio.to_thread.run_sync(connect)


@pytest.mark.servers("mosquitto")
async def test_mosquitto_returns_on_its_port() -> None:
    async with open_mosquitto() as broker:
        assert await connects(broker)
        await broker.process.kill()
        assert not await listens(broker.port)
        await broker.process.start()
        assert await connects(broker)


@pytest.mark.servers("mosquitto")
async def test_mosquitto_lets_in_whom_it_was_told_of() -> None:
    async with open_mosquitto(passwords={"coordinator": "right"}, access="user coordinator\n") as broker:
        assert await connects(broker, "coordinator", "right")
        assert not await connects(broker, "coordinator", "wrong")
        assert not await connects(broker)


@pytest.mark.servers("rabbitmq")
async def test_nodes_of_rabbitmq_leave_and_return() -> None:
    async with open_rabbitmq() as cluster:
        first, second, third = cluster.nodes
        await first.process.kill()
        await second.sees(2)
        await first.process.start()
        await second.sees(3)
        # One that hangs is left out by the others, and finds its way back.
        third.process.freeze()

        async def alone() -> bool:
            return "dffmpeg3" not in await second.control("eval", "nodes().")

        await second.process.wait_ready(alone)
        third.process.thaw()
        await second.sees(3)

        async def has_its_policies() -> bool:
            # It may pause once more: those who meet again find out only then that they were apart.
            try:
                return "dffmpeg" in await second.control("list_policies")
            except subprocess.CalledProcessError:
                return False

        await second.process.wait_ready(has_its_policies)
    assert not any(node.process.running for node in cluster.nodes)
