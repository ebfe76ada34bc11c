from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from dffmpeg.errors import BadInput
from dffmpeg.store.errors import Duplicate, StoreError, StoreUnavailable, Unstorable
from dffmpeg.store.sqlite import SqliteDatabase

INSERT = sa.text("INSERT INTO numbers VALUES (:n)")


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "x.db")


def insert(number: int) -> sa.TextClause:
    return INSERT.bindparams(n=number)


async def make_table(database: SqliteDatabase) -> None:
    await database.write(lambda c: c.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").rowcount)


async def numbers(database: SqliteDatabase) -> list[int]:
    return await database.read(lambda c: list(c.scalars(sa.text("SELECT n FROM numbers ORDER BY n"))))


async def test_many_writers_share_commits(database: SqliteDatabase) -> None:
    async with database.opened():
        await make_table(database)
        before = database.writer.statistics()

        async def write(number: int) -> None:
            await database.write(lambda c: c.execute(insert(number)).rowcount)

        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(write, number)
        after = database.writer.statistics()
        assert await numbers(database) == list(range(500))
    assert after.operations - before.operations == 500
    assert after.commits - before.commits < 100


async def test_one_that_fails_fails_alone(database: SqliteDatabase) -> None:
    async with database.opened():
        await make_table(database)
        await database.write(lambda c: c.execute(insert(50)).rowcount)
        failed: list[int] = []

        async def write(number: int) -> None:
            try:
                await database.write(lambda c: c.execute(insert(number)).rowcount)
            except Duplicate:
                failed.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(write, number)
        assert failed == [50]
        assert await numbers(database) == list(range(100))


async def test_an_operation_s_own_exception_reaches_its_caller_and_rolls_back(
    database: SqliteDatabase,
) -> None:
    def half(connection: sa.Connection) -> None:
        connection.execute(insert(1))
        raise LookupError("half way")

    async with database.opened():
        await make_table(database)
        with pytest.raises(LookupError, match="half way"):
            await database.write(half)
        assert await numbers(database) == []


async def test_a_result_is_durable_when_it_is_there(database: SqliteDatabase, tmp_path: Path) -> None:
    async with database.opened():
        await make_table(database)
        await database.write(lambda c: c.execute(insert(7)).rowcount)
        # Another connection sees only what was committed.
        other = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
        with other.connect() as connection:
            assert connection.scalar(sa.text("SELECT n FROM numbers")) == 7
        other.dispose()


async def test_closing_carries_out_what_was_handed_over(database: SqliteDatabase) -> None:
    async with trio.open_nursery() as nursery, database.opened():
        await make_table(database)

        async def write() -> None:
            await database.write(lambda c: c.execute(insert(1)).rowcount)

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked()
    async with database.opened():
        assert await numbers(database) == [1]


async def test_a_caller_that_gives_up_does_no_harm(database: SqliteDatabase) -> None:
    async with database.opened():
        await make_table(database)
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.write(lambda c: c.execute(insert(1)).rowcount)
        await database.write(lambda c: c.execute(insert(2)).rowcount)
        assert 2 in await numbers(database)


async def test_a_closed_database_says_so(database: SqliteDatabase) -> None:
    with pytest.raises(StoreUnavailable, match="writer is not running"):
        await database.write(lambda c: None)
    with pytest.raises(StoreUnavailable, match="not open"):
        await database.read(lambda c: None)


async def test_what_the_database_says_is_ours(database: SqliteDatabase) -> None:
    async with database.opened():
        with pytest.raises(StoreUnavailable, match="no such table: nowhere"):
            await database.read(lambda c: c.execute(sa.text("SELECT * FROM nowhere")))


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    async with database.opened():
        await make_table(database)
        with pytest.raises(StoreUnavailable, match="readonly"):
            await database.read(lambda c: c.execute(insert(1)).rowcount)
        assert await numbers(database) == []


@pytest.mark.parametrize("value", ["\ud800", 1 << 64])
async def test_a_value_that_no_column_takes_is_bad_input(database: SqliteDatabase, value: object) -> None:
    statement = sa.text("SELECT :v").bindparams(v=value)
    async with database.opened():
        with pytest.raises(Unstorable) as caught:
            await database.read(lambda c: c.execute(statement).all())
        assert isinstance(caught.value, BadInput)
        with pytest.raises(Unstorable):
            await database.write(lambda c: c.execute(statement).all())


async def test_only_a_key_that_is_there_is_a_duplicate(database: SqliteDatabase) -> None:
    async with database.opened():
        await database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER NOT NULL)").rowcount)
        with pytest.raises(StoreError, match="NOT NULL") as caught:
            await database.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (NULL)").rowcount)
        assert not isinstance(caught.value, Duplicate)


async def test_an_exception_of_the_block_leaves_it_as_it_is(database: SqliteDatabase) -> None:
    cause = ValueError("cause")
    with pytest.raises(LookupError, match="mine") as caught:
        async with database.opened():
            raise LookupError("mine") from cause
    assert caught.value.__cause__ is cause
    with pytest.raises(StoreUnavailable):
        await database.read(lambda c: None)
