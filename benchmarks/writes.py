"""Durable writes per second through the writer, on each engine: `python -m benchmarks.writes [engine …]`.

Each write inserts a small row, or changes its state by compare-and-set, and returns after its commit. The
servers are those of the tests (`DFFMPEG_TEST_POSTGRESQL_URL`, `DFFMPEG_TEST_MYSQL_URL`), in a new database.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
import trio

from benchmarks.store import HEAD, TASKS, measure
from dffmpeg.store.database import Database
from dffmpeg.store.sqlite import SqliteDatabase
from tests import databases

TABLE = sa.Table(
    "bare",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(16), nullable=False),
)
INSERT = sa.insert(TABLE)
PENDING = TABLE.c.state == "pending"
CHANGE = sa.update(TABLE).where(TABLE.c.id == sa.bindparam("the_id"), PENDING).values(state="done")


@contextmanager
def empty(engine: str, folder: Path) -> Iterator[Database]:
    """A database of the engine's around a block; whoever opens it closes it."""
    if engine == "sqlite":
        yield SqliteDatabase(folder / "writes.db")
        return
    with databases.created(engine) as options:
        yield databases.SERVERS[engine].open(options)


async def writes(engine: str, database: Database, number: int) -> None:
    """Print a line for each number of tasks."""
    first = 0

    async def insert(index: int) -> None:
        await database.execute(INSERT, {"id": first + index, "state": "pending"})

    async def change(index: int) -> None:
        assert await database.execute(CHANGE, {"the_id": first + index}) == 1

    async with database.opened():
        await database.write(TABLE.create)
        for tasks in TASKS:
            count = max(200, number * tasks // max(TASKS))
            for name, write in (("insert", insert), ("compare-and-set", change)):
                print((await measure(f"{engine}: {name}", tasks, count, write)).line(), flush=True)
            first += count


def main(engines: Sequence[str], number: int) -> None:
    print(HEAD)
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder, empty(engine, Path(folder)) as database:
            trio.run(writes, engine, database, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", choices=[[], *databases.ENGINES], metavar="engine")
    parser.add_argument("--number", type=int, default=20_000, help="operations a run at 64 tasks")
    options = parser.parse_args()
    main(options.engines or databases.ENGINES, options.number)
