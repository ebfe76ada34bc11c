"""A worker's tree inside the test, against a small coordinator on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.configuration.worker import Cancel, Output, WorkerConfig
from dffmpeg.supervisors import TreeHandle, open_tree
from dffmpeg.supervisors.worker import WorkerTree, worker_tree
from dffmpeg.transports.client import TransportFactory
from dffmpeg.transports.http_polling_client import HttpPollingClient
from dffmpeg.transports.websocket_client import WebSocketClient
from dffmpeg.wire import signature
from tests.actors.worker.coordinator import KEY, WORKER, FakeCoordinator
from tests.actors.worker.mounts.fuse import mount, unmount

TRANSPORTS: dict[str, TransportFactory] = {"websocket": WebSocketClient, "http_polling": HttpPollingClient}

_BIND = 4096
"""A flag of mount(2)."""


class Worker:
    """A running worker: its tree's handle, and the handles that its process would have."""

    def __init__(self, tree: WorkerTree, handle: TreeHandle) -> None:
        self.tree = tree
        self.handle = handle


StartWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
async def coordinator() -> AsyncIterator[FakeCoordinator]:
    fake = FakeCoordinator()
    async with fake.serve():
        yield fake


def config_for(fake: FakeCoordinator, **changes: Any) -> WorkerConfig:
    values: dict[str, Any] = {
        "coordinator_url": fake.url,
        "client_id": WORKER,
        "hmac_key": signature.encode_key(KEY),
        "slots": 4,
        "binaries": {"sh": "sh", "python": "python3"},
        "registration_interval": 0.3,
        # Programs here are scripts that leave traces; what a sandbox does is tested in tests/security.
        "sandbox": "off",
        "cancel": Cancel(interrupt=20.0, terminate=20.0),
        "output": Output(window=1 << 20, chunk=64 << 10),
    }
    return WorkerConfig(**(values | changes))


@pytest.fixture
def start_worker(coordinator: FakeCoordinator) -> StartWorker:
    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Worker]:
        tree = worker_tree(config_for(coordinator, **changes), TRANSPORTS)
        async with open_tree(tree.root, name="worker") as handle:
            yield Worker(tree, handle)

    return start


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    opened = Processes()
    async with opened.open():
        yield opened


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def bind() -> Iterator[Callable[[Path, Path], None]]:
    """Mounts a directory on another; at the end all are unmounted."""
    mounted = []

    def make(source: Path, target: Path) -> None:
        mount(str(source), str(target), "none", flags=_BIND)
        mounted.append(target)

    yield make
    for folder in reversed(mounted):
        unmount(str(folder))


@pytest.fixture
def tmpfs() -> Iterator[Callable[[Path], None]]:
    """Mounts one on a directory; at the end all are unmounted."""
    mounted = []

    def make(folder: Path) -> None:
        mount("tmpfs", str(folder), "tmpfs")
        mounted.append(folder)

    yield make
    for folder in reversed(mounted):
        unmount(str(folder))
