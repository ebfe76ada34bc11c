"""`dffmpeg-admin db` and `security`, and what can be done without a coordinator."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from dffmpeg.model import transitions
from dffmpeg.model.jobs import Job, JobState, Transition
from dffmpeg.model.streams import Retention
from dffmpeg.model.workers import Worker, WorkerState
from dffmpeg.store import SCHEMA_VERSION, Store, StoreSettings, StreamPiece, open_store
from dffmpeg.store.migrations import STEPS
from tests.admin.conftest import GUARD, Admin, at_a_terminal

T = TypeVar("T")

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = WAL").fetchone()
connection.execute("SELECT * FROM jobs").fetchone()
print("open", flush=True)
sys.stdin.readline()
"""
"""What keeps a database open as a coordinator does, and writes nothing."""


def with_store(folder: Path, work: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        path = str(folder / "dffmpeg.db")
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": path}})) as store:
            return await work(store)

    return trio.run(run)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another process has the database open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder / "dffmpeg.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield
        finally:
            process.communicate("\n", timeout=GUARD)


def job(job_id: str, age: float, **changes: Any) -> Job:
    now = time.time()
    return Job(
        job_id=job_id,
        created_at=now - age,
        last_update=now - age,
        **{"requester_id": "alice", "binary_name": "ffmpeg", "arguments": (b"-i", b"a b"), **changes},
    )


async def fail(store: Store, job_id: str) -> None:
    """Have a worker run a pending job, which ends with 3."""

    async def step(change: Callable[[Job], Transition]) -> None:
        row = await store.jobs.get(job_id)
        assert row is not None
        assert await store.jobs.apply(change(row))

    await step(lambda row: transitions.assign(row, "w1", row.created_at))
    await step(lambda row: transitions.accept(row, 1, "w1", row.created_at))
    await step(lambda row: transitions.finish(row, 1, "w1", row.created_at, JobState.FAILED, 3, None, None))


@pytest.fixture
def filled(folder: Path) -> Path:
    """A database with a job of every kind, and workers."""

    async def fill(store: Store) -> None:
        day = 86_400.0
        old = {"state": JobState.COMPLETED, "ended_at": time.time() - 40 * day}
        await store.jobs.add(job("OLD", 40 * day, **old))
        await store.jobs.add(job("FAILED", 60, requester_id="bob"))
        await fail(store, "FAILED")
        await store.jobs.add(job("WAITS", 30, priority=7, name="night"))
        await store.jobs.add(job("RUNS", 20))
        running = await store.jobs.get("RUNS")
        assert running is not None
        assert await store.jobs.apply(transitions.assign(running, "w1", time.time()))
        lines = b"".join(b"line %d\n" % number for number in range(2500)) + b"\xff end"
        await store.streams.append(StreamPiece("FAILED", 1, 2, 0, lines, Retention(1 << 20, 1 << 20)))
        now = time.time()
        for name, state in (("w1", WorkerState.ONLINE), ("w2", WorkerState.OFFLINE)):
            await store.workers.register(
                Worker(worker_id=name, state=state, slots=4, last_seen=now, registered_at=now)
            )

    with_store(folder, fill)
    return folder


def test_a_database_is_migrated(admin: Admin, folder: Path) -> None:
    said = admin("db", "migrate")
    assert said == f"{folder}/dffmpeg.db: schema version {SCHEMA_VERSION}, was not there\n"
    assert "was up to date" in admin("db", "migrate")
    with closing(sqlite3.connect(folder / "dffmpeg.db")) as connection:
        connection.execute(
            f"UPDATE schema_version SET version = 99, expands = 0 WHERE version = {SCHEMA_VERSION}"
        )
        connection.commit()
    assert "use the newer dffmpeg" in admin("db", "migrate", status=1)


OLD = max(number for number, step in enumerate(STEPS) if not step.expands)
"""The version before the last step that does not only add: programs of this one could not go on beside it."""


def older(folder: Path) -> None:
    """Make a database of version `OLD`."""
    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{folder}/dffmpeg.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        for step in STEPS[:OLD]:
            step.upgrade(connection)
        values = [f"({number}, 0)" for number in range(1, OLD + 1)]
        connection.exec_driver_sql(
            f"INSERT INTO schema_version (version, applied_at) VALUES {', '.join(values)}"
        )
    engine.dispose()
    os.chmod(folder / "dffmpeg.db", 0o600)


def test_nothing_but_migrating_migrates(admin: Admin, folder: Path) -> None:
    older(folder)
    for arguments in (["user", "list"], ["status", "--offline"], ["security", "re-encrypt"]):
        assert "dffmpeg-admin db migrate" in admin(*arguments, status=1)
    assert admin.json("db", "migrate") == [
        {"database": f"{folder}/dffmpeg.db", "before": OLD, "after": SCHEMA_VERSION}
    ]
    assert admin.json("user", "list") == []


def test_a_database_that_is_used_is_not_migrated(admin: Admin, folder: Path) -> None:
    older(folder)
    with held(folder):
        assert "open in another process" in admin("db", "migrate", status=4)
    assert admin("db", "check", status=1).endswith("1 problem found\n")


def test_a_database_is_checked(admin: Admin, filled: Path) -> None:
    with held(filled):
        assert admin("db", "check") == f"{filled}/dffmpeg.db: ok\n"
    assert admin.json("db", "check") == [{"database": f"{filled}/dffmpeg.db", "problems": []}]


def test_what_a_check_finds_is_told_and_is_a_failure(
    admin: Admin, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dffmpeg.admin.main import main

    (filled / "dffmpeg.db").chmod(0o644)
    assert main(["db", "check"]) == 1
    said = capsys.readouterr()
    assert "chmod 600" in said.out
    assert said.err == "dffmpeg-admin: 1 problem found\n"


def test_a_backup_can_be_used_in_its_place(admin: Admin, filled: Path) -> None:
    before = admin.json("job", "list", "--offline")
    with held(filled):
        said = admin.json("db", "backup", "copy.db")
    assert said["bytes"] == (filled / "copy.db").stat().st_size
    assert "exists already" in admin("db", "backup", "copy.db", status=4)
    assert "No such file" in admin("db", "backup", "no/copy.db", status=1)
    shutil.move(filled / "copy.db", filled / "dffmpeg.db")
    assert admin.json("job", "list", "--offline") == before


def test_keys_are_made_and_used(admin: Admin, folder: Path) -> None:
    admin("user", "add", "a")
    admin("user", "add", "b")
    keys = {name: admin.key(name) for name in "ab"}
    config = folder / "dffmpeg-coordinator.toml"
    config.write_text('[database.repositories.auth]\nencryption_keys_file = "auth.keys"\n')
    first, second = (
        admin("security", "generate-key"),
        admin.json("security", "generate-key")["encryption_key"],
    )
    (folder / "auth.keys").write_text(first)
    said = "changed 2 of 2 users' keys; now all are encrypted with the first encryption key\n"
    assert admin("security", "re-encrypt", "--batch", "1") == said
    (folder / "auth.keys").write_text(f"{second}\n{first}")
    assert admin.json("security", "re-encrypt") == {"users": 2, "changed": 2}
    assert admin.json("security", "re-encrypt") == {"users": 2, "changed": 0}
    (folder / "auth.keys").write_text(second)
    assert {name: admin.key(name) for name in "ab"} == keys
    config.write_text("")
    assert "a key that is not configured" in admin("security", "re-encrypt", status=1)


def test_re_encrypting_under_a_running_coordinator_asks(admin: Admin, filled: Path) -> None:
    admin("user", "add", "a")
    with held(filled):
        done = at_a_terminal("security", "re-encrypt", typed="n\n")
        assert (done.returncode, done.stdout) == (4, "")
        assert "started with the encryption keys as they are now?" in done.stderr
        assert admin("security", "re-encrypt", "--yes").startswith("changed 0 of 1")


def test_what_the_database_knows_is_shown_without_a_coordinator(admin: Admin, filled: Path) -> None:
    overview = admin.json("status", "--offline")
    assert overview["status"] is None
    assert overview["counts"]["pending"] == 1
    assert [one["job_id"] for one in overview["live"]] == ["RUNS"]
    assert [one["job_id"] for one in overview["failed"]] == ["FAILED"]
    shown = admin("status", "--offline")
    assert f"database  {filled}/dffmpeg.db" in shown
    assert "1 of 2 here, 1 of 4 slots used" in shown
    assert "1 pending, 1 assigned, 1 completed, 1 failed" in shown

    def listed(*arguments: str) -> list[str]:
        return [one["job_id"] for one in admin.json("job", "list", "--offline", *arguments)]

    assert listed() == ["RUNS", "WAITS", "FAILED"]
    assert listed("--window", "60d") == ["RUNS", "WAITS", "FAILED", "OLD"]
    assert listed("--state", "failed", "--state", "pending") == ["WAITS", "FAILED"]
    assert listed("--requester", "bob") == ["FAILED"]
    assert listed("--name", "n*t") == ["WAITS"]
    assert listed("--label", "films") == []
    assert listed("--limit", "1") == ["RUNS"]
    lines = admin("job", "list", "--offline").splitlines()
    assert lines[0].split() == ["JOB", "STATUS", "PRIORITY", "AGE", "REQUESTER", "WORKER", "NAME", "COMMAND"]
    words = lines[2].split()
    assert [*words[:3], *words[5:]] == [
        "WAITS",
        "pending",
        "7",
        "alice",
        "-",
        "night",
        "ffmpeg",
        "-i",
        "'a",
        "b'",
    ]
    assert "failed (exit code 3)" in admin("job", "show", "FAILED", "--offline")
    assert admin.json("job", "show", "FAILED", "--offline")["exit_code"] == 3
    assert [one["worker_id"] for one in admin.json("worker", "list", "--offline")] == ["w1", "w2"]
    assert admin.json("worker", "show", "w1", "--offline")["used_slots"] == 1
    assert admin("worker", "list", "--offline").splitlines()[1].split()[:3] == ["w1", "online", "1/4"]
    assert "there is no job" in admin("job", "show", "NOBODY", "--offline", status=3)
    assert "there is no worker" in admin("worker", "show", "nobody", "--offline", status=3)
    assert "JOB: expected letters" in admin("job", "show", "../x", "--offline", status=2)


def test_logs_are_whole(admin: Admin, filled: Path) -> None:
    lines = admin("job", "logs", "FAILED", "--offline").splitlines()
    assert len(lines) == 2501
    assert (lines[0], lines[-1]) == ("line 0", "\ufffd end")
    assert len(admin.json("job", "logs", "FAILED", "--offline")) == 2501
    assert admin("job", "logs", "WAITS", "--offline") == "no output\n"


def test_jobs_are_purged_without_a_coordinator(admin: Admin, filled: Path) -> None:
    assert "RUNS is assigned" in admin("job", "purge", "RUNS", "--offline", "--yes", status=4)
    assert admin("job", "purge", "--ended-before", "30d", "--offline", "--yes") == "purged job OLD\n"
    assert admin("job", "purge", "--ended-before", "30d", "--offline", "--yes") == "no such jobs\n"
    assert "there is no job OLD" in admin("job", "show", "OLD", "--offline", status=3)
    done = at_a_terminal("job", "purge", "FAILED", "--offline", typed="y\n")
    assert (done.returncode, done.stdout) == (0, "purged job FAILED\n")
    assert [one["job_id"] for one in admin.json("job", "list", "--offline")] == ["RUNS", "WAITS"]
    assert admin("db", "check").endswith(": ok\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "expected JOB"),
        (["J", "--ended-before", "1d"], "expected no JOB beside it"),
        (["J", "--state", "failed"], "belong to --ended-before"),
        (["--ended-before", "1d", "--state", "pending"], "invalid choice"),
        (["--ended-before", "soon"], "expected a duration"),
    ],
)
def test_a_purge_says_what_it_wants(
    filled: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    from dffmpeg.admin.main import main

    try:
        status = main(["job", "purge", "--offline", "--yes", *arguments])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert expected in capsys.readouterr().err


def test_workers_are_removed_without_a_coordinator(admin: Admin, filled: Path) -> None:
    assert "w1 is online" in admin("worker", "remove", "w1", "--offline", "--yes", status=4)
    assert admin("worker", "remove", "w2", "--offline", "--yes") == "removed w2\n"
    assert "there is no worker w2" in admin("worker", "remove", "w2", "--offline", "--yes", status=3)


def test_nothing_is_changed_under_a_running_coordinator(admin: Admin, filled: Path) -> None:
    with held(filled):
        for arguments in (["job", "purge", "FAILED"], ["worker", "remove", "w2"]):
            assert "without --offline" in admin(*arguments, "--offline", "--yes", status=4)
        assert len(admin.json("job", "list", "--offline")) == 3


def test_without_a_database_none_is_made(admin: Admin, folder: Path) -> None:
    assert "there is no database yet" in admin("status", "--offline", status=1)
    assert not (folder / "dffmpeg.db").exists()
