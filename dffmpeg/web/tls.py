"""TLS on a connection that was accepted."""

from __future__ import annotations

import ssl

import trio

from dffmpeg.web.stream import BoundedStream

HANDSHAKE_TIMEOUT = 10.0
"""Seconds."""


class HandshakeFailed(Exception):
    """The other side does not speak TLS, or has no certificate that is taken; the text says what happened."""


class TlsStream(BoundedStream):
    """Of a connection that is secured: by these Hypercorn finds out that it is."""

    async def do_handshake(self) -> None:
        """Done before."""

    def selected_alpn_protocol(self) -> str:
        """HTTP/2 is not spoken."""
        return "http/1.1"

    @property
    def transport_stream(self) -> BoundedStream:
        """What has the socket."""
        return self


class _Begun(trio.abc.Stream):
    """A connection of which the beginning has been read already."""

    def __init__(self, stream: trio.SocketStream, beginning: bytes) -> None:
        self._stream = stream
        self._beginning = beginning

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._beginning:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = len(self._beginning) if max_bytes is None else max_bytes
        data, self._beginning = self._beginning[:size], self._beginning[size:]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def secured(
    stream: trio.SocketStream, context: ssl.SSLContext, write_timeout: float, beginning: bytes = b""
) -> TlsStream:
    """Shake hands with a client.

    Args:
        stream: owned from here on.
        beginning: what has been read of it already.

    Raises:
        HandshakeFailed: it does not come to that within `HANDSHAKE_TIMEOUT`; the stream is closed.
    """
    secure = trio.SSLStream(
        _Begun(stream, beginning) if beginning else stream, context, server_side=True, https_compatible=True
    )
    try:
        with trio.fail_after(HANDSHAKE_TIMEOUT):
            await secure.do_handshake()
        return TlsStream(secure, stream.socket, write_timeout)
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.TooSlowError):
            raise HandshakeFailed(f"no handshake within {HANDSHAKE_TIMEOUT:g} s") from None
        if isinstance(error, (trio.BrokenResourceError, OSError)):
            cause = error.__cause__ or error
            raise HandshakeFailed(getattr(cause, "reason", None) or str(cause) or "it went away") from None
        raise
