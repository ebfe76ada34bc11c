"""A real server on a loopback port, and what it takes to talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio
import trio_websocket

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Identity, Role
from dffmpeg.supervisors import ChildSpec, Supervisor, TreeHandle, open_tree
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.web import WebApp, WebServer, create_app
from dffmpeg.web.homes import Neighbours
from dffmpeg.wire import signature
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from tests.web.memory import MemoryIdentities, MemoryOperations
from tests.web.memory_people import MemoryPeople

KEYS = {
    "client": (Role.CLIENT, b"c" * 32),
    "other": (Role.CLIENT, b"o" * 32),
    "worker": (Role.WORKER, b"w" * 32),
    "admin": (Role.ADMIN, b"a" * 32),
    "viewer": (Role.VIEWER, b"v" * 32),
}
EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass
class Site:
    """A running server and what is behind it."""

    app: WebApp
    server: WebServer
    operations: MemoryOperations
    identities: MemoryIdentities
    people: MemoryPeople
    tree: TreeHandle
    crashed: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def http(self, name: str = "client") -> SignedHttp:
        """A client; the caller enters it."""
        return SignedHttp(self.url, name, KEYS[name][1])

    async def connect(self, *, receive_buffer: int | None = None) -> trio.SocketStream:
        """A plain connection; the caller closes it."""
        socket = trio.socket.socket()
        if receive_buffer is not None:
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await socket.connect(("127.0.0.1", self.server.port))
        return trio.SocketStream(socket)

    async def exchange(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own, and read until the server closes it."""
        async with await self.connect() as stream:
            try:
                await stream.send_all(request)
            except trio.BrokenResourceError:
                # Refused half-way: the answer can be read all the same.
                return await read_all(stream)
            return await read_all(stream)

    @asynccontextmanager
    async def websocket(
        self, path: str, name: str = "client", *, headers: dict[str, str] | None = None
    ) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        signed = headers if headers is not None else sign(name, "GET", path)
        async with await self.connect() as stream, open_websocket(stream, path, signed) as connection:
            yield connection

    async def submit(self, name: str = "client", **fields: Any) -> JobRecord:
        async with self.http(name) as http:
            return await http.call(
                "POST", "/jobs/submit", JobRecord, json=SubmitRequest(binary_name="ffmpeg", **fields)
            )


@asynccontextmanager
async def open_websocket(
    stream: trio.SocketStream, path: str, headers: dict[str, str]
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """A WebSocket on a stream of the caller's: the library forgets to close one on which it was refused."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                "127.0.0.1",
                path,
                extra_headers=[(key.encode(), value.encode()) for key, value in headers.items()],
            )
            async with connection:
                yield connection
    except BaseExceptionGroup as group:
        failure = group
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    if failure is not None:
        raise failure


def sign(
    name: str, method: str, target: str, body: bytes = b"", *, now: float | None = None
) -> dict[str, str]:
    import time

    return signature.sign(name, KEYS[name][1], method, target, body, now=time.time() if now is None else now)


def raw(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it travels; it asks for the connection to be closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body and not any(name.lower() == "transfer-encoding" for name in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def code_of(closed: trio_websocket.ConnectionClosed) -> int:
    """The code with which the server closed a WebSocket."""
    assert closed.reason is not None
    return closed.reason.code


async def read_all(stream: trio.SocketStream) -> bytes:
    answer = b""
    try:
        async for part in stream:
            answer += part
    except trio.BrokenResourceError:
        return answer
    return answer


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    answer = b""
    while not answer.endswith(end):
        part = await stream.receive_some(1)
        assert part, f"closed after {answer!r}"
        answer += part
    return answer


@asynccontextmanager
async def serving(
    config: dict[str, Any] | None = None,
    *,
    write_timeout: float = 60.0,
    grace: float = 3.0,
    shutdown: float = 30.0,
    neighbours: Neighbours | None = None,
) -> AsyncIterator[Site]:
    """A server in a supervision tree, stopped at the block's end."""
    settings = msgspec.convert({"host": "127.0.0.1", "port": 0, **(config or {})}, CoordinatorConfig)
    operations, identities, people = MemoryOperations(), MemoryIdentities(), MemoryPeople()
    for name, (role, key) in KEYS.items():
        identities.known[name] = Identity(client_id=name, role=role, key=key, allowed_networks=EVERYWHERE)
    handles: list[TreeHandle] = []
    crashed: list[str] = []

    def crash(path: str) -> None:
        handles[0].crash_child(path)
        crashed.append(path)

    app = create_app(
        operations,
        identities,
        settings,
        tree=lambda limit=None: handles[0].tree(limit),
        crash=crash,
        neighbours=neighbours,
        people=people,
    )
    server = WebServer(app, settings, write_timeout=write_timeout, grace=grace)
    root = Supervisor([ChildSpec("web", start=lambda: server, shutdown=shutdown)])
    async with open_tree(root, name="coordinator") as tree:
        handles.append(tree)
        yield Site(app, server, operations, identities, people, tree, crashed)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running
