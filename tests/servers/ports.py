"""Ports that a server may have for as long as a test runs, also while it is down."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

LOOPBACK = "127.0.0.1"

FIRST, LAST = 20_000, 31_999
"""Below what the kernel gives to outgoing connections: one of those may get a port whose server is down."""

SHARES = 16
"""Parts into which the ports are divided, one for each run that goes on at the same time on this machine."""

SHARE = (LAST - FIRST + 1) // SHARES
"""Ports of one part."""

_claim = socket.socket(socket.AF_UNIX)
"""While it is open, that is until this process ends, the share is this process's."""


def _shares() -> Iterator[range]:
    # Runs that begin together try different ones first.
    for step in range(SHARES):
        number = (os.getpid() + step) % SHARES
        first = FIRST + number * SHARE
        yield range(first, first + SHARE)


def _claimed() -> range:
    """The ports that no other process of this machine hands out.

    A name that is bound in the abstract namespace (unix(7)) is a lock that lies in no folder, ends with its
    process, and holds where the ports do: in one network namespace.
    """
    for share in _shares():
        try:
            _claim.bind(f"\0dffmpeg-test-ports-{share.start}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return share
    raise RuntimeError(f"{SHARES} runs of tests hold all ports from {FIRST} to {LAST}: let one end")


@functools.cache
def _unused() -> Iterator[int]:
    return itertools.cycle(_claimed())


def free_port() -> int:
    """A TCP port of the loopback address on which nobody listens, and which no other run is given.

    This one is given it again after hundreds of others.

    Raises:
        RuntimeError: too many runs go on at the same time, or all ports of this one are in use.
    """
    for port in itertools.islice(_unused(), SHARE):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                return port
    raise RuntimeError(f"somebody listens on each of the {SHARE} ports of this run")


async def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    import trio

    try:
        stream = await trio.open_tcp_stream(LOOPBACK, port)
    except OSError:
        return False
    await stream.aclose()
    return True
