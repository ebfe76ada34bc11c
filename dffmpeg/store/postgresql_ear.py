"""Hearing of PostgreSQL's NOTIFY: a connection of its own, on which the server speaks by itself.

https://www.postgresql.org/docs/current/libpq-notify.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
import trio

from dffmpeg.store.database import Ear, look_often
from dffmpeg.store.errors import StoreUnavailable

if TYPE_CHECKING:
    import psycopg

CHANNEL = "dffmpeg"

_NOTIFY = sa.select(sa.func.pg_notify(CHANNEL, sa.bindparam("by")))


def notify(connection: sa.Connection, by: str) -> None:
    """Say, once the transaction is committed, that there is something to read."""
    connection.execute(_NOTIFY, {"by": by})


@asynccontextmanager
async def listening(connect: Callable[[], psycopg.Connection[object]], own: str) -> AsyncIterator[Ear]:
    """Hear inside the block of what others than `own` notify.

    While the server cannot be reached it is looked every now and then.

    Args:
        connect: opens a connection, in a thread; raises `StoreUnavailable`.
    """
    listener = _Listener(connect, own.encode())
    try:
        yield listener.hear
    finally:
        listener.close()


class _Listener:
    def __init__(self, connect: Callable[[], psycopg.Connection[object]], own: bytes) -> None:
        self._connect = connect
        self._own = own
        self._connection: psycopg.Connection[object] | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def hear(self, seconds: float) -> None:
        connection = self._connection
        if connection is None:
            await self._open(seconds)
            # What was said before that nobody heard.
            return
        deadline = trio.current_time() + seconds
        while not self._spoken(connection):
            with trio.move_on_at(deadline) as scope:
                await trio.lowlevel.wait_readable(connection.fileno())
            if scope.cancelled_caught:
                return

    async def _open(self, seconds: float) -> None:
        try:
            self._connection = await trio.to_thread.run_sync(self._opened)
        except StoreUnavailable:
            await look_often(seconds)

    def _opened(self) -> psycopg.Connection[object]:
        connection = self._connect()
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _spoken(self, connection: psycopg.Connection[object]) -> bool:
        """Take what came; whether some of it is by others, or the connection is lost. Never waits."""
        import psycopg

        spoken = False
        try:
            connection.pgconn.consume_input()
            while (heard := connection.pgconn.notifies()) is not None:
                spoken |= heard.extra != self._own
        except psycopg.Error:
            self.close()
            return True
        return spoken
