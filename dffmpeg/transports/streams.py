"""Byte streams to a coordinator, for what is not plain HTTP."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import trio

from dffmpeg.errors import Unreachable

CONNECT_SECONDS = 10.0


async def open_stream(
    url: str, *, first: bytes = b"", tls: ssl.SSLContext | None = None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """A connection to the host of a ws:// or wss:// address, which the caller owns.

    Made here and not by trio-websocket because that leaves its connection open where
    the other side was the one to close.

    Args:
        first: what is sent before anything else, TLS too.
        tls: what a wss:// connection is secured with.

    Raises:
        Unreachable: no connection, or no TLS that this machine trusts, within `CONNECT_SECONDS`.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    port = address.port or (443 if address.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            plain = await trio.open_tcp_stream(host, port)
            stream = plain if tls is None else _secured(plain, host, tls)
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
        cause = error.__cause__ or error
        raise Unreachable(
            f"{url}: {untrusted(cause) if isinstance(cause, ssl.SSLError) else cause}"
        ) from error
    except OSError as error:
        raise Unreachable(f"{url}: {error.strerror or error}") from error


def _secured(plain: trio.SocketStream, host: str, tls: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    return trio.SSLStream(plain, tls, server_hostname=host, https_compatible=True)


def untrusted(error: ssl.SSLError) -> str:
    """Why a coordinator's certificate, or ours, does not do, and which key is about that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; tls.cafile says whose are"
    if "CERTIFICATE" in error.reason:
        return f"it does not take our certificate ({error.reason}); tls.certfile says which that is"
    return f"no TLS there: {error.reason}"
