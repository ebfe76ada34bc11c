"""A database closes after its last reader, and leaves no connection behind."""

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.store.sqlite import SqliteDatabase


def open_files(path: Path) -> list[str]:
    """The descriptors of this process that are the database's."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith(str(path)):
            found.append(target)
    return found


async def test_a_query_under_way_ends_before_the_database_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    database = SqliteDatabase(path)
    begun, go_on = threading.Event(), threading.Event()
    answers = []

    def slow(connection: sa.Connection) -> int:
        begun.set()
        go_on.wait()
        return int(connection.execute(sa.text("SELECT 7")).scalar_one())

    async def read() -> None:
        answers.append(await database.read(slow))

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as serving:
            opened = trio.Event()

            async def serve() -> None:
                async with database.opened():
                    opened.set()
                    await trio.sleep_forever()

            serving.start_soon(serve)
            await opened.wait()
            nursery.start_soon(read)
            await trio.to_thread.run_sync(begun.wait)
            assert open_files(path)
            serving.cancel_scope.cancel()
            nursery.start_soon(_let_go, go_on)
        assert answers == [7]
        assert open_files(path) == []
    with pytest.raises(StoreUnavailable, match="not open"):
        await database.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar_one())


async def _let_go(event: threading.Event) -> None:
    await trio.testing.wait_all_tasks_blocked()
    event.set()
