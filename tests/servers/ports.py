"""Ports that a server may have for as long as a test runs, also while it is down."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"

FIRST, LAST = 20_000, 31_999
"""Below what the kernel gives to outgoing connections: one of those may get a port whose server is down."""


def _all() -> Iterator[int]:
    # Runs that go on at the same time begin at different places.
    count = LAST - FIRST + 1
    begin = (os.getpid() * 61) % count
    for step in range(count):
        yield FIRST + (begin + step) % count


_unused = _all()


def free_port() -> int:
    """A TCP port of the loopback address on which nobody listens, and which this process is given once.

    Raises:
        StopIteration: there is none left.
    """
    while True:
        port = next(_unused)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


async def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    import trio

    try:
        stream = await trio.open_tcp_stream(LOOPBACK, port)
    except OSError:
        return False
    await stream.aclose()
    return True
