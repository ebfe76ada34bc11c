"""How long a write may stand still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from dffmpeg.web.stream import BoundedStream

LIMIT = 60.0
MUCH = bytes(64 << 20)
"""More than the kernel takes for a client that does not read."""


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[BoundedStream, trio.SocketStream]]:
    """One, and its client."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.open_tcp_stream(*listener.socket.getsockname())
        async with client:
            stream = BoundedStream(accepted := await listener.accept(), accepted.socket, LIMIT)
            try:
                yield stream, client
            finally:
                await stream.aclose()


@asynccontextmanager
async def connected() -> AsyncIterator[BoundedStream]:
    async with pair() as (stream, _):
        yield stream


async def test_a_client_that_does_not_read_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    async with connected() as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(MUCH)
        assert trio.current_time() == LIMIT


async def test_frames_arrive_whole_and_in_order_whatever_the_kernel_takes_at_once() -> None:
    frames = [bytes([number]) * size for number, size in enumerate((10, 8 << 20, 3, 8 << 20, 1 << 10))]
    expected = b"".join(frames)
    async with pair() as (stream, client), trio.open_nursery() as nursery:
        for frame in frames:
            nursery.start_soon(stream.send_frame, frame)
            # It has its turn, and the next one waits until it is through.
            await trio.testing.wait_all_tasks_blocked()
        found = bytearray()
        while len(found) < len(expected):
            found += await client.receive_some(1 << 20)
    assert bytes(found) == expected


async def test_a_frame_that_was_begun_is_ended_although_its_sender_is_cancelled() -> None:
    frame = bytes(range(256)) * (32 << 10)
    async with pair() as (stream, client), trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def send() -> None:
            with scope:
                await stream.send_frame(frame)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        found = bytearray()
        while len(found) < len(frame):
            found += await client.receive_some(1 << 20)
    assert bytes(found) == frame


async def test_no_frame_follows_the_last_one_or_the_end() -> None:
    async with connected() as stream:
        stream.last_frame()
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_frame(b"late")
    async with connected() as stream:
        stream.abort()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_frame(b"late")


async def test_a_client_that_does_not_read_its_frames_is_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected() as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_frame(MUCH)
        assert trio.current_time() == LIMIT
