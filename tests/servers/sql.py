"""Statements to MariaDB by whoever starts it: one connection each, in a thread."""

from __future__ import annotations

from typing import Any

import pymysql
import trio

from tests.servers.ports import LOOPBACK

SECONDS = 10


async def run(port: int, statement: str, *, user: str = "root", password: str = "") -> list[tuple[Any, ...]]:
    """Run one statement; returns its rows.

    Raises:
        pymysql.MySQLError: the server refuses, or is not there.
    """
    return await trio.to_thread.run_sync(_run, port, statement, user, password)


async def answers(port: int) -> bool:
    """Whether the server takes statements there."""
    try:
        await run(port, "SELECT 1")
    except pymysql.MySQLError:
        return False
    return True


def _run(port: int, statement: str, user: str, password: str) -> list[tuple[Any, ...]]:
    with (
        pymysql.connect(
            host=LOOPBACK,
            port=port,
            user=user,
            password=password,
            connect_timeout=SECONDS,
            read_timeout=SECONDS,
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return list(cursor.fetchall())
