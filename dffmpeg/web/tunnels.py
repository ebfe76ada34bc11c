"""A client's WebSocket that another coordinator speaks on: its bytes pass as they are, in both directions.

Nothing is unmasked, put together or kept, so that messages of any size pass at what the kernel can, close
codes and pings too, and whoever does not read holds up the other side. Only when this coordinator stops, or
the other one breaks off, is something said here: "connect again", between two frames.
"""

from __future__ import annotations

import struct

import trio

from dffmpeg.transports.frame_ends import FrameEnds
from dffmpeg.transports.peers import RECEIVE, PeerTunnel
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import CLOSE_TIMEOUT, Socket
from dffmpeg.web.conversation import STOPPING
from dffmpeg.web.errors import CLOSE_RESTART
from dffmpeg.web.stream import BoundedStream

FINISH = 1.0
"""Seconds for the frame that has begun when this coordinator stops."""

BROKEN = (CLOSE_RESTART, "the coordinator that looks after it broke off; connect again")

_CLOSE_FRAME = 0x88
_ACCEPTED = frozenset({b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"})


async def carry(tunnel: PeerTunnel, end: Socket, closing: Closing) -> None:
    """Serve a client's WebSocket by another coordinator's, until one of them has closed.

    Args:
        tunnel: stays the caller's, who closes it.
        end: the client's, before its handshake was answered; it is closed by this.
    """
    client = end.tunnel()
    try:
        upwards = _Upwards(tunnel)
        client.divert(upwards.send)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_left, end, nursery.cancel_scope)
            await _downwards(tunnel, client, closing)
            # The kernel would throw away what it was sent last, if there were bytes of it that nobody read.
            with trio.move_on_after(CLOSE_TIMEOUT):
                await upwards.closed.wait()
            nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        # The client is gone, and so is what there was to do.
        pass
    finally:
        client.abort()


async def _until_left(end: Socket, scope: trio.CancelScope) -> None:
    await end.left()
    scope.cancel()


class _Upwards:
    """From the client to the other coordinator.

    Attributes:
        closed: the client has sent its close frame, which is its last.
    """

    def __init__(self, tunnel: PeerTunnel) -> None:
        self.closed = trio.Event()
        self._stream = tunnel.stream
        self._ends = FrameEnds()
        self._broken = False

    async def send(self, data: bytes) -> None:
        self._ends.feed(data)
        if self._ends.closed:
            self.closed.set()
        if self._broken:
            return
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Whoever reads from there finds it out, and tells the client.
            self._broken = True


async def _downwards(tunnel: PeerTunnel, client: BoundedStream, closing: Closing) -> None:
    ends = FrameEnds()
    ends.feed(tunnel.rest)
    await client.send_all(_accepted(tunnel) + tunnel.rest)
    reason = BROKEN
    while True:
        data = b""
        with closing.interruptible() as stopping:
            data = await _received(tunnel.stream, RECEIVE)
        if stopping.cancelled_caught:
            reason = STOPPING
            await _finish_frame(tunnel, client, ends)
            break
        if not data:
            break
        ends.feed(data)
        await client.send_all(data)
    if not ends.closed and not ends.missing:
        await client.send_all(_close_frame(*reason))


async def _finish_frame(tunnel: PeerTunnel, client: BoundedStream, ends: FrameEnds) -> None:
    with trio.move_on_after(FINISH):
        while ends.missing:
            data = await _received(tunnel.stream, min(ends.missing, RECEIVE))
            if not data:
                return
            ends.feed(data)
            with trio.CancelScope(shield=True):
                await client.send_all(data)


async def _received(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    """What came; empty where the other side has ended, however that was."""
    try:
        return bytes(await stream.receive_some(size))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return b""


def _accepted(tunnel: PeerTunnel) -> bytes:
    lines = [b"HTTP/1.1 101 ", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines += [b"%s: %s" % (name, value) for name, value in tunnel.headers if name in _ACCEPTED]
    return b"\r\n".join([*lines, b"", b""])


def _close_frame(code: int, reason: str) -> bytes:
    payload = struct.pack("!H", code) + reason.encode()
    return struct.pack("!BB", _CLOSE_FRAME, len(payload)) + payload
