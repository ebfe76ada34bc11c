"""A connection to an MQTT broker: the only file that knows paho-mqtt.

The library's protocol engine runs without its thread: trio waits for the library's own socket, and the
library's calls never block. Only connecting does (names, TCP, TLS), in a thread of trio's that nobody has to
wait for. See docs/decisions/paho-on-trio.md.
"""

from __future__ import annotations

import logging
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dffmpeg.errors import NotConnected, Refused, Unreachable, single_error
from dffmpeg.transports.broker import CONFIRM_SECONDS, CONNECT_SECONDS, WINDOW, Post, RefusedByBroker, Route
from dffmpeg.transports.mqtt_settings import MqttSettings

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

logger = logging.getLogger("dffmpeg.transports")

KEEPALIVE = 15
"""Seconds of silence after which either side asks for a sign of life; after twice that it is gone."""

_TICK = 1.0
_QOS = 1


@asynccontextmanager
async def open_mqtt(settings: MqttSettings, name: str) -> AsyncIterator[MqttConnection]:
    """Connect, with a session that ends with the connection; leaving disconnects.

    Args:
        name: begins the client's identifier, which is another one each time.

    Raises:
        NotConnected: no server could be reached.
        Refused: the broker does not want us.
        Unreachable: from the block: the connection broke.
    """
    connection = MqttConnection(await _connect(settings, name), settings)
    with single_error():
        async with trio.open_nursery() as nursery:
            try:
                for task in (connection.read, connection.write, connection.keep_alive):
                    nursery.start_soon(task)
                await connection.accepted()
                yield connection
            finally:
                nursery.cancel_scope.cancel()
                connection.close()


def _client(settings: MqttSettings, name: str) -> Client:
    version = MQTTProtocolVersion.MQTTv5 if settings.protocol == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{name}-{secrets.token_hex(4)}",
        protocol=version,
        reconnect_on_failure=False,
        # Only what was taken is acknowledged: so the broker knows how much is on its way.
        manual_ack=True,
    )
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.secret())
    client.connect_timeout = CONNECT_SECONDS
    return client


def _secured(client: Client, settings: MqttSettings) -> list[ssl.SSLSocket]:
    """Have it use TLS, if it is to; the sockets that it makes of that, which it forgets where they fail."""
    made: list[ssl.SSLSocket] = []
    context = settings.tls()
    if context is None:
        return made
    wrap = context.wrap_socket

    def wrap_and_note(*args: Any, **kwargs: Any) -> ssl.SSLSocket:
        made.append(wrap(*args, **kwargs))
        return made[-1]

    context.wrap_socket = wrap_and_note  # type: ignore[method-assign]
    client.tls_set_context(context)
    return made


async def _connect(settings: MqttSettings, name: str) -> Client:
    """Connect to the first server that takes us."""
    failure = NotConnected("no server is known")
    for host, port in settings.addresses(1883, 8883):
        try:
            with trio.fail_after(CONNECT_SECONDS):
                return await _connect_to(host, port, settings, name)
        except trio.TooSlowError:
            failure = NotConnected(f"{host}:{port}: no answer in time")
        except (OSError, ValueError) as error:
            failure = NotConnected(f"{host}:{port}: {error}")
            failure.__cause__ = error
    raise failure


async def _connect_to(host: str, port: int, settings: MqttSettings, name: str) -> Client:
    client = _client(settings, name)
    secured = _secured(client, settings)
    properties: Properties | None = None
    if settings.protocol == "5":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = WINDOW
    connect = partial(client.connect, host, port, KEEPALIVE, properties=properties)
    try:
        # A thread that is given up ends by its own time-out, and what it has made is nobody's.
        await trio.to_thread.run_sync(connect, abandon_on_cancel=True)
    except (OSError, ValueError):
        for socket in secured:
            socket.close()
        raise
    return client


