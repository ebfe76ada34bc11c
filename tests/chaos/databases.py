"""The databases that a cluster may have: how coordinators are configured for it, and how it breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.victims import Victim, Way, frozen, killed
from tests.servers.galera import Galera, Node, open_galera
from tests.servers.mariadb import MariaDB, open_mariadb
from tests.servers.ports import LOOPBACK
from tests.servers.postgresql import PostgreSQL, open_postgresql

Server = PostgreSQL | MariaDB | Galera


@dataclass(frozen=True, slots=True)
class Database:
    """A database that runs.

    Attributes:
        settings: the coordinator's table `database`, for one who reaches it at its ports, or at others that
            lead there.
        ports: of its nodes.
        victims: what of it may break.
    """

    settings: Callable[[Sequence[int]], dict[str, Any]]
    ports: Sequence[int] = ()
    victims: Sequence[Victim] = ()


@asynccontextmanager
async def open_sqlite(folder: Path) -> AsyncIterator[Database]:
    """A file of the coordinator's, which breaks with it."""
    place = {"engine_defaults": {"sqlite": {"path": str(folder / "dffmpeg.db")}}}
    yield Database(lambda ports: place)


@asynccontextmanager
async def open_single_postgresql(_folder: Path) -> AsyncIterator[Database]:
    """One server, without which everybody waits."""
    async with open_postgresql() as server:
        victim = Victim("postgresql", [killed(server.process), frozen(server.process)])
        yield Database(partial(_settings, "postgresql", server), [server.port], [victim])


@asynccontextmanager
async def open_single_mariadb(_folder: Path) -> AsyncIterator[Database]:
    """One server, without which everybody waits."""
    async with open_mariadb() as server:
        victim = Victim("mariadb", [killed(server.process), frozen(server.process)])
        yield Database(partial(_settings, "mysql", server), [server.port], [victim])


@asynccontextmanager
async def open_galera_cluster(_folder: Path) -> AsyncIterator[Database]:
    """Three nodes, of which two go on."""
    async with open_galera() as cluster:
        victims = [
            Victim(f"galera{number + 1}", _ways(cluster, node)) for number, node in enumerate(cluster.nodes)
        ]
        ports = [node.port for node in cluster.nodes]
        yield Database(partial(_settings, "mysql", cluster), ports, victims)


def _ways(cluster: Galera, node: Node) -> list[Way]:
    async def start() -> None:
        await node.join()
        await cluster.whole()

    async def recover() -> None:
        await cluster.recover(node)

    async def rejoin() -> None:
        await node.connect()
        await recover()

    return [
        killed(node.process, start),
        # Long enough for the others to leave it behind, and not so long.
        frozen(node.process, recover),
        replace(frozen(node.process, recover), shortest=6.0, longest=12.0),
        Way("isolate", node.isolate, rejoin),
    ]


def _settings(engine: str, server: Server, ports: Sequence[int]) -> dict[str, Any]:
    # All coordinators begin at the same node: of two that write to different ones one has to repeat.
    place = {
        "host": [f"{LOOPBACK}:{port}" for port in ports],
        "database": server.database,
        "user": server.user,
        "password": server.password,
    }
    return {"engine": engine, "engine_defaults": {engine: place}}


DATABASES: dict[str, Callable[[Path], AbstractAsyncContextManager[Database]]] = {
    "sqlite": open_sqlite,
    "postgresql": open_single_postgresql,
    "mariadb": open_single_mariadb,
    "galera": open_galera_cluster,
}
