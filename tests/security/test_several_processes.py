"""Requests that were overheard at one coordinator, and are sent to another one of the same cluster."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from dffmpeg.wire import signature
from tests.cluster.several import Several, open_several
from tests.servers.ports import LOOPBACK
from tests.web.conftest import raw, read_all, read_until
from tests.web.test_authentication import status_of

pytestmark = [pytest.mark.cluster, pytest.mark.servers("haproxy")]

FEED = "/api/v1/events"
UPGRADE = {
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def overheard(several: Several, name: str, method: str, target: str, body: bytes) -> bytes:
    signed = signature.sign(name, several.keys[name], method, target, body, now=time.time())
    if target != FEED:
        return raw(method, target, signed, body)
    return raw(method, target, signed | UPGRADE).replace(b"Connection: close", b"Connection: Upgrade")


async def status(several: Several, at: str, request: bytes) -> int:
    async with await trio.open_tcp_stream(LOOPBACK, several.ports[at]) as stream:
        await stream.send_all(request)
        # A WebSocket that is let in has no end.
        head = await read_until(stream, b"\r\n")
        return status_of(head if b" 101 " in head else head + await read_all(stream))


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
async def test_what_one_coordinator_had_another_one_does_not_take(tmp_path: Path, engine: str) -> None:
    async with open_several(tmp_path, engine, "a", "b", identities={}) as several:
        requests = []
        for name, method, target, body in (
            ("client", "POST", "/jobs/submit", b'{"binary_name":"ffmpeg","monitor":false}'),
            ("admin", "POST", "/queue/pause", b""),
            ("admin", "POST", "/admin/janitor", b'{"action":"messages"}'),
            ("client", "GET", FEED, b""),
        ):
            request = overheard(several, name, method, target, body)
            requests.append(request)
            first = await status(several, "a", request)
            assert first in (101, 200, 202), target
            assert await status(several, "b", request) == 401, target
            assert await status(several, "a", request) == 401, target
        await several.processes["b"].kill()
        await several.processes["b"].start()
        for request in requests:
            assert await status(several, "b", request) == 401
        async with several.client("b") as client:
            assert len(await client.jobs()) == 1
