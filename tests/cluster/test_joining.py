"""From a token to a worker that runs jobs, with the real commands."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster, program

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, "--workers", "1") as running:
        yield running


def command(module: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD,
        env={**os.environ, "XDG_CONFIG_HOME": str(cwd)},
    )


def admin(cluster: Cluster, *arguments: str) -> str:
    files = ("--config", cluster.data / "coordinator.toml", "--client-config", cluster.data / "admin.toml")
    done = command("dffmpeg.admin", *files, *arguments, cwd=cluster.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def token(cluster: Cluster, *arguments: str) -> str:
    """A new one; standalone listens at a port that it finds itself, so it has to be named."""
    said = admin(cluster, "token", "create", "--url", cluster.url, "--json", *arguments)
    return str(json.loads(said)["token"])


def join(cluster: Cluster, secret: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"Media={cluster.folder}"
    return command(
        "dffmpeg.worker", "join", cluster.url, secret, "--path", path, *arguments, cwd=machine(cluster)
    )


def machine(cluster: Cluster) -> Path:
    """Another machine's folder, with programs of its own."""
    folder = cluster.folder / "machine"
    if not folder.exists():
        (folder / "bin").mkdir(parents=True)
        for name in ("ffmpeg", "ffprobe"):
            program(folder / "bin" / name, "echo from the new worker")
    return folder


@contextmanager
def started(cluster: Cluster) -> Iterator[None]:
    """The worker, as a person starts it there."""
    folder = machine(cluster)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder),
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dffmpeg.worker"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(GUARD)


async def last_word(client: Client, job_id: str) -> JobRecord:
    with trio.fail_after(GUARD):
        async with client.follow(job_id) as events:
            async for event in events:
                if isinstance(event, Status) and event.record.finished:
                    return event.record
    raise AssertionError("it has not ended")


async def test_from_a_token_to_a_job(cluster: Cluster) -> None:
    secret = token(cluster, "--name", "joined")
    done = join(cluster, secret, "--id", "joined")
    file = machine(cluster) / "dffmpeg-worker.toml"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"joined as joined; wrote {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret not in file.read_text()
    admin(cluster, "worker", "pause", "worker1", "--reason", "the other one's turn")
    with started(cluster):
        async with cluster.client() as client:
            job = await client.submit("ffmpeg", ["x"])
            record = await last_word(client, job.job_id)
    assert (record.status, record.exit_code, record.worker_id) == ("completed", 0, "joined")


def test_a_token_is_good_once(cluster: Cluster) -> None:
    secret = token(cluster)
    assert join(cluster, secret, "--id", "one").returncode == 0
    file = machine(cluster) / "dffmpeg-worker.toml"
    before = file.read_bytes()
    # A file that is there stays, and nothing is asked for.
    refused = join(cluster, secret, "--id", "one")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"dffmpeg-worker: {file}: exists already; --force overwrites it\n",
    )
    # Whoever lost the answer gets the very same.
    assert join(cluster, secret, "--id", "one", "--force").returncode == 0
    assert file.read_bytes() == before
    for wrong in (
        join(cluster, secret, "--id", "two", "--force"),
        join(cluster, "join-" + "x" * 43, "--force"),
    ):
        assert wrong.returncode == 1
        assert wrong.stderr.startswith(
            "dffmpeg-worker: there is no such token, or it was used, or is too old"
        )
        assert wrong.stderr.count("\n") == 1
    assert file.read_bytes() == before
    assert [
        user["id"] for user in json.loads(admin(cluster, "user", "list", "--json")) if user["id"] == "two"
    ] == []
    used = json.loads(admin(cluster, "token", "list", "--json"))
    assert [one["used_by"] for one in used] == ["one"]
