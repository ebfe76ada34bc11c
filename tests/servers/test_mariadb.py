"""A single MariaDB server, and a Galera cluster whose nodes die, are cut off and return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pymysql
import pytest

from tests.servers import sql
from tests.servers.galera import Galera, Node, open_galera
from tests.servers.mariadb import DATABASE, PASSWORD, USER, open_mariadb

TABLE = f"{DATABASE}.noted"


async def noted(node: Node) -> list[tuple[object, ...]]:
    return await node.run(f"SELECT number FROM {TABLE} ORDER BY number")


@pytest.mark.servers("mariadb")
async def test_what_was_committed_survives_a_kill() -> None:
    async with open_mariadb() as server:
        create = f"CREATE TABLE {TABLE} (number INT PRIMARY KEY)"
        insert = f"INSERT INTO {TABLE} VALUES (1)"
        for statement in (create, insert):
            await sql.run(server.port, statement, user=USER, password=PASSWORD)
        await server.process.kill()
        with pytest.raises(pymysql.MySQLError):
            await server.run("SELECT 1")
        await server.process.start()
        assert await server.run(f"SELECT number FROM {TABLE}") == [(1,)]
    assert not server.process.running


@pytest.fixture
async def galera() -> AsyncIterator[Galera]:
    async with open_galera() as cluster:
        await cluster.nodes[0].run(f"CREATE TABLE {TABLE} (number INT PRIMARY KEY)")
        yield cluster


@pytest.mark.servers("mariadb", "galera", "rsync")
async def test_a_node_that_is_away_gets_what_it_missed(galera: Galera) -> None:
    first, second, third = galera.nodes
    # The one that began the cluster is a node like every other.
    await first.process.kill()
    await second.size(2)
    await second.run(f"INSERT INTO {TABLE} VALUES (1)")
    await first.join()
    assert await noted(first) == [(1,)]
    assert "IST received" in Path(first.process.log).read_text()

    await third.isolate()
    with pytest.raises(pymysql.MySQLError, match="WSREP"):
        await third.run(f"INSERT INTO {TABLE} VALUES (2)")
    await second.size(2)
    await second.run(f"INSERT INTO {TABLE} VALUES (3)")
    await third.rejoin()
    assert await noted(third) == [(1,), (3,)]

    third.process.freeze()
    await second.size(2)
    await second.run(f"INSERT INTO {TABLE} VALUES (4)")
    third.process.thaw()
    await galera.recover(third)
    assert await noted(third) == [(1,), (3,), (4,)]


@pytest.mark.servers("mariadb", "galera", "rsync")
async def test_the_last_of_the_cluster_takes_nothing_until_it_is_a_majority(galera: Galera) -> None:
    first, *others = galera.nodes
    for node in others:
        node.process.freeze()

    async def alone() -> bool:
        return await first.status("wsrep_cluster_status") != "Primary"

    await first.process.wait_ready(alone)
    with pytest.raises(pymysql.MySQLError, match="WSREP"):
        await first.run(f"INSERT INTO {TABLE} VALUES (1)")
    for node in others:
        node.process.thaw()
    await galera.whole()
    await first.run(f"INSERT INTO {TABLE} VALUES (2)")
    assert await noted(others[1]) == [(2,)]
