"""A single PostgreSQL server."""

from __future__ import annotations

import psycopg
import pytest

from tests.servers.postgresql import DATABASE, PASSWORD, USER, open_postgresql


@pytest.mark.servers("postgresql")
async def test_what_was_committed_survives_a_kill() -> None:
    async with open_postgresql() as server:
        with psycopg.connect(
            host=server.host, port=server.port, user=USER, password=PASSWORD, dbname=DATABASE
        ) as connection:
            connection.execute("CREATE TABLE noted AS SELECT 1 AS number")
        await server.process.kill()
        with pytest.raises(psycopg.OperationalError):
            await server.run("SELECT 1")
        await server.process.start()
        with psycopg.connect(
            host=server.host, port=server.port, user=USER, password=PASSWORD, dbname=DATABASE
        ) as connection:
            assert connection.execute("SELECT number FROM noted").fetchall() == [(1,)]
    assert not server.process.running
