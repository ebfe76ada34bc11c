"""What fails once a WebSocket was accepted: there is no answer left but to close it."""

from __future__ import annotations

import logging
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
import trio
from quart import Response
from trio_websocket import ConnectionClosed

from dffmpeg.actors import ActorStopped
from dffmpeg.actors.coordinator.events import Event
from dffmpeg.actors.coordinator.subscriptions import Bulletin
from dffmpeg.model.identities import Identity
from dffmpeg.wire.events import Here
from dffmpeg.wire.workers import DownlinkMessage
from tests.web.conftest import Site, code_of, raw, read_all, read_until, serving, sign

PATH = "/worker/worker/downlink"


def fails(site: Site, error: Exception, *, at_the_end: bool) -> None:
    """Let the site's downlinks fail where they begin to be read, or when they are detached."""
    attach = site.operations.downlink

    @asynccontextmanager
    async def downlink(
        who: Identity, worker_id: str, instance: str | None = None
    ) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
        async with attach(who, worker_id, instance) as messages:
            yield messages if at_the_end else broken(messages)
        if at_the_end:
            raise error

    async def broken(messages: AsyncIterator[DownlinkMessage]) -> AsyncIterator[DownlinkMessage]:
        try:
            async for message in messages:
                yield message
        finally:
            raise error

    site.operations.downlink = downlink  # type: ignore[method-assign]


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.exc_info]


async def closed(connection: Awaitable[object]) -> int:
    with pytest.raises(ConnectionClosed) as end:
        await connection
    return code_of(end.value)


@pytest.mark.parametrize("at_the_end", [False, True], ids=["while it is interrupted", "when it is detached"])
async def test_an_error_while_the_server_stops(caplog: pytest.LogCaptureFixture, at_the_end: bool) -> None:
    with trio.fail_after(60):
        async with serving() as site:
            fails(site, ActorStopped("sessions ended"), at_the_end=at_the_end)
            async with site.websocket(PATH, "worker") as connection:
                await connection.send_message("ping")
                assert await connection.get_message() == "pong"
                site.tree.stop()
                assert await closed(connection.get_message()) == 1012
            await site.tree.wait()
    assert tracebacks(caplog) == []


async def test_an_error_when_it_is_detached_is_a_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dffmpeg.web")
    fails(site, ActorStopped("sessions ended"), at_the_end=True)
    async with site.websocket(PATH, "worker") as connection:
        await connection.send_message("what is this")
        assert await closed(connection.get_message()) == 1008
    await site.operations.detached.wait()
    await site.exchange(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert "WEBSOCKET /worker/worker/downlink was broken off: ActorStopped" in caplog.text
    assert tracebacks(caplog) == []


async def test_an_answer_to_what_was_accepted_is_never_sent(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def late(_: Response | None) -> Response:
        return Response("no", 500)

    site.app.after_websocket(late)  # type: ignore[type-var]
    async with site.websocket(PATH, "worker") as connection:
        await connection.send_message("what is this")
        assert await closed(connection.get_message()) == 1008
    await site.operations.detached.wait()
    await site.exchange(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert tracebacks(caplog) == []


class Chatter:
    """A subscription to which something new happens all the time."""

    def __enter__(self) -> Chatter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    async def bulletin(self, _: float) -> Bulletin:
        await trio.lowlevel.checkpoint()
        return Bulletin([Event("x-1", "here", Here(), b"{}")], 1)


async def test_nothing_follows_the_close_frame(site: Site) -> None:
    """Messages take a shorter way than what the server's own code sends, such as its answer to a close."""
    site.operations.subscribe = lambda *_, **__: Chatter()  # type: ignore[assignment,method-assign]
    path = "/api/v1/events"
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    request = raw("GET", path, sign("admin", "GET", path) | upgrade).replace(b"Connection: close\r\n", b"")
    with trio.fail_after(60):
        async with await site.connect() as stream:
            await stream.send_all(request)
            assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            # Masked by zeros: code 1000.
            await stream.send_all(b"\x88\x82\0\0\0\0" + struct.pack(">H", 1000))
            kinds = opcodes(await read_all(stream))
    assert kinds.count(0x88) == 1
    assert kinds[-1] == 0x88


def opcodes(content: bytes) -> list[int]:
    """The first bytes of frames that are short."""
    found = []
    while content:
        found.append(content[0])
        assert content[1] <= 125
        content = content[2 + content[1] :]
    return found
