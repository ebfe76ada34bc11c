"""From a task that delivers events to a loop that asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

import trio

from dffmpeg.client.events import Event
from dffmpeg.errors import DffmpegError


class Handing(AsyncIterator[Event]):
    """Hands events to one consumer; handing one is over when the consumer asks for the next."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple[Event, trio.Event]](0)
        self._handled: trio.Event | None = None
        self._failure: DffmpegError | None = None

    async def hand(self, event: Event) -> None:
        """Give an event to the consumer; returns when it has dealt with it."""
        handled = trio.Event()
        await self._send.send((event, handled))
        await handled.wait()

    async def close_after(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run what hands the events; its error ends the consumer's loop, and is raised there."""
        async with self._send:
            try:
                await work()
            except DffmpegError as error:
                self._failure = error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._handled is not None:
            self._handled.set()
            self._handled = None
        try:
            event, self._handled = await self._receive.receive()
        except trio.EndOfChannel:
            if self._failure is not None:
                raise self._failure from None
            raise StopAsyncIteration from None
        return event