class MqttConnection:
    """`BrokerConnection`. Its three tasks run the library; the end of the connection is theirs."""

    def __init__(self, client: Client, settings: MqttSettings) -> None:
        self._client = client
        self._settings = settings
        self._socket: SocketLike | None = client.socket()
        self._why: str | None = None
        self._leaving = False
        self._outgoing = trio.Event()
        self._where = f"{client.host}:{client.port}"
        self._connected = _Answer(f"{self._where}: the broker refused the connection")
        self._answers: dict[int, _Answer] = {}
        self._unconfirmed: set[int] = set()
        self._confirmed = trio.Event()
        self._inbox: deque[MQTTMessage] = deque()
        self._arrived = trio.Event()
        self._room = trio.Event()
        self._taken: MQTTMessage | None = None
        self._largest: int | None = None
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_answer
        client.on_unsubscribe = self._on_answer
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        # Set only now: the thread that connected has sent the first packet by itself.
        client.on_socket_register_write = self._on_want_write

    # For others

    async def accepted(self) -> None:
        """Wait until the broker has taken us."""
        with trio.move_on_after(CONNECT_SECONDS):
            await self._connected.wait()
            return
        raise NotConnected(f"{self._where}: the broker does not answer")

    async def publish(self, posts: Sequence[Post]) -> None:
        for post in posts:
            if self._largest is not None and len(post.body) > self._largest - 1024:
                logger.info("mqtt: a message of %d bytes is too large for the broker", len(post.body))
                continue
            self._require_open()
            sent = self._client.publish(self._settings.topic(post.route), post.body, _QOS)
            self._unconfirmed.add(sent.mid)
        with trio.move_on_after(CONFIRM_SECONDS):
            while self._unconfirmed:
                await self._confirmed.wait()
            return
        raise Unreachable("the broker does not confirm what is published")

    async def subscribe(self, route: Route) -> None:
        await self.subscribe_topic(self._settings.topic(route))

    async def unsubscribe(self, route: Route) -> None:
        topic = self._settings.topic(route)
        await self._ask(lambda: self._client.unsubscribe(topic), f"the broker does not let go of {topic}")

    async def subscribe_topic(self, topic: str) -> None:
        """`subscribe`, for whoever was told a topic."""
        await self._ask(
            lambda: self._client.subscribe(topic, _QOS), f"the broker does not let us subscribe to {topic}"
        )

    async def receive(self) -> bytes:
        if self._taken is not None:
            self._client.ack(self._taken.mid, self._taken.qos)
            self._taken = None
        while not self._inbox:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._taken = self._inbox.popleft()
        self._room.set()
        return bytes(self._taken.payload)

    async def _ask(self, send: Callable[[], tuple[MQTTErrorCode, int | None]], refusal: str) -> None:
        self._require_open()
        _, number = send()
        if number is None:
            raise self._broken()
        answer = self._answers[number] = _Answer(refusal)
        try:
            with trio.move_on_after(CONFIRM_SECONDS):
                await answer.wait()
                return
        finally:
            del self._answers[number]
        raise Unreachable("the broker does not answer")

    def _require_open(self) -> None:
        if self._socket is None:
            raise self._broken()

    def _broken(self) -> Unreachable:
        why = f": {self._why}" if self._why else ""
        return Unreachable(f"{self._where}: the connection to the broker broke{why}")

    # The library's life

    async def read(self) -> None:
        """Hand it what arrives, as long as there is room for messages."""
        while True:
            while len(self._inbox) >= 4 * WINDOW:
                # A broker that knows no window of ours: the kernel's has to do.
                self._room = trio.Event()
                await self._room.wait()
            await self._readable()
            await self._check(self._client.loop_read())

    async def _readable(self) -> None:
        pending = getattr(self._socket, "pending", None)
        if pending is not None and pending():
            # Decrypted already: the kernel has nothing to say of it.
            await trio.lowlevel.checkpoint()
            return
        await self._waited(trio.lowlevel.wait_readable)

    async def write(self) -> None:
        """Send what it has to say, as the kernel takes it."""
        while True:
            while self._client.want_write():
                await self._waited(trio.lowlevel.wait_writable)
                await self._check(self._client.loop_write())
            self._outgoing = trio.Event()
            if not self._client.want_write():
                await self._outgoing.wait()

    async def keep_alive(self) -> None:
        """Let it look at its clocks."""
        while True:
            await trio.sleep(_TICK)
            await self._check(self._client.loop_misc())

    async def _waited(self, wait: Callable[[Any], Awaitable[None]]) -> None:
        if self._socket is None:
            await self._end()
        try:
            await wait(self._socket)
        except trio.ClosedResourceError:
            await self._end()

    async def _check(self, code: MQTTErrorCode) -> None:
        if self._socket is None or code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            await self._end()

    async def _end(self) -> None:
        if self._leaving:
            # Whoever closes it has cancelled us too.
            await trio.sleep_forever()
        raise self._connected.refused or self._broken()

    def close(self) -> None:
        """Say goodbye, as far as that needs no waiting, and close the socket."""
        self._leaving = True
        if self._socket is not None:
            self._client.disconnect()
            self._client.loop_write()
        socket, self._socket = self._socket, None
        if socket is not None:
            trio.lowlevel.notify_closing(socket)
            socket.close()

    # What the library calls, inside of the calls above

    def _on_connect(
        self, client: Client, data: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._largest = getattr(properties, "MaximumPacketSize", None)
        self._connected.set(reason)

    def _on_disconnect(
        self,
        client: Client,
        data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = str(reason)

    def _on_publish(
        self, client: Client, data: object, number: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            logger.warning("mqtt: the broker does not take a message of ours: %s", reason)
        self._unconfirmed.discard(number)
        if not self._unconfirmed:
            self._confirmed.set()
            self._confirmed = trio.Event()

    def _on_answer(
        self,
        client: Client,
        data: object,
        number: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        answer = self._answers.get(number)
        if answer is not None:
            answer.set(*reasons)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        self._inbox.append(message)
        self._arrived.set()

    def _on_socket_close(self, client: Client, data: object, socket: SocketLike) -> None:
        self._socket = None
        trio.lowlevel.notify_closing(socket)

    def _on_want_write(self, client: Client, data: object, socket: SocketLike) -> None:
        self._outgoing.set()


class _Answer:
    """The broker's answer to one question.

    Args:
        refusal: begins the text of the error, if it is no.
    """

    def __init__(self, refusal: str) -> None:
        self.refused: Refused | None = None
        self._refusal = refusal
        self._answered = trio.Event()

    def set(self, *reasons: ReasonCode) -> None:
        """It came."""
        for reason in reasons:
            if reason.is_failure:
                self.refused = RefusedByBroker(403, f"{self._refusal}: {reason}")
        self._answered.set()

    async def wait(self) -> None:
        """Wait for it.

        Raises:
            Refused: it is no.
        """
        await self._answered.wait()
        if self.refused is not None:
            raise self.refused
