"""A cluster as it is set up in earnest, of processes of this machine.

Each worker is behind links of its own, and so is what each coordinator has to do with the database, the
broker and the other coordinators. A link can be cut; callers reach such a coordinator all the while.

```
callers ─┬─ HAProxy ─── coordinators ─┬─ database
workers ─┘                            └─ broker ─── workers
```
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.standalone.readiness import open_http
from dffmpeg.wire.workers import WorkerRecord
from tests.chaos import proxy, recorder
from tests.chaos.configurations import LEASE, Configurations, Plan
from tests.chaos.databases import DATABASES, Database
from tests.chaos.downlinks import DOWNLINKS, Downlink
from tests.chaos.victims import Victim, cut, frozen, killed
from tests.servers.haproxy import open_haproxy
from tests.servers.link import open_links
from tests.servers.process import Ready, ServerProcess
from tests.servers.requirements import program

MEMBER = 6.0
"""Seconds after which the other coordinators have noticed: more than `cluster.lease`."""

SECONDS = 5.0
"""For an answer to whoever asks whether something is there."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What runs.

    Attributes:
        caller, admin: configurations of clients.
        media: the mapped folder.
        ledger: what the programs note.
        ffmpeg: the real one.
        victims: what may break, by what it is.
    """

    caller: ClientConfig
    admin: ClientConfig
    media: Path
    ledger: Path
    ffmpeg: str
    victims: Mapping[str, Sequence[Victim]]


@asynccontextmanager
async def open_architecture(plan: Plan) -> AsyncIterator[Architecture]:
    """Run it around a block, which is entered when every worker is online.

    Raises:
        Missing: this machine has not all that it takes.
        ServerFailed: a part does not start.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(DATABASES[plan.database](plan.folder))
        downlink = await stack.enter_async_context(DOWNLINKS[plan.downlink](plan.worker_names))
        configurations = Configurations(plan, database, downlink)
        await configurations.add_identities()
        processes = _Processes(stack, plan.folder, configurations)
        numbers = range(plan.coordinators)
        coordinators = [await processes.coordinator(number, database, downlink) for number in numbers]
        text = proxy.configuration(configurations.entry, configurations.ports)
        await stack.enter_async_context(open_haproxy(text, [configurations.entry]))
        workers = [await processes.worker(name, downlink) for name in configurations.workers]
        await processes.workers_ready()
        victims = {
            "coordinator": coordinators,
            "worker": workers,
            "database": database.victims,
            "broker": downlink.victims,
        }
        yield Architecture(
            caller=configurations.client("caller"),
            admin=configurations.client("admin"),
            media=configurations.media,
            ledger=processes.ledger,
            ffmpeg=processes.ffmpeg,
            victims={kind: some for kind, some in victims.items() if some},
        )


class _Processes:
    """Starts coordinators and workers, which end with the stack."""

    def __init__(self, stack: AsyncExitStack, folder: Path, configurations: Configurations) -> None:
        self._stack = stack
        self._folder = folder
        self._configurations = configurations
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.ffmpeg = program("ffmpeg", "ffmpeg")
        self._workers: list[ServerProcess] = []

    async def coordinator(self, number: int, database: Database, downlink: Downlink) -> Victim:
        """One that answers, behind links of its own."""
        name = f"coordinator{number + 1}"
        port = self._configurations.ports[number]
        links = await self._stack.enter_async_context(open_links(port, *database.ports, *downlink.ports))
        peers, *others = [link.port for link in links]
        rear = len(database.ports)
        file = self._configurations.coordinator(
            number, peers=peers, database=others[:rear], broker=others[rear:]
        )
        admin = self._configurations.client("admin", port)
        process = self._process(name, "dffmpeg.coordinator", file, _healthy(admin))
        self._stack.push_async_callback(process.kill)
        await process.start()
        ways = [killed(process), frozen(process)]
        if len(links) > 1:
            ways.append(cut(links, process.wait_ready))
        # The others take over what it did, and it comes back.
        ways += [replace(way, shortest=MEMBER, longest=2 * MEMBER) for way in ways[1:]]
        return Victim(name, ways)

    async def worker(self, name: str, downlink: Downlink) -> Victim:
        """One that is being started, behind links of its own."""
        links = await self._stack.enter_async_context(open_links(self._configurations.entry, *downlink.ports))
        entry, *broker = [link.port for link in links]
        file = self._configurations.worker(name, entry, broker)
        # Its programs die by themselves: that is a promise of the worker's.
        online = _online(self._configurations.client("admin"), name)
        process = self._process(name, "dffmpeg.worker", file, online, whole=False)
        self._stack.push_async_callback(process.kill)
        # They look at their programs first, which all of them can do at once.
        process.spawn()
        self._workers.append(process)
        shortly = cut(links, process.wait_ready)
        # Its lease ends, and its jobs move.
        longer = replace(shortly, shortest=LEASE, longest=1.3 * LEASE)
        return Victim(name, [killed(process), shortly, longer])

    async def workers_ready(self) -> None:
        """Return when all workers that were started are online."""
        for process in self._workers:
            await process.wait_ready()

    def _process(
        self, name: str, module: str, file: Path, ready: Ready, *, whole: bool = True
    ) -> ServerProcess:
        environment = {
            recorder.LEDGER: str(self.ledger),
            recorder.WORKER: name,
            recorder.FFMPEG: self.ffmpeg,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        argv = [sys.executable, "-m", module, "--config", str(file)]
        return ServerProcess(name, argv, self._folder / f"{name}.log", ready, environment, whole)


def _healthy(config: ClientConfig) -> Ready:
    async def ready() -> bool:
        async with open_http(config) as http:
            try:
                await http.request("GET", "/health", timeout=SECONDS)
            except (Unreachable, Refused):
                return False
        return True

    return ready


def _online(config: ClientConfig, name: str) -> Ready:
    async def ready() -> bool:
        async with open_http(config) as http:
            try:
                worker = await http.call("GET", f"/workers/{name}", WorkerRecord, timeout=SECONDS)
            except (Unreachable, Refused):
                return False
        return worker.status == "online"

    return ready
