"""What is said of a broker in a configuration: taken as it is meant, or refused by name; and its TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.errors import ConfigurationError, NotConnected, Unreachable
from dffmpeg.transports import client
from dffmpeg.transports.broker import Post, Route
from dffmpeg.transports.broker_settings import BrokerSettings
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_settings import MqttSettings
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings, open_rabbitmq
from tests.conformance.downlinks.site import tidy
from tests.servers.certificates import certificate
from tests.services import listening


def test_addresses_have_the_ports_that_are_usual() -> None:
    settings = BrokerSettings(hosts=["a", "b:1", "[::1]:2", "::1", "[fe80::1]"])
    expected = [("a", 10), ("b", 1), ("::1", 2), ("::1", 10), ("fe80::1", 10)]
    assert sorted(settings.addresses(10, 20)) == sorted(expected)
    assert BrokerSettings(use_tls=True).addresses(10, 20) == [("localhost", 20)]
    assert BrokerSettings(host="h", port=5, use_tls=True).addresses(10, 20) == [("h", 5)]


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("mqtt", {"hots": "x"}, 'transport_settings.mqtt.hots: unknown key, did you mean "hosts"'),
        ("mqtt", {"port": "1883"}, "transport_settings.mqtt.port: expected an integer"),
        (
            "mqtt",
            {"topic_prefix": "a/#"},
            "transport_settings.mqtt.topic_prefix: expected the beginning of a topic: 1 to 200",
        ),
        (
            "rabbitmq",
            {"jobs_exchange": ""},
            "jobs_exchange: expected a string of 1 to 127 characters, got ''",
        ),
        ("mqtt", {"protocol": "4"}, "transport_settings.mqtt.protocol: expected"),
        ("rabbitmq", {"hosts": ["a:b"]}, "transport_settings.rabbitmq.hosts: expected a broker's address"),
        ("rabbitmq", {"key_file": "k"}, "transport_settings.rabbitmq.cert_file: missing"),
        ("rabbitmq", {"password": "a", "password_file": "b"}, "password or password_file, not both"),
        (
            "rabbitmq",
            {"host": "a", "hosts": ["b"]},
            "transport_settings.rabbitmq: expected host or hosts, not",
        ),
        (
            "rabbitmq",
            {"password_file": "/no"},
            "transport_settings.rabbitmq.password_file: /no: No such file",
        ),
        (
            "rabbitmq",
            {"use_tls": True, "ca_file": "/no"},
            "transport_settings.rabbitmq.ca_file: /no: No such file",
        ),
        ("mqtt", {"use_tls": True, "ca_file": "/dev/null"}, "mqtt.ca_file: /dev/null: expected certificates"),
        ("mqtt", {"use_tls": True, "cert_file": "/dev/null"}, "mqtt.cert_file: /dev/null: expected a cert"),
        ("websocket", {"a": 1}, "transport_settings.websocket.a: unknown key"),
        ("http_polling", {"poll_wait": 0.1}, "transport_settings.http_polling.poll_wait"),
    ],
)
def test_what_does_not_fit_is_named(name: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        client.load([name], {name: settings})
    assert says in str(refused.value)


def test_a_table_of_no_transport_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r'transport_settings\.mtqq: .* did you mean "mqtt"'):
        client.load(["mqtt"], {"mtqq": {"host": "broker"}})
    # One that is only not used now may stay.
    assert list(client.load(["websocket"], {"mqtt": {"host": "broker"}})) == ["websocket"]


def test_a_password_is_in_no_text() -> None:
    for kind in (MqttSettings, RabbitMqSettings):
        assert "secret" not in repr(kind(password="secret", username="secret-user"))


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("word\n")
    assert BrokerSettings(password_file=str(tmp_path / "password")).secret() == "word"


# TLS


@asynccontextmanager
async def behind_tls(folder: Path, port: int) -> AsyncIterator[int]:
    """The same server for those whose certificate is of this authority."""
    authority = certificate(folder, "ca", None)
    certificate(folder, "server", authority)
    certificate(folder, "worker", authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            async with (
                stream,
                await trio.open_tcp_stream("127.0.0.1", port) as server,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(pump, stream, server, nursery.cancel_scope)
                nursery.start_soon(pump, server, stream, nursery.cancel_scope)
        except* trio.BrokenResourceError:
            # A client that does not trust us, or that we do not.
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1", https_compatible=True)
        )
        yield listeners[0].transport_listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def pump(source: trio.abc.Stream, target: trio.abc.Stream, scope: trio.CancelScope) -> None:
    while data := await source.receive_some():
        await target.send_all(data)
    scope.cancel()


def tls_settings(folder: Path, port: int) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "use_tls": True,
        "ca_file": str(folder / "ca.pem"),
        "cert_file": str(folder / "worker.pem"),
        "key_file": str(folder / "worker.key"),
    }


async def test_mqtt_over_tls(tmp_path: Path) -> None:
    broker = listening("mqtt")
    assert broker.port is not None
    async with behind_tls(tmp_path, broker.port) as port:
        settings = tls_settings(tmp_path, port)
        async with open_mqtt(MqttSettings(**settings, topic_prefix="tls"), "tls") as connection:
            await connection.subscribe(Route("w"))
            bodies = [bytes([n]) * 50_000 for n in range(20)]
            await connection.publish([Post(Route("w"), body) for body in bodies])
            with trio.fail_after(60):
                assert [await connection.receive() for _ in bodies] == bodies
        for wrong in ({"cert_file": None, "key_file": None}, {"ca_file": None}):
            # That ours is missed is said after the handshake (TLS 1.3).
            with pytest.raises(Unreachable):
                async with open_mqtt(MqttSettings(**(settings | wrong)), "tls"):
                    pass
        async with open_mqtt(MqttSettings(**(settings | {"ca_file": None, "verify_ssl": False})), "tls"):
            pass


async def test_rabbitmq_over_tls(tmp_path: Path) -> None:
    broker = listening("rabbitmq")
    assert broker.port is not None
    async with behind_tls(tmp_path, broker.port) as port:
        settings: dict[str, Any] = {
            **tls_settings(tmp_path, port),
            "username": broker.username,
            "password": broker.password,
            "workers_exchange": "dffmpeg.tls",
            "jobs_exchange": "dffmpeg.tls",
        }
        async with open_rabbitmq(RabbitMqSettings(**settings), "tls") as connection:
            await connection.declare_exchanges()
            await connection.subscribe(Route("w"))
            bodies = [bytes([n]) * 50_000 for n in range(20)]
            await connection.publish([Post(Route("w"), body) for body in bodies])
            with trio.fail_after(60):
                assert [await connection.receive() for _ in bodies] == bodies
        for wrong in ({"cert_file": None, "key_file": None}, {"ca_file": None}):
            with pytest.raises(Unreachable):
                async with open_rabbitmq(RabbitMqSettings(**(settings | wrong)), "tls"):
                    pass
    users = {"username": broker.username, "password": broker.password}
    await tidy(broker.port, users, [], ["dffmpeg.tls"])


async def test_the_next_host_is_tried() -> None:
    broker = listening("mqtt")
    hosts = ["127.0.0.1:1", f"127.0.0.1:{broker.port}", "127.0.0.1:2"]
    for _chance in range(3):
        async with open_mqtt(MqttSettings(hosts=hosts), "several"):
            pass
    rabbit = listening("rabbitmq")
    users: dict[str, Any] = {"username": rabbit.username, "password": rabbit.password}
    async with open_rabbitmq(
        RabbitMqSettings(hosts=["127.0.0.1:1", f"127.0.0.1:{rabbit.port}"], **users), "s"
    ):
        pass
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:1"):
        async with open_mqtt(MqttSettings(hosts=["127.0.0.1:1"]), "several"):
            pass
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:1"):
        async with open_rabbitmq(RabbitMqSettings(hosts=["127.0.0.1:1"]), "several"):
            pass
