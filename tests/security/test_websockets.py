"""Attacks over a WebSocket whose handshake was good: floods, and frames that are none."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.web.conftest import Site, raw, read_until, sign
from tests.web.test_authentication import Flood, begin_peak, peak_memory, status_of

PATH = "/worker/worker/downlink"
MIB = 1 << 20
MASK = b"\0\0\0\0"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True) -> bytes:
    first = opcode | (0x80 if fin else 0)
    mask = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + (MASK if masked else b"") + payload


@asynccontextmanager
async def opened(site: Site) -> AsyncIterator[trio.SocketStream]:
    headers = {
        **sign("worker", "GET", PATH),
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    request = raw("GET", PATH, headers).replace(b"Connection: close", b"Connection: Upgrade")
    async with await site.connect() as stream:
        await stream.send_all(request)
        assert status_of(await read_until(stream, b"\r\n\r\n")) == 101
        yield stream


async def ended(stream: trio.SocketStream) -> bytes:
    """All that still comes, up to the end of the connection."""
    answer = b""
    with trio.fail_after(60):
        try:
            async for part in stream:
                answer += part
        except trio.BrokenResourceError:
            pass
    return answer


async def flooded(site: Site, stream: trio.SocketStream, chunk: bytes, count: int) -> tuple[bytes, int]:
    sender = Flood(stream, chunk, count)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        answer = await ended(stream)
        nursery.cancel_scope.cancel()
    return answer, sender.sent


async def still_serves(site: Site) -> None:
    assert status_of(await site.exchange(raw("GET", "/health", {}))) == 200


async def test_pings(site: Site) -> None:
    async with opened(site) as stream:
        await stream.send_all(frame(0x9, b"here?"))
        assert await read_until(stream, b"here?")
        answer, sent = await flooded(site, stream, frame(0x9, b"x" * 100) * 100, 10_000)
        assert answer.count(b"x" * 100) <= 60
        assert sent < 32 * MIB
    await still_serves(site)


@pytest.mark.parametrize(
    "frames",
    [
        frame(0x1, b"hello", masked=False),
        frame(0x3, b"reserved"),
        frame(0x9, b"x" * 200),
        frame(0x9, b"x", fin=False),
        frame(0x0, b"continues nothing"),
        frame(0x1, b"\xff\xfe"),
        bytes((0x80 | 0x40 | 0x1, 0x80)) + MASK,
        b"\x82\xff" + b"\xff" * 8 + MASK,
    ],
    ids=[
        "unmasked",
        "reserved opcode",
        "large ping",
        "ping in fragments",
        "continuation of nothing",
        "no UTF-8",
        "compressed",
        "of 2**64 bytes",
    ],
)
async def test_frames_that_are_none(site: Site, frames: bytes) -> None:
    async with opened(site) as stream:
        await stream.send_all(frames)
        await ended(stream)
    await still_serves(site)


async def test_a_giant_message(site: Site) -> None:
    before = begin_peak()
    async with opened(site) as stream:
        head = b"\x82\xff" + (300 * MIB).to_bytes(8, "big") + MASK
        await stream.send_all(head)
        _, sent = await flooded(site, stream, bytes(65536), 4800)
    assert sent < 64 * MIB
    assert peak_memory() - before < 64 * MIB
    await still_serves(site)


async def test_a_message_of_endless_fragments(site: Site) -> None:
    before = begin_peak()
    async with opened(site) as stream:
        await stream.send_all(frame(0x2, b"x", fin=False))
        _, sent = await flooded(site, stream, frame(0x0, bytes(4000), fin=False) * 16, 4800)
    assert sent < 64 * MIB
    assert peak_memory() - before < 64 * MIB
    await still_serves(site)
