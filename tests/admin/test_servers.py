"""`dffmpeg-admin db` on database servers, and from SQLite to them and back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import tomli_w
import trio

from dffmpeg.model import transitions
from dffmpeg.model.identities import PreviousKey
from dffmpeg.model.janitor import JanitorRun
from dffmpeg.model.rules import Rules
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.streams import Retention
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import REPOSITORIES, SCHEMA_VERSION, Store, StoreSettings, StreamPiece, open_store, schema
from tests import databases
from tests.admin.conftest import Admin
from tests.conformance.rows import identity, job, message, worker

KEEP = Retention(1 << 30, 1 << 30)


@pytest.fixture(params=databases.SERVERS)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def options(engine: str) -> Iterator[databases.Options]:
    with databases.created(engine) as made:
        yield made


@pytest.fixture
def server(folder: Path, engine: str, options: databases.Options) -> str:
    """A configuration with everything on the server."""
    return configured(folder / "server.toml", {"engine": engine, "engine_defaults": {engine: options}})


def configured(file: Path, database: dict[str, object]) -> str:
    file.write_text(tomli_w.dumps({"database": database}))
    file.chmod(0o600)
    return str(file)


def in_sqlite(path: Path) -> StoreSettings:
    return databases.settings("sqlite", databases.sqlite(path))


async def fill(settings: StoreSettings) -> None:
    """Something in every table."""
    async with open_store(settings) as store:
        await store.identities.add(identity("alice"))
        await store.identities.add(identity("Ünïcode ", allowed_networks=("10.0.0.0/8",)))
        previous = PreviousKey(b"p" * 32, 1.5e9)
        await store.identities.add(identity("rotated", previous=previous, expires_at=2e9))
        await store.workers.register(worker("w", WorkerState.ONLINE))
        async with trio.open_nursery() as nursery:
            for number in range(1_100):
                row = job(f"J{number:04}", created=time.time())
                nursery.start_soon(store.jobs.add, replace(row, name="\N{SNOWMAN}" * 50))
        hooks = Rules(hooks=("http://a.example/",))
        await store.jobs.add(replace(job("after"), predecessors=("J0000",), rules=hooks))
        pending = await store.jobs.get("J0001")
        assert pending is not None
        await store.jobs.apply(transitions.assign(pending, "w", 110.0))
        for number in range(100):
            piece = bytes(range(256)) * 100
            await store.streams.append(StreamPiece("J0001", 1, 1, number * len(piece), piece, KEEP))
        for number in range(5):
            await store.messages.add(message(f"m{number}"))
        await store.settings.set_pause(Pause(paused=True, reason="why", by="root", at=5.0))
        await store.janitor.record(JanitorRun(run_id="R", action="run_all", started_at=1.0))


async def content(settings: StoreSettings) -> object:
    """What the store tells of what is in it."""
    async with open_store(settings, upgrade=False) as store:
        return await _content(store)


async def _content(store: Store) -> object:
    jobs = await store.jobs.list(requester_id=None, since=None, states=None, limit=10_000, before_id=None)
    return (
        await store.identities.list(),
        await store.workers.list(None),
        {row.job_id: row for row in jobs},
        await store.jobs.attempts("J0001"),
        await store.jobs.entries(["after"]),
        await store.hooks.of_job("after"),
        await store.streams.read("J0001", 1, 1, 0, 1 << 30),
        await store.messages.after("w", job_id=None, last_message_id=None, limit=99),
        await store.settings.pause(),
        await store.janitor.runs(9),
    )


def test_from_sqlite_to_a_server_and_back_as_a_backup(
    admin: Admin, folder: Path, engine: str, options: databases.Options, server: str
) -> None:
    trio.run(fill, in_sqlite(folder / "dffmpeg.db"))
    before = trio.run(content, in_sqlite(folder / "dffmpeg.db"))
    done = admin.json("db", "copy", "--to", server)
    assert done["from"] == [str(folder / "dffmpeg.db")]
    assert done["to"] == [f"{engine}://{options['host']}:{options['port']}/{options['database']}"]
    assert done["rows"]["jobs"] == 1_101
    assert done["rows"]["stream_chunks"] == 100
    on_server = databases.settings(engine, options)
    assert trio.run(content, on_server) == before
    assert admin("--config", server, "db", "check") == f"{done['to'][0]}: ok\n"

    # What comes now comes behind what was copied.
    async def go_on() -> None:
        async with open_store(on_server) as store:
            assert await store.messages.add(message("later")) > 5

    trio.run(go_on)
    # A second time there is something.
    assert "is not empty: its table identities has 3 rows" in admin("db", "copy", "--to", server, status=4)
    # And a backup is a SQLite database like any other.
    admin("--config", server, "db", "backup", "copy.db")
    with closing(sqlite3.connect(folder / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM messages").fetchone() == (6,)
    assert [path.name for path in folder.glob("*copy.db*")] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert trio.run(content, in_sqlite(folder / "copy.db")) == trio.run(content, on_server)
    assert "exists already" in admin("--config", server, "db", "backup", "copy.db", status=4)


def test_what_is_in_use_is_not_copied(
    admin: Admin, folder: Path, engine: str, options: databases.Options, server: str
) -> None:
    trio.run(fill, in_sqlite(folder / "dffmpeg.db"))

    async def while_used() -> str:
        async with open_store(databases.settings(engine, options)) as store:
            assert await store.jobs.get("x") is None
            return await trio.to_thread.run_sync(lambda: admin("db", "copy", "--to", server, status=4))

    assert "is open in another process" in trio.run(while_used)


def test_the_same_place_is_refused(admin: Admin, server: str) -> None:
    assert "both configurations name" in admin("--config", server, "db", "copy", "--to", server, status=2)


def test_checks_and_migrations(admin: Admin, engine: str, options: databases.Options, server: str) -> None:
    assert "1 problem found" in admin("--config", server, "db", "check", status=1)
    name = f"{engine}://{options['host']}:{options['port']}/{options['database']}"
    assert admin.json("--config", server, "db", "migrate") == [
        {"database": name, "before": 0, "after": SCHEMA_VERSION}
    ]
    said = admin("--config", server, "db", "migrate")
    assert said == f"{name}: schema version {SCHEMA_VERSION}, was up to date\n"
    orphan = {"job_id": "gone", "attempt": 1, "worker_id": "w", "assigned_at": 1.0, "substitutions": {}}
    with databases.connected(engine, options) as connection:
        connection.execute(sa.insert(schema.attempts), orphan)
    assert "1 problem found" in admin("--config", server, "db", "check", status=1)


def test_repositories_on_several_engines(
    admin: Admin, folder: Path, engine: str, options: databases.Options
) -> None:
    divided = StoreSettings(
        engine_defaults={"sqlite": {"path": str(folder / "some.db")}, engine: options},
        engines={name: engine if name in ("jobs", "messages") else "sqlite" for name in REPOSITORIES},
    )
    trio.run(fill, divided)
    with closing(sqlite3.connect(folder / "some.db")) as some:
        assert some.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        assert some.execute("SELECT count(*) FROM stream_chunks").fetchone() == (100,)
    parts = {name: {"engine": engine} for name in ("jobs", "messages")}
    defaults = {"sqlite": {"path": "some.db"}, engine: options}
    config = configured(folder / "divided.toml", {"engine_defaults": defaults, "repositories": parts})
    said = admin("--config", config, "db", "check")
    assert [line.rpartition(": ")[2] for line in said.splitlines()] == ["ok", "ok"]
    # One file holds them all again.
    whole = configured(folder / "whole.toml", {"engine_defaults": {"sqlite": {"path": "whole.db"}}})
    admin("--config", config, "db", "copy", "--to", whole)
    assert trio.run(content, in_sqlite(folder / "whole.db")) == trio.run(content, divided)
