"""A link passes on, and can be cut."""

from __future__ import annotations

import trio

from tests.servers.link import open_links
from tests.servers.ports import LOOPBACK


async def test_what_is_sent_while_it_is_cut_arrives_afterwards() -> None:
    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    port = listeners[0].socket.getsockname()[1]

    async def echo(stream: trio.SocketStream) -> None:
        async for chunk in stream:
            await stream.send_all(chunk.upper())

    async with trio.open_nursery() as nursery, open_links(port) as (link,):
        nursery.start_soon(trio.serve_listeners, echo, listeners)
        async with await trio.open_tcp_stream(LOOPBACK, link.port) as stream:
            await stream.send_all(b"one")
            assert await stream.receive_some() == b"ONE"
            link.cut()
            await stream.send_all(b"two")
            answered = trio.Event()

            async def wait() -> None:
                assert await stream.receive_some() == b"TWO"
                answered.set()

            nursery.start_soon(wait)
            # The other way is open: what another connection says comes through it, and this does not.
            async with await trio.open_tcp_stream(LOOPBACK, port) as other:
                await other.send_all(b"three")
                assert await other.receive_some() == b"THREE"
            assert not answered.is_set()
            link.mend()
            await answered.wait()
        nursery.cancel_scope.cancel()


async def test_it_closes_where_nobody_listens() -> None:
    async with open_links(1) as (link,), await trio.open_tcp_stream(LOOPBACK, link.port) as stream:
        assert await stream.receive_some() == b""
