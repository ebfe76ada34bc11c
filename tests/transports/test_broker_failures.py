"""What is said of a broker that cannot be used: which one, why, and nothing of the libraries beside it."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest
import trio

from dffmpeg.errors import NotConnected, Unreachable
from dffmpeg.transports.broker import Causes, RefusedByBroker
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_settings import MqttSettings
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings, Source, open_rabbitmq
from tests.services import listening


def rabbit(**changed: Any) -> RabbitMqSettings:
    broker = listening("rabbitmq")
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": broker.port,
        "username": broker.username,
        "password": broker.password,
    }
    return RabbitMqSettings(**(settings | changed))


async def refusal(settings: RabbitMqSettings) -> str:
    with pytest.raises(RefusedByBroker) as refused:
        async with open_rabbitmq(settings, "refused"):
            pass
    return str(refused.value)


async def test_a_wrong_virtual_host_is_named() -> None:
    settings = rabbit(vhost="nowhere")
    said = await refusal(settings)
    assert said.startswith(f"127.0.0.1:{settings.port}: the broker refused: ")
    assert f"does the virtual host 'nowhere' exist, and may {settings.login!r} use it?" in said
    assert "object at" not in said
    # The same words each time, so that they are said once.
    assert await refusal(settings) == said


async def test_a_wrong_password_is_no_matter_of_http() -> None:
    said = await refusal(rabbit(password="wrong"))
    assert "ACCESS_REFUSED" in said
    assert "HTTP" not in said


async def test_what_it_refuses_later_names_it_too() -> None:
    settings = rabbit()
    with pytest.raises(
        RefusedByBroker, match=rf"^127\.0\.0\.1:{settings.port}: the broker refused: ACCESS_REFUSED"
    ):
        async with open_rabbitmq(settings, "refused") as connection:
            # Names that begin so are the broker's own.
            await connection.consume(Source("amq.dffmpeg", "amq.topic", "x", durable=False, auto_delete=True))


@pytest.mark.parametrize(("level", "silent"), [(logging.INFO, True), (logging.DEBUG, False)])
async def test_the_library_says_nothing_beside_us(
    caplog: pytest.LogCaptureFixture, level: int, silent: bool
) -> None:
    with caplog.at_level(level), pytest.raises(NotConnected, match=r"127\.0\.0\.1:1: "):
        async with open_rabbitmq(rabbit(port=1), "closed"):
            pass
    assert silent == (not [record for record in caplog.records if record.name.startswith("aio")])


async def test_mqtt_names_the_broker_that_hangs_up() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"^127\.0\.0\.1:{port}: the connection to the broker broke"):
            async with open_mqtt(MqttSettings(host="127.0.0.1", port=port), "broken"):
                pass
        nursery.cancel_scope.cancel()


def test_each_cause_is_said_once_until_it_is_over() -> None:
    causes = Causes()
    a, b = Unreachable("a: refused"), Unreachable("b: refused")
    assert [causes.first(error) for error in (a, b, a, b)] == [True, True, False, False]
    causes.over()
    assert causes.first(a)
