"""Byte streams to a coordinator, for what is not plain HTTP."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import trio

from dffmpeg.errors import Unreachable

CONNECT_SECONDS = 10.0


async def open_stream(
    url: str, *, first: bytes = b""
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """A connection to the host of a ws:// or wss:// address, which the caller owns.

    Made here and not by trio-websocket because that leaves its connection open where
    the other side was the one to close.

    Args:
        first: what is sent before anything else, TLS too.

    Raises:
        Unreachable: no connection, or no TLS that this machine trusts, within `CONNECT_SECONDS`.
    """
    address = urlsplit(url)
    host, secure = address.hostname or "", address.scheme == "wss"
    port = address.port or (443 if secure else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            plain = await trio.open_tcp_stream(host, port)
            stream = _secured(plain, host) if secure else plain
            try:
                if first:
                    await plain.send_all(first)
                if isinstance(stream, trio.SSLStream):
                    await stream.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return stream
    except trio.TooSlowError:
        raise Unreachable(f"{url}: cannot connect in time") from None
    except trio.BrokenResourceError as error:
        raise Unreachable(f"{url}: {error.__cause__ or error}") from error
    except OSError as error:
        raise Unreachable(f"{url}: {error.strerror or error}") from error


def _secured(plain: trio.SocketStream, host: str) -> trio.SSLStream[trio.SocketStream]:
    context = ssl.create_default_context()
    # Who closes without TLS's own farewell has cut something off, as trio's own function has it.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return trio.SSLStream(plain, context, server_hostname=host, https_compatible=True)
