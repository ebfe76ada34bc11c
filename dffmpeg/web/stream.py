"""A connection as the HTTP server sees it, with a limit on how long a write may stand still."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

import trio

from dffmpeg.transports import messages

CHUNK = 256 * 1024
"""Bytes that have to be taken within the time limit."""

RECEIVE = 256 * 1024
"""Bytes that are read at once where much is coming: what is done for each piece costs the same for few and
for many."""


class BoundedStream:
    """What Hypercorn uses of a `trio.SocketStream`.

    Hypercorn shields its writes from cancellation and sets them no limit, so that
    a client which stops reading would hold its task, and a stop, for ever.

    Args:
        stream: owned from here on; over TLS, one whose handshake is done.
        socket: what is below it.
        write_timeout: seconds in which a client has to take the next `CHUNK` bytes.
    """

    def __init__(self, stream: trio.abc.Stream, socket: trio.socket.SocketType, write_timeout: float) -> None:
        self._stream = stream
        self._write_timeout = write_timeout
        # Both ends of a WebSocket may close it at once: then the task that reads answers
        # the client's close while the application's task is sending its own.
        self._sending = trio.Lock()
        self.socket = socket
        self._much = False
        self._returned = b""
        self._diverted: Callable[[bytes], Awaitable[None]] | None = None
        self._saying_goodbye = False

    async def send_all(self, data: bytes) -> None:
        """Send everything; raises `trio.BrokenResourceError` if the client does not take it."""
        async with self._sending:
            await self._send_all(memoryview(data))

    def last_frame(self) -> None:
        """The next thing sent is a WebSocket's close frame: no message may follow it (RFC 6455, 5.5.1).

        Messages that wait for their turn are not sent any more either.
        """
        self._saying_goodbye = True

    async def send_message(self, parts: Sequence[bytes]) -> None:
        """Send a WebSocket's message of bytes, which is all parts one behind the other, as one frame.

        Between the frames that the server's own code sends. They are not put together first.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the client is gone or going, or does not read.
        """
        header = messages.frame_header(sum(map(len, parts)))
        async with self._sending:
            self._check_open()
            # Half a frame would make the connection useless, also for saying why it is closed.
            with trio.CancelScope(shield=True):
                for part in messages.joined((header, *parts)):
                    await self._send_all(memoryview(part))

    async def send_frame(self, frame: bytes) -> None:
        """Send a whole frame of a WebSocket, between those that the server's own code sends.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the client is gone or going, or does not read.
        """
        if self._sending.locked() or not isinstance(self._stream, trio.SocketStream):
            async with self._sending:
                self._check_open()
                with trio.CancelScope(shield=True):
                    await self._send_all(memoryview(frame))
            return
        # Nearly always the kernel takes all of it at once. To find that out without giving others a turn
        # twice is most of what it costs to tell hundreds of followers the same.
        self._check_open()
        self._sending.acquire_nowait()
        try:
            sent = self._send_now(frame)
            if sent < len(frame):
                with trio.CancelScope(shield=True):
                    await self._send_all(memoryview(frame)[sent:])
        finally:
            self._sending.release()

    def _send_now(self, data: bytes) -> int:
        """Give the kernel what it takes without waiting; returns how many bytes that was."""
        try:
            return os.write(self.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the client is gone: {error.strerror}") from error

    def _check_open(self) -> None:
        if self._saying_goodbye:
            raise trio.ClosedResourceError("the WebSocket is being closed")

    async def _send_all(self, view: memoryview) -> None:
        for start in range(0, len(view), CHUNK):
            with trio.move_on_after(self._write_timeout) as scope:
                await self._stream.send_all(view[start : start + CHUNK])
            if scope.cancelled_caught:
                self.abort()
                raise trio.BrokenResourceError("the client does not read")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._returned:
            data, self._returned = self._returned, b""
            return data
        while True:
            wanted = RECEIVE if self._much else max_bytes
            data = bytes(await self._stream.receive_some(wanted))
            self._much = max_bytes is not None and len(data) >= max_bytes
            if self._diverted is None or not data:
                return data
            await self._diverted(data)

    def give_back(self, data: bytes) -> None:
        """Have what was read too much be read next."""
        self._returned = data + self._returned

    def divert(self, taker: Callable[[bytes], Awaitable[None]]) -> None:
        """From now on whatever comes goes there, and the server hears of the end only.

        The server's own task goes on reading, and waits for `taker` each time.
        """
        self._diverted = taker

    async def send_eof(self) -> None:
        # TLS has no half of a connection to close.
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            async with self._sending:
                await self._stream.send_eof()

    async def aclose(self) -> None:
        # TLS says goodbye, to somebody who may not listen.
        with trio.move_on_after(self._write_timeout):
            await self._stream.aclose()

    def abort(self) -> None:
        """Close at once, also under a write that is shielded: it raises then."""
        self.socket.close()
