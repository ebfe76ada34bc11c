"""Migrations on servers: from each version, by several at once, cut off, beside older programs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.store import SCHEMA_VERSION, SchemaMismatch, StoreError, migrations, open_store, schema
from dffmpeg.store.migrations import STEPS, Step, ddl, migrate, version
from tests import databases
from tests.conformance.rows import job
from tests.store.test_migrations import shape

NAMES = ("postgresql", "mysql")


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def options(engine: str) -> Iterator[databases.Options]:
    with databases.created(engine) as made:
        yield made


def step_by_step(engine: str, options: databases.Options, to: int) -> None:
    """Migrate an empty database to an older version, as an older program would."""
    with databases.connected(engine, options) as connection:
        for number, step in enumerate(STEPS[:to], 1):
            step.upgrade(connection)
            connection.exec_driver_sql(
                f"INSERT INTO schema_version (version, applied_at) VALUES ({number}, {time.time()})"
            )


def test_the_steps_lead_to_the_schema(engine: str, options: databases.Options) -> None:
    with databases.connected(engine, options) as connection:
        assert migrate(connection) == len(STEPS)
        migrated = shape(connection)
    with databases.created(engine) as others, databases.connected(engine, others) as connection:
        ddl.create(connection, schema.metadata)
        assert shape(connection) == migrated


OLD_JOB = (
    "INSERT INTO jobs (job_id, requester_id, binary_name, arguments, paths, client_paths, state, attempt,"
    " monitor, heartbeat_interval, transport_metadata, supported_transports, max_attempts, created_at,"
    " last_update) VALUES (:id, 'alice', 'ffmpeg', :list, '[]', :map, :state, 0, :no, 5, '{}', '[]', 3,"
    " 100, 200)"
)


@pytest.mark.parametrize("begin", range(1, SCHEMA_VERSION))
async def test_rows_of_each_version_survive(engine: str, options: databases.Options, begin: int) -> None:
    step_by_step(engine, options, begin)
    with databases.connected(engine, options) as connection:
        for name, state in (("P", "pending"), ("C", "completed")):
            if begin < 3:
                row = {"id": name, "list": b"\x90", "map": b"\x80", "state": state, "no": False}
                connection.execute(sa.text(OLD_JOB), row)
    async with open_store(databases.settings(engine, options)) as store:
        if begin < 3:
            pending, completed = await store.jobs.get("P"), await store.jobs.get("C")
            assert pending is not None
            assert completed is not None
            assert (pending.ready_at, pending.labels, pending.begun) == (100.0, (), {})
            assert (completed.ended_at, completed.launch) == (200.0, None)
        await store.jobs.add(job("new"))


async def test_many_that_start_at_once_migrate_once(engine: str, options: databases.Options) -> None:
    settings = databases.settings(engine, options)

    async def start(name: str) -> None:
        async with open_store(settings) as store:
            await store.jobs.add(job(name))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(start, f"J{number}")
    with databases.connected(engine, options) as connection:
        rows = connection.execute(sa.select(schema.schema_version.c.version)).scalars().all()
    assert sorted(rows) == list(range(1, SCHEMA_VERSION + 1))


class CutOff(Exception):
    """As if the process had been killed."""


async def test_one_that_is_cut_off_is_done_again(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ddl.run
    left = 0

    def fails(connection: sa.Connection, statement: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise CutOff
        run(connection, statement)

    monkeypatch.setattr(ddl, "run", fails)
    cut = 0
    with databases.created(engine) as options:
        settings = databases.settings(engine, options)
        # Each time a little further.
        for count in range(1, 1_000, 9):
            left = count
            try:
                async with open_store(settings) as store:
                    await store.jobs.add(job("J"))
            except CutOff:
                cut += 1
            else:
                break
        with databases.connected(engine, options) as connection:
            assert version(connection) == SCHEMA_VERSION
            migrated = shape(connection)
    assert cut > 3
    monkeypatch.undo()
    with databases.created(engine) as others, databases.connected(engine, others) as connection:
        migrate(connection)
        assert shape(connection) == migrated


def newer(monkeypatch: pytest.MonkeyPatch, step: Callable[[sa.Connection], None], *, expands: bool) -> None:
    """From now on this is the program of the next version."""
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, Step(step, expands=expands)))


def add_column(connection: sa.Connection) -> None:
    ddl.add_column(connection, "workers", "colour", sa.String(16))


async def test_a_coordinator_goes_on_while_the_next_version_expands(
    engine: str, options: databases.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = databases.settings(engine, options)
    async with open_store(settings) as old:
        await old.jobs.add(job("before"))
        with monkeypatch.context() as next_version:
            newer(next_version, add_column, expands=True)
            async with open_store(settings) as new:
                await new.jobs.add(job("new"))
        await old.jobs.add(job("after"))
    # One of the version before may also start anew, or look at it without migrating.
    for upgrade in (True, False):
        async with open_store(settings, upgrade=upgrade) as old:
            assert len(await old.jobs.queue(9)) == 3


async def test_what_harms_others_waits_until_they_are_gone(
    engine: str, options: databases.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = databases.settings(engine, options)
    async with open_store(settings) as old:
        await old.jobs.add(job("before"))
        with monkeypatch.context() as next_version:
            newer(next_version, add_column, expands=False)
            with pytest.raises(SchemaMismatch, match="stop them all"):
                async with open_store(settings):
                    raise AssertionError("it must not open")
        await old.jobs.add(job("after"))
    with monkeypatch.context() as next_version:
        newer(next_version, add_column, expands=False)
        async with open_store(settings) as new:
            assert len(await new.jobs.queue(9)) == 2
    # And who does not know it does not begin.
    with pytest.raises(SchemaMismatch, match="use the newer dffmpeg"):
        async with open_store(settings):
            raise AssertionError("it must not open")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"port": 1}, r"refused|onnect"),
        ({"password": "s3cret", "user": "nobody-here"}, r"nobody-here"),
        ({"database": "nowhere_at_all"}, r"nowhere_at_all"),
        ({"host": "a.invalid"}, r"a\.invalid"),
        ({"tls": "require"}, r"(?i)ssl|tls"),
    ],
)
async def test_what_cannot_be_reached_is_said_in_a_line(
    engine: str, options: databases.Options, wrong: databases.Options, said: str
) -> None:
    settings = databases.settings(engine, {**options, **wrong})
    with pytest.raises(StoreError, match=said) as caught:
        async with open_store(settings):
            raise AssertionError("it must not open")
    text = str(caught.value)
    assert text.startswith(f"{engine}://")
    assert "\n" not in text
    assert "s3cret" not in text
    assert "s3cret" not in repr(settings)


async def test_the_next_of_several_hosts(engine: str, options: databases.Options) -> None:
    several = {**options, "host": ["127.0.0.1:1", "127.0.0.1"]}
    async with open_store(databases.settings(engine, several)) as store:
        await store.jobs.add(replace(job("J"), name="here"))
