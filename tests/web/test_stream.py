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
async def connected() -> AsyncIterator[BoundedStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.open_tcp_stream(*listener.socket.getsockname())
        async with client:
            stream = BoundedStream(await listener.accept(), LIMIT)
            try:
                yield stream
            finally:
                await stream.aclose()


async def test_a_client_that_does_not_read_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    async with connected() as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(MUCH)
        assert trio.current_time() == LIMIT
