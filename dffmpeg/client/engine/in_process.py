"""The engine inside the stand-in's own process, where no agent does the work."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import trio

from dffmpeg.client.engine.port import Port
from dffmpeg.client.engine.run import send_failure, serve
from dffmpeg.client.engine.service import Service
from dffmpeg.configuration import parse, read
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import ConfigurationError, DffmpegError


def start(config: str) -> socket.socket:
    """Start an engine for one call in a thread.

    Args:
        config: absolute path of the configuration.

    Returns:
        The shim's end of the socket, which is the caller's. The thread ends with the process.
    """
    ours, theirs = socket.socketpair()
    threading.Thread(target=trio.run, args=(_serve, config, ours), daemon=True, name="engine").start()
    return theirs


async def _serve(config: str, connection: socket.socket) -> None:
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
        await serve(service, stream, pid=None, accepts=lambda call: True)
    finally:
        await service.aclose()


def _load(file: Path) -> ClientConfig:
    # Not `load`: its advice on file modes would stand in the program's stderr.
    try:
        return parse(ClientConfig, read(file), file)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or 'configuration'}: {error.strerror}") from None
