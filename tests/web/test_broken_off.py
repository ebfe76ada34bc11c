"""What fails once a WebSocket was accepted: there is no answer left but to close it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
import trio
from quart import Response
from trio_websocket import ConnectionClosed

from dffmpeg.actors import ActorStopped
from dffmpeg.model.identities import Identity
from dffmpeg.wire.workers import DownlinkMessage
from tests.web.conftest import Site, code_of, serving

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
