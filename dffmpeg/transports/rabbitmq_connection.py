"""A connection to RabbitMQ (AMQP 0-9-1): the only file that knows aio-pika, and asyncio.

The library lives in an asyncio loop of trio-asyncio's, which is a task of trio's like any other and ends with
the connection. See docs/decisions/aio-pika-in-trio-asyncio.md.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

import aio_pika
import trio
import trio_asyncio  # type: ignore[import-untyped]
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused, InvalidFrameError
from msgspec import Meta

from dffmpeg.errors import DffmpegError, NotConnected, Refused, Unreachable, single_error
from dffmpeg.transports.broker import CONFIRM_SECONDS, CONNECT_SECONDS, WINDOW, Post, RefusedByBroker, Route
from dffmpeg.transports.broker_settings import BrokerSettings

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("dffmpeg.transports")

HEARTBEAT = 10
"""Seconds between signs of life; the library takes three without one for the end."""

HINT_SECONDS = 300.0
"""After so long the broker throws away what nobody took; a worker that comes then is told anew anyway."""

_CLOSE_SECONDS = 2.0

_Exchange = Annotated[str, Meta(min_length=1, max_length=127)]


class RabbitMqSettings(BrokerSettings, frozen=True):
    """`transport_settings.rabbitmq`. The exchanges are the coordinator's, which tells their names."""

    vhost: str = "/"
    workers_exchange: _Exchange = "dffmpeg.workers"
    jobs_exchange: _Exchange = "dffmpeg.jobs"

    @property
    def login(self) -> str:
        """The user's name; that of RabbitMQ's first user where none is said."""
        return self.username or "guest"

    def address(self, route: Route) -> tuple[str, str]:
        """Exchange and routing key for a route."""
        if route.job_id is None:
            return self.workers_exchange, f"worker.{route.recipient_id}"
        return self.jobs_exchange, f"job.{route.recipient_id}.{route.job_id}"


@dataclass(frozen=True, slots=True)
class Source:
    """A queue of one's own, and where what is in it comes from."""

    queue: str
    exchange: str
    routing_key: str
    durable: bool
    auto_delete: bool


class _Connection(aio_pika.Connection):
    """The library's leaves one open that could not be connected, and would close it when it is collected as
    garbage: at any time, and outside of its loop."""

    async def connect(self, timeout: float | int | None = None) -> None:
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


@asynccontextmanager
async def open_rabbitmq(
    settings: RabbitMqSettings, name: str, vhost: str | None = None
) -> AsyncIterator[RabbitMqConnection]:
    """Connect; leaving disconnects.

    Args:
        name: shown by the broker's tools.
        vhost: in place of the configured one.

    Raises:
        NotConnected: no server could be reached.
        Refused: the broker does not want us.
        Unreachable: from the block: the connection broke.
    """
    _hush()
    with single_error():
        async with trio_asyncio.open_loop():
            connection, where = await _connect(settings, name, settings.vhost if vhost is None else vhost)
            try:
                opened = RabbitMqConnection(settings, connection, where)
                await opened.start()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(opened.watch)
                    yield opened
                    nursery.cancel_scope.cancel()
            finally:
                with trio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(Unreachable, Refused):
                    await _call(connection.close)


def _hush() -> None:
    """Leave it to us to say what became of a connection: the library logs each try, with a traceback. At
    DEBUG it may."""
    level = logging.NOTSET if logger.isEnabledFor(logging.DEBUG) else logging.CRITICAL
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(level)


async def _connect(settings: RabbitMqSettings, name: str, vhost: str) -> tuple[AbstractConnection, str]:
    """The connection to the first server that takes us, and its address."""
    failure: DffmpegError = NotConnected("no answer in time")
    for host, port in settings.addresses(5672, 5671):
        try:
            connection = await _call(
                aio_pika.connect,
                host=host,
                port=port,
                login=settings.login,
                password=settings.secret() or "guest",
                virtualhost=vhost,
                ssl=settings.use_tls,
                ssl_context=settings.tls(),
                timeout=CONNECT_SECONDS,
                heartbeat=HEARTBEAT,
                name=name,
                connection_class=_Connection,
            )
            return connection, f"{host}:{port}"
        except Refused as error:
            failure = _at(f"{host}:{port}", error)
        except (Unreachable, OSError) as error:
            if isinstance(error.__cause__, InvalidFrameError):
                # The broker closes in place of opening the virtual host, which comes last; the library tells
                # neither its code nor its text.
                text = f"does the virtual host {vhost!r} exist, and may {settings.login!r} use it?"
                failure = RefusedByBroker(403, f"{host}:{port}: the broker refused: {text}")
                continue
            failure = NotConnected(f"{host}:{port}: {error}")
    raise failure


