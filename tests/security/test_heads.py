"""Attacks by what stands in front of a request's body: smuggling, slowness, size, compression."""

from __future__ import annotations

import re

import pytest
import trio
from trio.testing import MockClock

from tests.web.conftest import Site, raw, read_all, read_until, serving, sign
from tests.web.test_authentication import status_of

BEGIN = b"POST /jobs/submit HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"DELETE /workers/w HTTP/1.1\r\nHost: x\r\n\r\n"

STRANGE = {
    "both lengths": BEGIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": BEGIN + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a list of lengths": BEGIN + b"Content-Length: 0, 5\r\n\r\n" + SMUGGLED,
    "a signed length": BEGIN + b"Content-Length: +5\r\n\r\nhello",
    "a coding that is none": BEGIN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": BEGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": BEGIN + b"Content-Length : 5\r\n\r\nhello",
    "a folded line": BEGIN + b"X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a folded line, by a tab": BEGIN + b"X-A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
    "line feeds": BEGIN.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
    "one line feed": BEGIN + b"X-A: b\nContent-Length: 0\r\n\r\n",
    "one carriage return": BEGIN + b"X-A: b\rContent-Length: 0\r\n\r\n",
    "a NUL": BEGIN + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a name": BEGIN + b"X\0A: b\r\n\r\n",
    "a name that is none": BEGIN + b"X A: b\r\n\r\n",
    "no host": b"GET /jobs HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no version": b"GET /jobs\r\n\r\n",
    "a space in the path": b"GET /jobs /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path of another scheme": b"GET http://other/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("request_", STRANGE.values(), ids=STRANGE)
async def test_what_a_proxy_may_understand_otherwise(site: Site, request_: bytes) -> None:
    answer = await site.exchange(request_)
    # Refused, with one answer to all of it, and the connection is over.
    assert status_of(answer) in (400, 501)
    assert len(re.findall(rb"^HTTP/1.1 \d", answer, re.MULTILINE)) == 1


async def test_a_folded_line_in_the_second_request(site: Site) -> None:
    first = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await site.exchange(first + STRANGE["a folded line"])
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.count(b"HTTP/1.1 400") == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "GZIP"])
async def test_compressed_bodies(site: Site, coding: str) -> None:
    body = b'{"binary_name":"ffmpeg"}'
    headers = {**sign("client", "POST", "/jobs/submit", body), "Content-Encoding": coding}
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", headers, body))) == 415
    assert not site.operations.all


async def test_websockets_are_never_compressed(site: Site) -> None:
    path = "/worker/worker/downlink"
    headers = {
        **sign("worker", "GET", path),
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    }
    request = raw("GET", path, headers).replace(b"Connection: close", b"Connection: Upgrade")
    async with await site.connect() as stream:
        await stream.send_all(request)
        answer = await read_until(stream, b"\r\n\r\n")
        assert status_of(answer) == 101
        assert b"sec-websocket-extensions" not in answer.lower()
        # A frame that says of itself that it is compressed.
        await stream.send_all(b"\xc1\x80\x00\x00\x00\x00")
        # It is the end.
        with trio.fail_after(20):
            await read_all(stream)


@pytest.mark.parametrize(
    "long", [b"X-A: " + b"a" * 20_000, b"\r\n".join(b"X-%d: a" % n for n in range(3000))]
)
async def test_headers_that_are_too_large(site: Site, long: bytes) -> None:
    answer = await site.exchange(BEGIN + long + b"\r\n\r\n")
    assert status_of(answer) == 431


async def test_headers_byte_by_byte(autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site, await site.connect() as stream, trio.open_nursery() as nursery:

        async def drip() -> None:
            await stream.send_all(b"GET /health HTTP/1.1\r\nX-A: ")
            while True:
                await trio.sleep(1)
                try:
                    await stream.send_all(b"a")
                except trio.BrokenResourceError:
                    return

        began = trio.current_time()
        nursery.start_soon(drip)
        assert status_of(await read_all(stream)) == 408
        assert trio.current_time() - began < 15
        nursery.cancel_scope.cancel()


async def test_a_head_may_come_in_pieces(site: Site) -> None:
    async with await site.connect() as stream:
        for _ in range(2):
            for piece in (b"GET /hea", b"lth HTTP/1.1\r", b"\nHost: x\r\n", b"\r\n"):
                await stream.send_all(piece)
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert status_of(await read_until(stream, b"}")) == 200


async def test_an_idle_connection_ends_quietly(autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving({"limits": {"idle_timeout": 12.0}}) as site, await site.connect() as stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_until(stream, b"}")
        began = trio.current_time()
        assert await read_all(stream) == b""
        assert 11 < trio.current_time() - began < 14


async def test_connections_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from dffmpeg.web.server import WebServer

    # Loopback is exempt, and all that a test can come from.
    monkeypatch.setattr(WebServer, "_whose", lambda self, connection: str(connection.peer))
    async with serving({"limits": {"connections_per_address": 2}}) as site:
        async with await site.connect() as one, await site.connect() as two:
            for stream in (one, two):
                await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                await read_until(stream, b"}")
            answer = await site.exchange(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(answer) == 429
            assert b"retry-after: 1" in answer
        with trio.fail_after(20):
            while site.server.connections:
                await trio.lowlevel.checkpoint()
        assert len(site.server._neighbours) == 0
        assert status_of(await site.exchange(raw("GET", "/health", {}))) == 200


async def test_requests_of_one_identity() -> None:
    async with serving({"limits": {"requests_per_identity": 1}}) as site:
        async with site.websocket("/worker/worker/downlink", "worker"):
            answer = await site.exchange(raw("GET", "/poll/worker", sign("worker", "GET", "/poll/worker")))
            assert status_of(answer) == 429
            assert status_of(await site.exchange(raw("GET", "/jobs", sign("client", "GET", "/jobs")))) == 200
        with trio.fail_after(20):
            while len(site.app._crowd):
                await trio.lowlevel.checkpoint()
