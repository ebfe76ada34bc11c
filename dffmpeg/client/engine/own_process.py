"""The engine of a single call, in a process beside the stand-in's, where no agent does the work."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import trio

from dffmpeg.client.engine.port import Port
from dffmpeg.client.engine.run import send_failure, serve
from dffmpeg.client.engine.service import Service
from dffmpeg.configuration import parse, read
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import ConfigurationError, DffmpegError


def run(config: str, connection: socket.socket, shim: int) -> None:
    """Serve one call to its end.

    Args:
        config: absolute path of the configuration.
        connection: to the shim; owned from here on.
        shim: the number of its process.
    """
    trio.run(partial(_serve, config, connection, shim))


async def _serve(config: str, connection: socket.socket, shim: int) -> None:
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
    try:
        service = Service(_load(Path(config)))
    except DffmpegError as error:
        port = Port(stream)
        await port.call()
        await send_failure(port, error)
        await port.aclose()
        return
    try:
        await serve(service, stream, pid=shim, accepts=lambda call: True)
    finally:
        await service.aclose()


def _load(file: Path) -> ClientConfig:
    # Not `load`: its advice on file modes would stand in the program's stderr.
    try:
        return parse(ClientConfig, read(file), file)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or 'configuration'}: {error.strerror}") from None
