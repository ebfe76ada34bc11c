"""A server that takes transactions back, loses connections, goes away and comes again."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from dffmpeg.store.database import Database
from dffmpeg.store.errors import StoreUnavailable, Unreachable
from tests import databases
from tests.store.relay import Relay, relay

GUARD = 120.0


@pytest.fixture(params=databases.SERVERS)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def options(engine: str) -> Iterator[databases.Options]:
    with databases.created(engine) as made:
        yield made


@pytest.fixture
def between(options: databases.Options) -> Iterator[Relay]:
    with relay(options["host"], options["port"]) as made:
        yield made


@asynccontextmanager
async def opened(engine: str, options: databases.Options, **changes: object) -> AsyncIterator[Database]:
    """With a table of numbers."""
    made = databases.SERVERS[engine].open({**options, "tls": "off", **changes})
    async with made.opened():
        await made.write(
            lambda c: c.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY, v INTEGER)")
        )
        await made.write(lambda c: c.exec_driver_sql("INSERT INTO numbers VALUES (1, 0), (2, 0)"))
        yield made


@pytest.fixture
async def database(engine: str, options: databases.Options, between: Relay) -> AsyncIterator[Database]:
    async with opened(engine, options, port=between.port, patience=60) as made:
        yield made


TABLE = "CREATE TABLE numbers (n INTEGER PRIMARY KEY, v INTEGER)"
ROWS = "INSERT INTO numbers VALUES (1, 0), (2, 0)"
ADD = sa.text("UPDATE numbers SET v = v + 1 WHERE n = :n")


def add(connection: sa.Connection) -> None:
    connection.execute(ADD, {"n": 1})


def value(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.text("SELECT v FROM numbers WHERE n = 1")))


async def test_connections_that_were_cut_while_idle(database: Database, between: Relay) -> None:
    for expected in range(1, 4):
        await database.write(add)
        assert await database.read(value) == expected
        between.cut()


async def test_a_connection_that_is_cut_within_a_transaction(database: Database, between: Relay) -> None:
    ran = []

    def cut_once(connection: sa.Connection) -> None:
        add(connection)
        ran.append(1)
        if len(ran) == 1:
            between.cut()
        add(connection)

    await database.write(cut_once)
    assert len(ran) == 2
    assert await database.read(value) == 2
    assert database.writer.statistics().repeated >= 1


async def test_one_that_is_cut_within_a_query(database: Database, between: Relay) -> None:
    ran = []

    def cut_once(connection: sa.Connection) -> int:
        ran.append(1)
        if len(ran) == 1:
            between.cut()
        return value(connection)

    assert await database.read(cut_once) == 0
    assert len(ran) == 2


async def test_a_commit_whose_answer_is_lost_is_not_done_again(database: Database, between: Relay) -> None:
    between.cut_behind_commit()
    with pytest.raises(StoreUnavailable):
        await database.write(add)
    # It came through, and whoever asked does not know; nobody did it twice.
    assert await database.read(value) == 1
    await database.write(add)
    assert await database.read(value) == 2


async def test_all_of_a_group_hear_that_its_commit_is_in_doubt(database: Database, between: Relay) -> None:
    refused: list[StoreUnavailable] = []

    def add_and_cut(connection: sa.Connection) -> None:
        add(connection)
        between.cut_behind_commit()

    async def write() -> None:
        with pytest.raises(StoreUnavailable) as caught:
            await database.write(add_and_cut)
        refused.append(caught.value)

    release = threading.Event()
    token = trio.lowlevel.current_trio_token()

    async def hold_up(task_status: trio.TaskStatus[None]) -> None:
        def hold(_: sa.Connection) -> None:
            token.run_sync_soon(task_status.started)
            assert release.wait(GUARD)

        await database.write(hold)

    async with trio.open_nursery() as nursery:
        await nursery.start(hold_up)
        for _ in range(9):
            nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked()
        release.set()
    assert len(refused) == 9
    assert await database.read(value) == 9


async def test_a_server_that_goes_away_and_comes_again(database: Database, between: Relay) -> None:
    await database.write(add)
    between.go_away()
    answers: list[int] = []
    waiting = trio.Event()

    async def write() -> None:
        waiting.set()
        await database.write(add)
        answers.append(0)

    async def read() -> None:
        answers.append(await database.read(lambda c: value(c) * 0 + 1))

    with trio.fail_after(GUARD):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            for _ in range(6):
                nursery.start_soon(read)
            await trio.to_thread.run_sync(failing(database).wait)
            assert answers == []
            between.come_back()
    assert sorted(answers) == [0, 1, 1, 1, 1, 1, 1]
    assert await database.read(value) == 2


def failing(database: Database) -> threading.Event:
    """Set once the database was asked in vain."""
    seen = threading.Event()
    patience = database._patience
    again = patience.again

    def observed(error: StoreUnavailable, trial: object) -> bool:
        if isinstance(error, Unreachable):
            seen.set()
        return again(error, trial)  # type: ignore[arg-type]

    patience.again = observed  # type: ignore[method-assign]
    return seen


async def test_one_that_stays_away_is_waited_for_once(
    engine: str, options: databases.Options, between: Relay
) -> None:
    async with opened(engine, options, port=between.port, patience=0.5) as database:
        between.go_away()
        with pytest.raises(Unreachable):
            await database.write(add)
        # From then on each hears of it at once.
        before = trio.current_time()
        for _ in range(20):
            with pytest.raises(Unreachable):
                await database.read(value)
            with pytest.raises(Unreachable):
                await database.write(add)
        assert trio.current_time() - before < 60
        between.come_back()
        await database.write(add)
        assert await database.read(value) == 1


async def test_closing_waits_for_no_server(engine: str, options: databases.Options, between: Relay) -> None:
    async def refused(operation: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(StoreUnavailable):
            await operation()

    with trio.fail_after(GUARD):
        async with (
            trio.open_nursery() as callers,
            opened(engine, options, port=between.port, patience=3600) as database,
        ):
            seen = failing(database)
            between.go_away()
            callers.start_soon(refused, lambda: database.write(add))
            callers.start_soon(refused, lambda: database.read(value))
            await trio.to_thread.run_sync(seen.wait)


async def test_a_deadlock_is_tried_again(database: Database, engine: str, options: databases.Options) -> None:
    theirs, ours = threading.Event(), threading.Event()
    ran: list[int] = []

    def we(connection: sa.Connection) -> None:
        ran.append(1)
        connection.execute(ADD, {"n": 2})
        if len(ran) == 1:
            ours.set()
            assert theirs.wait(GUARD)
        connection.execute(ADD, {"n": 1})

    def they() -> bool:
        """In the other order; returns whether they were the ones to give in."""
        with databases.connected(engine, options) as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                connection.execute(ADD, {"n": 1})
                theirs.set()
                assert ours.wait(GUARD)
                try:
                    connection.execute(ADD, {"n": 2})
                except sa.exc.OperationalError:
                    return True
            return False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.write, we)
        gave_in = await trio.to_thread.run_sync(they)
    # Whoever tries again may be there before the other one has woken up, and meet the same.
    assert len(ran) == 1 if gave_in else len(ran) >= 2
    assert await database.read(value) == (1 if gave_in else 2)


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match=r"(?i)read.only"):
        await database.read(add)
    assert await database.read(value) == 0
