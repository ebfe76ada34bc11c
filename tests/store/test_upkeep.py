"""A SQLite file as a whole: its version, its soundness, and copies of it while it is written to."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trio

from dffmpeg.model.jobs import Job
from dffmpeg.model.streams import Retention
from dffmpeg.store import (
    SCHEMA_VERSION,
    SchemaMismatch,
    StoreSettings,
    StoreUnavailable,
    StreamPiece,
    Upkeep,
    open_store,
    upkeeps,
)

OPENER = """
import sys, trio
from dffmpeg.store import StoreSettings, open_store

async def main():
    async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": sys.argv[1]}})):
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)

trio.run(main)
"""


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(engine_defaults={"sqlite": {"path": str(tmp_path / "here.db")}})


@pytest.fixture
def database(settings: StoreSettings) -> Upkeep:
    (found,) = upkeeps(settings)
    return found


@contextmanager
def changing(database: Upkeep) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database.name, isolation_level=None)) as connection:
        yield connection


def job(name: str) -> Job:
    return Job(
        job_id=name, requester_id="a", binary_name="ffmpeg", arguments=(), created_at=1.0, last_update=1.0
    )


async def make(settings: StoreSettings) -> None:
    async with open_store(settings) as store:
        await store.jobs.add(job("J"))
        await store.streams.append(StreamPiece("J", 1, 2, 0, b"x" * 100_000, Retention(1 << 20, 1 << 20)))


def test_where_there_is_no_database_nothing_is_made(database: Upkeep, tmp_path: Path) -> None:
    assert database.version() == 0
    assert not database.in_use()
    assert database.check() == ["there is no database yet"]
    with pytest.raises(StoreUnavailable, match="no database yet"):
        database.backup(tmp_path / "copy.db")
    assert os.listdir(tmp_path) == []


async def test_a_new_database_is_sound(settings: StoreSettings, database: Upkeep) -> None:
    await make(settings)
    assert database.version() == SCHEMA_VERSION
    assert database.check() == []
    assert not database.in_use()
    # Nothing is left beside it either.
    assert os.listdir(Path(database.name).parent) == ["here.db"]


async def test_another_process_that_has_it_open_is_noticed(settings: StoreSettings, database: Upkeep) -> None:
    await make(settings)
    with subprocess.Popen(
        [sys.executable, "-c", OPENER, database.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert database.in_use()
        other.communicate("\n", timeout=60)
    assert not database.in_use()


@pytest.mark.parametrize("pages", [range(1, 2), range(2, 100)])
async def test_damage_is_found(settings: StoreSettings, database: Upkeep, pages: range) -> None:
    await make(settings)
    data = bytearray(Path(database.name).read_bytes())
    for place in pages:
        data[place * 4096 : place * 4096 + 64] = b"\xff" * 64
    Path(database.name).write_bytes(data)
    assert database.check()


async def test_what_is_no_database_is_found(database: Upkeep) -> None:
    Path(database.name).write_bytes(b"this is no database" * 1000)
    os.chmod(database.name, 0o600)
    assert database.check() == [f"{database.name}: file is not a database"]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM jobs", "output of 1 jobs that are not there: J"),
        ("UPDATE jobs SET state = 'running'", "job J is with a worker and has no worker"),
        (
            "UPDATE jobs SET state = 'running', worker_id = 'w', attempt = 1",
            "job J is with a worker and has no row of its current attempt",
        ),
        ("ALTER TABLE jobs DROP COLUMN reason", "table jobs has no column reason"),
        ("UPDATE schema_version SET version = version + 100", "use the newer dffmpeg"),
        (f"DELETE FROM schema_version WHERE version = {SCHEMA_VERSION}", "dffmpeg-admin db migrate"),
    ],
)
async def test_contradictions_are_found(
    settings: StoreSettings, database: Upkeep, statement: str, problem: str
) -> None:
    await make(settings)
    with changing(database) as connection:
        connection.execute(statement)
    assert problem in "\n".join(database.check())


async def test_what_others_may_read_is_found(settings: StoreSettings, database: Upkeep) -> None:
    await make(settings)
    os.chmod(database.name, 0o644)
    assert f"chmod 600 {database.name}" in database.check()[0]


async def test_a_copy_is_one_moment_of_a_database_that_is_written_to(
    settings: StoreSettings, database: Upkeep, tmp_path: Path
) -> None:
    await make(settings)
    copies = [tmp_path / f"copy{number}.db" for number in range(3)]
    async with open_store(settings) as store, trio.open_nursery() as nursery:
        written = trio.Event()

        async def write() -> None:
            for number in range(10_000):
                await store.jobs.add(job(f"K{number}"))
                written.set()

        nursery.start_soon(write)
        await written.wait()
        for copy in copies:
            assert await trio.to_thread.run_sync(database.backup, copy) == copy.stat().st_size
        nursery.cancel_scope.cancel()
    counts = []
    for copy in copies:
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        (same,) = upkeeps(StoreSettings(engine_defaults={"sqlite": {"path": str(copy)}}))
        assert same.check() == []
        with closing(sqlite3.connect(copy)) as connection:
            names = {row[0] for row in connection.execute("SELECT job_id FROM jobs")}
        # What was committed in order is there without a gap.
        assert names == {"J", *(f"K{number}" for number in range(len(names) - 1))}
        counts.append(len(names))
    assert counts == sorted(counts)
    assert sorted(os.listdir(tmp_path)) == ["copy0.db", "copy1.db", "copy2.db", "here.db"]


async def test_a_copy_replaces_nothing(settings: StoreSettings, database: Upkeep, tmp_path: Path) -> None:
    await make(settings)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(StoreUnavailable, match="File exists"):
        database.backup(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"
    with pytest.raises(StoreUnavailable, match="No such file"):
        database.backup(tmp_path / "no" / "where")


async def test_a_failed_copy_leaves_nothing(
    settings: StoreSettings, database: Upkeep, tmp_path: Path
) -> None:
    await make(settings)
    Path(database.name).write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        database.backup(tmp_path / "copy.db")
    assert os.listdir(tmp_path) == ["here.db"]


async def test_an_older_database_is_migrated_only_where_that_is_wanted(
    settings: StoreSettings, database: Upkeep
) -> None:
    await make(settings)
    with changing(database) as connection:
        connection.execute(f"DELETE FROM schema_version WHERE version = {SCHEMA_VERSION}")
    with pytest.raises(SchemaMismatch, match="dffmpeg-admin db migrate"):
        async with open_store(settings, upgrade=False):
            pass
    assert database.version() == SCHEMA_VERSION - 1


async def test_a_new_database_is_made_also_without_migrating(settings: StoreSettings) -> None:
    async with open_store(settings, upgrade=False) as store:
        assert await store.workers.list(None) == []
