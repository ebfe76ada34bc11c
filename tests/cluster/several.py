"""Several coordinators on one database server, behind one address, with workers: all are real processes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from dffmpeg.admin.coordinator import Coordinator
from dffmpeg.client.api import Client
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render
from dffmpeg.errors import Unreachable
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import open_store
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.administration import CoordinatorRecord
from dffmpeg.wire.signature import encode_key, generate_key
from tests import databases
from tests.cluster.kit import GUARD
from tests.servers.haproxy import open_haproxy
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerProcess

SECRET = "what the coordinators of this cluster share"
LEASE = 5.0
"""Seconds, as usual: a busy machine must not make anybody count as gone."""

_PROXY = """
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 1s
    option redispatch
listen coordinators
    bind {host}:{port}
    option httpchk GET /health
    default-server check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


@dataclass
class Several:
    """What runs, by name: coordinators `a`, `b`, …; workers as the test names them.

    Attributes:
        folder: mapped as `Media`; configurations and logs are in it too.
        url: of all coordinators together: the first one that is healthy, in the order of their names.
    """

    folder: Path
    database: Mapping[str, Any]
    engine: str
    proxy_port: int
    ports: dict[str, int]
    keys: dict[str, bytes] = field(default_factory=dict)
    processes: dict[str, ServerProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.proxy_port}"

    def url_of(self, coordinator: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[coordinator]}"

    def client(self, at: str | None = None, *, name: str = "client") -> Client:
        """A client of one coordinator, or of whichever is healthy."""
        return Client(
            ClientConfig(
                coordinator_url=self.url if at is None else self.url_of(at),
                client_id=name,
                hmac_key=encode_key(self.keys[name]),
                unmapped_paths="ignore",
            )
        )

    @asynccontextmanager
    async def admin(self, at: str | None = None) -> AsyncIterator[Coordinator]:
        """An administrator at one coordinator."""
        url = self.url if at is None else self.url_of(at)
        async with SignedHttp(url, "admin", self.keys["admin"]) as http:
            yield Coordinator(http, url, 30.0)

    def coordinator(self, name: str, sections: Mapping[str, Any]) -> ServerProcess:
        """Have a coordinator's configuration, and the process that is not started yet."""
        values = {
            "host": LOOPBACK,
            "port": self.ports[name],
            "cluster": {"advertise": self.url_of(name), "lease": LEASE, "secret": SECRET},
            "database": {
                "engine_defaults": {self.engine: dict(self.database)},
                "repositories": {
                    repository: {"engine": self.engine}
                    for repository in ("auth", "jobs", "workers", "messages", "streams")
                },
            },
            **sections,
        }
        file = self.folder / f"{name}.toml"
        file.write_text(render(CoordinatorConfig, values))

        async def ready() -> bool:
            return await listens(self.ports[name])

        argv = [sys.executable, "-m", "dffmpeg.coordinator", "--config", str(file)]
        return self._process(name, argv, ready)

    def worker(self, name: str, ffmpeg: Path, *, at: str | None, slots: int) -> ServerProcess:
        """The same of a worker."""
        values = {
            "coordinator_url": self.url if at is None else self.url_of(at),
            "client_id": name,
            "hmac_key": encode_key(self.keys[name]),
            "slots": slots,
            "sandbox": "off",
            "registration_interval": 1.0,
            "binaries": {"ffmpeg": str(ffmpeg)},
            "paths": {"Media": str(self.folder)},
            "cache": str(self.folder / "cache"),
        }
        file = self.folder / f"{name}.toml"
        file.write_text(render(WorkerConfig, values))

        async def ready() -> bool:
            try:
                async with self.admin(at) as admin:
                    workers = (await admin.overview(60.0)).workers
            except Unreachable:
                return False
            return any(one.worker_id == name and one.status == "online" for one in workers)

        return self._process(name, [sys.executable, "-m", "dffmpeg.worker", "--config", str(file)], ready)

    def _process(self, name: str, argv: list[str], ready: Any) -> ServerProcess:
        made = ServerProcess(name, argv, self.folder / f"{name}.log", ready)
        self.processes[name] = made
        return made

    def log(self, name: str) -> str:
        return self.processes[name].log.read_text("utf-8", "replace")


@asynccontextmanager
async def open_several(
    folder: Path,
    engine: str,
    *names: str,
    identities: Mapping[str, Role],
    database: databases.Options | None = None,
    **sections: Any,
) -> AsyncIterator[Several]:
    """Coordinators that serve, the first one leading, behind a proxy.

    Args:
        identities: besides `client` and `admin`.
        database: an empty one; None for one of the tests' server.
        sections: of the coordinators' configuration.
    """
    known = {"client": Role.CLIENT, "admin": Role.ADMIN, **identities}
    async with AsyncExitStack() as stack:
        options = database or stack.enter_context(databases.created(engine))
        several = Several(folder, options, engine, free_port(), {name: free_port() for name in names})
        async with open_store(databases.settings(engine, options)) as store:
            for name, role in known.items():
                several.keys[name] = generate_key()
                await store.identities.add(Identity(client_id=name, role=role, key=several.keys[name]))
        stack.push_async_callback(_kill_all, several)
        for name in names:
            await several.coordinator(name, sections).start()
        servers = "\n".join(
            f"    server {name} {LOOPBACK}:{several.ports[name]}{' backup' if number else ''}"
            for number, name in enumerate(names)
        )
        proxy = _PROXY.format(host=LOOPBACK, port=several.proxy_port, servers=servers)
        await stack.enter_async_context(open_haproxy(proxy, [several.proxy_port]))
        yield several


async def _kill_all(several: Several) -> None:
    with trio.CancelScope(shield=True):
        for process in reversed(several.processes.values()):
            await process.kill()


async def until_members(several: Several, at: str, wanted: int) -> list[CoordinatorRecord]:
    """Wait until a coordinator knows of so many."""
    with trio.fail_after(GUARD):
        async with several.admin(at) as admin:
            while True:
                found = (await admin.overview(60.0)).coordinators
                if len(found) == wanted:
                    return found
                await trio.lowlevel.checkpoint()