class RabbitMqConnection:
    """`BrokerConnection`, with one channel, in confirm mode."""

    def __init__(self, settings: RabbitMqSettings, connection: AbstractConnection, where: str) -> None:
        self._settings = settings
        self._connection = connection
        self._channel = connection.channel()
        self._queue: AbstractQueue | None = None
        self._inbox: deque[AbstractIncomingMessage] = deque()
        self._arrived = trio.Event()
        self._taken: AbstractIncomingMessage | None = None
        self._unsaid = 0
        self._over = trio.Event()
        self._where = where
        self._why: DffmpegError = Unreachable(f"{self._where}: the connection to the broker broke")

    async def start(self) -> None:
        """Get ready to receive, and to learn of the end."""
        with trio.move_on_after(CONNECT_SECONDS):
            await self._open_channel()
            return
        raise Unreachable(f"{self._where}: no answer in time")

    async def _open_channel(self) -> None:
        await self._call(self._channel.initialize)
        self._connection.close_callbacks.add(self._on_close)
        self._channel.close_callbacks.add(self._on_close)
        channel = await self._call(self._channel.get_underlay_channel)
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)
        await self._call(self._channel.set_qos, prefetch_count=WINDOW)

    async def watch(self) -> None:
        """Wait for the end.

        Raises:
            Unreachable, Refused: it has come, for this reason.
        """
        await self._over.wait()
        raise self._why

    async def declare_exchanges(self) -> None:
        """Have the exchanges that messages are published to."""
        for name in (self._settings.workers_exchange, self._settings.jobs_exchange):
            await self._call(self._channel.declare_exchange, name, aio_pika.ExchangeType.TOPIC, durable=True)

    async def publish(self, posts: Sequence[Post]) -> None:
        with trio.move_on_after(CONFIRM_SECONDS):
            await self._call(self._publish, posts)
            return
        raise Unreachable(f"{self._where}: the broker does not confirm what is published")

    async def _publish(self, posts: Sequence[Post]) -> None:
        # Each begins to be sent in its turn; only the confirmations come in any order.
        outcomes = await asyncio.gather(*map(self._publish_one, posts), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, DeliveryError):
                logger.warning("rabbitmq: the broker does not take a message of ours: %r", outcome)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def _publish_one(self, post: Post) -> None:
        exchange, key = self._settings.address(post.route)
        message = aio_pika.Message(
            post.body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            expiration=HINT_SECONDS,
        )
        target = await self._channel.get_exchange(exchange, ensure=False)
        # A recipient that does not listen is none of the publisher's business.
        await target.publish(message, key, mandatory=False)

    async def consume(self, source: Source) -> None:
        """Receive what is in a queue, made and bound where it is not yet.

        Raises:
            Refused: the broker does not let us.
        """
        queue = await self._call(
            self._channel.declare_queue,
            source.queue,
            durable=source.durable,
            auto_delete=source.auto_delete,
        )
        await self._call(queue.bind, source.exchange, source.routing_key)
        # The newest consumer goes before one whose connection is dead, and nobody knows it yet.
        await self._call(queue.consume, self._on_message, arguments={"x-priority": int(time.time())})

    async def subscribe(self, route: Route) -> None:
        exchange, key = self._settings.address(route)
        await self._call((await self._own_queue()).bind, exchange, key)

    async def unsubscribe(self, route: Route) -> None:
        exchange, key = self._settings.address(route)
        await self._call((await self._own_queue()).unbind, exchange, key)

    async def _own_queue(self) -> AbstractQueue:
        """The queue that is this connection's and ends with it."""
        if self._queue is None:
            name = f"dffmpeg.coordinator.{secrets.token_hex(8)}"
            queue = await self._call(self._channel.declare_queue, name, exclusive=True, auto_delete=True)
            await self._call(queue.consume, self._on_message)
            self._queue = queue
        return self._queue

    async def receive(self) -> bytes:
        await self._acknowledge()
        while not self._inbox:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._taken = self._inbox.popleft()
        return self._taken.body

    async def _acknowledge(self) -> None:
        """Say what was taken, of several at once: before waiting, and before the window is full."""
        if self._taken is None:
            return
        self._unsaid += 1
        if not self._inbox or self._unsaid >= WINDOW // 2:
            await self._call(self._taken.ack, multiple=True)
            self._unsaid = 0
        self._taken = None

    async def _call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await _call(function, *args, **kwargs)
        except (Unreachable, Refused) as error:
            raise _at(self._where, error) from error.__cause__

    # What the library calls, in a task of asyncio's on this same thread

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        self._inbox.append(message)
        self._arrived.set()

    async def _on_close(self, sender: object, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._why = _at(self._where, _ours(error))
        self._over.set()

    async def _on_cancel(self, frame: object) -> None:
        self._why = Unreachable(f"{self._where}: the broker has ended the consumer: was the queue deleted?")
        self._over.set()


async def _call(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the library from trio.

    Raises:
        Unreachable, Refused: in place of what the library raises.
    """
    try:
        return await trio_asyncio.aio_as_trio(function)(*args, **kwargs)  # type: ignore[no-any-return]
    except (*CONNECTION_EXCEPTIONS, asyncio.CancelledError) as error:
        raise _ours(error) from error


def _ours(error: BaseException) -> DffmpegError:
    # An end in the middle of an answer is told as the end of an iteration, or of a task.
    told = not isinstance(error, StopAsyncIteration | asyncio.CancelledError)
    text = " ".join(str(error).split()) if told else ""
    text = text or "the connection to the broker broke"
    if isinstance(error, AuthenticationError | ProbableAuthenticationError | ChannelAccessRefused):
        return RefusedByBroker(403, f"the broker refused: {text}")
    if isinstance(error, ChannelPreconditionFailed):
        return RefusedByBroker(409, f"the broker has something else by that name: {text}")
    if isinstance(error, TimeoutError):
        return Unreachable("no answer in time")
    return Unreachable(text)


def _at(where: str, error: DffmpegError) -> DffmpegError:
    """The error, with the broker's address."""
    if isinstance(error, Refused):
        return RefusedByBroker(error.status, f"{where}: {error.detail}")
    return Unreachable(f"{where}: {error}")
