"""The coordinator's half of a downlink over a broker: an outbox, and a connection that comes back."""

from __future__ import annotations

import logging
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from dffmpeg.backoff import Backoff
from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.transports.broker import MAX_MESSAGE, BrokerConnection, Causes, Post, Route
from dffmpeg.transports.downlink import Audience, KeysOf
from dffmpeg.transports.outbox import Outbox
from dffmpeg.wire import codec
from dffmpeg.wire.seals import is_sealed, sealed
from dffmpeg.wire.workers import DownlinkMessage

logger = logging.getLogger("dffmpeg.transports")

BATCH = 100
"""Messages that are published before their confirmations are waited for."""

Listener = Callable[[DownlinkMessage, int], None]
"""Given a message and its size in bytes."""


class BrokerDownlink(ABC):
    """A `Downlink`; also a means for another one to listen, on the same connection.

    Args:
        keys_of: the secrets of a recipient, with which its messages are sealed; None leaves them as they are.

    Attributes:
        seals: whether it seals them.
    """

    name: str

    def __init__(self, keys_of: KeysOf | None = None) -> None:
        self._keys_of = keys_of
        self.seals = keys_of is not None
        self.outbox = Outbox()
        # Until it runs it was never of any use.
        self.failing_since: float | None = -math.inf
        self._causes = Causes()
        self._backoff = Backoff(minimum=0.2, maximum=10.0, jitter=0.5, reset_after=30.0)
        self._listeners: dict[Route, Listener] = {}
        self._subscribed: set[Route] = set()
        self._wanted = trio.Event()
        self._settled = trio.Event()

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[BrokerConnection]:
        """Connect.

        Raises:
            Unreachable, Refused: from entering, and from inside when the connection ends.
        """

    @abstractmethod
    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        """As `Downlink` has it."""

    @abstractmethod
    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        """As `Downlink` has it."""

    def connected(self, recipient_id: str) -> bool | None:
        """Only the broker knows."""
        return None

    def dismiss(self, recipient_id: str) -> None:
        """Its connection is the broker's, wherever it is to turn to."""
        del recipient_id

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        """Put a message into the outbox."""
        await trio.lowlevel.checkpoint()
        try:
            keys = await self._keys(message.recipient_id)
        except StoreUnavailable as error:
            # It would not be believed.
            self.outbox.dropped += 1
            logger.debug("%s: a %s message cannot be sealed: %s", self.name, message.message_type, error)
            return
        body = codec.encode(message if keys is None else sealed(message, keys))
        if len(body) > MAX_MESSAGE:
            self.outbox.dropped += 1
            logger.info("%s: a %s message is too large", self.name, message.message_type)
            return
        job_id = message.job_id if audience == "requester" else None
        self.outbox.put(Post(Route(message.recipient_id, job_id), body))

    async def _keys(self, recipient_id: str) -> tuple[bytes, ...] | None:
        return None if self._keys_of is None else await self._keys_of(recipient_id)

    # Listening for another transport

    async def genuine(self, found: Sequence[DownlinkMessage], recipient_id: str) -> list[DownlinkMessage]:
        """Those that a coordinator has sealed for their recipient; none while that cannot be told."""
        try:
            keys = await self._keys(recipient_id)
        except StoreUnavailable:
            return []
        return [message for message in found if keys is None or is_sealed(message, keys)]

    async def listen(self, route: Route, listener: Listener) -> None:
        """Have what is published there given to the listener, until it is told to stop; returns when that
        is so, at once where there is no connection just now."""
        self._listeners[route] = listener
        self._note_wanted()
        while self.failing_since is None and route in self._listeners and route not in self._subscribed:
            await self._settled.wait()

    def stop_listening(self, route: Route) -> None:
        """Forget the listener of a route."""
        self._listeners.pop(route, None)
        self._note_wanted()

    # The connection

    async def run(self, ready: Callable[[], None]) -> None:
        """As `Downlink` has it: connected, or waiting to try again."""
        attempt, found_out = 0, False
        while True:
            began = trio.current_time()
            try:
                async with self.open() as connection:
                    # Before anything is published: it may be for those who listen here.
                    await self._settle(connection)
                    # One that takes nothing, for want of memory or disk, is of no use.
                    if self.outbox:
                        await self._publish_some(connection)
                    self._recovered()
                    if not found_out:
                        found_out = True
                        ready()
                    await self._serve(connection)
            except (Unreachable, Refused) as error:
                self._failed(error)
            finally:
                self._disconnected()
            if not found_out:
                found_out = True
                ready()
            attempt = self._backoff.attempt(attempt, trio.current_time() - began)
            await trio.sleep(self._backoff.delay(attempt, random.random()))  # noqa: S311 - spreads load

    async def _serve(self, connection: BrokerConnection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._publish, connection)
            nursery.start_soon(self._subscribe, connection)
            nursery.start_soon(self._receive, connection)

    async def _publish(self, connection: BrokerConnection) -> None:
        while True:
            await self._publish_some(connection)

    async def _publish_some(self, connection: BrokerConnection) -> None:
        posts = await self.outbox.take(BATCH)
        try:
            await connection.publish(posts)
        except BaseException:
            self.outbox.put_back(posts)
            raise

    async def _subscribe(self, connection: BrokerConnection) -> None:
        while True:
            await self._settle(connection)
            await self._wanted.wait()

    async def _settle(self, connection: BrokerConnection) -> None:
        """Bring what is subscribed to what is wanted."""
        self._wanted = trio.Event()
        for route in self._subscribed - self._listeners.keys():
            await connection.unsubscribe(route)
            self._subscribed.discard(route)
        for route in self._listeners.keys() - self._subscribed:
            await connection.subscribe(route)
            self._subscribed.add(route)
        self._note_settled()

    async def _receive(self, connection: BrokerConnection) -> None:
        while True:
            body = await connection.receive()
            try:
                message = codec.decode(body, DownlinkMessage, what="message")
            except BadInput as error:
                logger.warning("%s: not a message of ours: %s", self.name, error)
                continue
            for route in {Route(message.recipient_id), Route(message.recipient_id, message.job_id)}:
                listener = self._listeners.get(route)
                if listener is not None:
                    listener(message, len(body))

    def _recovered(self) -> None:
        self.failing_since = None
        self._causes.over()
        logger.info("%s: connected to the broker", self.name)

    def _failed(self, error: Unreachable | Refused) -> None:
        if self._causes.first(error):
            logger.warning("%s: no broker, trying again: %s", self.name, error)

    def _disconnected(self) -> None:
        if self.failing_since is None:
            self.failing_since = trio.current_time()
        self._subscribed.clear()
        self._note_settled()

    def _note_wanted(self) -> None:
        self._wanted.set()

    def _note_settled(self) -> None:
        self._settled.set()
        self._settled = trio.Event()
