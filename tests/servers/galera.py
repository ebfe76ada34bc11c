"""A MariaDB Galera cluster: nodes on ports of the loopback address, in place of machines.

A node that comes back gets what it missed (IST) from another one's cache, or everything (SST, by rsync).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
import trio

from tests.servers import mariadb, sql
from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerFailed, ServerProcess
from tests.servers.requirements import galera_library, program

EXAMPLE = Path(__file__).parents[2] / "config/galera/galera.cnf"

PATIENCE = 40.0
"""Seconds that a node gets to find its way back by itself."""

JOINS = 3
"""Times that a node may try to join."""

SYNCED = "4"
"""`wsrep_local_state` of a node that takes writes; others answer every statement with an error."""


@dataclass(frozen=True, slots=True)
class _Ports:
    sql: int
    group: int
    ist: int
    sst: int


class Node(mariadb.MariaDB):
    """One node: to be killed and to come back, to be isolated and to rejoin, to be frozen and thawed."""

    async def join(self) -> None:
        """Start it beside the others, or after its end; returns when it has what it missed and takes writes.

        One that cannot join aborts, and is started again, as by its package's unit (`Restart=on-abnormal`).

        Raises:
            ServerFailed: it does not start, or aborts each time.
        """
        for tried in range(1, JOINS + 1):
            try:
                await self.process.start()
            except ServerFailed:
                if tried == JOINS or not self.process.aborted:
                    raise
            else:
                return

    async def isolate(self) -> None:
        """Cut it off from the other nodes, not from its clients.

        Returns when it knows: until then, for seconds, it answers reads as if nothing had happened.
        """
        await self.run("SET GLOBAL wsrep_provider_options = 'gmcast.isolate = 1'")

        async def alone() -> bool:
            return await self.status("wsrep_cluster_status") != "Primary"

        await self.process.wait_ready(alone)

    async def rejoin(self) -> None:
        """End that; returns when it takes writes again."""
        await self.connect()
        await self.process.wait_ready()

    async def connect(self) -> None:
        """End that; it may take a while until it takes writes again."""
        await self.run("SET GLOBAL wsrep_provider_options = 'gmcast.isolate = 0'")

    async def status(self, name: str) -> str:
        """A status variable, such as `wsrep_cluster_size`."""
        ((_, value),) = await self.run(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return str(value)

    async def size(self, nodes: int) -> None:
        """Return when it takes writes and sees so many nodes, itself among them.

        One that was frozen believes for a moment that nothing has changed: see `Galera.whole`.
        """

        async def seen() -> bool:
            return await _synced(self.port) and await self.status("wsrep_cluster_size") == f"{nodes}"

        await self.process.wait_ready(seen)


class Galera:
    """The running cluster. `nodes` in the order of their start; the first one began it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.database, self.user, self.password = mariadb.DATABASE, mariadb.USER, mariadb.PASSWORD

    async def whole(self) -> None:
        """Return when every node takes writes, sees all of them, and knows that all do."""
        for node in self.nodes:
            await node.process.wait_ready(self._agreed)

    async def recover(self, node: Node) -> None:
        """Return when the cluster is whole again after a node was frozen or cut off.

        The node may have given up its part in the group for good ("backend must be restarted", it says then):
        whoever runs it starts it anew, and so does this, after a while.
        """
        with trio.move_on_after(PATIENCE), suppress(ServerFailed):
            await self.whole()
            return
        await node.process.kill()
        await node.join()
        await self.whole()

    async def _agreed(self) -> bool:
        for node in self.nodes:
            await node.size(len(self.nodes))
        return len({await node.status("wsrep_cluster_conf_id") for node in self.nodes}) == 1


class _Member:
    """What a node of the cluster is made of."""

    def __init__(self, account: Account, folder: Path, number: int, all_ports: Sequence[_Ports]) -> None:
        ports = all_ports[number]
        self.folder = folder
        self._account = account
        here = {
            "gmcast.listen_addr": f"tcp://{LOOPBACK}:{ports.group}",
            "ist.recv_addr": f"{LOOPBACK}:{ports.ist}",
            "gcache.size": "32M",
            "gcache.page_size": "32M",
        }
        self._defaults = account.write(folder / "galera.cnf", EXAMPLE.read_text("utf-8"))
        self._options = {
            # What a commit survives is the end of a process; the end of all machines at once is not tested.
            "innodb-flush-log-at-trx-commit": "2",
            "wsrep-provider": f"{galera_library()}",
            "wsrep-node-name": f"node{number + 1}",
            "wsrep-node-address": LOOPBACK,
            "wsrep-sst-receive-address": f"{LOOPBACK}:{ports.sst}",
            "wsrep-slave-threads": "2",
            "wsrep-provider-options": "; ".join(
                f"{name}={value}" for name, value in {**_provider_options(), **here}.items()
            ),
        }
        self._peers = ",".join(f"{LOOPBACK}:{one.group}" for one in all_ports)
        self._port = ports.sql
        process = ServerProcess(
            f"galera{number + 1}", self._argv(self._peers), folder / "log", lambda: _synced(ports.sql)
        )
        self.node = Node(process, ports.sql)

    async def begin(self) -> None:
        """Be the first: nobody else is there to join."""
        process = self.node.process
        process.argv = self._argv("")
        await process.start()
        process.argv = self._argv(self._peers)

    def _argv(self, peers: str) -> list[str]:
        return mariadb.arguments(
            self._account,
            self.folder,
            self._port,
            {**self._options, "wsrep-cluster-address": f"gcomm://{peers}"},
            defaults=self._defaults,
        )


@asynccontextmanager
async def open_galera(nodes: int = 3) -> AsyncIterator[Galera]:
    """A cluster around a block, which is entered when all nodes take writes.

    Raises:
        Missing: this machine has not all that it takes.
        ServerFailed: a node does not start.
    """
    program("rsync", "rsync")
    account = Account("mysql")
    ports = [_Ports(free_port(), free_port(), free_port(), free_port()) for _ in range(nodes)]
    with account.folder("galera") as folder:
        members = [
            _Member(account, account.subfolder(folder / f"node{number + 1}"), number, ports)
            for number in range(nodes)
        ]
        try:
            await _form(account, members)
            yield Galera([member.node for member in members])
        finally:
            for member in members:
                await member.node.process.kill()


async def _form(account: Account, members: Sequence[_Member]) -> None:
    first, *others = members
    await mariadb.install(account, first.folder)
    await first.begin()
    await mariadb.prepare(first.node.port)
    # One after the other: each gets everything, and whoever gives it must not be busy giving.
    for member in others:
        account.subfolder(member.folder / "data")
        await member.node.join()
    async with trio.open_nursery() as nursery:
        for member in members:
            nursery.start_soon(member.node.size, len(members))


def _provider_options() -> dict[str, str]:
    """Those of the example; whoever sets one of them sets all."""
    found = re.search(r'(?m)^wsrep_provider_options = "(.*)"$', EXAMPLE.read_text("utf-8"))
    assert found is not None
    pairs = (option.partition("=") for option in found[1].split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


async def _synced(port: int) -> bool:
    try:
        rows = await sql.run(port, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state'")
    except pymysql.MySQLError:
        return False
    return rows == [("wsrep_local_state", SYNCED)]
