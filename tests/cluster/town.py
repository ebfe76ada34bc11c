"""Several coordinators on one PostgreSQL behind an HAProxy, and workers: all of them real processes."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import tomli_w
import trio

from dffmpeg.client.api import Client
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.model.identities import Identity, Role
from dffmpeg.standalone.child import wait_ended
from dffmpeg.store import open_store
from dffmpeg.wire.signature import encode_key, generate_key
from tests import databases
from tests.cluster.kit import GUARD
from tests.servers.haproxy import open_haproxy
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess

EXAMPLE = Path(__file__).parents[2] / "config" / "haproxy.cfg"
SECRET = "what the coordinators of this cluster share"
LEASE = 2.0

NAMES = ("one", "two")


@dataclass
class Town:
    """A cluster behind a load balancer.

    Attributes:
        folder: mapped as `Media`, the same for client and workers.
        url: the load balancer's.
        ports: of the coordinators.
        coordinators: their processes, by name.
        balancer: the load balancer's process.
    """

    folder: Path
    url: str
    ports: Mapping[str, int]
    statistics: str
    balancer: ServerProcess = field(init=False)
    coordinators: dict[str, ServerProcess] = field(default_factory=dict)
    workers: dict[str, ServerProcess] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)

    def client(self, name: str = "client") -> Client:
        config = load(ClientConfig, "client", self.folder / f"{name}.toml")
        return Client(config)

    def direct(self, coordinator: str, name: str = "client") -> Client:
        """A client of one coordinator, past the load balancer."""
        config = load(ClientConfig, "client", self.folder / f"{name}.toml")
        return Client(
            msgspec.structs.replace(config, coordinator_url=f"http://{LOOPBACK}:{self.ports[coordinator]}")
        )

    @contextmanager
    def calling(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """`ffmpeg` as a caller calls it in the folder, with a pipe for its output; gone behind the block."""
        program = self.folder / "bin" / "ffmpeg"
        if not program.exists():
            program.parent.mkdir()
            program.write_text(
                f"#!{sys.executable}\nimport sys\nfrom dffmpeg.shim.main import main\nsys.exit(main())\n"
            )
            program.chmod(0o755)
        with subprocess.Popen(
            [program, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "DFFMPEG_NO_AGENT": "1",
                "DFFMPEG_CLIENT_CONFIG": str(self.folder / "client.toml"),
            },
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    async def restart(self, name: str) -> int:
        """Stop a coordinator as its init system does, and start it again; returns once it gets requests.

        Returns:
            Its exit code.
        """
        process = self.coordinators[name]
        old = process._process
        assert old is not None
        old.terminate()
        with trio.fail_after(GUARD):
            await wait_ended(old)
        await process.start()
        await self.until_up(name)
        return old.returncode

    async def until_up(self, *names: str) -> None:
        """Until the load balancer sends requests there."""

        async def up() -> bool:
            return {*names} <= await self._up()

        await until(up)

    async def _up(self) -> set[str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(self.statistics)).text
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        return {row["svname"] for row in rows if row["pxname"] == "coordinators" and row["status"] == "UP"}


@asynccontextmanager
async def open_town(
    folder: Path,
    *,
    slots: int = 4,
    workers: int = 2,
    coordinator: Mapping[str, Any] | None = None,
    database: Mapping[str, Any] | None = None,
    proxy_protocol: bool = False,
    binaries: Mapping[str, str] | None = None,
) -> AsyncIterator[Town]:
    """The cluster around a block; nothing of it is left behind.

    Args:
        coordinator: more of the coordinators' configuration.
        database: how the coordinators reach the database, where that is not the test server's own way.
        proxy_protocol: whether the load balancer speaks it; else X-Forwarded-For.
    """
    ports = {name: free_port() for name in NAMES}
    front, statistics = free_port(), free_port()
    town = Town(folder, f"http://{LOOPBACK}:{front}", ports, f"http://{LOOPBACK}:{statistics}/;csv")
    async with AsyncExitStack() as stack:
        options = stack.enter_context(databases.created("postgresql"))
        await _add_identities(town, options, ["client", "admin", *(f"worker{n}" for n in range(workers))])
        for name, port in ports.items():
            written = _coordinator(port, {**options, **(database or {})}, proxy_protocol, coordinator or {})
            _write(folder / f"{name}.toml", written)
            town.coordinators[name] = _process(folder, "coordinator", name, _healthy(port))
        for name in town.coordinators:
            stack.push_async_callback(town.coordinators[name].kill)
            await town.coordinators[name].start()
        town.balancer = await stack.enter_async_context(
            open_haproxy(_haproxy(front, statistics, ports, proxy_protocol), [front, statistics])
        )
        await town.until_up(*NAMES)
        for number in range(workers):
            name = f"worker{number}"
            _write(folder / f"{name}.toml", _worker(town, name, slots, binaries or {}))
            town.workers[name] = _process(folder, "worker", name, _ready)
            stack.push_async_callback(town.workers[name].stop)
            town.workers[name].spawn()
        await _until_online(town, workers)
        yield town


def _haproxy(front: int, statistics: int, ports: Mapping[str, int], proxy_protocol: bool) -> str:
    text = EXAMPLE.read_text().replace("bind 0.0.0.0:8000", f"bind {LOOPBACK}:{front}")
    for number, port in enumerate(ports.values(), 1):
        address = f"{LOOPBACK}:{port}" + (" send-proxy-v2 check-send-proxy" if proxy_protocol else "")
        text = text.replace(f"10.0.0.{number}:8000", address)
    if proxy_protocol:
        text = text.replace("    option forwardfor\n", "")
    return (
        text + f"\nlisten statistics\n    bind {LOOPBACK}:{statistics}\n    stats enable\n    stats uri /\n"
    )


def _coordinator(
    port: int, database: Mapping[str, Any], proxy_protocol: bool, more: Mapping[str, Any]
) -> dict[str, Any]:
    repositories = ("auth", "jobs", "workers", "messages", "streams")
    return {
        "host": LOOPBACK,
        "port": port,
        "shutdown_delay_seconds": 2.0,
        "proxy_protocol": proxy_protocol,
        "database": {
            "engine_defaults": {"postgresql": dict(database)},
            "repositories": {name: {"engine": "postgresql"} for name in repositories},
        },
        "cluster": {"advertise": f"http://{LOOPBACK}:{port}", "secret": SECRET, "lease": LEASE},
        "security": {"trusted_proxies": [LOOPBACK]},
        **more,
    }


def _worker(town: Town, name: str, slots: int, binaries: Mapping[str, str]) -> dict[str, Any]:
    return {
        "coordinator_url": town.url,
        "client_id": name,
        "hmac_key": encode_key(town.keys[name]),
        "slots": slots,
        "paths": {"Media": str(town.folder)},
        "registration_interval": 1.0,
        "benchmark": False,
        **({"binaries": dict(binaries)} if binaries else {}),
    }


async def _add_identities(town: Town, options: Mapping[str, Any], names: Sequence[str]) -> None:
    roles = {"client": Role.CLIENT, "admin": Role.ADMIN}
    async with open_store(databases.settings("postgresql", options)) as store:
        for name in names:
            town.keys[name] = generate_key()
            role = roles.get(name, Role.WORKER)
            await store.identities.add(
                Identity(
                    client_id=name, role=role, key=town.keys[name], allowed_networks=("0.0.0.0/0", "::/0")
                )
            )
    for name in roles:
        key = encode_key(town.keys[name])
        written = {
            "coordinator_url": town.url,
            "client_id": name,
            "hmac_key": key,
            "unmapped_paths": "ignore",
        }
        _write(town.folder / f"{name}.toml", {**written, "paths": {"Media": str(town.folder)}})


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.touch(0o600)
    path.write_text(tomli_w.dumps(values))


def _process(folder: Path, kind: str, name: str, ready: Any) -> ServerProcess:
    argv = [sys.executable, "-m", f"dffmpeg.{kind}", "--config", str(folder / f"{name}.toml")]
    return ServerProcess(name, argv, folder / f"{name}.log", ready)


def _healthy(port: int) -> Any:
    async def healthy() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as client:
                # Behind the PROXY protocol this connection is refused, which says as much.
                return (await client.get(f"http://{LOOPBACK}:{port}/health")).status_code == 200
        return await _refuses_by_closing(port)

    return healthy


async def _refuses_by_closing(port: int) -> bool:
    try:
        async with await trio.open_tcp_stream(LOOPBACK, port) as stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\n\r\n")
            return await stream.receive_some() == b""
    except OSError:
        return False
    except trio.BrokenResourceError:
        return True


async def _ready() -> bool:
    return True


async def _until_online(town: Town, workers: int) -> None:
    async with town.client() as client:

        async def online() -> bool:
            return sum(worker.status == "online" for worker in await client.workers()) == workers

        await until(online)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what can only be asked for."""
    with trio.fail_after(GUARD):
        while True:
            if await condition():
                return
            await trio.sleep(0.05)
